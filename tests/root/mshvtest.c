/* SPDX-License-Identifier: MIT */
/*
 * Test only, started as "rdinit=/test/mshvtest": the hypervisor through
 * /dev/mshv with no VMM in between. Guests are a few bytes of 16-bit code.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mshv.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "include/abi/hv/hypercall.h"
#include "include/abi/hv/message.h"
#include "include/abi/hv/register.h"
#include "include/base/base.h"
#include "tests/root/lib/cases.h"
#include "tests/root/lib/counters.h"
#include "tests/root/lib/guest.h"
#include "tests/root/lib/memory.h"
#include "tests/root/lib/testinit.h"

/* --- cases --- */

/* mov al,'A'; out 0x80,al; in ax,0x60; mov [0x8000],ax; cli; hlt */
static const uint8_t io_code[] = {
	0xb0, 'A', 0xe6, 0x80, 0xe5, 0x60, 0xa3, 0x00, 0x80, 0xfa, 0xf4,
};

static void on_alarm(int sig)
{
	(void)sig;
}

static void alarm_in_ms(long ms)
{
	struct itimerval t = { .it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 } };
	struct sigaction sa = { .sa_handler = on_alarm };	/* no SA_RESTART */

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static void case_io(void)
{
	struct hv_x64_io_port_intercept *io;
	struct guest g;
	int64_t type;
	int ret;

	ret = guest_create(&g, io_code, sizeof(io_code));
	EXPECT(ret == 0, "errno %d", -ret);
	io = (void *)g.msg.payload;

	type = guest_run(&g);
	EXPECT(type == HV_MESSAGE_X64_IO_PORT_INTERCEPT, "%#llx", (long long)type);
	EXPECT(io->port == 0x80 && io->header.access == HV_ACCESS_WRITE, "port %#x", io->port);
	EXPECT((io->access_info & HV_IO_SIZE_MASK) == 1, "%#x", io->access_info);
	EXPECT((uint8_t)io->rax == 'A', "%#llx", (long long)io->rax);
	EXPECT(io->header.rip == CODE_AT + 2, "%#llx", (long long)io->header.rip);
	EXPECT((io->header.length_cr8 & 15) == 2, "%#x", io->header.length_cr8);
	EXPECT(g.page->is_valid && (uint8_t)g.page->gpr[0] == 'A', "register page");
	guest_skip(&g, 2);

	type = guest_run(&g);
	EXPECT(type == HV_MESSAGE_X64_IO_PORT_INTERCEPT, "%#llx", (long long)type);
	EXPECT(io->port == 0x60 && io->header.access == HV_ACCESS_READ, "port %#x", io->port);
	EXPECT((io->access_info & HV_IO_SIZE_MASK) == 2, "%#x", io->access_info);
	g.page->gpr[0] = (g.page->gpr[0] & ~0xffffULL) | 0xbeef;
	g.page->dirty |= HV_REGISTER_PAGE_GENERAL;
	guest_skip(&g, 2);

	/* Halted for good: only a signal ends it. */
	alarm_in_ms(200);
	type = guest_run(&g);
	EXPECT(type == -EINTR, "%lld", (long long)type);
	EXPECT(g.ram[0x8000] == 0xef && g.ram[0x8001] == 0xbe, "%02x%02x", g.ram[0x8001],
	       g.ram[0x8000]);
	guest_destroy(&g);
}

/* mov ax,0xf000; mov es,ax; mov [es:0x10],al -> beyond RAM; mov al,[es:0x20] */
static const uint8_t mmio_code[] = {
	0xb8, 0xff, 0xff, 0x8e, 0xc0, 0x26, 0xa2, 0x20, 0x00, 0x26, 0xa0, 0x30, 0x00,
	0x0f, 0x0b,
};

static void case_mmio(void)
{
	struct hv_x64_memory_intercept *m;
	struct guest g;
	int64_t type;
	int ret;

	ret = guest_create(&g, mmio_code, sizeof(mmio_code));
	EXPECT(ret == 0, "errno %d", -ret);
	m = (void *)g.msg.payload;

	type = guest_run(&g);
	EXPECT(type == HV_MESSAGE_UNMAPPED_GPA, "%#llx", (long long)type);
	EXPECT(m->gpa == 0x100010, "gpa %#llx", (long long)m->gpa);
	EXPECT(m->header.access == HV_ACCESS_WRITE, "%u", m->header.access);
	EXPECT(m->insn_byte_count == 16 && !memcmp(m->insn_bytes, mmio_code + 5, 4),
	       "%u bytes", m->insn_byte_count);
	guest_skip(&g, 4);

	type = guest_run(&g);
	EXPECT(type == HV_MESSAGE_UNMAPPED_GPA, "%#llx", (long long)type);
	EXPECT(m->gpa == 0x100020 && m->header.access == HV_ACCESS_READ, "gpa %#llx",
	       (long long)m->gpa);
	guest_skip(&g, 4);

	/* UD2 with an empty interrupt table: vector 6 leads to address 0, which
	 * holds zeros (ADD [BX+SI],AL) until the segment's end; not a crash. */
	guest_destroy(&g);
}

/* lidt [0x2000] (limit 0); int3 -> #GP, #DF, shutdown */
static const uint8_t crash_code[] = { 0x0f, 0x01, 0x1e, 0x00, 0x20, 0xcc };

static void case_triple_fault(void)
{
	struct guest g;
	int64_t type;
	int ret;

	ret = guest_create(&g, crash_code, sizeof(crash_code));
	EXPECT(ret == 0, "errno %d", -ret);
	type = guest_run(&g);
	EXPECT(type == HV_MESSAGE_UNRECOVERABLE_EXCEPTION, "%#llx", (long long)type);
	guest_destroy(&g);
}

static void case_registers(void)
{
	static const uint32_t names[] = {
		HV_X64_REGISTER_RAX, HV_X64_REGISTER_R15, HV_X64_REGISTER_RIP,
		HV_X64_REGISTER_CR2, HV_X64_REGISTER_DR0, HV_X64_REGISTER_LSTAR,
		HV_X64_REGISTER_KERNEL_GS_BASE, HV_X64_REGISTER_MTRR_PHYS_BASE0,
		HV_X64_REGISTER_XMM0, HV_X64_REGISTER_TSC_AUX,
	};
	union hv_register_value v, back;
	struct guest g;
	int ret;

	ret = guest_create(&g, io_code, sizeof(io_code));
	EXPECT(ret == 0, "errno %d", -ret);
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		v = (union hv_register_value){ .reg64 = 0x12340 + i };
		EXPECT(set_register(&g, names[i], v) == 0, "name %#x", names[i]);
		EXPECT(get_register(&g, names[i], &back) == 0, "name %#x", names[i]);
		EXPECT(back.reg64 == v.reg64, "name %#x: %#llx", names[i],
		       (long long)back.reg64);
	}
	EXPECT(get_register(&g, 0x99999, &back) != 0, "unknown name");
	EXPECT(get_register(&g, HV_X64_REGISTER_CR0, &back) == 0 &&
	       back.reg64 == 0x60000010, "CR0 %#llx", (long long)back.reg64);
	guest_destroy(&g);
}

/* sti; hlt; mov al,'!'; out 0x80,al; jmp back */
static const uint8_t wake_code[] = { 0xfb, 0xf4, 0xb0, '!', 0xe6, 0x80, 0xeb, 0xf8 };

/*
 * A guest of wake_code that takes vector 0x40: it leads to an IRET at 0:0x3000, and
 * the local APIC, which the code does not enable itself, is on.
 */
static void wakeable_guest(struct guest *g)
{
	struct mshv_get_set_vp_state state = { .type = MSHV_VP_STATE_LAPIC, .buf_sz = 4096 };
	static union {
		struct hv_local_apic_state state;
		uint8_t bytes[4096];
	} page __attribute__((aligned(4096)));
	struct hv_local_apic_state *lapic = &page.state;
	int ret;

	ret = guest_create(g, wake_code, sizeof(wake_code));
	EXPECT(ret == 0, "errno %d", -ret);
	g->ram[0x40 * 4] = 0x00;
	g->ram[0x40 * 4 + 1] = 0x30;
	g->ram[0x3000] = 0xcf;
	state.buf_ptr = (uintptr_t)lapic;
	EXPECT(ioctl(g->vp, MSHV_GET_VP_STATE, &state) == 0, "errno %d", errno);
	EXPECT(lapic->version == 0x50014 && lapic->spurious == 0xff, "version %#x",
	       lapic->version);
	lapic->spurious |= 0x100;
	state.buf_sz = 4096;
	EXPECT(ioctl(g->vp, MSHV_SET_VP_STATE, &state) == 0, "errno %d", errno);
}

static void case_wake(void)
{
	struct hv_input_assert_virtual_interrupt irq = {
		.interrupt_type = HV_INTERRUPT_TYPE_FIXED, .vector = 0x40,
	};
	struct guest g;
	int64_t type;

	wakeable_guest(&g);
	if (case_failed)
		return;
	alarm_in_ms(100);
	type = guest_run(&g);
	EXPECT(type == -EINTR, "%lld", (long long)type);
	EXPECT(hvcall(g.pt, HVCALL_ASSERT_VIRTUAL_INTERRUPT, 0, &irq, sizeof(irq), NULL, 0,
		      NULL) == 0, "assert");
	alarm_in_ms(2000);
	type = guest_run(&g);
	EXPECT(type == HV_MESSAGE_X64_IO_PORT_INTERCEPT, "%#llx", (long long)type);
	guest_skip(&g, 2);
	/* No EOI: the next one stays pending behind it. */
	EXPECT(hvcall(g.pt, HVCALL_ASSERT_VIRTUAL_INTERRUPT, 0, &irq, sizeof(irq), NULL, 0,
		      NULL) == 0, "assert");
	alarm_in_ms(100);
	type = guest_run(&g);
	EXPECT(type == -EINTR, "%lld", (long long)type);
	guest_destroy(&g);
}

/* mov ax,0xffff; mov es,ax; mov ax,3; mov [es:0x20],ax; mov al,1; out 0x80,al */
static const uint8_t doorbell_code[] = {
	0xb8, 0xff, 0xff, 0x8e, 0xc0, 0xb8, 0x03, 0x00, 0x26, 0xa3, 0x20, 0x00,
	0xb0, 0x01, 0xe6, 0x80,
};

/* A store to an ioeventfd rings without the VMM; another value reaches it. */
static void case_doorbell(void)
{
	struct mshv_user_ioeventfd bell = {
		.addr = 0x100010, .len = 2, .datamatch = 3,
		.flags = 1 << MSHV_IOEVENTFD_BIT_DATAMATCH,
	};
	struct guest g;
	struct pollfd p;
	uint64_t count = 0;
	int64_t type;
	int ret;

	ret = guest_create(&g, doorbell_code, sizeof(doorbell_code));
	EXPECT(ret == 0, "errno %d", -ret);
	bell.fd = eventfd(0, EFD_NONBLOCK);
	EXPECT(ioctl(g.pt, MSHV_IOEVENTFD, &bell) == 0, "errno %d", errno);
	type = guest_run(&g);
	EXPECT(type == HV_MESSAGE_X64_IO_PORT_INTERCEPT, "%#llx", (long long)type);
	p = (struct pollfd){ .fd = bell.fd, .events = POLLIN };
	EXPECT(poll(&p, 1, 1000) == 1, "not rung");
	EXPECT(read(bell.fd, &count, 8) == 8 && count == 1, "count %llu",
	       (unsigned long long)count);

	bell.flags |= 1 << MSHV_IOEVENTFD_BIT_DEASSIGN;
	EXPECT(ioctl(g.pt, MSHV_IOEVENTFD, &bell) == 0, "errno %d", errno);
	g.page->rip = CODE_AT;
	g.page->dirty |= HV_REGISTER_PAGE_RIP;
	type = guest_run(&g);
	EXPECT(type == HV_MESSAGE_UNMAPPED_GPA, "%#llx", (long long)type);
	EXPECT(read(bell.fd, &count, 8) < 0, "rung after all");
	close(bell.fd);
	guest_destroy(&g);
}

/* irqfd: an eventfd becomes vector 0x40 through the routing table. */
static void case_irqfd(void)
{
	struct {
		struct mshv_user_irq_table h;
		struct mshv_user_irq_entry e[1];
	} table = { .h.nr = 1, .e = { { .gsi = 5, .address_lo = 0xfee00000, .data = 0x40 } } };
	struct mshv_user_irqfd irq = { .gsi = 5, .resamplefd = -1 };
	uint64_t one = 1;
	struct guest g;
	int64_t type;

	wakeable_guest(&g);
	if (case_failed)
		return;
	EXPECT(ioctl(g.pt, MSHV_SET_MSI_ROUTING, &table) == 0, "errno %d", errno);
	irq.fd = eventfd(0, 0);
	EXPECT(ioctl(g.pt, MSHV_IRQFD, &irq) == 0, "errno %d", errno);

	alarm_in_ms(100);
	type = guest_run(&g);
	EXPECT(type == -EINTR, "%lld", (long long)type);
	EXPECT(write(irq.fd, &one, 8) == 8, "errno %d", errno);
	alarm_in_ms(2000);
	type = guest_run(&g);
	EXPECT(type == HV_MESSAGE_X64_IO_PORT_INTERCEPT, "%lld", (long long)type);
	close(irq.fd);
	guest_destroy(&g);
}

/* --- life and death --- */

static const uint8_t spin_code[] = { 0xeb, 0xfe };

static void one_cycle(int kill_it)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct guest g;

		if (guest_create(&g, kill_it ? spin_code : io_code, 2) < 0)
			_exit(1);
		guest_run(&g);
		_exit(0);
	}
	if (kill_it) {
		usleep(20000);
		kill(pid, SIGKILL);
	}
	waitpid(pid, &status, 0);
	EXPECT(kill_it ? WIFSIGNALED(status) : WIFEXITED(status) && !WEXITSTATUS(status),
	       "status %#x", status);
}

static void cycles(int count, int kill_it)
{
	struct memory before = { 0 }, after = { 0 };
	long lost, grown;

	for (int i = 0; i < 10; i++)
		one_cycle(kill_it);
	EXPECT(!memory_look(&before), "not counted");
	for (int i = 0; i < count && !case_failed; i++)
		one_cycle(kill_it);
	EXPECT(!memory_look(&after), "not counted");
	lost = memory_lost(&before, &after);
	grown = memory_grown(&before, &after);
	printf("mshvtest: %d cycles, free pages %ld -> %ld\n", count, before.free, after.free);
	/* What the hypervisor loses shows in its log exactly; here, caches move a little. */
	EXPECT(lost < count, "%ld pages lost", lost);
	EXPECT(grown < count + MEMORY_GROWTH, "%ld more in the kernel's stores", grown);
}

static void case_cycles(void)
{
	cycles(200, 0);
}

static void case_kill(void)
{
	cycles(60, 1);
}

/* RAM the root takes away and gives back while the guest runs (NO_ACCESS). */
/*
 * What a guest's OUT led to, as hvtrace tells it: the exit, the message for the VMM,
 * the end of the call that ran the guest; in this order, at the right address.
 */
static void case_trace(void)
{
	static const char *const expected[] = {
		" exit port (0x80) at 0x1002\n", " intercept port at 0x1002\n",
		" call DISPATCH_VP status 0 ",
	};
	unsigned int seen = 0, lines = 0;
	double time = -1, last;
	char line[256];
	struct guest g;
	FILE *trace;
	int ret, status;
	pid_t pid;

	ret = guest_create(&g, io_code, sizeof(io_code));
	EXPECT(ret == 0, "errno %d", -ret);
	EXPECT(guest_run(&g) == HV_MESSAGE_X64_IO_PORT_INTERCEPT, "no OUT");
	trace = program_output("/test/hvtrace", &pid);
	EXPECT(trace, "errno %d", errno);
	while (fgets(line, sizeof(line), trace)) {
		last = time;
		if (sscanf(line, "%lf", &time) != 1 || time < last)
			break;
		lines++;
		if (seen < ARRAY_SIZE(expected) && strstr(line, expected[seen]))
			seen++;
	}
	EXPECT(feof(trace), "after %u lines: %s", lines, line);
	fclose(trace);
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0, "hvtrace failed");
	EXPECT(seen == ARRAY_SIZE(expected), "in %u lines not: %s", lines, expected[seen]);
	guest_destroy(&g);
}

/* As the hypervisor has them, and, in kernels with debugfs, as Linux shows them. */
static void case_counters(void)
{
	uint64_t pt = 1000, partition[HV_COUNTERS_MAX], vp[HV_COUNTERS_MAX], lp[HV_COUNTERS_MAX],
		other[HV_COUNTERS_MAX];
	struct guest g;
	char path[64];
	int ret;

	ret = guest_create(&g, io_code, sizeof(io_code));
	EXPECT(ret == 0, "errno %d", -ret);
	EXPECT(guest_run(&g) == HV_MESSAGE_X64_IO_PORT_INTERCEPT, "no OUT");
	/* The only one, with the youngest id. */
	while (pt > 1 && counters_read(HV_COUNTERS_ARG(4, pt, 0), vp) != 0)
		pt--;
	EXPECT(pt > 1 && counters_read(HV_COUNTERS_ARG(3, pt, 0), partition) == 0, "no counters");
	EXPECT(counters_read(HV_COUNTERS_ARG(2, 0, 0), lp) == 0, "no counters");
	EXPECT(counters_read(HV_COUNTERS_ARG(2, 1, 0), other) == 0, "no counters");
	EXPECT(vp[VP_COUNTER_IO] == 1 && vp[VP_COUNTER_IO_MESSAGES] == 1, "exits");
	EXPECT(vp[VP_COUNTER_TOTAL_RUN_TIME] > vp[VP_COUNTER_HYPERVISOR_RUN_TIME], "run time");
	EXPECT(vp[VP_COUNTER_NESTED_FAULTS] > 0, "faults");
	EXPECT(partition[PT_COUNTER_GPA_PAGES] > 0, "pages");
	EXPECT(partition[PT_COUNTER_DEPOSITED_PAGES] > 4, "deposits");
	EXPECT(lp[LP_COUNTER_TOTAL_RUN_TIME] > lp[LP_COUNTER_HYPERVISOR_RUN_TIME], "time of LP 0");
	EXPECT(lp[LP_COUNTER_TIMER_INTERRUPTS] > 0, "interrupts of LP 0");
	/* On either of them: that is the scheduler's business. */
	EXPECT(lp[LP_COUNTER_CONTEXT_SWITCHES] + other[LP_COUNTER_CONTEXT_SWITCHES] > 0, "turns");
	printf("mshvtest: guest ran %u us, the hypervisor for it %u us; LP 0 %u, %u us\n",
	       (unsigned int)vp[VP_COUNTER_TOTAL_RUN_TIME] / 10,
	       (unsigned int)vp[VP_COUNTER_HYPERVISOR_RUN_TIME] / 10,
	       (unsigned int)lp[LP_COUNTER_TOTAL_RUN_TIME] / 10,
	       (unsigned int)lp[LP_COUNTER_HYPERVISOR_RUN_TIME] / 10);
	snprintf(path, sizeof(path), "partition/%u/vp/0/stats", (unsigned int)pt);
	if (debugfs_open())
		EXPECT(debugfs_counter(path, "VpIoInstructionsCount") == 1 &&
		       debugfs_counter("lp/0/stats", "LpTotalRunTime") > 0, "%s", path);
	guest_destroy(&g);
}

/* A process of the root makes no hypercalls: VMMCALL is #UD there. */
static void case_user_vmmcall(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		uint64_t result = HVCALL_GET_PARTITION_ID;

		__asm__ volatile("vmmcall" : "+a"(result) : "c"(result), "d"(0ul) : "memory");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGILL, "status %#x", status);
}

int main(void)
{
	static const struct test_case list[] = {
		{ "io", case_io },
		{ "mmio", case_mmio },
		{ "triple-fault", case_triple_fault },
		{ "registers", case_registers },
		{ "wake", case_wake },
		{ "doorbell", case_doorbell },
		{ "irqfd", case_irqfd },
		{ "trace", case_trace },
		{ "counters", case_counters },
		{ "cycles", case_cycles },
		{ "kill", case_kill },
		{ "user-vmmcall", case_user_vmmcall },
	};

	cases_run("mshvtest", list, ARRAY_SIZE(list));
}

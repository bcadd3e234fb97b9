/* SPDX-License-Identifier: MIT */
/*
 * Messages from the hypervisor to devices and back into registers, by the
 * register page and without it. The hypervisor here only keeps the registers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/exit.h"
#include "vmm/mshv.h"
#include "vmm/stats.h"
#include "vmm/vcpu.h"
#include "vmm_xsave_rig.h"

/* --- the seam --- */

static struct hv_register_page page;
static bool use_page;
static uint64_t pending, dr6;
static int set_error;

struct hv_register_page *mshv_vp_page(struct mshv_vp *vp)
{
	(void)vp;
	return use_page ? &page : NULL;
}

/* Where it is by now, if that is elsewhere than its page says; else 0. */
static uint64_t moved_to;

static union hv_register_value get(uint32_t name)
{
	union hv_register_value v = { 0 };

	if (name >= HV_X64_REGISTER_RAX && name <= HV_X64_REGISTER_R15)
		v.reg64 = page.gpr[name - HV_X64_REGISTER_RAX];
	else if (name >= HV_X64_REGISTER_ES && name <= HV_X64_REGISTER_GS)
		v.segment = page.segment[name - HV_X64_REGISTER_ES];
	else if (name == HV_X64_REGISTER_RIP)
		v.reg64 = moved_to ? moved_to : page.rip;
	else if (name == HV_X64_REGISTER_RFLAGS)
		v.reg64 = page.rflags;
	else if (name == HV_X64_REGISTER_CR0)
		v.reg64 = page.cr0;
	else if (name == HV_X64_REGISTER_EFER)
		v.reg64 = page.efer;
	else if (name == HV_X64_REGISTER_DR6)
		v.reg64 = dr6;
	else if (name == HV_X64_REGISTER_XFEM)
		v.reg64 = 7;
	return v;
}

int mshv_vp_get(struct mshv_vp *vp, struct hv_register_assoc *regs, unsigned int count)
{
	(void)vp;
	for (unsigned int i = 0; i < count; i++)
		regs[i].value = get(regs[i].name);
	return 0;
}

int mshv_vp_set(struct mshv_vp *vp, const struct hv_register_assoc *regs, unsigned int count)
{
	(void)vp;
	if (set_error)
		return set_error;
	for (unsigned int i = 0; i < count; i++) {
		uint32_t name = regs[i].name;
		uint64_t val = regs[i].value.reg64;

		if (name >= HV_X64_REGISTER_RAX && name <= HV_X64_REGISTER_R15)
			page.gpr[name - HV_X64_REGISTER_RAX] = val;
		else if (name == HV_X64_REGISTER_RIP)
			page.rip = val;
		else if (name == HV_X64_REGISTER_RFLAGS)
			page.rflags = val;
		else if (name == HV_REGISTER_PENDING_INTERRUPTION)
			pending = val;
		else if (name == HV_X64_REGISTER_DR6)
			dr6 = val;
	}
	return 0;
}

static atomic_uint kicks, runs;
static atomic_bool crashing; /* each run ends in a triple fault */

/*
 * A halted processor. The first kicks are lost, as if they had come just
 * before the system call.
 */
int mshv_vp_run(struct mshv_vp *vp, struct hv_message *msg)
{
	(void)vp;
	atomic_fetch_add(&runs, 1);
	if (atomic_load(&crashing)) {
		memset(msg, 0, sizeof(*msg));
		msg->header.type = HV_MESSAGE_UNRECOVERABLE_EXCEPTION;
		return 0;
	}
	for (;;) {
		nanosleep(&(struct timespec){ .tv_sec = 1000 }, NULL);
		if (atomic_fetch_add(&kicks, 1) >= 3)
			return -EINTR;
	}
}

int mshv_exception_intercept(struct mshv_partition *p, uint8_t vector, bool on)
{
	(void)p, (void)vector, (void)on;
	return 0;
}

struct mshv_vp *mshv_vp_create(struct mshv_partition *p, uint32_t index, int *error)
{
	(void)p, (void)index;
	*error = -ENOSYS;
	return NULL;
}

void mshv_vp_destroy(struct mshv_vp *vp)
{
	(void)vp;
}

static unsigned int eoi_vector;

void irq_eoi(struct irq *q, uint8_t vector)
{
	(void)q;
	eoi_vector = vector;
}

/* --- a machine with one register --- */

#define PORT 0x80
#define MMIO 0xd0000000ULL

static uint64_t device;
static unsigned int device_size;
static enum vm_end ended;
static struct vcpu *asked; /* as vm.c does at the machine's end */

static uint64_t device_read(void *dev, uint64_t off, unsigned int size)
{
	(void)dev, (void)off;
	device_size = size;
	return device;
}

static void device_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	(void)dev, (void)off;
	device_size = size;
	device = val;
}

static const struct bus_ops ops = { device_read, device_write };

static void end(struct machine *m, enum vm_end why)
{
	(void)m;
	ended = why;
	if (asked)
		vcpu_ask_all(asked, 1);
}

static struct memory memory;
static struct machine machine;
static struct vcpu vcpu;

static int set_up(void **state)
{
	(void)state;
	machine = (struct machine){
		.memory = &memory,
		.ports = bus_create("ports"),
		.mmio = bus_create("mmio"),
		.end = end,
	};
	bus_add(machine.ports, &(struct bus_range){ "test", PORT, 8, &ops, NULL });
	bus_add(machine.mmio, &(struct bus_range){ "test", MMIO, 4096, &ops, NULL });
	vcpu = (struct vcpu){ .machine = &machine };
	memset(&page, 0, sizeof(page));
	page.segment[SEG_CS].attributes = 0xa09b;
	page.cr0 = 1;
	page.efer = 0x400;
	page.rip = 0x1000;
	page.rflags = 0x2;
	use_page = true;
	pending = 0;
	set_error = 0;
	ended = VM_END_NONE;
	return memory_init(&memory, 1 << 20);
}

static int tear_down(void **state)
{
	(void)state;
	memory_destroy(&memory);
	bus_destroy(machine.ports);
	bus_destroy(machine.mmio);
	return 0;
}

static struct hv_x64_io_port_intercept *io(uint16_t port, unsigned int size, bool write)
{
	struct hv_x64_io_port_intercept *m = (void *)vcpu.message.payload;

	memset(&vcpu.message, 0, sizeof(vcpu.message));
	vcpu.message.header.type = HV_MESSAGE_X64_IO_PORT_INTERCEPT;
	m->header.access = write ? HV_ACCESS_WRITE : HV_ACCESS_READ;
	m->header.length_cr8 = 2;
	m->header.rip = page.rip;
	m->port = port;
	m->access_info = (uint8_t)size;
	m->rax = page.gpr[GPR_RAX];
	return m;
}

static void test_port_read(void **state)
{
	static const struct {
		unsigned int size;
		uint64_t rax;
	} list[] = {
		{ 1, 0x11111111111111ddULL },
		{ 2, 0x111111111111ccddULL },
		{ 4, 0x00000000aabbccddULL },
	};

	(void)state;
	for (int way = 0; way < 2; way++) {
		for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
			use_page = way == 0;
			page.dirty = 0;
			page.rip = 0x1000;
			page.gpr[GPR_RAX] = 0x1111111111111111ULL;
			device = 0xaabbccdd;
			io(PORT, list[i].size, false);
			exit_handle(&vcpu);
			assert_int_equal(page.gpr[GPR_RAX], list[i].rax);
			assert_int_equal(page.rip, 0x1002);
			assert_int_equal(device_size, list[i].size);
			assert_int_equal(page.dirty, use_page ? 3 : 0);
		}
	}
}

static void test_port_write(void **state)
{
	(void)state;
	page.gpr[GPR_RAX] = 0x1122334455667788ULL;
	io(PORT, 2, true);
	exit_handle(&vcpu);
	assert_int_equal(device, 0x7788);
	assert_int_equal(page.rip, 0x1002);
	assert_int_equal(page.dirty, HV_REGISTER_PAGE_RIP);
}

static void test_port_nobody(void **state)
{
	(void)state;
	io(0x1234, 1, false);
	exit_handle(&vcpu);
	assert_int_equal(page.gpr[GPR_RAX], 0xff);
	io(0x1234, 4, true);
	exit_handle(&vcpu);
	assert_int_equal(ended, VM_END_NONE);
}

static void test_port_string(void **state)
{
	struct hv_x64_io_port_intercept *m = io(PORT, 1, true);
	static const uint8_t rep_outsb[] = { 0xf3, 0x6e };

	(void)state;
	m->access_info |= HV_IO_STRING | HV_IO_REP;
	m->insn_byte_count = 2;
	memcpy(m->insn_bytes, rep_outsb, 2);
	page.gpr[GPR_RCX] = 3;
	page.gpr[GPR_RDX] = PORT;
	page.gpr[GPR_RSI] = 0x2000;
	memcpy(memory_at(&memory, gpa(0x2000), 3), "abc", 3);
	exit_handle(&vcpu);
	assert_int_equal(device, 'c');
	assert_int_equal(page.gpr[GPR_RCX], 0);
	assert_int_equal(page.gpr[GPR_RSI], 0x2003);
	assert_int_equal(page.rip, 0x1002);
}

/* Sizes that no processor sends must not reach a device. */
static void test_port_malformed(void **state)
{
	static const unsigned int sizes[] = { 0, 3, 5, 6, 7 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ended = VM_END_NONE;
		io(PORT, sizes[i], false);
		exit_handle(&vcpu);
		assert_int_equal(ended, VM_END_INTERNAL);
	}
}

static void memory_message(uint64_t at, const void *bytes, unsigned int len)
{
	struct hv_x64_memory_intercept *m = (void *)vcpu.message.payload;

	memset(&vcpu.message, 0, sizeof(vcpu.message));
	vcpu.message.header.type = HV_MESSAGE_UNMAPPED_GPA;
	m->gpa = at;
	m->header.rip = page.rip;
	m->insn_byte_count = (uint8_t)len;
	memcpy(m->insn_bytes, bytes, MIN(len, 16U));
}

static void test_mmio(void **state)
{
	(void)state;
	for (int way = 0; way < 2; way++) {
		use_page = way == 0;
		page.dirty = 0;
		page.rip = 0x1000;
		page.gpr[GPR_RDI] = MMIO + 8;
		page.gpr[GPR_RCX] = 0xcafe;
		memory_message(MMIO + 8, "\x89\x0f", 2); /* mov [rdi],ecx */
		exit_handle(&vcpu);
		assert_int_equal(device, 0xcafe);
		assert_int_equal(device_size, 4);
		assert_int_equal(page.rip, 0x1002);
		device = 0x80000001;
		memory_message(MMIO + 8, "\x03\x0f", 2); /* add ecx,[rdi] */
		exit_handle(&vcpu);
		assert_int_equal(page.gpr[GPR_RCX], 0x8000caff);
		assert_int_equal(page.rflags & 0x80, 0x80);
		assert_int_equal(page.rip, 0x1004);
	}
}

/* OUTSB in the place of what exited: the processor, which checks rights to ports, shall. */
static void test_port_string_in_place(void **state)
{
	(void)state;
	device = 1;
	page.gpr[GPR_RDX] = PORT;
	for (int trap = 0; trap < 2; trap++) {
		page.rflags = trap ? 0x102 : 0x2;
		memory_message(MMIO, "\x6e", 1); /* outsb */
		exit_handle(&vcpu);
		assert_int_equal(device, 1);
		assert_int_equal(page.rip, 0x1000);
		assert_int_equal(page.gpr[GPR_RSI], 0);
		assert_int_equal(pending, 0);
	}
}

static void test_vectors(void **state)
{
	(void)state;
	xsave.xstate_bv = 6;
	xsave.xcomp_bv = BIT64(63) | 7;
	xsave.xmm[1][1] = 0x12;
	page.cr4 = BIT64(9) | BIT64(18); /* OSFXSR, OSXSAVE */
	page.gpr[GPR_RDI] = MMIO + 8;
	memory_message(MMIO + 8, "\x66\x0f\xd6\x0f", 4); /* movq [rdi],xmm1 */
	exit_handle(&vcpu);
	assert_int_equal(device, 0x1200);
	assert_int_equal(page.rip, 0x1004);
	device = 0x99;
	memory_message(MMIO + 8, "\xc5\xfe\x6f\x17", 4); /* vmovdqu ymm2,[rdi] */
	exit_handle(&vcpu);
	assert_int_equal(xsave.xmm[2][8], 0x99);
	assert_int_equal(xsave.ymm_high[2][8], 0x99);
	assert_int_equal(xsave.xmm[1][1], 0x12);
	assert_int_equal(ended, VM_END_NONE);
	/* The host does not take them. */
	xsave_error = -EIO;
	memory_message(MMIO + 8, "\xc5\xfe\x6f\x17", 4);
	exit_handle(&vcpu);
	assert_int_equal(ended, VM_END_INTERNAL);
	free(vcpu.xsave);
}

static void test_unknown_instruction(void **state)
{
	static struct vcpu_stats counted;

	(void)state;
	vcpu.stats = &counted;
	memory_message(MMIO, "\x0f\x0b", 2);
	exit_handle(&vcpu);
	assert_int_equal(pending, 1 | 3 << 1 | 6 << 16); /* #UD */
	assert_int_equal(counted.event[STATS_EMULATED], 1);
	assert_int_equal(counted.event[STATS_INJECTED], 1);
	assert_int_equal(page.rip, 0x1000);
	assert_int_equal(page.rflags, 0x10002); /* RF, as with each fault */
	assert_int_equal(ended, VM_END_NONE);
	/* A count no hypervisor may send. */
	{
		static const uint8_t nops[16] = { 0x0f, 0x0b };

		memory_message(MMIO, nops, 200);
	}
	exit_handle(&vcpu);
	assert_int_equal(ended, VM_END_NONE);
}

static void test_fault(void **state)
{
	(void)state;
	page.gpr[GPR_RDI] = 0x8000000000000000ULL;
	memory_message(MMIO, "\x89\x0f", 2);
	exit_handle(&vcpu);
	assert_int_equal(pending, 1 | 3 << 1 | 1 << 4 | 13 << 16); /* #GP(0) */
	assert_int_equal(page.rflags, 0x10002);
}

/* A guest that steps over an instruction which is carried out here. */
static void test_single_step(void **state)
{
	(void)state;
	for (int way = 0; way < 4; way++) {
		use_page = way % 2;
		pending = 0;
		dr6 = 0xffff0ff1;
		page.rip = 0x1000;
		page.rflags = 0x10102; /* RF: what comes next is the next one */
		page.gpr[GPR_RDI] = MMIO;
		if (way < 2)
			memory_message(MMIO, "\x89\x0f", 2);
		else
			io(PORT, 1, true)->header.rflags = page.rflags;
		exit_handle(&vcpu);
		assert_int_equal(page.rip, 0x1002);
		assert_int_equal(page.rflags, 0x102);
		assert_int_equal(pending, 1 | 3 << 1 | 1 << 16); /* #DB */
		assert_int_equal(dr6, 0xffff4ff1);		 /* BS besides what was there */
	}
}

/* RAM the kernel could not bring in: the guest tries again. */
static void test_ram(void **state)
{
	(void)state;
	page.gpr[GPR_RDI] = 0x3000;
	memory_message(0x3000, "\x89\x0f", 2);
	vcpu.message.header.type = HV_MESSAGE_GPA_INTERCEPT;
	exit_handle(&vcpu);
	assert_int_equal(page.rip, 0x1000);
	assert_int_equal(ended, VM_END_NONE);
}

static void test_eoi(void **state)
{
	struct hv_x64_apic_eoi *m = (void *)vcpu.message.payload;

	(void)state;
	memset(&vcpu.message, 0, sizeof(vcpu.message));
	vcpu.message.header.type = HV_MESSAGE_X64_APIC_EOI;
	m->vector = 0x55;
	exit_handle(&vcpu);
	assert_int_equal(eoi_vector, 0x55);
}

static void test_ends(void **state)
{
	static const struct {
		uint32_t type;
		enum vm_end end;
	} list[] = {
		{ HV_MESSAGE_UNRECOVERABLE_EXCEPTION, VM_END_CRASH },
		{ HV_MESSAGE_INVALID_VP_REGISTER_VALUE, VM_END_CRASH },
		{ HV_MESSAGE_X64_MSR_INTERCEPT, VM_END_INTERNAL },
		{ HV_MESSAGE_X64_EXCEPTION_INTERCEPT, VM_END_INTERNAL },
		{ HV_MESSAGE_NONE, VM_END_INTERNAL },
		{ 0x12345678, VM_END_INTERNAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		ended = VM_END_NONE;
		memset(&vcpu.message, 0, sizeof(vcpu.message));
		vcpu.message.header.type = list[i].type;
		exit_handle(&vcpu);
		assert_int_equal(ended, list[i].end);
	}
	/* The host refuses what we write. */
	ended = VM_END_NONE;
	use_page = false;
	set_error = -EIO;
	io(PORT, 1, true);
	exit_handle(&vcpu);
	assert_int_equal(ended, VM_END_INTERNAL);
}

static void test_stop(void **state)
{
	struct vcpu v[3];

	(void)state;
	vcpu_prepare_kick();
	for (unsigned int i = 0; i < ARRAY_SIZE(v); i++) {
		v[i] = (struct vcpu){ .machine = &machine, .index = i };
		assert_int_equal(vcpu_start(&v[i]), 0);
	}
	while (atomic_load(&runs) < ARRAY_SIZE(v))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	vcpu_stop_all(v, ARRAY_SIZE(v)); /* or the test's time limit strikes */
	assert_true(atomic_load(&kicks) >= 3);
	assert_int_equal(ended, VM_END_NONE);
}

/* The guest's last exit is its last: nobody has to come and stop the processor. */
/* The register page is of the last message; a processor that was kicked went on since. */
static void test_look_at_stopped(void **state)
{
	struct vcpu v = { .machine = &machine };
	struct insn_cpu cpu;

	(void)state;
	vcpu_prepare_kick();
	atomic_store(&runs, 0);
	assert_int_equal(vcpu_start(&v), 0);
	while (!atomic_load(&runs))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	vcpu_stop_all(&v, 1);
	moved_to = 0x2000;
	assert_int_equal(vcpu_get(&v, &cpu), 0);
	moved_to = 0;
	assert_int_equal(cpu.rip, 0x2000);
}

static void test_end_is_the_end(void **state)
{
	struct vcpu v = { .machine = &machine };

	(void)state;
	atomic_store(&runs, 0);
	atomic_store(&crashing, true);
	asked = &v;
	assert_int_equal(vcpu_start(&v), 0);
	thread_join(&v.thread);
	assert_int_equal(atomic_load(&runs), 1);
	assert_int_equal(ended, VM_END_CRASH);
	atomic_store(&crashing, false);
	asked = NULL;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_port_read),
		TEST(test_port_write),
		TEST(test_port_nobody),
		TEST(test_port_string),
		TEST(test_port_malformed),
		TEST(test_mmio),
		TEST(test_port_string_in_place),
		TEST(test_vectors),
		TEST(test_unknown_instruction),
		TEST(test_fault),
		TEST(test_single_step),
		TEST(test_ram),
		TEST(test_eoi),
		TEST(test_ends),
		TEST(test_stop),
		TEST(test_look_at_stopped),
		TEST(test_end_is_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* --trace: each kind of exit as a line, and what is left of many when nobody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/debug/control.h"
#include "vmm/debug/trace.h"
#include "vmm/exit.h"
#include "vmm/vcpu.h"

#define PORT 0x80
#define MMIO 0xd0000000ULL

/* --- the seam: exit.c's processor has registers only --- */

static struct insn_cpu cpu;

int vcpu_get(struct vcpu *v, struct insn_cpu *c)
{
	(void)v;
	*c = cpu;
	return 0;
}

int vcpu_get_vectors(struct vcpu *v, struct insn_vectors *vectors)
{
	(void)v, (void)vectors;
	return -ENOSYS;
}

int vcpu_put_vectors(struct vcpu *v, const struct insn_vectors *vectors)
{
	(void)v, (void)vectors;
	return -ENOSYS;
}

int vcpu_put(struct vcpu *v, const struct insn_cpu *c)
{
	(void)v;
	cpu = *c;
	return 0;
}

int vcpu_skip(struct vcpu *v, uint64_t rip, const uint64_t *rax)
{
	(void)v, (void)rip, (void)rax;
	return 0;
}

int vcpu_set_rflags(struct vcpu *v, uint64_t rflags)
{
	(void)v;
	cpu.rflags = rflags;
	return 0;
}

int vcpu_inject(struct vcpu *v, const struct insn_fault *fault)
{
	(void)v, (void)fault;
	return 0;
}

void control_exception(struct vcpu *v)
{
	(void)v;
}

void control_crash(struct vcpu *v)
{
	(void)v;
}

void irq_eoi(struct irq *q, uint8_t vector)
{
	(void)q, (void)vector;
}

static void end(struct machine *m, enum vm_end why)
{
	(void)m, (void)why;
}

static uint64_t device_read(void *dev, uint64_t off, unsigned int size)
{
	(void)dev, (void)size;
	return 0xa0 + off;
}

static void device_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	(void)dev, (void)off, (void)size, (void)val;
}

static const struct bus_ops ops = { device_read, device_write };
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
	vcpu = (struct vcpu){ .machine = &machine, .index = 5 };
	cpu = (struct insn_cpu){ .efer = BIT64(10), .cr0 = 1, .rip = 0xffffffff81000000 };
	cpu.segment[SEG_CS].attributes = 0xa09b;
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

/* For ever, as in a process: a writer may be stuck. */
static struct trace *opened[8];
static unsigned int opened_count;

static void open_trace(int fd)
{
	char path[32];
	int error;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	vcpu.trace = trace_open(path, &error);
	assert_non_null(vcpu.trace);
	opened[opened_count++] = vcpu.trace;
}

static void *message(uint32_t type, enum hv_access access)
{
	struct hv_x64_intercept_header *h = (void *)vcpu.message.payload;

	memset(&vcpu.message, 0, sizeof(vcpu.message));
	vcpu.message.header.type = type;
	h->rip = cpu.rip;
	h->access = (uint8_t)access;
	return h;
}

static void port(enum hv_access access, unsigned int size, uint64_t rax)
{
	struct hv_x64_io_port_intercept *m = message(HV_MESSAGE_X64_IO_PORT_INTERCEPT, access);

	m->port = PORT;
	m->access_info = (uint8_t)size;
	m->rax = rax;
	exit_handle(&vcpu);
}

static void touch(uint64_t at, enum hv_access access, const void *bytes, uint8_t len)
{
	struct hv_x64_memory_intercept *m = message(HV_MESSAGE_UNMAPPED_GPA, access);

	m->gpa = at;
	m->insn_byte_count = len;
	memcpy(m->insn_bytes, bytes, len);
	exit_handle(&vcpu);
}

/* The next line without its time; cut out of @text. */
static const char *next(char **text)
{
	char *line = strsep(text, "\n");
	unsigned long long s, us;
	int n = 0;

	assert_non_null(*text); /* it ended */
	assert_int_equal(sscanf(line, "%llu.%6llu %n", &s, &us, &n), 2);
	assert_true(n >= 9);
	return line + n;
}

static void test_lines(void **state)
{
	struct hv_x64_apic_eoi *eoi;
	static char text[4096];
	char *p = text;
	int file = memfd_create("trace", 0);
	ssize_t n;

	(void)state;
	open_trace(file);
	port(HV_ACCESS_WRITE, 2, 0x11223344);
	port(HV_ACCESS_READ, 1, 0);
	cpu.gpr[GPR_RDI] = MMIO + 8;
	cpu.gpr[GPR_RCX] = 0xcafe;
	touch(MMIO + 8, HV_ACCESS_WRITE, "\x89\x0f", 2);     /* mov [rdi],ecx */
	touch(MMIO + 8, HV_ACCESS_READ, "\x03\x0f", 2);	     /* add ecx,[rdi] */
	touch(MMIO + 8, HV_ACCESS_WRITE, "\x83\x0f\x01", 3); /* or dword [rdi],1 */
	touch(0x3000, HV_ACCESS_READ, "\x03\x0f", 2);	     /* RAM that came late */
	touch(MMIO, HV_ACCESS_EXECUTE, "\x0f\x0b", 2);	     /* unknown */
	eoi = message(HV_MESSAGE_X64_APIC_EOI, HV_ACCESS_READ);
	eoi->vector = 0x31;
	exit_handle(&vcpu);
	message(HV_MESSAGE_UNRECOVERABLE_EXCEPTION, HV_ACCESS_EXECUTE);
	exit_handle(&vcpu);
	message(0x80001234, HV_ACCESS_READ);
	exit_handle(&vcpu);
	trace_close(vcpu.trace);

	n = pread(file, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(next(&p), "vp5 out 80/2 3344 at ffffffff81000000");
	assert_string_equal(next(&p), "vp5 in 80/1 a0 at ffffffff81000000");
	assert_string_equal(next(&p), "vp5 write d0000008/4 cafe at ffffffff81000000");
	assert_string_equal(next(&p), "vp5 read d0000008/4 a8 at ffffffff81000002");
	assert_string_equal(next(&p), "vp5 write d0000008/4 a9 x2 at ffffffff81000004");
	assert_string_equal(next(&p), "vp5 read 3000 at ffffffff81000007");
	assert_string_equal(next(&p), "vp5 fetch d0000000 at ffffffff81000007");
	assert_string_equal(next(&p), "vp5 eoi 31");
	assert_string_equal(next(&p), "vp5 end at ffffffff81000007");
	assert_string_equal(next(&p), "vp5 other 80001234");
	assert_string_equal(p, "");
	close(file);
}

#define MANY 20000u

/* Nobody reads: the processor goes on all the same; every exit is shown or counted. */
static void test_slow_reader(void **state)
{
	static char text[MANY * 64];
	unsigned long long shown = 0, lost = 0, n;
	int pipes[2];
	char *p = text;
	size_t used = 0;
	ssize_t got;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	open_trace(pipes[1]);
	for (unsigned int i = 0; i < MANY; i++)
		port(HV_ACCESS_WRITE, 1, i);
	fcntl(pipes[1], F_SETPIPE_SZ, 1 << 20); /* now there is room */
	close(pipes[1]);
	trace_close(vcpu.trace);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	while ((got = read(pipes[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)got;
	text[used] = '\0';
	while (*p) {
		const char *line = next(&p);

		if (sscanf(line, "lost %llu", &n) == 1)
			lost += n;
		else
			shown += strncmp(line, "vp5 out 80/1 ", 13) == 0;
	}
	assert_true(lost > 0 && shown > 0);
	assert_int_equal(shown + lost, MANY);
	close(pipes[0]);
}

/* A reader that goes away is not the machine's end. */
static void test_no_reader(void **state)
{
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	open_trace(pipes[1]);
	close(pipes[0]);
	for (unsigned int i = 0; i < MANY; i++)
		port(HV_ACCESS_WRITE, 1, i);
	trace_close(vcpu.trace);
	close(pipes[1]);
}

static void test_cannot_open(void **state)
{
	int error = 0;

	(void)state;
	assert_null(trace_open("/proc/none/trace", &error));
	assert_int_equal(error, -ENOENT);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_lines),
		TEST(test_slow_reader),
		TEST(test_no_reader),
		TEST(test_cannot_open),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

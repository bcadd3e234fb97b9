/* SPDX-License-Identifier: MIT */
/*
 * What a debugger does with processors: here they are threads that execute NOP, OUT, INT3
 * and a jump to itself from guest memory, with RFLAGS.TF and the intercepts that were
 * asked for, and lose the first kicks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/debug/control.h"
#include "vmm/mshv.h"
#include "vmm/vcpu.h"

#define VPS	 3
#define CODE	 0x1000
#define TF	 UINT64_C(0x100)
#define DR6_INIT UINT64_C(0xffff0ff0)
#define DR6_BS	 UINT64_C(0x4000)
#define NOP	 0x90
#define OUT	 0xe6
#define INT3	 0xcc
#define SPIN	 0xeb
#define CRASH	 0xf4

/* --- processors --- */

struct mshv_vp {
	unsigned int index;
	struct hv_register_assoc r[GDBREGS_HV + 2]; /* and two that gdb does not see */
	uint64_t pending;
	atomic_uint kicks;
	bool interrupted; /* before its next instruction: TF is saved and cleared */
	uint64_t trap;	  /* DR6 of a #DB that comes before anything else; 0: none */
};

static struct mshv_vp vps[VPS];
static uint32_t intercepts; /* vectors */
static struct memory memory;

static union hv_register_value *value(struct mshv_vp *vp, uint32_t name)
{
	for (size_t i = 0; i < ARRAY_SIZE(vp->r); i++) {
		if (vp->r[i].name == name)
			return &vp->r[i].value;
	}
	fail_msg("register %#x", name);
	return NULL;
}

static uint64_t *reg(struct mshv_vp *vp, uint32_t name)
{
	return &value(vp, name)->reg64;
}

int mshv_vp_get(struct mshv_vp *vp, struct hv_register_assoc *regs, unsigned int count)
{
	assert_true(count <= 64);
	for (unsigned int i = 0; i < count; i++)
		regs[i].value = *value(vp, regs[i].name);
	return 0;
}

int mshv_vp_set(struct mshv_vp *vp, const struct hv_register_assoc *regs, unsigned int count)
{
	assert_true(count <= 64);
	for (unsigned int i = 0; i < count; i++) {
		if (regs[i].name == HV_REGISTER_PENDING_INTERRUPTION)
			vp->pending = regs[i].value.reg64;
		else
			*value(vp, regs[i].name) = regs[i].value;
	}
	return 0;
}

struct hv_register_page *mshv_vp_page(struct mshv_vp *vp)
{
	(void)vp;
	return NULL;
}

int mshv_exception_intercept(struct mshv_partition *p, uint8_t vector, bool on)
{
	(void)p;
	intercepts &= ~BIT32(vector);
	intercepts |= on ? BIT32(vector) : 0;
	return 0;
}

static int message(struct mshv_vp *vp, struct hv_message *msg, uint32_t type)
{
	struct hv_x64_intercept_header *h = (void *)msg->payload;

	memset(msg, 0, sizeof(*msg));
	msg->header.type = type;
	h->rip = *reg(vp, HV_X64_REGISTER_RIP);
	h->rflags = *reg(vp, HV_X64_REGISTER_RFLAGS);
	return 0;
}

static int exception(struct mshv_vp *vp, struct hv_message *msg, uint8_t vector)
{
	struct hv_x64_exception_intercept *x = (void *)msg->payload;

	assert_true(intercepts & BIT32(vector));
	message(vp, msg, HV_MESSAGE_X64_EXCEPTION_INTERCEPT);
	x->vector = vector;
	x->parameter = vector == 1 ? *reg(vp, HV_X64_REGISTER_DR6) : 0;
	return 0;
}

static int out(struct mshv_vp *vp, struct hv_message *msg)
{
	struct hv_x64_io_port_intercept *io = (void *)msg->payload;

	message(vp, msg, HV_MESSAGE_X64_IO_PORT_INTERCEPT);
	io->header.length_cr8 = 2;
	io->header.access = HV_ACCESS_WRITE;
	io->access_info = 1;
	return 0;
}

int mshv_vp_run(struct mshv_vp *vp, struct hv_message *msg)
{
	uint64_t *rip = reg(vp, HV_X64_REGISTER_RIP), *dr6 = reg(vp, HV_X64_REGISTER_DR6);

	for (;;) {
		uint8_t *at = memory_at(&memory, gpa(*rip), 1);
		uint8_t op = at ? __atomic_load_n(at, __ATOMIC_SEQ_CST) : CRASH;

		if (vp->interrupted) {
			vp->interrupted = false;
			*reg(vp, HV_X64_REGISTER_RFLAGS) &= ~TF;
		}
		if (vp->trap) {
			*dr6 |= vp->trap;
			vp->trap = 0;
			return exception(vp, msg, 1);
		}
		switch (op) {
		case NOP:
			++*rip;
			break;
		case OUT:
			return out(vp, msg);
		case INT3:
			return exception(vp, msg, 3);
		case SPIN:
			if (*reg(vp, HV_X64_REGISTER_RFLAGS) & TF)
				break;
			nanosleep(&(struct timespec){ .tv_sec = 1000 }, NULL);
			if (atomic_fetch_add(&vp->kicks, 1) % 3 == 2)
				return -EINTR;
			continue;
		default:
			return message(vp, msg, HV_MESSAGE_UNRECOVERABLE_EXCEPTION);
		}
		if (*reg(vp, HV_X64_REGISTER_RFLAGS) & TF) {
			*dr6 |= DR6_BS;
			return exception(vp, msg, 1);
		}
	}
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

void irq_eoi(struct irq *q, uint8_t vector)
{
	(void)q, (void)vector;
}

/* --- the machine --- */

static struct machine machine;
static struct vcpu vcpu[VPS];
static struct control *control, *before[16]; /* as in a process, for ever */
static unsigned int count;
static int notify;
static atomic_uint ended;

static void end(struct machine *m, enum vm_end why)
{
	(void)m;
	atomic_store(&ended, why);
	vcpu_ask_all(vcpu, VPS);
}

static void start(bool wait)
{
	control = before[count++] = control_create(&machine, NULL, vcpu, VPS, wait, notify);
	assert_non_null(control);
	for (unsigned int i = 0; i < VPS; i++)
		assert_int_equal(vcpu_start(&vcpu[i]), 0);
}

static int set_up(void **state)
{
	(void)state;
	vcpu_prepare_kick();
	machine = (struct machine){ .memory = &memory, .ports = bus_create("ports"), .end = end };
	notify = eventfd(0, EFD_NONBLOCK);
	atomic_store(&ended, VM_END_NONE);
	intercepts = 0;
	for (unsigned int i = 0; i < VPS; i++) {
		memset(&vps[i], 0, sizeof(vps[i]));
		gdbregs_names(vps[i].r);
		vps[i].r[GDBREGS_HV].name = HV_REGISTER_INTERRUPT_STATE;
		vps[i].r[GDBREGS_HV + 1].name = HV_X64_REGISTER_MISC_ENABLE;
		*reg(&vps[i], HV_X64_REGISTER_RIP) = CODE + 0x100 * i;
		*reg(&vps[i], HV_X64_REGISTER_RFLAGS) = 2;
		*reg(&vps[i], HV_X64_REGISTER_DR6) = DR6_INIT;
		*reg(&vps[i], HV_X64_REGISTER_DR7) = 0x400;
		vcpu[i] = (struct vcpu){ .machine = &machine, .vp = &vps[i], .index = i };
	}
	if (memory_init(&memory, 1 << 20))
		return -1;
	memset(memory_at(&memory, gpa(CODE), 0x1000), SPIN, 0x1000);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	control_end(control);
	vcpu_stop_all(vcpu, VPS); /* or the test's time limit strikes */
	bus_destroy(machine.ports);
	memory_destroy(&memory);
	close(notify);
	return 0;
}

static void code(unsigned int vp, const void *bytes, size_t len)
{
	memcpy(memory_at(&memory, gpa(CODE + 0x100 * vp), len), bytes, len);
}

static uint64_t rip(unsigned int vp)
{
	return *reg(&vps[vp], HV_X64_REGISTER_RIP) - 0x100 * vp - CODE;
}

/* All stand; what for. */
static struct gdb_stop wait_event(void)
{
	struct pollfd p = { .fd = notify, .events = POLLIN };
	struct gdb_stop stop = { 0 };
	uint64_t n;

	while (!control_event(control, &stop)) {
		assert_int_equal(poll(&p, 1, -1), 1);
		assert_int_equal(read(notify, &n, sizeof(n)), sizeof(n));
	}
	assert_true(control_pause(control));
	return stop;
}

static void step(unsigned int vp)
{
	enum gdb_action action[VPS] = { GDB_STAY };
	struct gdb_stop stop;

	action[vp] = GDB_STEP;
	control_resume(control, action);
	stop = wait_event();
	assert_int_equal(stop.thread, vp);
	assert_int_equal(stop.signal, GDB_SIGTRAP);
	assert_false(stop.point);
	assert_false(*reg(&vps[vp], HV_X64_REGISTER_RFLAGS) & TF);
	assert_int_equal(*reg(&vps[vp], HV_X64_REGISTER_DR6), DR6_INIT);
}

static const enum gdb_action go[VPS] = { GDB_CONTINUE, GDB_CONTINUE, GDB_CONTINUE };

/* --- tests --- */

static void test_pause(void **state)
{
	struct gdb_stop stop;

	(void)state;
	start(false);
	assert_int_equal(atomic_load(&machine.released_ns), 0);
	for (unsigned int i = 0; i < 20; i++) {
		assert_true(control_pause(control));
		assert_true(atomic_load(&machine.released_ns) == UINT64_MAX);
		control_resume(control, i % 2 ? go : NULL);
		assert_in_range(atomic_load(&machine.released_ns), 1, UINT64_MAX - 1);
	}
	assert_true(control_pause(control));
	assert_true(control_pause(control));
	assert_false(control_event(control, &stop));
	/* One goes, two stay; the end takes them all. */
	control_resume(control, (enum gdb_action[]){ GDB_STAY, GDB_CONTINUE, GDB_STAY });
	assert_true(atomic_load(&machine.released_ns) == UINT64_MAX);
	assert_true(control_pause(control));
	control_end(control);
	assert_false(control_pause(control));
}

static void test_wait(void **state)
{
	(void)state;
	code(0, "\x90\x90\x90", 3);
	start(true);
	assert_true(atomic_load(&machine.released_ns) == UINT64_MAX);
	assert_true(control_pause(control));
	assert_int_equal(rip(0), 0);
	control_resume(control, go);
	while (!atomic_load(&vps[0].kicks))
		assert_true(control_pause(control)), control_resume(control, go);
	assert_true(control_pause(control));
	assert_int_equal(rip(0), 3);
}

static void test_breakpoint(void **state)
{
	uint8_t bytes[4];
	struct gdb_stop stop;

	(void)state;
	code(1, "\x90\x90\x90", 3);
	start(true);
	assert_int_equal(control_attach(control), 0);
	assert_true(control_pause(control));
	assert_int_equal(control_point(control, 0, GDB_SOFTWARE, CODE + 0x102, 1, true), 0);
	assert_int_equal(control_point(control, 0, GDB_SOFTWARE, 0x1000000, 1, true), -EFAULT);
	control_resume(control, go);
	stop = wait_event();
	assert_int_equal(stop.thread, 1);
	assert_true(stop.point && stop.kind == GDB_SOFTWARE);
	assert_int_equal(rip(1), 2);
	/* It is met again as long as it is there. */
	control_resume(control, go);
	stop = wait_event();
	assert_int_equal(rip(1), 2);
	/* Nobody sees it; what is written there is under it. */
	assert_int_equal(control_read(control, 0, CODE + 0x101, bytes, 4), 4);
	assert_memory_equal(bytes, "\x90\x90\xeb\xeb", 4);
	assert_int_equal(control_write(control, 0, CODE + 0x101, "\x90\xeb", 2), 2);
	assert_memory_equal(memory_at(&memory, gpa(CODE + 0x101), 2), "\x90\xcc", 2);
	assert_int_equal(control_point(control, 0, GDB_SOFTWARE, CODE + 0x102, 1, false), 0);
	assert_memory_equal(memory_at(&memory, gpa(CODE + 0x101), 2), "\x90\xeb", 2);
	assert_int_equal(control_point(control, 0, GDB_SOFTWARE, CODE + 0x102, 1, false), -ENOENT);
	/* What the guest put over it stays; and what is left is taken out at the end. */
	assert_int_equal(control_point(control, 0, GDB_SOFTWARE, CODE + 0x102, 1, true), 0);
	assert_int_equal(control_point(control, 0, GDB_SOFTWARE, CODE + 0x103, 1, true), 0);
	*(uint8_t *)memory_at(&memory, gpa(CODE + 0x102), 1) = NOP;
	control_detach(control);
	assert_memory_equal(memory_at(&memory, gpa(CODE + 0x102), 2), "\x90\xeb", 2);
	assert_int_equal(intercepts, 0);
	control_resume(control, NULL);
}

/* The guest's own INT3 and #DB are the guest's. */
static void test_reflect(void **state)
{
	(void)state;
	code(0, "\xcc", 1);
	vps[1].trap = 2; /* of its own DR1 */
	start(true);
	assert_int_equal(control_attach(control), 0);
	assert_true(control_pause(control));
	control_resume(control, go);
	while (!atomic_load(&vps[0].kicks) || !atomic_load(&vps[1].kicks)) {
		assert_true(control_pause(control));
		control_resume(control, go);
	}
	assert_true(control_pause(control));
	assert_int_equal(vps[0].pending, 1 | 3 << 1 | 3 << 16);
	assert_int_equal(rip(0), 1);
	assert_int_equal(vps[1].pending, 1 | 3 << 1 | 1 << 16);
	assert_int_equal(*reg(&vps[1], HV_X64_REGISTER_DR6), DR6_INIT | 2);
	assert_int_equal(vps[2].pending, 0);
}

static void test_steps(void **state)
{
	(void)state;
	code(2, "\x90\xe6\x80\xeb", 4);
	start(true);
	assert_int_equal(control_attach(control), 0);
	assert_true(control_pause(control));
	step(2);
	assert_int_equal(rip(2), 1);
	assert_int_equal(*reg(&vps[2], HV_REGISTER_INTERRUPT_STATE), HV_INTERRUPT_SHADOW);
	*reg(&vps[2], HV_REGISTER_INTERRUPT_STATE) = 0;
	step(2); /* we carry it out */
	assert_int_equal(rip(2), 3);
	assert_int_equal(*reg(&vps[2], HV_REGISTER_INTERRUPT_STATE), 0);
	step(2);
	assert_int_equal(rip(2), 3);
	assert_int_equal(rip(0), 0);
	assert_int_equal(vps[2].pending, 0);
}

/* A step that does not come to its end: TF goes with it, or its #DB is nobody's. */
static void test_step_given_up(void **state)
{
	enum gdb_action action[VPS] = { GDB_CONTINUE, GDB_CONTINUE, GDB_STEP };
	struct gdb_stop stop;

	(void)state;
	code(2, "\x90\x90", 2);
	start(true);
	assert_int_equal(control_attach(control), 0);
	assert_true(control_pause(control));
	/* The other one's breakpoint may come first, or the step. */
	code(0, "\xeb", 1);
	assert_int_equal(control_point(control, 0, GDB_SOFTWARE, CODE, 1, true), 0);
	control_resume(control, action);
	wait_event();
	while (control_event(control, &stop))
		;
	assert_false(*reg(&vps[2], HV_X64_REGISTER_RFLAGS) & TF);
	assert_true(rip(2) <= 1);
	assert_int_equal(control_point(control, 0, GDB_SOFTWARE, CODE, 1, false), 0);
}

/* Until it slept, and was woken. */
static void kick(unsigned int vp)
{
	while (!atomic_load(&vps[vp].kicks)) {
		vcpu_kick(vcpu[vp].thread.id);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

/* An interrupt has saved TF with the flags: what IRET brings back is nobody's step. */
static void test_owed(void **state)
{
	enum gdb_action action[VPS] = { GDB_STAY, GDB_STAY, GDB_STEP };

	(void)state;
	vps[2].interrupted = true; /* at once: it is in a handler, and spins */
	start(true);
	assert_int_equal(control_attach(control), 0);
	assert_true(control_pause(control));
	control_resume(control, action);
	kick(2);
	assert_true(control_pause(control)); /* given up */
	assert_false(*reg(&vps[2], HV_X64_REGISTER_RFLAGS) & TF);
	/* IRET, and the step that was to be. */
	code(2, "\x90\xeb", 2);
	*reg(&vps[2], HV_X64_REGISTER_RFLAGS) |= TF;
	atomic_store(&vps[2].kicks, 0);
	control_resume(control, go);
	kick(2);
	assert_true(control_pause(control));
	assert_int_equal(rip(2), 1);
	assert_false(*reg(&vps[2], HV_X64_REGISTER_RFLAGS) & TF);
	assert_int_equal(vps[2].pending, 0); /* the guest did not hear of it */
}

static void test_hardware(void **state)
{
	struct gdb_stop stop;

	(void)state;
	*reg(&vps[1], HV_X64_REGISTER_DR0) = 0x77;
	*reg(&vps[1], HV_X64_REGISTER_DR7) = 0x403;
	start(true);
	assert_int_equal(control_attach(control), 0);
	assert_true(control_pause(control));
	assert_int_equal(control_point(control, 0, GDB_READ, 0x2000, 4, true), -ENOSYS);
	assert_int_equal(control_point(control, 0, GDB_WRITE, 0x2001, 4, true), -EINVAL);
	assert_int_equal(control_point(control, 0, GDB_WRITE, 0x2000, 3, true), -EINVAL);
	assert_int_equal(control_point(control, 0, GDB_WRITE, 0x2000, 4, false), -ENOENT);
	assert_int_equal(control_point(control, 0, GDB_HARDWARE, 0x1000, 1, true), 0); /* DR3 */
	assert_int_equal(control_point(control, 0, GDB_WRITE, 0x2000, 4, true), 0);    /* DR2 */
	assert_int_equal(control_point(control, 0, GDB_ACCESS, 0x3000, 8, true), 0);   /* DR1 */
	assert_int_equal(control_point(control, 0, GDB_WRITE, 0x4000, 2, true), 0);    /* DR0 */
	assert_int_equal(control_point(control, 0, GDB_WRITE, 0x5000, 2, true), -ENOSPC);
	for (unsigned int i = 0; i < VPS; i++) {
		assert_int_equal(*reg(&vps[i], HV_X64_REGISTER_DR0), 0x4000);
		assert_int_equal(*reg(&vps[i], HV_X64_REGISTER_DR0 + 3), 0x1000);
		/* RW, LEN: 1, 1; 3, 2 (eight bytes); 1, 3; 0, 0. All G bits, GE, and bit 10. */
		assert_int_equal(*reg(&vps[i], HV_X64_REGISTER_DR7), 0x0db506aa);
	}
	vps[1].trap = 4;
	control_resume(control, go);
	stop = wait_event();
	assert_int_equal(stop.thread, 1);
	assert_true(stop.point && stop.kind == GDB_WRITE);
	assert_int_equal(stop.address, 0x2000);
	assert_int_equal(*reg(&vps[1], HV_X64_REGISTER_DR6), DR6_INIT);
	control_detach(control);
	assert_int_equal(*reg(&vps[1], HV_X64_REGISTER_DR0), 0x77);
	assert_int_equal(*reg(&vps[1], HV_X64_REGISTER_DR7), 0x403);
	assert_int_equal(*reg(&vps[0], HV_X64_REGISTER_DR7), 0x400);
	control_resume(control, NULL);
}

/* Two at once: the second is told when all were to go on, before they do. */
static void test_two_events(void **state)
{
	struct gdb_stop first, second;

	(void)state;
	start(true);
	assert_int_equal(control_attach(control), 0);
	assert_true(control_pause(control));
	assert_int_equal(control_point(control, 0, GDB_WRITE, 0x2000, 4, true), 0);
	vps[0].trap = vps[2].trap = 8;
	/* Neither can be stopped by the other's event before it met its own. */
	control_resume(control, (enum gdb_action[]){ GDB_CONTINUE, GDB_STAY, GDB_STAY });
	while (!(atomic_load(&vcpu[0].stop) & VCPU_HOLD))
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	control_resume(control, (enum gdb_action[]){ GDB_STAY, GDB_STAY, GDB_STAY });
	first = wait_event();
	control_resume(control, (enum gdb_action[]){ GDB_STAY, GDB_STAY, GDB_CONTINUE });
	second = wait_event();
	assert_int_equal(first.thread + second.thread, 2);
	assert_int_not_equal(first.thread, second.thread);
}

static void test_crash(void **state)
{
	struct gdb_stop stop;

	(void)state;
	code(1, "\xf4", 1);
	start(true);
	assert_int_equal(control_attach(control), 0);
	assert_true(control_pause(control));
	control_resume(control, go);
	stop = wait_event();
	assert_int_equal(stop.thread, 1);
	assert_int_equal(stop.signal, GDB_SIGSEGV);
	assert_int_equal(atomic_load(&ended), VM_END_NONE);
	control_resume(control, go);
	thread_join(&vcpu[1].thread);
	assert_int_equal(atomic_load(&ended), VM_END_CRASH);
}

/* Without a debugger that is connected nobody looks, and nothing waits. */
static void test_crash_alone(void **state)
{
	(void)state;
	code(1, "\xf4", 1);
	start(false);
	thread_join(&vcpu[1].thread);
	assert_int_equal(atomic_load(&ended), VM_END_CRASH);
}

/* A register written is the one, and no other is touched. */
static void test_registers(void **state)
{
	uint8_t block[GDBREGS_BYTES], again[GDBREGS_BYTES];
	uint64_t val = 0x1234;

	(void)state;
	start(true);
	assert_true(control_pause(control));
	assert_true(control_get(control, 1, block));
	memcpy(block + GDBREGS_RIP, &val, sizeof(val));
	*reg(&vps[1], HV_X64_REGISTER_RAX) = 5; /* since then */
	memcpy(block, &(uint64_t){ 5 }, 8);
	assert_true(control_set(control, 1, block));
	assert_int_equal(*reg(&vps[1], HV_X64_REGISTER_RIP), 0x1234);
	assert_true(control_get(control, 1, again));
	assert_memory_equal(block, again, sizeof(block));
	memset(block, 0xa5, sizeof(block)); /* all of them: two calls */
	assert_true(control_set(control, 0, block));
	assert_int_equal(*reg(&vps[0], HV_X64_REGISTER_XMM0 + 15), 0xa5a5a5a5a5a5a5a5);
	*reg(&vps[0], HV_X64_REGISTER_RIP) = CODE;
	*reg(&vps[0], HV_X64_REGISTER_RFLAGS) = 2;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_pause),   TEST(test_wait),	    TEST(test_breakpoint),
		TEST(test_reflect), TEST(test_steps),	    TEST(test_step_given_up),
		TEST(test_owed),    TEST(test_hardware),    TEST(test_two_events),
		TEST(test_crash),   TEST(test_crash_alone), TEST(test_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

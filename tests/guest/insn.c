/* SPDX-License-Identifier: MIT */
/*
 * The conformance table (tests/insn/forms.S) inside a guest: every form in 16, 32 and 64
 * bit, in long mode's kernel and user mode and in protected mode with and without PAE, now
 * and then in a single step, from the same registers, flags and memory twice: on RAM, and
 * on a device that is memory, or on both where an operand crosses from one to the other.
 * Registers, flags, memory, exceptions and the accessed and dirty bits of the pages must
 * be the same afterwards. Forms that the VMM does not emulate must be #UD on the device,
 * with nothing changed. "insn: N forms, 0 failed" is a pass.
 */
#include "lib/mem.h"
#include "tests/guest/lib/guest.h"
#include "tests/insn/run.h"

#define SHOWN_MAX     20 /* failures that are described */
#define RFLAGS_STATUS 0x8d5ULL
#define PAGES_DIRTY   0xaaU /* in run_end.used */

static uint64_t seed = 88172645463325252ULL;
static unsigned int forms, failed, absent, pairs, pairs_legacy;
static uint8_t data[INSN_DATA_BYTES];
static struct run_end ram, device;

static void show(const char *what, const struct run_end *e)
{
	const struct guest_frame *f = &e->frame;

	say("  %s: vector %llu error %llx address %llx step %u rip %llx rflags %llx used %x", what,
	    (unsigned long long)f->vector, (unsigned long long)f->error,
	    (unsigned long long)e->address, e->step, (unsigned long long)f->rip,
	    (unsigned long long)f->rflags, e->used);
	say("   rax %llx rcx %llx rdx %llx rbx %llx", (unsigned long long)f->rax,
	    (unsigned long long)f->rcx, (unsigned long long)f->rdx, (unsigned long long)f->rbx);
	say("   rsp %llx rbp %llx rsi %llx rdi %llx", (unsigned long long)f->rsp,
	    (unsigned long long)f->rbp, (unsigned long long)f->rsi, (unsigned long long)f->rdi);
}

static bool same_data(const uint64_t *a, const uint64_t *b)
{
	uint64_t different = 0;

	for (unsigned int i = 0; i < INSN_DATA_BYTES / 8; i++)
		different |= a[i] ^ b[i];
	return !different;
}

/* What is different, or NULL. */
static const char *difference(const struct run_end *a, const struct run_end *b, uint64_t flags)
{
	const struct guest_frame *x = &a->frame, *y = &b->frame;

	if (x->vector != y->vector || x->error != y->error || a->address != b->address ||
	    a->step != b->step)
		return "exception";
	if (x->rip != y->rip || x->cs != y->cs)
		return "rip";
	if ((x->rflags ^ y->rflags) & flags)
		return "flags";
	if (x->rsp != y->rsp || x->ss != y->ss ||
	    memcmp(x, y, offsetof(struct guest_frame, vector)))
		return "registers";
	if (memcmp(a->vector, b->vector, sizeof(a->vector)))
		return "vectors";
	if (!same_data(a->data, b->data))
		return "memory";
	return a->used != b->used ? "accessed and dirty bits" : NULL;
}

/*
 * QEMU 7.2 takes an operand of 16 bits for one of 32, and VEX for LES and LDS, in 16-bit
 * code. With a processor tests/unit/vmm_insn_native.c finds them right.
 */
static bool wrong_in_qemu(const struct insn_form *f)
{
	return f->bits == 16 && (!memcmp(f->text, "movbe", 5) || !memcmp(f->text, "crc32w", 6) ||
				 !memcmp(f->text, "crc32l", 6) ||
				 (f->special == VECTOR && f->text[0] == 'v'));
}

/* #UD, and nothing has happened. */
static const char *check_unsupported(const struct insn_form *f, const struct insn_start *s)
{
	run(f, s, data, RUN_KERNEL, 0, s->devices, &device);
	ram = device;
	ram.frame.vector = VECTOR_UD;
	ram.frame.error = 0;
	ram.frame.rip = s->code;
	ram.frame.rflags = s->rflags | RFLAGS_RF | 2;
	ram.frame.rax = s->gpr[0];
	ram.frame.rcx = s->gpr[1];
	ram.frame.rdx = s->gpr[2];
	if (f->bits != 16) /* of 16-bit stacks IRET leaves what is above SP */
		ram.frame.rsp = s->gpr[4];
	ram.frame.rbp = s->gpr[5];
	ram.frame.rsi = s->gpr[6];
	ram.frame.rdi = s->gpr[7];
	memcpy(ram.data, data, INSN_DATA_BYTES);
	return difference(&ram, &device, ~0ULL);
}

/*
 * QEMU knows no limits of segments, so that on RAM an offset that wraps finds the hole
 * before the data. tests/unit/vmm_insn_native.c tries it on a processor that has them.
 */
static bool no_limit(const struct insn_form *f)
{
	return f->bits != 64 && ram.frame.vector == VECTOR_PF && device.frame.vector == VECTOR_GP;
}

static const char *check_same(const struct insn_form *f, const struct insn_start *s,
			      enum run_how how, uint64_t step)
{
	bool half_way;

	pairs++;
	pairs_legacy += how == RUN_PAE || how == RUN_32;
	run(f, s, data, how, step, 0, &ram);
	run(f, s, data, how, step, s->devices, &device);
	half_way = ram.frame.vector != VECTOR_BP && ram.frame.rip == s->code;
	/* CMPS: nothing says which of its operands is looked at first. */
	if (half_way) {
		ram.used &= PAGES_DIRTY;
		device.used &= PAGES_DIRTY;
	}
	if (no_limit(f))
		return NULL;
	/* QEMU before 8.0 pushes RF as it was; the emulator sets it. */
	return difference(&ram, &device,
			  ~(RFLAGS_STATUS | RFLAGS_RF) | insn_defined_flags(f, s, half_way));
}

static bool absent_here(const struct insn_form *f)
{
	return f->special != UNSUPPORTED && ram.frame.vector == VECTOR_UD &&
	       device.frame.vector == VECTOR_UD;
}

/* PUSH and its like, and addresses that count from rBP or rSP. */
static bool uses_stack(const struct insn_form *f)
{
	static const char *const words[] = { "push", "pop", "call", "bp", "sp" };

	for (const char *t = f->text; *t; t++)
		for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
			unsigned int n = 0;

			while (words[i][n] && t[n] == words[i][n])
				n++;
			if (!words[i][n])
				return true;
		}
	return false;
}

static const char *check_how(const struct insn_form *f, const struct insn_start *s, unsigned int n)
{
	uint64_t step = n % 4 ? 0 : RFLAGS_TF;
	const char *why;

	if (f->special == UNSUPPORTED)
		return check_unsupported(f, s);
	why = check_same(f, s, n & 1 ? RUN_USER : RUN_KERNEL, step);
	if (why || f->bits == 64 || uses_stack(f))
		return why;
	return check_same(f, s, n & 1 ? RUN_32 : RUN_PAE, step);
}

static void form(const struct insn_form *f)
{
	if (wrong_in_qemu(f))
		return;
	forms++;
	for (unsigned int n = 0; n < insn_beginnings(f); n++) {
		struct insn_start s;
		const char *why;

		insn_begin(f, n, &seed, &s, data);
		why = check_how(f, &s, n);
		if (why) {
			if (failed++ < SHOWN_MAX) {
				say("FAIL %u bit, %s: %s (devices %x, n %u)", f->bits, f->text, why,
				    s.devices, n);
				show("ram   ", &ram);
				show("device", &device);
			}
			return;
		}
		if (absent_here(f)) {
			say("this processor does not have it (%u bit, %s)", f->bits, f->text);
			absent++;
			return;
		}
	}
}

void guest_main(void)
{
	guest_name = "insn";
	run_prepare();
	for (const struct insn_form *f = insn_forms; f < insn_forms_end; f++)
		form(f);
	say("%u forms, %u failed, %u not of this processor", forms, failed, absent);
	say("%u pairs of runs, %u of them without long mode", pairs, pairs_legacy);
	check("the same on a device as on memory", !failed, "%u forms are not", failed);
}

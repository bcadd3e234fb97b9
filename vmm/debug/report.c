/* SPDX-License-Identifier: MIT */
#include "vmm/debug/report.h"

#include <stdio.h>
#include <string.h>

#include "vmm/debug/look.h"
#include "vmm/log.h"
#include "vmm/mshv.h"
#include "vmm/vcpu.h"

#define CODE_BYTES  16
#define STACK_LINES 8
#define STACK_PER   4

#define EFER_LMA    BIT64(10)
#define ATTR_LONG   BIT32(13) /* of a code segment */
#define ATTR_BIG    BIT32(14)

/* As an error: once in a process's life, so neither level nor limit leaves lines out. */
#define line(...)   log_error("crash: " __VA_ARGS__)
#define LL(v)	    ((unsigned long long)(v))

static void general(const struct insn_cpu *cpu)
{
	static const char name[GPR_COUNT][4] = {
		"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
		"r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15",
	};
	const uint64_t *r = cpu->gpr;

	for (unsigned int i = 0; i < GPR_COUNT; i += 4)
		line("%-3s %016llx %-3s %016llx %-3s %016llx %-3s %016llx", name[i], LL(r[i]),
		     name[i + 1], LL(r[i + 1]), name[i + 2], LL(r[i + 2]), name[i + 3],
		     LL(r[i + 3]));
}

static void segment(const char *name, const struct hv_segment_register *s)
{
	line("%-4s %04x base %016llx limit %08x attributes %04x", name, s->selector, LL(s->base),
	     s->limit, s->attributes);
}

/* What the emulator has no need of. */
static void system_registers(struct vcpu *v, const struct insn_cpu *cpu)
{
	enum { CR2, CR8, DR6, DR7, LDTR, TR, GDTR, IDTR };
	struct hv_register_assoc r[] = {
		[CR2] = { .name = HV_X64_REGISTER_CR2 },
		[CR8] = { .name = HV_X64_REGISTER_CR8 },
		[DR6] = { .name = HV_X64_REGISTER_DR6 },
		[DR7] = { .name = HV_X64_REGISTER_DR7 },
		[LDTR] = { .name = HV_X64_REGISTER_LDTR },
		[TR] = { .name = HV_X64_REGISTER_TR },
		[GDTR] = { .name = HV_X64_REGISTER_GDTR },
		[IDTR] = { .name = HV_X64_REGISTER_IDTR },
	};

	line("cr0 %08llx cr3 %016llx cr4 %08llx efer %04llx", LL(cpu->cr0), LL(cpu->cr3),
	     LL(cpu->cr4), LL(cpu->efer));
	if (mshv_vp_get(v->vp, r, ARRAY_SIZE(r))) {
		line("the other system registers cannot be read");
		return;
	}
	line("cr2 %016llx cr8 %llx dr6 %08llx dr7 %08llx", LL(r[CR2].value.reg64),
	     LL(r[CR8].value.reg64), LL(r[DR6].value.reg64), LL(r[DR7].value.reg64));
	segment("ldtr", &r[LDTR].value.segment);
	segment("tr", &r[TR].value.segment);
	line("gdtr base %016llx limit %04x idtr base %016llx limit %04x",
	     LL(r[GDTR].value.table.base), r[GDTR].value.table.limit, LL(r[IDTR].value.table.base),
	     r[IDTR].value.table.limit);
}

static bool in_long_mode(const struct insn_cpu *cpu)
{
	return (cpu->efer & EFER_LMA) && (cpu->segment[SEG_CS].attributes & ATTR_LONG);
}

static void code(const struct vcpu *v, const struct insn_cpu *cpu)
{
	uint64_t base = in_long_mode(cpu) ? 0 : cpu->segment[SEG_CS].base;
	uint8_t byte[CODE_BYTES];
	char text[3 * CODE_BYTES + 1] = "";
	size_t n;

	n = look_read(v->machine->memory, cpu, base + cpu->rip, byte, sizeof(byte));
	for (size_t i = 0; i < n; i++)
		snprintf(text + 3 * i, 4, " %02x", byte[i]);
	line("code at rip:%s", n ? text : " not mapped");
}

/* Words as large as those that the guest pushes. */
static void stack(const struct vcpu *v, const struct insn_cpu *cpu)
{
	const struct hv_segment_register *ss = &cpu->segment[SEG_SS];
	unsigned int size = in_long_mode(cpu) ? 8 : ss->attributes & ATTR_BIG ? 4 : 2;
	uint64_t at = cpu->gpr[GPR_RSP] & ~UINT64_C(0) >> (64 - 8 * size);
	uint64_t base = size == 8 ? 0 : ss->base;

	for (unsigned int i = 0; i < STACK_LINES; i++, at += STACK_PER * size) {
		uint8_t byte[STACK_PER * 8];
		char text[STACK_PER * 17 + 1] = "";
		size_t n = look_read(v->machine->memory, cpu, base + at, byte, STACK_PER * size);

		for (size_t w = 0, used = 0; w < n / size; w++) {
			uint64_t word = 0;

			memcpy(&word, byte + w * size, size);
			used += (size_t)snprintf(text + used, sizeof(text) - used, " %0*llx",
						 2 * (int)size, LL(word));
		}
		line("stack %0*llx:%s", 2 * (int)size, LL(at), n < size ? " not mapped" : text);
		if (n < STACK_PER * size)
			break;
	}
}

void report_crash(struct vcpu *v)
{
	static const char name[SEG_COUNT][3] = { "es", "cs", "ss", "ds", "fs", "gs" };
	struct insn_cpu cpu;

	if (vcpu_get(v, &cpu)) {
		line("processor %u, whose registers cannot be read", v->index);
		return;
	}
	line("processor %u at %04x:%016llx rflags %08llx", v->index, cpu.segment[SEG_CS].selector,
	     LL(cpu.rip), LL(cpu.rflags));
	general(&cpu);
	for (unsigned int i = 0; i < SEG_COUNT; i++)
		segment(name[i], &cpu.segment[i]);
	system_registers(v, &cpu);
	code(v, &cpu);
	stack(v, &cpu);
}

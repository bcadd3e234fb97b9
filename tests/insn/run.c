/* SPDX-License-Identifier: MIT */
#include "tests/insn/run.h"

#include "lib/mem.h"
#include "tests/insn/legacy.h"
#include "tests/insn/window.h"

#define INT3	       0xcc
#define CR0_WP	       BIT64(16)
#define CR4_PSE	       BIT32(4)
#define CR4_PAE	       BIT32(5)
#define CR4_OSFXSR     BIT64(9)
#define CR4_OSXSAVE    BIT64(18)
#define CPUID_AVX      BIT32(28) /* with XSAVE */
#define XCR0_AVX       7
#define FCW_DEFAULT    0x37f
#define MXCSR_DEFAULT  0x1f80
#define DR6_BS	       BIT64(14)
#define DR6_FIXED      0xffff0ff0U
#define PTE_TABLE      7    /* present, writable, user */
#define PTE_LARGE      0x83 /* for the kernel, of 2 or 4 MiB */
#define PTE_USED(pte)  ((uint32_t)(pte) >> 5 & 3)
#define PAGE_BYTES     4096U
#define STACK_BYTES    8192U
#define GATE_USER_INT3 0xee00U
#define GATE_IST1      1U

/* Descriptors: the first four as in lib/entry.S. */
#define SEL_CODE32     0x08U
#define SEL_CODE64     0x10U
#define SEL_DATA       0x18U
#define SEL_TSS	       0x20U

enum {
	GDT_FIRST = 6,
	CODE64_0 = GDT_FIRST,
	CODE32_0,
	CODE16_0,
	FLAT_0,
	DATA32_0,
	DATA16_0,
	USER_FIRST,
	CODE64_3 = USER_FIRST,
	CODE32_3,
	CODE16_3,
	FLAT_3,
	DATA32_3,
	DATA16_3,
	GDT_COUNT
};

struct __packed tss64 {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint8_t reserved2[10];
	uint16_t io_map;
};

struct __packed table_pointer {
	uint16_t limit;
	uint64_t base;
};

void run_enter(struct guest_frame *f);
extern const uint8_t run_return[];

static uint64_t gdt[GDT_COUNT];
static struct tss64 tss;
static uint8_t stack[STACK_BYTES] __aligned(16);

static uint64_t table[512] __aligned(4096);
static uint32_t table32[1024] __aligned(4096); /* the same without PAE */
static uint8_t code[INSN_CODE_PAGES * PAGE_BYTES] __aligned(4096);
/* Backwards and with gaps, so that nothing works by chance across a page's end. */
static uint8_t pages[2 * INSN_DATA_PAGES][PAGE_BYTES] __aligned(4096);

/* Words: for QEMU each element of a string is as much work, whatever its size. */
static void copy_page(void *to, const void *from)
{
	size_t count = PAGE_BYTES / 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static struct run_end *end_now; /* of the instruction that is running */
uint64_t run_home;		/* RSP of run_enter() */

/*
 * *f is popped as guest_interrupt()'s caller would; what it returns to comes back
 * through leave().
 */
__asm__(".globl run_enter, run_return\n"
	"run_enter:\n"
	"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
	"	mov %rsp, run_home\n"
	"	mov %rdi, %rsp\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %r11; pop %r10; pop %r9; pop %r8\n"
	"	pop %rdi; pop %rsi; pop %rbp; pop %rbx; pop %rdx; pop %rcx; pop %rax\n"
	"	add $16, %rsp\n"
	"	iretq\n"
	"run_return:\n"
	"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
	"	cld\n"
	"	ret\n");

static void leave(struct guest_frame *f)
{
	struct run_end *e = end_now;
	uint64_t value;

	if (!e) {
		check("no exception of our own", false, "vector %llu, rip %#llx",
		      (unsigned long long)f->vector, (unsigned long long)f->rip);
		guest_end();
	}
	end_now = NULL;
	e->frame = *f;
	if (f->vector == VECTOR_PF) {
		__asm__ volatile("mov %%cr2, %0" : "=r"(value));
		e->address = value;
	}
	if (f->vector == VECTOR_DB) {
		__asm__ volatile("mov %%dr6, %0" : "=r"(value));
		e->step = value & DR6_BS;
		value = DR6_FIXED;
		__asm__ volatile("mov %0, %%dr6" : : "r"(value));
	}
	f->rip = (uint64_t)run_return;
	f->cs = SEL_CODE64;
	f->rflags = 2;
	f->rsp = run_home;
	f->ss = SEL_DATA;
}

static uint8_t *data_page(unsigned int i)
{
	return pages[2 * (INSN_DATA_PAGES - 1 - i)];
}

/* --- set-up --- */

static uint64_t descriptor(uint32_t base, uint32_t flags)
{
	return (uint64_t)(base & 0xff000000) << 32 | (uint64_t)(base & 0xffffff) << 16 |
	       (uint64_t)flags << 40 | 0xf00000000ffff;
}

static void describe(unsigned int first, uint32_t dpl)
{
	dpl <<= 5;
	gdt[first] = descriptor(0, 0xa09b | dpl);
	gdt[first + 1] = descriptor(INSN_CODE, 0xc09b | dpl);
	gdt[first + 2] = descriptor(INSN_CODE, 0x809b | dpl);
	gdt[first + 3] = descriptor(0, 0xc093 | dpl);
	gdt[first + 4] = descriptor(INSN_DATA, 0xc093 | dpl);
	gdt[first + 5] = descriptor(INSN_DATA, 0x8093 | dpl);
}

static void segments(void)
{
	struct table_pointer p;
	uint64_t base = (uint64_t)&tss;

	__asm__ volatile("sgdt %0" : "=m"(p));
	memcpy(gdt, (const void *)p.base, 4 * sizeof(gdt[0]));
	describe(CODE64_0, 0);
	describe(CODE64_3, 3);
	tss.ist[0] = (uint64_t)(stack + STACK_BYTES);
	tss.io_map = sizeof(tss);
	gdt[SEL_TSS / 8] = (base & 0xff000000) << 32 | (base & 0xffffff) << 16 | 0x890000000000 |
			   (sizeof(tss) - 1);
	gdt[SEL_TSS / 8 + 1] = base >> 32;
	p = (struct table_pointer){ sizeof(gdt) - 1, (uint64_t)gdt };
	__asm__ volatile("lgdt %0; ltr %w1" : : "m"(p), "r"(SEL_TSS) : "memory");
}

/* On a stack of their own: RSP may be anything. int3 from user mode, too. */
static void exceptions(void)
{
	struct table_pointer p;
	uint16_t *gate;

	__asm__ volatile("sidt %0" : "=m"(p));
	gate = (uint16_t *)p.base;
	for (unsigned int i = 0; i < 32; i++) {
		gate[8 * i + 2] |= GATE_IST1 | (i == VECTOR_BP ? GATE_USER_INT3 : 0);
		on_vector((uint8_t)i, leave);
	}
}

static uint64_t *table_of(uint64_t entry)
{
	return (uint64_t *)(entry & 0xffffffffff000);
}

/* 2 MiB of their own in the tables of entry.S, for user mode as well. */
static void paging(void)
{
	uint64_t cr0, cr3, *t;

	__asm__ volatile("mov %%cr3, %0; mov %%cr0, %1" : "=r"(cr3), "=r"(cr0));
	t = table_of(cr3);
	for (unsigned int shift = 39; shift > 21; shift -= 9) {
		t[INSN_CODE >> shift & 511] |= PTE_TABLE;
		t = table_of(t[INSN_CODE >> shift & 511]);
	}
	t[INSN_CODE >> 21 & 511] = (uint64_t)table | PTE_TABLE;
	for (unsigned int i = 0; i < INSN_CODE_PAGES; i++)
		table[(INSN_CODE >> 12 & 511) + i] = (uint64_t)(code + i * PAGE_BYTES) | PTE_TABLE;
	__asm__ volatile("mov %0, %%cr0" : : "r"(cr0 | CR0_WP) : "memory");
}

/* --- vector registers: nobody else in this guest uses any --- */

static struct {
	uint16_t fcw;
	uint8_t x87[22];
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[128];
	uint64_t xmm[INSN_FORM_VECTORS][2];
	uint8_t reserved1[96];
	uint64_t xstate_bv;
	uint8_t reserved2[56];
	uint64_t ymm_high[INSN_FORM_VECTORS][2];
} xsave __aligned(64) = { .fcw = FCW_DEFAULT, .mxcsr = MXCSR_DEFAULT, .xstate_bv = XCR0_AVX };

static uint32_t cr4_vectors;

static void vectors(void)
{
	uint64_t cr4;
	uint32_t r[4];

	cpuid(1, 0, r);
	cr4_vectors = CR4_OSFXSR | (r[2] & CPUID_AVX ? CR4_OSXSAVE : 0);
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | cr4_vectors));
	if (cr4_vectors & CR4_OSXSAVE)
		__asm__ volatile("xsetbv" : : "c"(0), "a"(XCR0_AVX), "d"(0));
}

static void vectors_put(const insn_vector *v)
{
	for (unsigned int i = 0; i < INSN_FORM_VECTORS; i++) {
		memcpy(xsave.xmm[i], v[i], 16);
		memcpy(xsave.ymm_high[i], v[i] + 2, 16);
	}
	if (cr4_vectors & CR4_OSXSAVE)
		__asm__ volatile("xrstor64 %0" : : "m"(xsave), "a"(XCR0_AVX), "d"(0));
	else
		__asm__ volatile("fxrstor64 %0" : : "m"(xsave));
}

static void vectors_get(insn_vector *v)
{
	if (cr4_vectors & CR4_OSXSAVE)
		__asm__ volatile("xsave64 %0" : "+m"(xsave) : "a"(XCR0_AVX), "d"(0));
	else
		__asm__ volatile("fxsave64 %0" : "+m"(xsave));
	for (unsigned int i = 0; i < INSN_FORM_VECTORS; i++) {
		memcpy(v[i], xsave.xmm[i], 16);
		memcpy(v[i] + 2, xsave.ymm_high[i], 16);
	}
}

/* --- without long mode: 16 MiB one to one, and the same 2 MiB --- */

static uint64_t directory_pointers[4] __aligned(32), directory[512] __aligned(4096);
static uint32_t directory32[1024] __aligned(4096);
static uint64_t idt32[32];

struct legacy_idt legacy_idt = { sizeof(idt32) - 1, 0 };

static void legacy_prepare(void)
{
	for (unsigned int i = 0; i < 8; i++)
		directory[i] = (uint64_t)i << 21 | PTE_LARGE;
	directory[INSN_CODE >> 21] = (uint64_t)table | PTE_TABLE;
	directory_pointers[0] = (uint64_t)directory | 1;
	for (unsigned int i = 0; i < 4; i++)
		directory32[i] = i << 22 | PTE_LARGE;
	directory32[INSN_CODE >> 22] = (uint32_t)(uint64_t)table32 | PTE_TABLE;
	legacy_idt.base = (uint32_t)(uint64_t)idt32;
	for (unsigned int i = 0; i < ARRAY_SIZE(idt32); i++) {
		uint64_t at = (uint64_t)(legacy_gates + i * LEGACY_GATE);

		idt32[i] = at >> 16 << 48 | 0x8e0000000000 | SEL_CODE32 << 16 | (at & 0xffff);
	}
}

static void run_legacy(const struct guest_frame *f, enum run_how how, uint64_t segment)
{
	struct legacy l = {
		.gpr = { (uint32_t)f->rax, (uint32_t)f->rcx, (uint32_t)f->rdx, (uint32_t)f->rbx, 0,
			 (uint32_t)f->rbp, (uint32_t)f->rsi, (uint32_t)f->rdi },
		.eip = (uint32_t)f->rip,
		.cs = (uint32_t)f->cs,
		.eflags = (uint32_t)f->rflags,
		.segment = (uint32_t)segment,
		.cr3 = (uint32_t)(uint64_t)directory32,
		.cr4 = CR4_PSE | cr4_vectors,
	};
	const struct legacy_frame *e = &legacy_frame;
	struct guest_frame end;

	if (how == RUN_PAE) {
		l.cr3 = (uint32_t)(uint64_t)directory_pointers;
		l.cr4 = CR4_PAE | cr4_vectors;
	}
	legacy_enter(&l);
	end = (struct guest_frame){
		.rax = e->eax,
		.rcx = e->ecx,
		.rdx = e->edx,
		.rbx = e->ebx,
		.rbp = e->ebp,
		.rsi = e->esi,
		.rdi = e->edi,
		.vector = e->vector,
		.error = e->error,
		.rip = e->eip,
		.cs = (uint16_t)e->cs,
		.rflags = e->eflags,
	};
	leave(&end);
}

void run_prepare(void)
{
	segments();
	exceptions();
	paging();
	vectors();
	legacy_prepare();
	memset(code, INT3, sizeof(code));
}

/* --- a run --- */

static void map(unsigned int devices)
{
	uint64_t cr3;

	for (unsigned int i = 0; i < INSN_DATA_PAGES; i++)
		table[(INSN_DATA >> 12 & 511) + i] =
			((uint64_t)data_page(i) + (devices & BIT32(i) ? WINDOW_BASE : 0)) |
			PTE_TABLE;
	for (unsigned int i = 0; i < INSN_PAGES; i++)
		table32[(INSN_CODE >> 12 & 1023) + i] =
			(uint32_t)table[(INSN_CODE >> 12 & 511) + i];
	__asm__ volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(cr3) : : "memory");
}

static uint32_t used(enum run_how how)
{
	uint32_t bits = 0;

	for (unsigned int i = 0; i < INSN_DATA_PAGES; i++) {
		uint64_t pte = how == RUN_32 ? READ_ONCE(table32[(INSN_DATA >> 12 & 1023) + i]) :
					       READ_ONCE(table[(INSN_DATA >> 12 & 511) + i]);

		bits |= PTE_USED(pte) << 2 * i;
	}
	return bits;
}

static uint64_t selector(unsigned int entry, unsigned int cpl)
{
	return (entry + (cpl ? USER_FIRST - GDT_FIRST : 0)) * 8 | cpl;
}

void run(const struct insn_form *f, const struct insn_start *s, const uint8_t *data,
	 enum run_how how, uint64_t rflags, unsigned int devices, struct run_end *end)
{
	unsigned int cpl = how == RUN_USER ? 3 : 0;
	unsigned int which = f->bits == 64 ? 0 : f->bits == 32 ? 1 : 2;
	uint64_t base = f->bits == 64 ? INSN_CODE : 0;
	uint64_t segment = selector(f->bits == 16 ? DATA16_3 : DATA32_3, 0) | 3;
	struct guest_frame frame = {
		.rax = s->gpr[0],
		.rcx = s->gpr[1],
		.rdx = s->gpr[2],
		.rbx = s->gpr[3],
		.rsp = s->gpr[4],
		.rbp = s->gpr[5],
		.rsi = s->gpr[6],
		.rdi = s->gpr[7],
		.r8 = s->gpr[8],
		.r9 = s->gpr[9],
		.r10 = s->gpr[10],
		.r11 = s->gpr[11],
		.r12 = s->gpr[12],
		.r13 = s->gpr[13],
		.r14 = s->gpr[14],
		.r15 = s->gpr[15],
		.rip = base + s->code,
		.rflags = s->rflags | rflags | 2,
		.cs = selector(CODE64_0 + which, cpl),
		.ss = selector(FLAT_0 + which, cpl),
	};

	memcpy(code + s->code, f->code, f->length);
	for (unsigned int i = 0; i < INSN_DATA_PAGES; i++)
		copy_page(data_page(i), data + i * PAGE_BYTES);
	map(devices);
	end->address = 0;
	end->step = false;
	end_now = end;
	if (f->special == VECTOR)
		vectors_put(s->vector);
	if (how == RUN_PAE || how == RUN_32) {
		run_legacy(&frame, how, segment);
	} else {
		__asm__ volatile("mov %w0, %%ds; mov %w0, %%es; mov %w0, %%fs; mov %w0, %%gs"
				 :
				 : "r"(segment)
				 : "memory");
		run_enter(&frame);
	}
	if (f->special == VECTOR)
		vectors_get(end->vector);
	else
		memset(end->vector, 0, sizeof(end->vector));
	memset(code + s->code, INT3, f->length);
	end->frame.rip -= base;
	end->used = used(how);
	for (unsigned int i = 0; i < INSN_DATA_PAGES; i++)
		copy_page(end->data + i * PAGE_BYTES / 8, data_page(i));
}

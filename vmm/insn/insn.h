/* SPDX-License-Identifier: MIT */
/*
 * Executing one guest instruction on behalf of its processor: those that touch
 * device memory, and string port I/O. Zydis decodes, this directory executes.
 *
 * Knows nothing of the hypervisor: the processor's state comes in and goes out
 * as struct insn_cpu, memory and devices are reached through struct insn_bus.
 * Everything in both is hostile; the worst a guest can do is INSN_UNKNOWN.
 *
 * Covers the integer instructions and the moves of SSE and AVX a compiler or an
 * operating system uses on memory, in 16, 32 and 64 bit; tests/insn/forms.S lists
 * them, and what is left out. Protection keys and alignment checks are not looked at: the processor
 * checked them for the access that brought us here.
 */
#ifndef VMM_INSN_INSN_H
#define VMM_INSN_INSN_H

#include "abi/hv/register.h"
#include "base/base.h"

/* Order of the encoding, as in struct hv_register_page. */
enum insn_gpr {
	GPR_RAX,
	GPR_RCX,
	GPR_RDX,
	GPR_RBX,
	GPR_RSP,
	GPR_RBP,
	GPR_RSI,
	GPR_RDI,
	GPR_COUNT = 16,
};

enum insn_segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT };

struct insn_cpu {
	uint64_t gpr[GPR_COUNT];
	uint64_t rip;
	uint64_t rflags;
	struct hv_segment_register segment[SEG_COUNT];
	uint64_t cr0, cr3, cr4, efer;
	unsigned int cpl;
};

/* YMM registers, each beginning with its XMM register; bytes as in memory. */
#define INSN_VECTORS	  16
#define INSN_VECTOR_BYTES 32

struct insn_vectors {
	uint64_t xcr0;
	uint8_t reg[INSN_VECTORS][INSN_VECTOR_BYTES];
};

/* All of them on the calling thread; addresses are guest physical. */
struct insn_bus {
	void *arg;
	/* RAM behind [@gpa, @gpa + @len), or NULL. */
	void *(*ram)(void *arg, uint64_t gpa, uint64_t len);
	/* @size is 1, 2, 4 or 8. */
	uint64_t (*mmio_read)(void *arg, uint64_t gpa, unsigned int size);
	void (*mmio_write)(void *arg, uint64_t gpa, unsigned int size, uint64_t val);
	/*
	 * @size is 1, 2 or 4. NULL, both: the processor did not ask for a port, so did not
	 * check whether the guest's program may use one. INS and OUTS, which somebody put
	 * there meanwhile, are left to it then.
	 */
	uint64_t (*port_read)(void *arg, uint16_t port, unsigned int size);
	void (*port_write)(void *arg, uint16_t port, unsigned int size, uint64_t val);
	/*
	 * Vector registers, for the few instructions that have to do with them. Upper
	 * halves are zeros and stay so where there is no AVX; XCR0 is only read. False:
	 * not to be had.
	 */
	bool (*vectors_get)(void *arg, struct insn_vectors *v);
	void (*vectors_put)(void *arg, const struct insn_vectors *v);
};

/* An exception the guest has to take instead. */
struct insn_fault {
	uint8_t vector;
	bool has_error;
	uint32_t error;
	uint64_t address; /* CR2 of a page fault */
};

enum insn_result {
	/*
	 * Done, registers updated. Of a long repeated string instruction only
	 * a part may be done, or nothing of one left to the processor: RIP is
	 * still at it then.
	 */
	INSN_DONE,
	/* The same in a single step (RFLAGS.TF): *fault is the #DB that follows it. */
	INSN_TRAP,
	/* Registers are as before, or as the string got; *fault is filled in. */
	INSN_FAULT,
	/* Not an instruction we know, or it cannot be read. Nothing changed. */
	INSN_UNKNOWN,
};

/* @bytes: what the hypervisor fetched at RIP, 0 to 16 bytes. */
enum insn_result insn_emulate(struct insn_cpu *cpu, const struct insn_bus *bus,
			      const uint8_t *bytes, unsigned int len, struct insn_fault *fault);

/*
 * Where @linear is, through the guest's page tables, for who looks from outside: no
 * access rights, no accessed bits, and of the bus only ram() is asked. False: not
 * mapped.
 */
bool insn_translate(const struct insn_cpu *cpu, const struct insn_bus *bus, uint64_t linear,
		    uint64_t *gpa);

#endif

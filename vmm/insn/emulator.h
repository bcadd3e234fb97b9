/* SPDX-License-Identifier: MIT */
/* Between the files of vmm/insn/. */
#ifndef VMM_INSN_EMULATOR_H
#define VMM_INSN_EMULATOR_H

#include <Zydis/Zydis.h>

#include "vmm/insn/insn.h"

#define RFLAGS_CF      BIT64(0)
#define RFLAGS_PF      BIT64(2)
#define RFLAGS_AF      BIT64(4)
#define RFLAGS_ZF      BIT64(6)
#define RFLAGS_SF      BIT64(7)
#define RFLAGS_TF      BIT64(8)
#define RFLAGS_DF      BIT64(10)
#define RFLAGS_OF      BIT64(11)
#define RFLAGS_RF      BIT64(16)
#define RFLAGS_VM      BIT64(17)
#define RFLAGS_AC      BIT64(18)
#define RFLAGS_STATUS  (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

#define CR0_PE	       BIT64(0)

#define CR4_LA57       BIT64(12)

#define FAULT_DE       0
#define FAULT_DB       1
#define FAULT_UD       6
#define FAULT_NM       7
#define FAULT_SS       12
#define FAULT_GP       13
#define FAULT_PF       14

#define INSN_BYTES_MAX 15

struct emulator {
	struct insn_cpu *cpu;
	const struct insn_bus *bus;
	struct insn_fault *fault;
	unsigned int mode_bits; /* 16, 32, 64: of the code segment */
	uint64_t next;		/* RIP when the instruction is done */
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
};

/* Neither real mode nor virtual-8086 mode. */
static inline bool has_descriptors(const struct insn_cpu *cpu)
{
	return (cpu->cr0 & CR0_PE) && !(cpu->rflags & RFLAGS_VM);
}

/* Lowest @bits bits; @bits is 1 to 64. */
static inline uint64_t mask_bits(unsigned int bits)
{
	return ~UINT64_C(0) >> (64 - bits);
}

static inline int64_t sign_extend(uint64_t v, unsigned int bits)
{
	return (int64_t)(v << (64 - bits)) >> (64 - bits);
}

/* --- walk.c --- */

enum walk_access {
	WALK_READ,
	WALK_WRITE,
	WALK_FETCH,
	WALK_LOOK, /* nobody's: no checks, no bits */
};

/*
 * Linear to physical through the guest's page tables, with the checks and the
 * accessed and dirty bits of the processor. INSN_FAULT fills e->fault.
 */
enum insn_result walk(struct emulator *e, uint64_t linear, enum walk_access access, uint64_t *gpa);

/* @error only where the exception has one, which it never has in real mode. */
enum insn_result raise_fault(struct emulator *e, uint8_t vector, uint32_t error);

/* --- access.c: @len is 1 to 32 --- */

enum insn_result linear_read(struct emulator *e, uint64_t linear, void *buf, unsigned int len,
			     enum walk_access access);
enum insn_result linear_write(struct emulator *e, uint64_t linear, const void *buf,
			      unsigned int len);

/*
 * Segment and offset to linear address, with the checks of limit and rights of 16
 * and 32 bit code and the canonical check of 64 bit code.
 */
enum insn_result segment_linear(struct emulator *e, enum insn_segment seg, uint64_t offset,
				unsigned int len, enum walk_access access, uint64_t *linear);
bool canonical(const struct emulator *e, uint64_t linear);

/* --- operand.c --- */

/* Width in bits of what @op names. */
unsigned int operand_bits(const ZydisDecodedOperand *op);

/* Zero-extended value. INSN_UNKNOWN for registers other than general ones. */
enum insn_result operand_get(struct emulator *e, const ZydisDecodedOperand *op, uint64_t *val);
enum insn_result operand_set(struct emulator *e, const ZydisDecodedOperand *op, uint64_t val);
/* The same for a memory operand moved by @displacement bytes. */
enum insn_result operand_linear(struct emulator *e, const ZydisDecodedOperand *op,
				int64_t displacement, unsigned int len, enum walk_access access,
				uint64_t *linear);

bool gpr_get(struct emulator *e, ZydisRegister reg, uint64_t *val);
bool gpr_set(struct emulator *e, ZydisRegister reg, uint64_t val);
/* The low @bits of a register; 32 of them clear the upper half. */
void gpr_put(struct insn_cpu *cpu, enum insn_gpr r, unsigned int bits, uint64_t val);

/* --- alu.c: results are masked, *flags holds RFLAGS and is updated --- */

enum alu_op {
	ALU_ADD,
	ALU_ADC,
	ALU_SUB,
	ALU_SBB,
	ALU_AND,
	ALU_OR,
	ALU_XOR,
	ALU_INC,
	ALU_DEC,
	ALU_NEG,
	ALU_SHL,
	ALU_SHR,
	ALU_SAR,
	ALU_ROL,
	ALU_ROR,
	ALU_RCL,
	ALU_RCR,
};

uint64_t alu(enum alu_op op, unsigned int bits, uint64_t a, uint64_t b, uint64_t *flags);
/* SHLD, SHRD: @fill is shifted in. */
uint64_t alu_double_shift(bool left, unsigned int bits, uint64_t a, uint64_t fill,
			  unsigned int count, uint64_t *flags);
/* Signed multiplication, truncated. */
uint64_t alu_imul(unsigned int bits, uint64_t a, uint64_t b, uint64_t *flags);

/* Condition code of Jcc, SETcc, CMOVcc: the low four bits of the opcode. */
bool alu_condition(unsigned int code, uint64_t flags);

/* --- string.c --- */

/* MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS; advances RIP when complete. */
bool is_string(const struct emulator *e);
enum insn_result string_execute(struct emulator *e);

/* --- vector.c --- */

/* SSE's and AVX's moves; INSN_UNKNOWN for all else. */
enum insn_result vector_execute(struct emulator *e);

/* --- instructions, by the file that has them; what @arg means is in the table of insn.c --- */

typedef enum insn_result handler(struct emulator *e, unsigned int arg);

enum bit_op { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

handler do_bit, do_bitscan, do_zeros, do_popcnt, do_crc32; /* bits.c */
handler do_push, do_pop, do_branch;			   /* stack.c */
handler do_multiply, do_divide, do_cmpxchg_double;	   /* wide.c */

/* --- insn.c --- */

/* RIP to e->next. */
void retire(struct emulator *e);

#endif

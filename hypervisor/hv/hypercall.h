/* SPDX-License-Identifier: MIT */
/*
 * Hypercall ABI (TLFS "Hypercall Interface"): control word, parameter copy,
 * rep accounting. Handlers see a copied input and a private output buffer and
 * never touch the caller's memory, so no caller can change what was checked.
 *
 * Two tables list every call, code, shape and handler: calltable.c what the root
 * may call, guestcalls.c what guests may. A handler knows no register and no VMCB.
 */
#ifndef HYPERVISOR_HV_HYPERCALL_H
#define HYPERVISOR_HV_HYPERCALL_H

#include "abi/hv/hypercall.h"
#include "abi/hv/stats.h"
#include "base/base.h"

struct partition;
struct vp;

struct hvcall {
	struct vp *vp;			/* a guest's call: the caller; the root's: the subject */
	struct partition *partition;	/* the root's: the subject */
	uint16_t code;
	const void *in;			/* header, then variable header, then rep elements */
	uint32_t in_size;		/* bytes valid at @in */
	uint32_t varhead;		/* qwords of variable header (0 if none) */
	void *out;			/* a page, zeroed as far as the call's output reaches */
	/* Simple calls: bytes to copy back on success; rep calls: the fixed part. */
	uint32_t out_size;
	uint32_t rep_start;		/* first element to do */
	uint32_t rep_count;		/* … and the one behind the last, in this turn */
	uint32_t reps_done;		/* handler: absolute index reached */
	bool again;			/* handler: success so far, to be called once more */
};

/*
 * Handler: do the call or nothing of it (rep calls: whole elements up to
 * reps_done). HV_STATUS_INSUFFICIENT_MEMORY makes the root deposit and repeat
 * the same call, so it must leave no trace.
 */
typedef enum hv_status hvcall_fn(struct hvcall *c);

/*
 * The subject of the root's call, named by the first words of the input. hvcall_run
 * finds it, holds a reference meanwhile, and answers for one that does not exist.
 */
enum hvcall_about {
	HVCALL_ABOUT_NOTHING,
	HVCALL_ABOUT_ROOT,		/* the partition can only be the root */
	HVCALL_ABOUT_GUEST,		/* … only a guest */
	HVCALL_ABOUT_PARTITION,		/* … either */
	/* a guest's VP: */
	HVCALL_ABOUT_VP_NAME,		/* as it is, perhaps in guest mode */
	HVCALL_ABOUT_VP,		/* its run_lock held, the register page read back */
	HVCALL_ABOUT_VP_CHANGE,		/* so, and it may be another VP afterwards */
};

struct hvcall_desc {
	uint16_t code;
	uint16_t in_fixed;		/* bytes */
	uint16_t in_rep;		/* bytes per element */
	uint16_t out_fixed;
	uint16_t out_rep;
	uint8_t is_rep : 1;
	uint8_t has_varhead : 1;
	uint8_t about;			/* enum hvcall_about */
	uint8_t feature;		/* enum hv_synthetic_feature that grants it to guests */
	uint8_t kind;			/* VP_COUNTER_… that counts it */
	hvcall_fn *fn;
};

/* Parts of an entry; CALL_REPS: bytes of each element. */
#define CALL(code_, kind_, fn_) \
	.code = (code_), .kind = VP_COUNTER_##kind_##_HYPERCALLS, .fn = (fn_)
#define CALL_IN(struct_)	.in_fixed = sizeof(struct struct_)
#define CALL_OUT(type_)	.out_fixed = sizeof(type_)
#define CALL_REPS(in_, out_) .is_rep = 1, .in_rep = (in_), .out_rep = (out_)

/* calltable.c and guestcalls.c; sorted by nothing, searched by code. */
extern const struct hvcall_desc hvcall_table[], hvcall_guest_table[];
extern const unsigned int hvcall_table_size, hvcall_guest_table_size;

/*
 * One hypercall by the root at CPL 0, registers as the ABI names them;
 * returns the result for RAX. Called by svm/ through the exit table on the
 * calling CPU with no lock held.
 */
struct hvcall_regs {
	uint64_t control;		/* rcx */
	uint64_t input;			/* rdx */
	uint64_t output;		/* r8 */
	uint8_t fault;			/* OUT: exception to inject instead, 0: none */
	bool again;			/* OUT: the same once more, .control says from where on */
	uint8_t kind;			/* OUT: of the call, hvcall_desc.kind */
};
/* calltable.c: the handler, with the subject found. */
enum hv_status hvcall_run(const struct hvcall_desc *d, struct hvcall *c);
/* The ABI itself, with page-sized buffers of the calling CPU; @vp NULL: by the root. */
uint64_t hypercall_execute(struct vp *vp, struct hvcall_regs *r, void *in, void *out);
uint64_t hypercall_root(struct hvcall_regs *r);
/*
 * The same for a guest VP. With vp->missing set afterwards the input is not
 * populated: nothing was done, and the guest shall execute the call again.
 */
uint64_t hypercall_guest(struct vp *vp, struct hvcall_regs *r);
/* guestcalls.c: VMMCALL of @insn_len bytes by a guest. True: its turn ends, for it would spin. */
bool guestcalls_exit(struct vp *vp, uint8_t insn_len);

/* Partition ids: SELF or 1 is the root. NULL if unknown. */
#define ROOT_PARTITION_ID 1

#endif

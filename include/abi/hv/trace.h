/* SPDX-License-Identifier: MIT */
/*
 * The reference hypervisor's trace ring, as the root reads it: not Microsoft's
 * interface but ours. GET_PARTITION_PROPERTY_EX of the root partition (SELF; the
 * call that MSHV_ROOT_HVCALL lets pass) with the property HV_PROPERTY_TRACE and
 * HV_TRACE_ARG answers with one struct hv_trace_page.
 *
 * Boundary: hypervisor and tools/hvtrace.c. Little-endian.
 */
#ifndef ABI_HV_TRACE_H
#define ABI_HV_TRACE_H

#include <stdint.h>

/* In no class of the TLFS's property codes. */
#define HV_PROPERTY_TRACE	0x52530001u

/* Events of processor @cpu_ from number @from_ on (counted since the launch). */
#define HV_TRACE_ARG(cpu_, from_) ((uint64_t)(cpu_) << 48 | (from_))
#define HV_TRACE_ARG_CPU(arg_)	  ((uint32_t)((arg_) >> 48))
#define HV_TRACE_ARG_FROM(arg_)	  ((arg_) & 0xffffffffffffULL)

enum hv_trace_kind {
	HV_TRACE_NONE,
	HV_TRACE_ROOT_EXIT,	/* code: #VMEXIT; a: RCX, of a nested fault the address; b: RIP */
	HV_TRACE_GUEST_EXIT,	/* code: enum hv_trace_exit; a: port, address or RCX; b: RIP */
	HV_TRACE_HYPERCALL,	/* code: of the call; a: control word; b: result */
	HV_TRACE_INTERCEPT,	/* to the VMM. a: message type; b: RIP */
	HV_TRACE_MESSAGE,	/* into the slot of the root's VP. a: message type */
	HV_TRACE_SIGNAL,	/* a blocked VP may run again. a: processor that is told */
	HV_TRACE_INJECT,	/* code: type << 8 | vector; b: RIP */
	HV_TRACE_FAULT,		/* made on demand. code: which (fault.h); a: its number */
};

/* A guest's exits; the order of vcpu.h's enum vcpu_exit_reason. */
enum hv_trace_exit {
	HV_TRACE_EXIT_INTERNAL, HV_TRACE_EXIT_HOST, HV_TRACE_EXIT_WINDOW, HV_TRACE_EXIT_IO,
	HV_TRACE_EXIT_MEMORY, HV_TRACE_EXIT_CPUID, HV_TRACE_EXIT_MSR, HV_TRACE_EXIT_HLT,
	HV_TRACE_EXIT_HYPERCALL, HV_TRACE_EXIT_XSETBV, HV_TRACE_EXIT_CR8,
	HV_TRACE_EXIT_SHUTDOWN, HV_TRACE_EXIT_INVALID, HV_TRACE_EXIT_EXCEPTION,
};

struct hv_trace_event {
	uint64_t tsc;		/* of the processor */
	uint32_t partition;	/* 1: the root */
	uint8_t kind;		/* enum hv_trace_kind */
	uint8_t vp;
	uint16_t code;
	uint64_t a, b;
};

#define HV_TRACE_PAGE_EVENTS	126u

struct hv_trace_page {		/* OUT */
	uint64_t first;		/* number of event[0]; larger than asked for: some are lost */
	uint32_t count;		/* 0: none newer than asked for */
	uint32_t cpus;
	uint64_t tsc_hz;
	uint64_t reserved;
	struct hv_trace_event event[HV_TRACE_PAGE_EVENTS];
};

_Static_assert(sizeof(struct hv_trace_event) == 32, "trace event");
_Static_assert(sizeof(struct hv_trace_page) == 4064, "fits a property's value");

#endif

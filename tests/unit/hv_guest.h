/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's guest side (hypervisor/hv/) on the host: the real sources
 * over a fake machine. Fake are the processor (svm/), the physical APICs, the
 * timers and the root's SynIC; the root's memory is an array.
 */
#ifndef TESTS_UNIT_HV_GUEST_H
#define TESTS_UNIT_HV_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hypervisor/cpu.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/gpa.h"
#include "hypervisor/hv/partition.h"
#include "hypervisor/hv/vp.h"
#include "hypervisor/vcpu.h"

#define RIG_PAGES  4096
#define RIG_DEVICE 0xfe000000u

/* Fresh root memory and counters; partitions of earlier tests must be gone. */
int rig_reset(void **state);
/* Every partition deleted, every page back where it came from. */
int rig_check(void **state);

/* Is the page in the root's nested table? */
bool rig_root_sees(const void *page);
/* Called when a page is about to be shared with the root, which may take long. */
extern void (*rig_on_share)(void);
/* There is no memory to take pages out of it. */
extern bool rig_no_tables;
/* An unused page of the root, by frame number. */
uint64_t rig_pfn(void);
void rig_pfn_free(uint64_t pfn);
void *rig_page(uint64_t pfn);
unsigned int rig_pages_used(void);

/* Of the last call: how often it was made. */
extern unsigned int rig_turns;
/* A call as the table would make it; *done: reps completed. */
enum hv_status rig_call(hvcall_fn *fn, const void *in, uint32_t in_size, void *out,
			uint32_t out_size);
enum hv_status rig_rep(hvcall_fn *fn, const void *in, uint32_t in_size, void *out,
		       uint32_t out_size, uint32_t start, uint32_t count, uint32_t *done);
enum hv_status rig_varhead(hvcall_fn *fn, const void *in, uint32_t in_size, uint32_t varhead,
			   void *out, uint32_t out_size);

enum hv_status rig_deposit(uint64_t partition, unsigned int count);
/* Withdraw everything as Linux does; number of pages that came back. */
unsigned int rig_withdraw(uint64_t partition);

/* PRIVILEGE_FLAGS and SYNTHETIC_PROC_FEATURES of partitions to come. */
extern uint64_t rig_early[2];

/* Created, initialized, with pages to spare; or all the way gone. */
uint64_t rig_partition(void);
void rig_partition_end(uint64_t id);
/* VP with both state pages, as the root's kernel makes it. */
struct vp *rig_vp(uint64_t partition, uint32_t index);
/* Map @count pages at guest frame @gfn; returns the first root frame. */
uint64_t rig_map(uint64_t partition, uint64_t gfn, unsigned int count, uint32_t flags);

/* --- the fake processor --- */

/* The guest's own: no exit. */
#define RIG_OWN_MSR 0xc0000102u
/* What the "guest" does at each entry; NULL: an interrupt of the host. */
extern void (*rig_guest)(struct vcpu *v, struct vcpu_exit *exit);
extern unsigned int rig_entries, rig_attached;
extern bool rig_flush; /* the last entry dropped translations */
struct hv_output_dispatch_vp rig_dispatch(struct vp *vp, uint32_t flags);

/* How long a dispatch may take, in ticks of this machine: for ever, if nobody says so. */
#define RIG_TURN_SHORT 1000000
extern uint64_t rig_turn_ticks;

/* --- what the fakes saw --- */
extern unsigned int rig_signals; /* synic_signal_vp */
extern uint32_t rig_signal_vp;
extern bool rig_signals_wait;	 /* the root is not told yet … */
extern unsigned int rig_waiting; /* … of so many */
extern unsigned int rig_kicks;	 /* lapic_kick */
extern void (*rig_on_kick)(void);
extern uint32_t rig_rung_port;	/* synic_ring */
extern struct timer *rig_timer; /* last armed */

/* The suites. */
extern const struct CMUnitTest memory_tests[], lapic_tests[], run_tests[], event_tests[],
	state_tests[], observe_tests[], synic_tests[], timer_tests[], call_tests[],
	intercept_tests[], access_tests[], page_tests[];
extern const size_t memory_test_count, lapic_test_count, run_test_count, event_test_count,
	state_test_count, observe_test_count, synic_test_count, timer_test_count, call_test_count,
	intercept_test_count, access_test_count, page_test_count;

#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_reset, rig_check)

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Statistics pages: who has one, and the counters that are states rather than
 * events. A guest's pages come from the root's pool when they are first mapped and
 * go with their VP or partition; Linux maps each VP's before it runs. Those of the
 * hypervisor, of processors and of the root are there from the start. SELF and
 * PARENT are one page.
 */
#ifndef HYPERVISOR_HV_STATS_H
#define HYPERVISOR_HV_STATS_H

#include "abi/hv/hypercall.h"
#include "abi/hv/stats.h"
#include "base/base.h"
#include "hypervisor/vcpu.h"

struct counters;
struct cpu;
struct partition;
struct vp;

/* Pages of @cpu (and, with the first, of all else), shown to the root. False: no memory. */
bool stats_create(struct cpu *cpu);

/* Give @page back to the root's pool; NULL is fine. */
void stats_free(struct counters *page);

/* Partitions and VPs come and go: @partitions, @vps more. Any CPU. */
void stats_population(int partitions, int vps);

/* What @p has of VPs and memory may have changed. No lock of the caller's needed. */
void stats_partition(struct partition *p);

/* @vp has been dealt with after an exit for @reason. Returns the TSC. Its own dispatch. */
uint64_t stats_exit(struct vp *vp, enum vcpu_exit_reason reason);
/* Its turn on @cpu is over; it began at TSC @start, when vcpu.ran was @ran. */
void stats_turn(struct vp *vp, struct cpu *cpu, uint64_t start, uint64_t ran);

/* Answer HV_PROPERTY_COUNTERS. */
enum hv_status stats_read(uint64_t arg, uint64_t out[HV_COUNTERS_MAX]);

#endif

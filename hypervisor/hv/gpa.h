/* SPDX-License-Identifier: MIT */
/*
 * Guest physical memory: the partition's nested table and every access the
 * hypervisor makes to guest memory. The root backs guest RAM with movable
 * pages: it maps a range NO_ACCESS first, populates it when the guest faults
 * (GPA_INTERCEPT) and takes pages back by mapping NO_ACCESS again. Once such a
 * call has returned the pages are the root's, so accesses happen under
 * gpa_lock and no translation survives a change.
 */
#ifndef HYPERVISOR_HV_GPA_H
#define HYPERVISOR_HV_GPA_H

#include "abi/hv/hypercall.h"
#include "base/base.h"

struct partition;

#define GPA_BITS	48		/* a 4-level table */

enum gpa_result {
	GPA_OK,
	GPA_UNMAPPED,			/* nothing there: the VMM's business */
	GPA_NO_ACCESS,			/* RAM the root has not populated */
	GPA_RESTRICTED,			/* the kind of access is not allowed */
	GPA_DEVICE,			/* mapped uncached: not for the hypervisor */
};

/* The table's root page. partition.lock held. */
enum hv_status gpa_prepare(struct partition *p);
/* Give table pages back; no VP runs any more. False: there are more, call again. */
bool gpa_destroy(struct partition *p);
/* Physical address of the table for the processor. */
uint64_t gpa_table(const struct partition *p);

/* What an access to @gpa meets. */
enum gpa_result gpa_probe(struct partition *p, uint64_t gpa, bool write, bool execute);

/* Copy; stops at the first page that refuses. No vp.lock held. */
enum gpa_result gpa_read(struct partition *p, uint64_t gpa, void *buf, uint32_t size);
enum gpa_result gpa_write(struct partition *p, uint64_t gpa, const void *buf, uint32_t size);
/* Set @bits in the 64-bit word at @gpa; @old, if not NULL: what was there. */
enum gpa_result gpa_or(struct partition *p, uint64_t gpa, uint64_t bits, uint64_t *old);
/*
 * Exchange the 32-bit word at @gpa; -1 if it cannot be written, or, without
 * @wait, if another processor holds gpa_lock (vcpu_open forbids to wait).
 */
int64_t gpa_exchange(struct partition *p, uint64_t gpa, uint32_t val, bool wait);

/*
 * No VP whose bit is in @vps (PARTITION_VPS_MAX bits) uses an old translation
 * once this returns. No lock held.
 */
void gpa_flush(struct partition *p, const uint64_t *vps);

#endif

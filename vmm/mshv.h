/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor, as the rest of the VMM sees it: one partition with its
 * processors, memory and interrupts. mshv.c is the only file that knows
 * /dev/mshv; tests/fake/mshv_kvm.c offers the same functions over KVM.
 *
 * Functions return 0 (or what they say) or -errno. A hypercall the hypervisor
 * refuses comes back as the kernel's translation of its status.
 *
 * Threads: everything on a partition may be called from any thread. A vp
 * belongs to the thread that runs it; others touch it only before that thread
 * starts, while it stands still for a debugger, or after it ended.
 */
#ifndef VMM_MSHV_H
#define VMM_MSHV_H

#include "abi/hv/hypercall.h"
#include "abi/hv/message.h"
#include "abi/hv/register.h"
#include "base/base.h"

struct mshv_partition;
struct mshv_vp;

/*
 * Open the device and create a partition, ready for memory and processors.
 * NULL with *error set to -errno: -ENOENT or -ENODEV no hypervisor, -EACCES
 * no permission, others as the hypervisor says.
 */
struct mshv_partition *mshv_create(const char *device, int *error);
/* Closes everything; the kernel takes the partition down. */
void mshv_destroy(struct mshv_partition *p);

/* Let the guest use [@host, @host + @size) at @gpa; all page aligned. */
int mshv_map(struct mshv_partition *p, uint64_t gpa, void *host, uint64_t size);

/* Interrupts. @type is enum hv_interrupt_type. */
int mshv_assert(struct mshv_partition *p, uint32_t type, bool level, bool logical, uint32_t dest,
		uint8_t vector);

/* Exceptions of @vector, on any processor, become messages, or no longer. */
int mshv_exception_intercept(struct mshv_partition *p, uint8_t vector, bool on);

/*
 * MSI routes: the kernel keeps one table of (gsi, address, data); each call
 * replaces it whole. gsi is 1 … MSHV_GSI_MAX - 1 (the kernel treats 0 as
 * always valid). An irqfd makes signals of eventfd @fd raise route @gsi.
 */
#define MSHV_GSI_MAX 4096

struct mshv_route {
	uint32_t gsi;
	uint32_t addr;
	uint32_t data;
};

int mshv_routes_set(struct mshv_partition *p, const struct mshv_route *r, unsigned int count);
int mshv_irqfd(struct mshv_partition *p, int fd, uint32_t gsi, bool on);

/* Guest writes of @len bytes (0: any) at @gpa signal eventfd @fd. */
int mshv_ioeventfd(struct mshv_partition *p, uint64_t gpa, unsigned int len, int fd, bool on);

/* Processors. NULL with *error set to -errno. */
struct mshv_vp *mshv_vp_create(struct mshv_partition *p, uint32_t index, int *error);
void mshv_vp_destroy(struct mshv_vp *vp);

/*
 * Run until something needs us: 0 with the message filled in, -EINTR when a signal
 * came (also while the processor was halted), -EAGAIN: the kernel wants to be asked again.
 */
int mshv_vp_run(struct mshv_vp *vp, struct hv_message *msg);

/*
 * The register page, or NULL when the hypervisor keeps none up to date. Valid
 * between two runs; see struct hv_register_page for the protocol.
 */
struct hv_register_page *mshv_vp_page(struct mshv_vp *vp);

/* Registers by hypercall; names and values in struct hv_register_assoc. */
int mshv_vp_get(struct mshv_vp *vp, struct hv_register_assoc *regs, unsigned int count);
int mshv_vp_set(struct mshv_vp *vp, const struct hv_register_assoc *regs, unsigned int count);

/* State blobs; @type is enum mshv_state, @page one page, page aligned. */
enum mshv_state {
	MSHV_STATE_LAPIC,
	MSHV_STATE_XSAVE,
	MSHV_STATE_SIMP,
	MSHV_STATE_SIEFP,
	MSHV_STATE_TIMERS,
};

int mshv_vp_state_get(struct mshv_vp *vp, enum mshv_state type, void *page);
int mshv_vp_state_set(struct mshv_vp *vp, enum mshv_state type, void *page);

/* One CPUID leaf of this processor: (native & ~mask) | (value & mask). */
struct mshv_cpuid {
	uint32_t leaf;
	uint32_t subleaf;
	bool every_subleaf; /* @subleaf does not matter */
	struct {
		uint32_t value, mask;
	} eax, ebx, ecx, edx;
};

int mshv_vp_cpuid(struct mshv_vp *vp, const struct mshv_cpuid *c);

/* What the hypervisor itself answers; at most MSHV_LEAVES_MAX in one call. */
#define MSHV_LEAVES_MAX 8

struct mshv_leaf {
	uint32_t leaf, subleaf;
	uint32_t eax, ebx, ecx, edx;
};

int mshv_vp_cpuid_get(struct mshv_vp *vp, struct mshv_leaf *leaf, unsigned int count);

/* And what the processor we run on answers. */
void mshv_cpuid_native(struct mshv_leaf *leaf);

#endif

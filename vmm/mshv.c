/* SPDX-License-Identifier: MIT */
/*
 * The ioctls of /dev/mshv (linux/mshv.h). Whatever has no ioctl of its own is
 * a hypercall passed through by MSHV_ROOT_HVCALL, which fills in the partition
 * id, adds memory when the hypervisor needs some, and repeats.
 */
#include "vmm/mshv.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mshv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/hv/guest.h"
#include "vmm/log.h"

struct mshv_partition {
	int fd;
};

struct mshv_vp {
	int fd;
	uint32_t index;
	struct hv_register_page *page;
};

/*
 * What guests get of the synthetic interface: all that spares exits and tells
 * time. The hypervisor offers what it has of it.
 */
#define SYNTHETIC_FEATURES                                                       \
	(BIT64(HV_SYNTHETIC_PRESENT) | BIT64(HV_SYNTHETIC_HV1) |                 \
	 BIT64(HV_SYNTHETIC_REFERENCE_COUNTER) | BIT64(HV_SYNTHETIC_SYNIC) |     \
	 BIT64(HV_SYNTHETIC_TIMERS) | BIT64(HV_SYNTHETIC_INTERRUPT_CONTROL) |    \
	 BIT64(HV_SYNTHETIC_HYPERCALL) | BIT64(HV_SYNTHETIC_VP_INDEX) |          \
	 BIT64(HV_SYNTHETIC_REFERENCE_TSC) | BIT64(HV_SYNTHETIC_GUEST_IDLE) |    \
	 BIT64(HV_SYNTHETIC_FREQUENCY) | BIT64(HV_SYNTHETIC_DIRECT_TIMERS) |     \
	 BIT64(HV_SYNTHETIC_PROCESSOR_MASKS) | BIT64(HV_SYNTHETIC_TLB_FLUSH) |   \
	 BIT64(HV_SYNTHETIC_CLUSTER_IPI) | BIT64(HV_SYNTHETIC_LONG_SPIN_WAIT))

/* In one call; the kernel's limit is one page of input. */
#define REGISTERS_PER_CALL 64

/*
 * @reps is 0 for a simple call. The kernel reports the hypervisor's status
 * besides errno; callers care about errno only, the status goes to the log.
 */
static int hvcall(int fd, uint16_t code, uint16_t reps, const void *in, size_t in_size, void *out,
		  size_t out_size)
{
	struct mshv_root_hvcall call = {
		.code = code,
		.reps = reps,
		.in_sz = (uint16_t)in_size,
		.out_sz = (uint16_t)out_size,
		.in_ptr = (uintptr_t)in,
		.out_ptr = (uintptr_t)out,
	};
	int ret = 0;

	if (ioctl(fd, MSHV_ROOT_HVCALL, &call))
		ret = -errno;
	else if (call.reps != reps)
		ret = -EIO;
	if (ret)
		log_debug("hypercall refused (code 0x%x, status 0x%x, %s)", code, call.status,
			  strerror(-ret));
	return ret;
}

/* @code is enum hv_partition_property. */
static int set_property(struct mshv_partition *p, uint32_t code, uint64_t value)
{
	struct hv_input_set_partition_property in = {
		.property_code = code,
		.value = value,
	};

	return hvcall(p->fd, HVCALL_SET_PARTITION_PROPERTY, 0, &in, sizeof(in), NULL, 0);
}

struct mshv_partition *mshv_create(const char *device, int *error)
{
	/*
	 * Its own local APIC in x2APIC mode if it likes, large pages where
	 * memory allows.
	 */
	struct mshv_create_partition create = {
		.pt_flags = BIT64(MSHV_PT_BIT_LAPIC) | BIT64(MSHV_PT_BIT_X2APIC) |
			    BIT64(MSHV_PT_BIT_GPA_SUPER_PAGES),
		.pt_isolation = MSHV_PT_ISOLATION_NONE,
	};
	struct mshv_partition *p = calloc(1, sizeof(*p));
	int ret, fd;

	if (!p) {
		*error = -ENOMEM;
		return NULL;
	}
	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		goto free_partition;
	}
	p->fd = ioctl(fd, MSHV_CREATE_PARTITION, &create);
	ret = p->fd < 0 ? -errno : 0;
	/* A guest has one partition; who took its vmm over shall not ask about the root's. */
	close(fd);
	if (ret)
		goto free_partition;
	ret = set_property(p, HV_PROPERTY_SYNTHETIC_PROC_FEATURES, SYNTHETIC_FEATURES);
	if (ret)
		goto close_partition;
	if (ioctl(p->fd, MSHV_INITIALIZE_PARTITION)) {
		ret = -errno;
		goto close_partition;
	}
	/*
	 * Guests probe MSRs that only exist on some processors: ignore writes
	 * and read zero rather than inject #GP, which early boot code and
	 * small kernels do not survive.
	 */
	ret = set_property(p, HV_PROPERTY_UNIMPLEMENTED_MSR_ACTION, 1);
	if (ret)
		goto close_partition;
	return p;

close_partition:
	close(p->fd);
free_partition:
	free(p);
	*error = ret;
	return NULL;
}

void mshv_destroy(struct mshv_partition *p)
{
	if (!p)
		return;
	close(p->fd);
	free(p);
}

int mshv_map(struct mshv_partition *p, uint64_t gpa, void *host, uint64_t size)
{
	struct mshv_user_mem_region region = {
		.size = size,
		.guest_pfn = gpa >> PAGE_SHIFT,
		.userspace_addr = (uintptr_t)host,
		.flags = (1U << MSHV_SET_MEM_BIT_WRITABLE) | (1U << MSHV_SET_MEM_BIT_EXECUTABLE),
	};

	return ioctl(p->fd, MSHV_SET_GUEST_MEMORY, &region) ? -errno : 0;
}

int mshv_assert(struct mshv_partition *p, uint32_t type, bool level, bool logical, uint32_t dest,
		uint8_t vector)
{
	struct hv_input_assert_virtual_interrupt in = {
		.interrupt_type = type,
		.control = (level ? HV_INTERRUPT_CONTROL_LEVEL : 0) |
			   (logical ? HV_INTERRUPT_CONTROL_LOGICAL : 0),
		.dest_addr = dest,
		.vector = vector,
	};

	return hvcall(p->fd, HVCALL_ASSERT_VIRTUAL_INTERRUPT, 0, &in, sizeof(in), NULL, 0);
}

int mshv_exception_intercept(struct mshv_partition *p, uint8_t vector, bool on)
{
	struct hv_input_install_intercept in = {
		.access = on ? HV_INTERCEPT_EXECUTE : 0,
		.type = HV_INTERCEPT_EXCEPTION,
		.parameter = vector,
	};

	return hvcall(p->fd, HVCALL_INSTALL_INTERCEPT, 0, &in, sizeof(in), NULL, 0);
}

int mshv_routes_set(struct mshv_partition *p, const struct mshv_route *r, unsigned int count)
{
	struct mshv_user_irq_table *table;
	int ret;

	CHECK(count < MSHV_GSI_MAX);
	table = calloc(1, sizeof(*table) + count * sizeof(table->entries[0]));
	if (!table)
		return -ENOMEM;
	table->nr = count;
	for (unsigned int i = 0; i < count; i++)
		table->entries[i] = (struct mshv_user_irq_entry){
			.gsi = r[i].gsi,
			.address_lo = r[i].addr,
			.data = r[i].data,
		};
	ret = ioctl(p->fd, MSHV_SET_MSI_ROUTING, table) ? -errno : 0;
	free(table);
	return ret;
}

int mshv_irqfd(struct mshv_partition *p, int fd, uint32_t gsi, bool on)
{
	struct mshv_user_irqfd arg = {
		.fd = fd,
		.gsi = gsi,
		.flags = on ? 0 : 1U << MSHV_IRQFD_BIT_DEASSIGN,
	};

	return ioctl(p->fd, MSHV_IRQFD, &arg) ? -errno : 0;
}

int mshv_ioeventfd(struct mshv_partition *p, uint64_t gpa, unsigned int len, int fd, bool on)
{
	struct mshv_user_ioeventfd arg = {
		.addr = gpa,
		.len = len,
		.fd = fd,
		.flags = on ? 0 : 1U << MSHV_IOEVENTFD_BIT_DEASSIGN,
	};

	return ioctl(p->fd, MSHV_IOEVENTFD, &arg) ? -errno : 0;
}

struct mshv_vp *mshv_vp_create(struct mshv_partition *p, uint32_t index, int *error)
{
	struct mshv_create_vp create = { .vp_index = index };
	struct mshv_vp *vp = calloc(1, sizeof(*vp));
	void *page;

	if (!vp) {
		*error = -ENOMEM;
		return NULL;
	}
	vp->index = index;
	vp->fd = ioctl(p->fd, MSHV_CREATE_VP, &create);
	if (vp->fd < 0) {
		*error = -errno;
		free(vp);
		return NULL;
	}
	/* Only a fast path: without it registers go by hypercall. */
	page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vp->fd,
		    (off_t)(MSHV_VP_MMAP_OFFSET_REGISTERS * PAGE_SIZE));
	vp->page = page == MAP_FAILED ? NULL : page;
	return vp;
}

void mshv_vp_destroy(struct mshv_vp *vp)
{
	if (!vp)
		return;
	if (vp->page)
		munmap(vp->page, PAGE_SIZE);
	close(vp->fd);
	free(vp);
}

int mshv_vp_run(struct mshv_vp *vp, struct hv_message *msg)
{
	return ioctl(vp->fd, MSHV_RUN_VP, msg) ? -errno : 0;
}

struct hv_register_page *mshv_vp_page(struct mshv_vp *vp)
{
	struct hv_register_page *page = vp->page;

	if (!page || READ_ONCE(page->version) != HV_REGISTER_PAGE_VERSION ||
	    !READ_ONCE(page->is_valid))
		return NULL;
	return page;
}

int mshv_vp_get(struct mshv_vp *vp, struct hv_register_assoc *regs, unsigned int count)
{
	struct {
		struct hv_input_vp_registers header;
		uint32_t name[REGISTERS_PER_CALL];
	} in = { .header.vp_index = vp->index };
	union hv_register_value out[REGISTERS_PER_CALL];
	int ret;

	CHECK(count && count <= REGISTERS_PER_CALL);
	for (unsigned int i = 0; i < count; i++)
		in.name[i] = regs[i].name;
	ret = hvcall(vp->fd, HVCALL_GET_VP_REGISTERS, (uint16_t)count, &in,
		     sizeof(in.header) + count * sizeof(in.name[0]), out, count * sizeof(out[0]));
	if (ret)
		return ret;
	for (unsigned int i = 0; i < count; i++)
		regs[i].value = out[i];
	return 0;
}

int mshv_vp_set(struct mshv_vp *vp, const struct hv_register_assoc *regs, unsigned int count)
{
	struct {
		struct hv_input_vp_registers header;
		struct hv_register_assoc reg[REGISTERS_PER_CALL];
	} in = { .header.vp_index = vp->index };

	CHECK(count && count <= REGISTERS_PER_CALL);
	memcpy(in.reg, regs, count * sizeof(*regs));
	return hvcall(vp->fd, HVCALL_SET_VP_REGISTERS, (uint16_t)count, &in,
		      sizeof(in.header) + count * sizeof(in.reg[0]), NULL, 0);
}

static int state(struct mshv_vp *vp, unsigned long request, enum mshv_state type, void *page)
{
	struct mshv_get_set_vp_state arg = {
		.type = (uint8_t)type, /* same order as the kernel's */
		.buf_sz = (uint32_t)PAGE_SIZE,
		.buf_ptr = (uintptr_t)page,
	};

	return ioctl(vp->fd, (int)request, &arg) ? -errno : 0;
}

_Static_assert((int)MSHV_STATE_LAPIC == (int)MSHV_VP_STATE_LAPIC &&
		       (int)MSHV_STATE_TIMERS == (int)MSHV_VP_STATE_SYNTHETIC_TIMERS,
	       "enum mshv_state follows the kernel");

int mshv_vp_state_get(struct mshv_vp *vp, enum mshv_state type, void *page)
{
	return state(vp, MSHV_GET_VP_STATE, type, page);
}

int mshv_vp_state_set(struct mshv_vp *vp, enum mshv_state type, void *page)
{
	return state(vp, MSHV_SET_VP_STATE, type, page);
}

int mshv_vp_cpuid(struct mshv_vp *vp, const struct mshv_cpuid *c)
{
	struct hv_input_register_intercept_result in = {
		.vp_index = vp->index,
		.intercept_type = 2,	/* CPUID */
		.eax = c->leaf,
		.ecx = c->subleaf,
		.subleaf_specific = !c->every_subleaf,
		.always_override = 1,
		.result = {
			{ c->eax.value, c->eax.mask },
			{ c->ebx.value, c->ebx.mask },
			{ c->ecx.value, c->ecx.mask },
			{ c->edx.value, c->edx.mask },
		},
	};

	return hvcall(vp->fd, HVCALL_REGISTER_INTERCEPT_RESULT, 0, &in, sizeof(in), NULL, 0);
}

int mshv_vp_cpuid_get(struct mshv_vp *vp, struct mshv_leaf *leaf, unsigned int count)
{
	struct {
		struct hv_input_vp_cpuid_values header;
		uint32_t leaf[MSHV_LEAVES_MAX][2];
	} in = { .header.vp_index = vp->index };
	uint32_t out[MSHV_LEAVES_MAX][4];
	int ret;

	CHECK(count && count <= MSHV_LEAVES_MAX);
	for (unsigned int i = 0; i < count; i++) {
		in.leaf[i][0] = leaf[i].leaf;
		in.leaf[i][1] = leaf[i].subleaf;
	}
	ret = hvcall(vp->fd, HVCALL_GET_VP_CPUID_VALUES, (uint16_t)count, &in,
		     sizeof(in.header) + count * sizeof(in.leaf[0]), out, count * sizeof(out[0]));
	for (unsigned int i = 0; i < count && !ret; i++) {
		leaf[i].eax = out[i][0];
		leaf[i].ebx = out[i][1];
		leaf[i].ecx = out[i][2];
		leaf[i].edx = out[i][3];
	}
	return ret;
}

void mshv_cpuid_native(struct mshv_leaf *l)
{
	__cpuid_count(l->leaf, l->subleaf, l->eax, l->ebx, l->ecx, l->edx);
}

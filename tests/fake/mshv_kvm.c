/* SPDX-License-Identifier: MIT */
/*
 * vmm/mshv.h over KVM: a second opinion on our devices, loaders and emulator,
 * on machines where no Microsoft hypervisor runs. Link it in place of
 * vmm/mshv.c and give --mshv /dev/kvm.
 *
 * KVM decodes instructions itself; the real interface stops before the
 * instruction and leaves it to the VMM. Two tricks make KVM do the same:
 *
 *   Device memory is given to KVM as memory that cannot be accessed. KVM_RUN
 *   then fails with EFAULT at the instruction and nothing has happened yet.
 *
 *   A port access is let finish with arbitrary data (immediate_exit), then the
 *   registers are put back.
 *
 * State blobs are refused (-ENOSYS).
 * Environment: MSHV_KVM_NO_PAGE=1 hides the register page, MSHV_KVM_NO_BYTES=1
 * the instruction bytes, to exercise the slower ways.
 */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/platform.h"
#include "tests/fake/mshv_kvm.h"
#include "vmm/log.h"
#include "vmm/mshv.h"

#define CPUID_ENTRIES 128
#define ROUTES	      256

/*
 * XSAVE and what needs it: QEMU's leaf 0xD, passed on by KVM, does not add up
 * without XSAVEC, and Linux then goes on with a broken state.
 */
#define CPUID_1_XSAVE (1U << 12 | 1U << 26 | 1U << 27 | 1U << 28 | 1U << 29)

int mshv_map(struct mshv_partition *p, uint64_t gpa, void *host, uint64_t size)
{
	struct kvm_userspace_memory_region r = {
		.slot = p->slot_count,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	CHECK(p->slot_count < SLOTS);
	p->slot[p->slot_count].gpa = gpa;
	p->slot[p->slot_count].size = size;
	p->slot[p->slot_count++].host = host;
	return ioctl(p->vm, KVM_SET_USER_MEMORY_REGION, &r) ? -errno : 0;
}

/* Where devices may be; the local APIC's page stays KVM's. */
static int no_access(struct mshv_partition *p, uint64_t gpa, uint64_t size)
{
	void *hole =
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return hole == MAP_FAILED ? -errno : mshv_map(p, gpa, hole, size);
}

struct mshv_partition *mshv_create(const char *device, int *error)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { PINS } };
	struct mshv_partition *p = calloc(1, sizeof(*p));

	p->kvm = open(device, O_RDWR | O_CLOEXEC);
	p->vm = p->kvm < 0 ? -1 : ioctl(p->kvm, KVM_CREATE_VM, 0);
	if (p->vm < 0 || ioctl(p->vm, KVM_ENABLE_CAP, &split) ||
	    no_access(p, PLATFORM_LOW_RAM_MAX, PLATFORM_LAPIC_BASE - PLATFORM_LOW_RAM_MAX) ||
	    no_access(p, PLATFORM_PCI64_BASE, PLATFORM_PCI64_SIZE)) {
		*error = -errno;
		free(p);
		return NULL;
	}
	p->routing =
		calloc(1, sizeof(*p->routing) + (ROUTES + PINS) * sizeof(p->routing->entries[0]));
	return p;
}

void mshv_destroy(struct mshv_partition *p)
{
	if (!p)
		return;
	close(p->vm);
	close(p->kvm);
	free(p->routing);
	free(p);
}

/* KVM's are per processor, by another way: no debugger over this. */
int mshv_exception_intercept(struct mshv_partition *p, uint8_t vector, bool on)
{
	(void)p, (void)vector, (void)on;
	return -ENOSYS;
}

static int set_routing(struct mshv_partition *p)
{
	struct kvm_irq_routing *t = p->routing;

	/*
	 * KVM reports the end of a level interrupt only for vectors it finds
	 * in the routes of the IOAPIC's pins.
	 */
	for (unsigned int i = 0; i < p->level_count; i++)
		t->entries[p->msi_count + i] = (struct kvm_irq_routing_entry){
			.gsi = i,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi.address_lo = 0xfee00000,
			.u.msi.data = 0xc000U | p->level_vector[i],
		};
	t->nr = p->msi_count + p->level_count;
	return ioctl(p->vm, KVM_SET_GSI_ROUTING, t) ? -errno : 0;
}

static void know_level(struct mshv_partition *p, uint8_t vector)
{
	for (unsigned int i = 0; i < p->level_count; i++)
		if (p->level_vector[i] == vector)
			return;
	if (p->level_count < PINS)
		p->level_vector[p->level_count++] = vector;
	set_routing(p);
}

int mshv_assert(struct mshv_partition *p, uint32_t type, bool level, bool logical, uint32_t dest,
		uint8_t vector)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000U | (dest & 0xff) << 12 | (logical ? 4U : 0),
		.data = vector | type << 8 | (level ? 0xc000U : 0),
	};

	if (level)
		know_level(p, vector);
	return ioctl(p->vm, KVM_SIGNAL_MSI, &msi) < 0 ? -errno : 0;
}

int mshv_routes_set(struct mshv_partition *p, const struct mshv_route *r, unsigned int count)
{
	CHECK(count <= ROUTES);
	for (unsigned int i = 0; i < count; i++)
		p->routing->entries[i] = (struct kvm_irq_routing_entry){
			.gsi = PINS + r[i].gsi,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi.address_lo = r[i].addr,
			.u.msi.data = r[i].data,
		};
	p->msi_count = count;
	return set_routing(p);
}

int mshv_irqfd(struct mshv_partition *p, int fd, uint32_t gsi, bool on)
{
	struct kvm_irqfd f = {
		.fd = (uint32_t)fd,
		.gsi = PINS + gsi,
		.flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(p->vm, KVM_IRQFD, &f) ? -errno : 0;
}

int mshv_ioeventfd(struct mshv_partition *p, uint64_t gpa, unsigned int len, int fd, bool on)
{
	struct kvm_ioeventfd f = {
		.addr = gpa,
		.len = len,
		.fd = fd,
		.flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN,
	};

	return ioctl(p->vm, KVM_IOEVENTFD, &f) ? -errno : 0;
}

/* --- processors --- */

static struct kvm_cpuid_entry2 *add_leaf(struct kvm_cpuid2 *c, uint32_t leaf, uint32_t a,
					 uint32_t b, uint32_t cx, uint32_t d)
{
	struct kvm_cpuid_entry2 *e = &c->entries[c->nent++];

	*e = (struct kvm_cpuid_entry2){ .function = leaf, .eax = a, .ebx = b, .ecx = cx, .edx = d };
	return e;
}

/* KVM's own signature gives way to the one our guests see. */
static int set_cpuid(struct mshv_vp *vp)
{
	struct kvm_cpuid2 *c;
	unsigned int n = 0;
	int ret;

	c = calloc(1, sizeof(*c) + CPUID_ENTRIES * sizeof(c->entries[0]));
	c->nent = CPUID_ENTRIES;
	if (ioctl(vp->partition->kvm, KVM_GET_SUPPORTED_CPUID, c)) {
		free(c);
		return -errno;
	}
	for (unsigned int i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 e = c->entries[i];

		if (e.function >> 28 == 4)
			continue;
		if (e.function == 1) {
			e.ebx = (e.ebx & 0xffff) | vp->index << 24 | 1U << 16;
			e.ecx |= 1U << 31; /* there is a hypervisor */
			e.ecx &= ~CPUID_1_XSAVE;
		}
		if (e.function == 7)
			e.ebx = e.ecx = e.edx = 0;
		if (e.function == 0xd)
			continue;
		if (e.function == 0xb)
			e.edx = vp->index;
		c->entries[n++] = e;
	}
	c->nent = n;
	add_leaf(c, 0x40000000, 0x40000005, 0x7263694d, 0x666f736f, 0x76482074);
	add_leaf(c, 0x40000001, 0x31237648, 0, 0, 0);
	add_leaf(c, 0x40000002, 27744, 10 << 16, 0, 0);
	/* time reference, hypercalls, index, TSC page, frequencies */
	add_leaf(c, 0x40000003, 0xa62, 0, 0, 1U << 8);
	add_leaf(c, 0x40000004, 0, ~0U, 0, 0);
	add_leaf(c, 0x40000005, 64, 64, 0, 0);
	ret = ioctl(vp->fd, KVM_SET_CPUID2, c) ? -errno : 0;
	vp->cpuid = c;
	return ret;
}

struct mshv_vp *mshv_vp_create(struct mshv_partition *p, uint32_t index, int *error)
{
	struct mshv_vp *vp = calloc(1, sizeof(*vp));
	int size = ioctl(p->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	vp->partition = p;
	vp->index = index;
	vp->no_page = getenv("MSHV_KVM_NO_PAGE");
	vp->no_bytes = getenv("MSHV_KVM_NO_BYTES");
	vp->fd = ioctl(p->vm, KVM_CREATE_VCPU, (unsigned long)index);
	if (vp->fd < 0 || size < 0) {
		*error = -errno;
		return NULL;
	}
	vp->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vp->fd, 0);
	*error = vp->run == MAP_FAILED ? -errno : set_cpuid(vp);
	return *error ? NULL : vp;
}

void mshv_vp_destroy(struct mshv_vp *vp)
{
	if (!vp)
		return;
	close(vp->fd);
	free(vp->cpuid);
	free(vp);
}

/* Let KVM finish what it began, then take it back. */
static int undo(struct mshv_vp *vp, struct kvm_regs *before, struct kvm_regs *after)
{
	vp->run->immediate_exit = 1;
	/* A wide access comes in several exits. */
	while (ioctl(vp->fd, KVM_RUN, 0) == 0)
		;
	vp->run->immediate_exit = 0;
	if (errno != EINTR)
		return -errno;
	if (ioctl(vp->fd, KVM_GET_REGS, after) || ioctl(vp->fd, KVM_SET_REGS, before))
		return -errno;
	return 0;
}

static void header(struct mshv_vp *vp, struct hv_x64_intercept_header *h, unsigned int length,
		   bool write)
{
	h->vp_index = vp->index;
	h->length_cr8 = length & 0xf;
	h->access = write ? HV_ACCESS_WRITE : HV_ACCESS_READ;
	h->execution_state = vp->page.segment[2].attributes >> 5 & 3;
	h->rip = vp->page.rip;
	h->rflags = vp->page.rflags;
}

static unsigned int fetch(struct mshv_vp *vp, uint8_t *bytes)
{
	struct mshv_partition *p = vp->partition;
	struct kvm_translation t = {
		.linear_address = vp->page.segment[1].base + vp->page.rip,
	};
	unsigned int len = (unsigned int)(PAGE_SIZE - (t.linear_address & ~PAGE_MASK));

	if (vp->no_bytes || ioctl(vp->fd, KVM_TRANSLATE, &t) || !t.valid)
		return 0;
	len = MIN(len, 16U);
	for (unsigned int i = 0; i < p->slot_count; i++) {
		uint64_t off = t.physical_address - p->slot[i].gpa;

		if (t.physical_address >= p->slot[i].gpa && off < p->slot[i].size) {
			memcpy(bytes, p->slot[i].host + off, len);
			return len;
		}
	}
	return 0;
}

static int io_exit(struct mshv_vp *vp, struct hv_message *msg, struct kvm_regs *r)
{
	struct hv_x64_io_port_intercept *m = (void *)msg->payload;
	__typeof__(vp->run->io) io = vp->run->io;
	uint8_t *data = (uint8_t *)vp->run + io.data_offset;
	struct kvm_regs after;
	int ret;

	msg->header.type = HV_MESSAGE_X64_IO_PORT_INTERCEPT;
	memset(m, 0, sizeof(*m));
	m->port = io.port;
	m->access_info = io.size;
	m->rax = r->rax;
	if (io.direction == KVM_EXIT_IO_OUT) /* of OUTS, for the reader */
		memcpy(&m->rdi, data, io.size);
	ret = undo(vp, r, &after);
	header(vp, &m->header, (unsigned int)(after.rip - r->rip), io.direction == KVM_EXIT_IO_OUT);
	m->insn_byte_count = (uint8_t)fetch(vp, m->insn_bytes);
	if (after.rsi != r->rsi || after.rdi != r->rdi)
		m->access_info |= HV_IO_STRING;
	return ret;
}

static int mmio_exit(struct mshv_vp *vp, struct hv_message *msg)
{
	struct hv_x64_memory_intercept *m = (void *)msg->payload;

	msg->header.type = HV_MESSAGE_UNMAPPED_GPA;
	memset(m, 0, sizeof(*m));
	/* Kernels before 6.16 do not say where; the VMM works it out anyway. */
	m->gpa = PLATFORM_PCI32_BASE;
	header(vp, &m->header, 0, false);
	m->insn_byte_count = (uint8_t)fetch(vp, m->insn_bytes);
	return 0;
}

static int translate(struct mshv_vp *vp, struct hv_message *msg, bool fault)
{
	struct hv_x64_apic_eoi *eoi = (void *)msg->payload;
	struct kvm_sregs s;
	struct kvm_regs r;
	int ret;

	ret = load_page(vp, &r, &s);
	if (ret)
		return ret;
	vp->loaded = true;
	memset(&msg->header, 0, sizeof(msg->header));
	if (fault)
		return mmio_exit(vp, msg);
	switch (vp->run->exit_reason) {
	case KVM_EXIT_IO:
		return io_exit(vp, msg, &r);
	case KVM_EXIT_IOAPIC_EOI:
		msg->header.type = HV_MESSAGE_X64_APIC_EOI;
		eoi->vp_index = vp->index;
		eoi->vector = vp->run->eoi.vector;
		return 0;
	case KVM_EXIT_SHUTDOWN:
		msg->header.type = HV_MESSAGE_UNRECOVERABLE_EXCEPTION;
		return 0;
	default:
		log_error("kvm: exit not understood (%u, %u)", vp->run->exit_reason,
			  vp->run->internal.suberror);
		msg->header.type = HV_MESSAGE_INVALID_VP_REGISTER_VALUE;
		return 0;
	}
}

int mshv_vp_run(struct mshv_vp *vp, struct hv_message *msg)
{
	int ret = store_page(vp);

	if (ret)
		return ret;
	vp->loaded = false;
	/* A waiting processor that gets its start-up message says EAGAIN. */
	do {
		ret = ioctl(vp->fd, KVM_RUN, 0) ? -errno : 0;
	} while (ret == -EAGAIN);
	if (ret && ret != -EFAULT)
		return ret;
	return translate(vp, msg, ret == -EFAULT);
}

struct hv_register_page *mshv_vp_page(struct mshv_vp *vp)
{
	return vp->no_page || !vp->loaded ? NULL : &vp->page;
}

int mshv_vp_state_get(struct mshv_vp *vp, enum mshv_state type, void *page)
{
	(void)vp, (void)type, (void)page;
	return -ENOSYS;
}

int mshv_vp_state_set(struct mshv_vp *vp, enum mshv_state type, void *page)
{
	(void)vp, (void)type, (void)page;
	return -ENOSYS;
}

static struct kvm_cpuid_entry2 *find_leaf(struct mshv_vp *vp, uint32_t leaf, uint32_t subleaf)
{
	for (unsigned int i = 0; i < vp->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &vp->cpuid->entries[i];

		if (e->function == leaf &&
		    (e->index == subleaf || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

#define OVERRIDE(r) (e->r = (e->r & ~c->r.mask) | (c->r.value & c->r.mask))

int mshv_vp_cpuid(struct mshv_vp *vp, const struct mshv_cpuid *c)
{
	struct kvm_cpuid_entry2 *e = find_leaf(vp, c->leaf, c->subleaf);

	if (!e) {
		CHECK(vp->cpuid->nent < CPUID_ENTRIES);
		e = add_leaf(vp->cpuid, c->leaf, 0, 0, 0, 0);
		e->index = c->subleaf;
		e->flags = c->every_subleaf ? 0 : KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
		if (c->leaf == 0xb || c->leaf == 0x1f)
			e->edx = vp->index;
	}
	OVERRIDE(eax);
	OVERRIDE(ebx);
	OVERRIDE(ecx);
	OVERRIDE(edx);
	return ioctl(vp->fd, KVM_SET_CPUID2, vp->cpuid) ? -errno : 0;
}

int mshv_vp_cpuid_get(struct mshv_vp *vp, struct mshv_leaf *leaf, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct kvm_cpuid_entry2 *e = find_leaf(vp, leaf[i].leaf, leaf[i].subleaf);

		leaf[i].eax = e ? e->eax : 0;
		leaf[i].ebx = e ? e->ebx : 0;
		leaf[i].ecx = e ? e->ecx : 0;
		leaf[i].edx = e ? e->edx : 0;
	}
	return 0;
}

void mshv_cpuid_native(struct mshv_leaf *l)
{
	__cpuid_count(l->leaf, l->subleaf, l->eax, l->ebx, l->ecx, l->edx);
}

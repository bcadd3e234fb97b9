/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mshv.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/abi/hv/hypercall.h"

#define REGISTERS_MAX 64 /* of one call; a page holds more */

static int dev = -1;

int guest_device(void)
{
	dev = open("/dev/mshv", O_RDWR);
	return dev < 0 ? -errno : 0;
}

long hvcall(int fd, uint16_t code, uint16_t reps, void *in, uint16_t in_size, void *out,
	    uint16_t out_size, uint16_t *status)
{
	struct mshv_root_hvcall c = {
		.code = code,
		.reps = reps,
		.in_sz = in_size,
		.out_sz = out_size,
		.in_ptr = (uintptr_t)in,
		.out_ptr = (uintptr_t)out,
	};
	long ret = ioctl(fd, MSHV_ROOT_HVCALL, &c);

	if (status)
		*status = c.status;
	return ret < 0 ? -errno : 0;
}

int set_register(struct guest *g, uint32_t name, union hv_register_value value)
{
	struct {
		struct hv_input_vp_registers h;
		struct hv_register_assoc reg;
	} in = { .reg = { .name = name, .value = value } };

	return (int)hvcall(g->vp, HVCALL_SET_VP_REGISTERS, 1, &in, sizeof(in), NULL, 0, NULL);
}

int set_registers(struct guest *g, const struct hv_register_assoc *reg, uint32_t count)
{
	struct {
		struct hv_input_vp_registers h;
		struct hv_register_assoc reg[REGISTERS_MAX];
	} in = { 0 };
	uint32_t size = count * (uint32_t)sizeof(in.reg[0]);

	memcpy(in.reg, reg, size);
	return (int)hvcall(g->vp, HVCALL_SET_VP_REGISTERS, (uint16_t)count, &in,
			   (uint16_t)(sizeof(in.h) + size), NULL, 0, NULL);
}

int get_register(struct guest *g, uint32_t name, union hv_register_value *value)
{
	struct {
		struct hv_input_vp_registers h;
		uint32_t name;
	} in = { .name = name };

	return (int)hvcall(g->vp, HVCALL_GET_VP_REGISTERS, 1, &in, sizeof(in), value,
			   sizeof(*value), NULL);
}

#define ALIGNMENT (2UL << 20)

/* Aligned, so that the kernel can make large pages of it. */
static uint8_t *ram_map(size_t bytes)
{
	uint8_t *all = mmap(NULL, bytes + ALIGNMENT, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *ram = all + (-(uintptr_t)all & (ALIGNMENT - 1));

	if (all == MAP_FAILED)
		return all;
	if (ram != all)
		munmap(all, (size_t)(ram - all));
	munmap(ram + bytes, ALIGNMENT - (size_t)(ram - all));
	return ram;
}

int guest_create(struct guest *g, const uint8_t *code, size_t size)
{
	return guest_create_sized(g, code, size, RAM_BYTES);
}

static int create(struct guest *g, const uint8_t *code, size_t size, size_t ram_bytes,
		  uint64_t flags, uint64_t features)
{
	struct mshv_create_partition create = { .pt_flags = flags };
	struct hv_input_set_partition_property property = {
		.property_code = HV_PROPERTY_SYNTHETIC_PROC_FEATURES, .value = features
	};
	struct mshv_create_vp vp = { .vp_index = 0 };
	union hv_register_value v = { 0 };
	struct mshv_user_mem_region mem;

	memset(g, 0, sizeof(*g));
	g->pt = ioctl(dev, MSHV_CREATE_PARTITION, &create);
	if (g->pt < 0 ||
	    (features && hvcall(g->pt, HVCALL_SET_PARTITION_PROPERTY, 0, &property,
				sizeof(property), NULL, 0, NULL)) ||
	    ioctl(g->pt, MSHV_INITIALIZE_PARTITION))
		return -errno;
	g->ram = ram_map(ram_bytes);
	g->ram_bytes = ram_bytes;
	if (g->ram == MAP_FAILED)
		return -errno;
	memcpy(g->ram + CODE_AT, code, size);
	mem = (struct mshv_user_mem_region){
		.size = ram_bytes,
		.guest_pfn = 0,
		.userspace_addr = (uintptr_t)g->ram,
		.flags = 1 << MSHV_SET_MEM_BIT_WRITABLE | 1 << MSHV_SET_MEM_BIT_EXECUTABLE,
	};
	if (ioctl(g->pt, MSHV_SET_GUEST_MEMORY, &mem))
		return -errno;
	g->vp = ioctl(g->pt, MSHV_CREATE_VP, &vp);
	if (g->vp < 0)
		return -errno;
	g->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, g->vp,
		       MSHV_VP_MMAP_OFFSET_REGISTERS * 4096);
	if (g->page == MAP_FAILED)
		return -errno;

	v.segment = (struct hv_segment_register){ .limit = 0xffff, .attributes = 0x9b };
	if (set_register(g, HV_X64_REGISTER_CS, v))
		return -EIO;
	v = (union hv_register_value){ .reg64 = CODE_AT };
	return set_register(g, HV_X64_REGISTER_RIP, v);
}

int guest_create_sized(struct guest *g, const uint8_t *code, size_t size, size_t ram_bytes)
{
	return create(g, code, size, ram_bytes, GUEST_FLAGS, 0);
}

int guest_create_featured(struct guest *g, const uint8_t *code, size_t size, uint64_t flags,
			  uint64_t features)
{
	return create(g, code, size, RAM_BYTES, flags, features);
}

int guest_set_flat(struct guest *g)
{
	static const uint32_t data[] = { HV_X64_REGISTER_DS, HV_X64_REGISTER_ES,
					 HV_X64_REGISTER_SS };
	union hv_register_value v = { .reg64 = 0x11 }; /* PE, ET */
	int ret = set_register(g, HV_X64_REGISTER_CR0, v);

	v.segment = (struct hv_segment_register){ .limit = 0xffffffff, .attributes = 0xc09b };
	ret = ret ? ret : set_register(g, HV_X64_REGISTER_CS, v);
	v.segment.attributes = 0xc093;
	for (unsigned int i = 0; i < sizeof(data) / sizeof(data[0]); i++)
		ret = ret ? ret : set_register(g, data[i], v);
	return ret;
}

int guest_irqfd(struct guest *g, int fd, uint32_t data)
{
	struct {
		struct mshv_user_irq_table h;
		struct mshv_user_irq_entry e[1];
	} table = { .h.nr = 1, .e = { { .gsi = 5, .address_lo = 0xfee00000, .data = data } } };
	struct mshv_user_irqfd irq = { .fd = fd, .gsi = 5, .resamplefd = -1 };

	if (ioctl(g->pt, MSHV_SET_MSI_ROUTING, &table) || ioctl(g->pt, MSHV_IRQFD, &irq))
		return -errno;
	return 0;
}

void guest_destroy(struct guest *g)
{
	if (g->page && g->page != MAP_FAILED)
		munmap(g->page, 4096);
	if (g->vp > 0)
		close(g->vp);
	if (g->pt > 0)
		close(g->pt);
	if (g->ram && g->ram != MAP_FAILED)
		munmap(g->ram, g->ram_bytes);
}

int64_t guest_run(struct guest *g)
{
	struct mshv_run_vp run;

	if (ioctl(g->vp, MSHV_RUN_VP, &run))
		return -errno;
	memcpy(&g->msg, run.msg_buf, sizeof(g->msg));
	return g->msg.header.type;
}

void guest_skip(struct guest *g, unsigned int len)
{
	g->page->rip += len;
	g->page->dirty |= HV_REGISTER_PAGE_RIP;
}

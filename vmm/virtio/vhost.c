/* SPDX-License-Identifier: MIT */
#include "vmm/virtio/vhost.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>

#include "vmm/log.h"

static int call(struct vhost *h, unsigned long request, const void *arg)
{
	return ioctl(h->fd, request, arg) ? -errno : 0;
}

static int set_memory(struct vhost *h, const struct memory *memory)
{
	/* struct vhost_memory, with room behind it. */
	struct {
		uint32_t nregions, padding;
		struct vhost_memory_region region[MEM_REGIONS_MAX];
	} table = { .nregions = memory->region_count };

	static_assert(offsetof(__typeof__(table), region) == offsetof(struct vhost_memory, regions),
		      "vhost_memory");

	for (unsigned int i = 0; i < memory->region_count; i++) {
		const struct mem_region *r = &memory->region[i];

		table.region[i] = (struct vhost_memory_region){
			.guest_phys_addr = r->start,
			.memory_size = r->size,
			.userspace_addr = (uintptr_t)r->host,
		};
	}
	return call(h, VHOST_SET_MEM_TABLE, &table);
}

int vhost_open(struct vhost *h, const char *path, const struct memory *memory)
{
	int err;

	*h = (struct vhost){ .fd = open(path, O_RDWR | O_CLOEXEC), .memory = memory };
	if (h->fd < 0)
		return -errno;
	err = call(h, VHOST_GET_FEATURES, &h->features);
	if (err)
		vhost_close(h);
	return err;
}

void vhost_close(struct vhost *h)
{
	if (h->fd >= 0)
		close(h->fd);
	h->fd = -1;
}

static int own(struct vhost *h)
{
	int err = call(h, VHOST_SET_OWNER, NULL);

	/* Busy: it is ours since an attempt that failed later. */
	if (!err || err == -EBUSY)
		err = set_memory(h, h->memory);
	h->owned = !err;
	return err;
}

int vhost_begin(struct vhost *h, uint64_t features)
{
	int err = h->owned ? 0 : own(h);

	features &= h->features;
	return err ? err : call(h, VHOST_SET_FEATURES, &features);
}

/* One of the requests that hand over a descriptor. */
static int set_file(struct vhost *h, unsigned long request, unsigned int index, int fd)
{
	const struct vhost_vring_file file = { .index = index, .fd = fd };

	return call(h, request, &file);
}

int vhost_set_call(struct vhost *h, unsigned int index, int fd)
{
	return set_file(h, VHOST_SET_VRING_CALL, index, fd);
}

int vhost_start(struct vhost *h, unsigned int index, const struct virtq *q, int kick, int fd,
		int error)
{
	const struct vhost_vring_state size = { .index = index, .num = q->size };
	const struct vhost_vring_state base = { .index = index, .num = q->next_avail };
	/* Ours, not the guest's: vhost looks at memory as this process does. */
	const struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)q->desc,
		.avail_user_addr = (uintptr_t)q->avail,
		.used_user_addr = (uintptr_t)q->used,
	};
	int err;

	CHECK(q->enabled);
	err = call(h, VHOST_SET_VRING_NUM, &size);
	if (!err)
		err = call(h, VHOST_SET_VRING_BASE, &base);
	if (!err)
		err = call(h, VHOST_SET_VRING_ADDR, &addr);
	if (!err)
		err = set_file(h, VHOST_SET_VRING_ERR, index, error);
	if (!err)
		err = vhost_set_call(h, index, fd);
	if (!err)
		err = set_file(h, VHOST_SET_VRING_KICK, index, kick);
	return err;
}

void vhost_stop(struct vhost *h, unsigned int index, struct virtq *q)
{
	struct vhost_vring_state base = { .index = index };

	/* No more doorbells; and the ring goes on here if it goes on at all. */
	set_file(h, VHOST_SET_VRING_KICK, index, VHOST_FILE_UNBIND);
	if (call(h, VHOST_GET_VRING_BASE, &base) == 0)
		q->next_avail = (uint16_t)base.num;
}

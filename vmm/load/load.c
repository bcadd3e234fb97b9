/* SPDX-License-Identifier: MIT */
#include "vmm/load/load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/platform.h"
#include "vmm/load/layout.h"
#include "vmm/log.h"

static const uint8_t elf_magic[] = { 0x7f, 'E', 'L', 'F' };

static int image_open(struct image *img, const char *path)
{
	struct stat st;
	int ret;

	img->path = path;
	/* A FIFO must not keep us waiting; it is refused below. */
	img->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (img->fd < 0)
		return -errno;
	if (fstat(img->fd, &st)) {
		ret = -errno;
		goto close_file;
	}
	if (S_ISDIR(st.st_mode)) {
		ret = -EISDIR;
		goto close_file;
	}
	if (!S_ISREG(st.st_mode)) {
		ret = -ENOEXEC;
		goto close_file;
	}
	img->size = (uint64_t)st.st_size;
	return 0;

close_file:
	close(img->fd);
	return ret;
}

static void image_close(struct image *img)
{
	close(img->fd);
}

int image_read(const struct image *img, uint64_t off, void *dst, uint64_t len)
{
	uint8_t *p = dst;

	if (off > img->size || len > img->size - off)
		return -ENOEXEC;
	while (len) {
		ssize_t n = pread(img->fd, p, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENOEXEC; /* became shorter meanwhile */
		p += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

int image_load(const struct image *img, uint64_t off, const struct memory *m, uint64_t gpa_start,
	       uint64_t len)
{
	void *dst = memory_at(m, gpa(gpa_start), len);

	return dst ? image_read(img, off, dst, len) : -EFBIG;
}

uint64_t memory_low_end(const struct memory *m)
{
	return m->region[0].size;
}

unsigned int memory_map(const struct memory *m, struct map_entry map[MAP_ENTRIES_MAX])
{
	unsigned int n = 0;

	map[n++] = (struct map_entry){ 0, LAYOUT_LOW_RAM_END, MAP_RAM };
	map[n++] = (struct map_entry){ LAYOUT_ACPI, LAYOUT_RESERVED, MAP_RESERVED };
	map[n++] = (struct map_entry){ LAYOUT_KERNEL, memory_low_end(m) - LAYOUT_KERNEL, MAP_RAM };
	/* Linux trusts an ECAM window only where the map reserves it. */
	map[n++] = (struct map_entry){ PLATFORM_ECAM_BASE, PLATFORM_ECAM_SIZE, MAP_RESERVED };
	for (unsigned int i = 1; i < m->region_count; i++)
		map[n++] = (struct map_entry){ m->region[i].start, m->region[i].size, MAP_RAM };
	return n;
}

int cmdline_load(const struct memory *m, const char *cmdline, uint64_t max)
{
	uint64_t len = strlen(cmdline);

	if (len > max) {
		log_error("command line does not fit (%llu bytes, this kernel takes %llu)",
			  (unsigned long long)len, (unsigned long long)max);
		return -E2BIG;
	}
	return memory_write(m, gpa(LAYOUT_CMDLINE), cmdline, len + 1);
}

int initrd_load(const struct memory *m, const char *path, uint64_t low, uint64_t high,
		uint64_t *addr, uint64_t *size)
{
	struct image img;
	int ret;

	*addr = 0;
	*size = 0;
	if (!path)
		return 0;
	ret = image_open(&img, path);
	if (ret) {
		log_error("initrd cannot be read (%s: %s)", path, strerror(-ret));
		return ret;
	}
	if (img.size > high || ALIGN_DOWN(high - img.size, PAGE_SIZE) < low) {
		log_error("initrd does not fit (%s: %llu KiB, %llu KiB of memory left)", path,
			  (unsigned long long)img.size >> 10,
			  (unsigned long long)(high > low ? high - low : 0) >> 10);
		ret = -EFBIG;
	} else if (img.size) {
		*size = img.size;
		*addr = ALIGN_DOWN(high - img.size, PAGE_SIZE);
		ret = image_load(&img, 0, m, *addr, img.size);
		if (ret)
			log_error("initrd cannot be read (%s: %s)", path, strerror(-ret));
	}
	image_close(&img);
	return ret;
}

int load_guest(const struct memory *m, const struct load_request *r, struct boot_entry *entry)
{
	uint8_t magic[sizeof(elf_magic)];
	struct image img;
	int ret;

	if (memory_low_end(m) < LAYOUT_MEMORY_MIN) {
		log_error("too little memory (%llu KiB)",
			  (unsigned long long)memory_low_end(m) >> 10);
		return -EFBIG;
	}
	ret = boot_tables(m);
	if (ret)
		return ret;
	ret = image_open(&img, r->kernel);
	if (ret) {
		log_error("kernel cannot be read (%s: %s)", r->kernel,
			  ret == -ENOEXEC ? "not a regular file" : strerror(-ret));
		return ret;
	}
	if (image_read(&img, 0, magic, sizeof(magic)) == 0 &&
	    memcmp(magic, elf_magic, sizeof(magic)) == 0)
		ret = pvh_load(m, &img, r, entry);
	else
		ret = bzimage_load(m, &img, r, entry);
	image_close(&img);
	return ret;
}

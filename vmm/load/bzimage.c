/* SPDX-License-Identifier: MIT */
/*
 * Linux bzImage, entered by the 64-bit boot protocol: Linux
 * Documentation/arch/x86/boot.rst, "64-bit Boot Protocol". The real-mode part
 * of the file only serves as a header.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vmm/load/layout.h"
#include "vmm/load/load.h"
#include "vmm/log.h"

#define HEADER_OFFSET	    0x1f1ULL	/* of struct setup_header in the file */
#define HEADER_MAGIC	    0x53726448U /* "HdrS" */
#define BOOT_FLAG	    0xaa55U
#define PROTOCOL_64BIT	    0x020cU /* first version with xloadflags */
#define SECTOR		    512ULL
#define PARAGRAPH	    16ULL    /* unit of syssize */
#define SETUP_SECTS_DEFAULT 4	     /* what 0 means */
#define ENTRY_64	    0x200ULL /* offset of startup_64 */
#define LOADER_UNDEFINED    0xff     /* type_of_loader */

static int refuse(const struct image *img, const char *why)
{
	log_error("kernel cannot be used (%s: %s)", img->path, why);
	return -ENOEXEC;
}

static int read_header(const struct image *img, struct setup_header *h)
{
	int ret = image_read(img, HEADER_OFFSET, h, sizeof(*h));

	if (ret && ret != -ENOEXEC) {
		log_error("kernel cannot be read (%s: %s)", img->path, strerror(-ret));
		return ret;
	}
	if (ret || h->boot_flag != BOOT_FLAG || h->header != HEADER_MAGIC)
		return refuse(img, "neither a bzImage nor an ELF file");
	if (h->version < PROTOCOL_64BIT || !(h->xloadflags & XLF_KERNEL_64))
		return refuse(img, "no 64-bit entry point");
	if (!(h->loadflags & LOADED_HIGH))
		return refuse(img, "not loaded high");
	return 0;
}

/* The header says how long it is: the target of its own jump instruction. */
static uint64_t header_size(const struct setup_header *h)
{
	uint64_t end = 0x202 + (uint64_t)(h->jump >> 8);

	return MIN(end > HEADER_OFFSET ? end - HEADER_OFFSET : 0, sizeof(*h));
}

/*
 * Where to put the kernel: its preferred address saves it a move, but any
 * place with the room it asks for will do if it is relocatable.
 */
static int place(const struct image *img, const struct memory *m, const struct setup_header *h,
		 uint64_t len, uint64_t *start, uint64_t *end)
{
	uint64_t need = MAX(len, (uint64_t)h->init_size);
	uint64_t top = memory_low_end(m);
	uint64_t align = h->kernel_alignment;

	*start = h->pref_address;
	if (*start >= LAYOUT_KERNEL && *start < top && need <= top - *start)
		goto found;
	if (h->relocatable_kernel && align && (align & (align - 1)) == 0 && align < top) {
		*start = ALIGN_UP(LAYOUT_KERNEL, align);
		if (*start < top && need <= top - *start)
			goto found;
	}
	log_error("kernel does not fit (%s: needs %llu KiB at %llu KiB, memory ends at %llu KiB)",
		  img->path, (unsigned long long)need >> 10, (unsigned long long)*start >> 10,
		  (unsigned long long)top >> 10);
	return -EFBIG;
found:
	*end = *start + need;
	return 0;
}

static void fill_e820(const struct memory *m, struct boot_params *bp)
{
	struct map_entry map[MAP_ENTRIES_MAX];
	unsigned int n = memory_map(m, map);

	for (unsigned int i = 0; i < n; i++)
		bp->e820_table[i] = (struct boot_e820_entry){
			map[i].start,
			map[i].size,
			map[i].type,
		};
	bp->e820_entries = (uint8_t)n;
}

int bzimage_load(const struct memory *m, const struct image *img, const struct load_request *r,
		 struct boot_entry *entry)
{
	uint64_t payload, len, start, end, high, initrd, initrd_size;
	struct boot_params *bp;
	struct setup_header h;
	int ret;

	ret = read_header(img, &h);
	if (ret)
		return ret;
	payload = ((h.setup_sects ? h.setup_sects : SETUP_SECTS_DEFAULT) + 1ULL) * SECTOR;
	/* More may follow the code: a signature for Secure Boot. */
	if (img->size <= payload + ENTRY_64 || img->size - payload < h.syssize * PARAGRAPH)
		return refuse(img, "cut off");
	len = img->size - payload;
	ret = place(img, m, &h, len, &start, &end);
	if (ret)
		return ret;
	ret = image_load(img, payload, m, start, len);
	if (ret) {
		log_error("kernel cannot be read (%s: %s)", img->path, strerror(-ret));
		return ret;
	}
	high = MIN(memory_low_end(m), (uint64_t)h.initrd_addr_max + 1);
	ret = initrd_load(m, r->initrd, end, high, &initrd, &initrd_size);
	if (ret)
		return ret;
	ret = cmdline_load(m, r->cmdline, h.cmdline_size);
	if (ret)
		return ret;

	bp = memory_at(m, gpa(LAYOUT_ZERO_PAGE), sizeof(*bp));
	if (!bp)
		return -EFAULT;
	memset(bp, 0, sizeof(*bp));
	memcpy(&bp->hdr, &h, header_size(&h));
	bp->hdr.type_of_loader = LOADER_UNDEFINED;
	bp->hdr.cmd_line_ptr = (uint32_t)LAYOUT_CMDLINE;
	bp->hdr.ramdisk_image = (uint32_t)initrd;
	bp->hdr.ramdisk_size = (uint32_t)initrd_size;
	bp->hdr.code32_start = (uint32_t)start;
	bp->acpi_rsdp_addr = r->rsdp;
	fill_e820(m, bp);

	*entry = (struct boot_entry){
		.mode = BOOT_LONG,
		.rip = start + ENTRY_64,
		.argument = LAYOUT_ZERO_PAGE,
	};
	log_info("kernel loaded (%s, bzImage, %llu KiB at 0x%llx, initrd %llu KiB)", img->path,
		 (unsigned long long)len >> 10, (unsigned long long)start,
		 (unsigned long long)initrd_size >> 10);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * ELF kernels with a PVH entry: Xen docs/misc/pvh.pandoc, "x86/HVM direct boot
 * ABI". The entry point is the 32-bit one in the note XEN_ELFNOTE_PHYS32_ENTRY.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "vmm/load/layout.h"
#include "vmm/load/load.h"
#include "vmm/log.h"

#define PHDRS_MAX	  64
#define NOTES_MAX_BYTES	  65536ULL
#define NOTE_PHYS32_ENTRY 18
#define START_MAGIC	  0x336ec578U
#define CMDLINE_MAX	  4095

/* hvm_start_info, version 1, and what it points to */
struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules;
	uint64_t cmdline;
	uint64_t rsdp;
	uint64_t memmap;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct start_module {
	uint64_t start;
	uint64_t size;
	uint64_t cmdline;
	uint64_t reserved;
};

struct start_memmap {
	uint64_t start;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

struct start_page {
	struct start_info info;
	struct start_module module;
	struct start_memmap memmap[MAP_ENTRIES_MAX];
};

_Static_assert(sizeof(struct start_info) == 56, "hvm_start_info");

static int refuse(const struct image *img, const char *why)
{
	log_error("kernel cannot be used (%s: %s)", img->path, why);
	return -ENOEXEC;
}

/* A file that ends too early is a bad file, everything else the host's. */
static int read_or_refuse(const struct image *img, uint64_t off, void *dst, uint64_t len)
{
	int ret = image_read(img, off, dst, len);

	if (ret == -ENOEXEC)
		return refuse(img, "cut off");
	if (ret)
		log_error("kernel cannot be read (%s: %s)", img->path, strerror(-ret));
	return ret;
}

/* Notes of @len bytes at @off: looking for the entry point. */
static int find_entry(const struct image *img, uint64_t off, uint64_t len, uint32_t *entry)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		char name[4] = "";
		uint64_t name_size, desc_size, total;
		Elf64_Nhdr n;
		int ret;

		ret = read_or_refuse(img, off, &n, sizeof(n));
		if (ret)
			return ret;
		name_size = ALIGN_UP((uint64_t)n.n_namesz, 4);
		desc_size = ALIGN_UP((uint64_t)n.n_descsz, 4);
		total = sizeof(n) + name_size + desc_size;
		if (total > len)
			return refuse(img, "ELF note past its segment");
		if (n.n_namesz == sizeof(name) && n.n_type == NOTE_PHYS32_ENTRY &&
		    n.n_descsz >= sizeof(*entry)) {
			ret = read_or_refuse(img, off + sizeof(n), name, sizeof(name));
			if (ret)
				return ret;
			if (memcmp(name, "Xen", 4) == 0)
				return read_or_refuse(img, off + sizeof(n) + name_size, entry,
						      sizeof(*entry));
		}
		off += total;
		len -= total;
	}
	return 0;
}

static int load_segment(const struct memory *m, const struct image *img, const Elf64_Phdr *p,
			uint64_t *end)
{
	void *dst;

	if (p->p_filesz > p->p_memsz)
		return refuse(img, "ELF segment longer in the file than in memory");
	if (!p->p_memsz)
		return 0;
	/* Below are the tables the entry needs. */
	dst = p->p_paddr < LAYOUT_KERNEL ? NULL : memory_at(m, gpa(p->p_paddr), p->p_memsz);
	if (!dst) {
		log_error("kernel does not fit (%s: segment at 0x%llx, %llu KiB)", img->path,
			  (unsigned long long)p->p_paddr, (unsigned long long)p->p_memsz >> 10);
		return -EFBIG;
	}
	/* Fresh guest memory is zero, but segments may overlap. */
	memset((uint8_t *)dst + p->p_filesz, 0, p->p_memsz - p->p_filesz);
	*end = MAX(*end, p->p_paddr + p->p_memsz);
	return read_or_refuse(img, p->p_offset, dst, p->p_filesz);
}

static int load_segments(const struct memory *m, const struct image *img, uint32_t *entry,
			 uint64_t *end)
{
	Elf64_Ehdr e;
	int ret;

	ret = read_or_refuse(img, 0, &e, sizeof(e));
	if (ret)
		return ret;
	if (e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_ident[EI_DATA] != ELFDATA2LSB ||
	    e.e_machine != EM_X86_64)
		return refuse(img, "not an x86-64 ELF file");
	if (e.e_phentsize != sizeof(Elf64_Phdr) || !e.e_phnum || e.e_phnum > PHDRS_MAX)
		return refuse(img, "bad ELF program headers");
	for (unsigned int i = 0; i < e.e_phnum; i++) {
		uint64_t at = i * sizeof(Elf64_Phdr);
		Elf64_Phdr p;

		if (e.e_phoff > img->size)
			return refuse(img, "cut off");
		ret = read_or_refuse(img, e.e_phoff + at, &p, sizeof(p));
		if (ret)
			return ret;
		if (p.p_type == PT_LOAD)
			ret = load_segment(m, img, &p, end);
		else if (p.p_type == PT_NOTE && p.p_filesz <= NOTES_MAX_BYTES)
			ret = find_entry(img, p.p_offset, p.p_filesz, entry);
		if (ret)
			return ret;
	}
	return 0;
}

static int write_start_page(const struct memory *m, const struct load_request *r, uint64_t initrd,
			    uint64_t initrd_size)
{
	struct start_page s = {
		.info = {
			.magic = START_MAGIC,
			.version = 1,
			.cmdline = LAYOUT_CMDLINE,
			.rsdp = r->rsdp,
			.memmap = LAYOUT_PVH + offsetof(struct start_page, memmap),
		},
		.module = { .start = initrd, .size = initrd_size },
	};
	struct map_entry map[MAP_ENTRIES_MAX];

	if (initrd_size) {
		s.info.module_count = 1;
		s.info.modules = LAYOUT_PVH + offsetof(struct start_page, module);
	}
	s.info.memmap_entries = memory_map(m, map);
	for (unsigned int i = 0; i < s.info.memmap_entries; i++)
		s.memmap[i] = (struct start_memmap){
			.start = map[i].start,
			.size = map[i].size,
			.type = map[i].type,
		};
	return memory_write(m, gpa(LAYOUT_PVH), &s, sizeof(s));
}

int pvh_load(const struct memory *m, const struct image *img, const struct load_request *r,
	     struct boot_entry *entry)
{
	uint64_t initrd, initrd_size, end = LAYOUT_KERNEL;
	uint32_t rip = 0;
	int ret;

	ret = load_segments(m, img, &rip, &end);
	if (ret)
		return ret;
	if (!rip)
		return refuse(img, "no PVH entry point");
	ret = initrd_load(m, r->initrd, end, memory_low_end(m), &initrd, &initrd_size);
	if (ret)
		return ret;
	ret = cmdline_load(m, r->cmdline, CMDLINE_MAX);
	if (ret)
		return ret;
	ret = write_start_page(m, r, initrd, initrd_size);
	if (ret)
		return ret;
	*entry = (struct boot_entry){
		.mode = BOOT_PROTECTED,
		.rip = rip,
		.argument = LAYOUT_PVH,
	};
	log_info("kernel loaded (%s, PVH, entry 0x%x, initrd %llu KiB)", img->path, rip,
		 (unsigned long long)initrd_size >> 10);
	return 0;
}

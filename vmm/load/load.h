/* SPDX-License-Identifier: MIT */
/*
 * Putting a guest into memory: kernel (bzImage by the 64-bit boot protocol, or
 * an ELF with a PVH entry), initrd, command line, memory map. Files are read
 * straight into guest memory. They are as untrusted as the guest: every number
 * in them is checked against the file's size and the guest's memory.
 *
 * Used once by vm.c, before any VP exists. Failures are logged here, where the
 * reason is known, and come back as -errno; config_is_at_fault() tells whose
 * fault it is.
 */
#ifndef VMM_LOAD_LOAD_H
#define VMM_LOAD_LOAD_H

#include "abi/hv/register.h"
#include "base/base.h"
#include "vmm/memory.h"

/* How the first processor starts. */
enum boot_mode {
	BOOT_LONG,	/* 64 bit, paging on, RSI = argument */
	BOOT_PROTECTED, /* 32 bit, paging off, EBX = argument */
};

struct boot_entry {
	enum boot_mode mode;
	uint64_t rip;
	uint64_t argument;
};

struct load_request {
	const char *kernel;
	const char *initrd; /* NULL: none */
	const char *cmdline;
	uint64_t rsdp; /* guest physical */
};

/* 0 with *entry filled in, or -errno. */
int load_guest(const struct memory *m, const struct load_request *r, struct boot_entry *entry);

#define BOOT_REGISTERS_MAX 32

/*
 * To be set in processor @index, in this order; returns how many. All: what firmware
 * leaves alike in each. The first one, besides: @e. The others wait for its start-up
 * message.
 */
unsigned int boot_registers(const struct boot_entry *e, unsigned int index,
			    struct hv_register_assoc reg[BOOT_REGISTERS_MAX]);

/* --- between the files of this directory --- */

struct image {
	const char *path;
	int fd;
	uint64_t size;
};

/* Exactly @len bytes; -ENOEXEC if the file is too short (not logged). */
int image_read(const struct image *img, uint64_t off, void *dst, uint64_t len);
/* The same, straight into guest memory; -EFBIG if they do not fit. */
int image_load(const struct image *img, uint64_t off, const struct memory *m, uint64_t gpa,
	       uint64_t len);

/*
 * Load the initrd as high as possible in [@low, @high); *addr and *size are 0
 * without one. Logs.
 */
int initrd_load(const struct memory *m, const char *path, uint64_t low, uint64_t high,
		uint64_t *addr, uint64_t *size);

/* The command line at LAYOUT_CMDLINE; logs if it is longer than @max. */
int cmdline_load(const struct memory *m, const char *cmdline, uint64_t max);

/* Both log and fill in @entry. @img is open. */
int bzimage_load(const struct memory *m, const struct image *img, const struct load_request *r,
		 struct boot_entry *entry);
int pvh_load(const struct memory *m, const struct image *img, const struct load_request *r,
	     struct boot_entry *entry);

/* The guest's memory map, in the numbering that E820 and PVH share. */
enum { MAP_RAM = 1, MAP_RESERVED = 2 };

struct map_entry {
	uint64_t start;
	uint64_t size;
	uint32_t type;
};

#define MAP_ENTRIES_MAX 8

/* How many entries it has. */
unsigned int memory_map(const struct memory *m, struct map_entry map[MAP_ENTRIES_MAX]);

/* End of the RAM below 4 GiB. */
uint64_t memory_low_end(const struct memory *m);

/* Page tables and GDT for boot_registers(). -EFAULT: not enough memory. */
int boot_tables(const struct memory *m);

#endif

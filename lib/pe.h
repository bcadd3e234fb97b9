/* SPDX-License-Identifier: MIT */
/*
 * PE/COFF images for x86-64 ("PE32+"): look into one, load one, relocate one.
 * As little as the launcher needs; from Microsoft's "PE Format" document.
 *
 * The image may be hostile: pe_open() checks every header field that the other
 * functions use, and relocations are checked as they are applied.  Nothing is
 * allocated; any thread.  Functions that can fail return NULL when all is well
 * and else the reason, a constant text such as "section outside the image".
 */
#ifndef LIB_PE_H
#define LIB_PE_H

#include "base/base.h"

enum pe_layout {
	PE_FILE,   /* as in a file: sections at their file offsets */
	PE_LOADED, /* as in memory: sections at their addresses */
};

struct pe_image {
	const uint8_t *data; /* caller's; must outlive this structure */
	size_t size;
	enum pe_layout layout;

	uint64_t preferred_base;
	uint32_t image_size; /* in memory, bytes */
	uint32_t header_size;
	uint32_t entry; /* this and the next: offsets in memory */
	uint32_t relocations;
	uint32_t relocations_size;
	bool fixed; /* relocations stripped: preferred base only */

	uint32_t section_table; /* offset in data */
	uint32_t section_count;
};

struct pe_section {
	const uint8_t *data; /* in the image */
	size_t size;	     /* bytes of content */
};

/* Check @data and fill @pe.  PE_LOADED: @size is the image's size in memory. */
const char *pe_open(struct pe_image *pe, const void *data, size_t size, enum pe_layout layout);

/*
 * Content of the first section called @name (at most 8 characters).  False if
 * there is none or it is empty.
 */
bool pe_find_section(const struct pe_image *pe, const char *name, struct pe_section *section);

/*
 * Lay the image out at @to (pe->image_size bytes, caller's): headers and
 * sections copied, everything else zero.  For PE_FILE images.
 */
void pe_load(const struct pe_image *pe, void *to);

/*
 * Adjust the copy that pe_load() made at @to for running at address @base
 * (normally that of @to).  On failure the copy is unusable.
 */
const char *pe_relocate(const struct pe_image *pe, void *to, uint64_t base);

#endif

/* SPDX-License-Identifier: MIT */
/* Any bytes as a PE image: open, find, load, relocate, open again. */
#include <stdlib.h>

#include "lib/pe.h"

/* Enough for any header; larger images only cost time. */
#define IMAGE_MAX (1 << 20)

/* Touch every byte, for the address sanitizer to see. */
static uint8_t sum;

static void read_all(const struct pe_section *section)
{
	for (size_t i = 0; i < section->size; i++)
		sum = (uint8_t)(sum + section->data[i]);
}

static void look(const void *data, size_t size, enum pe_layout layout)
{
	struct pe_section section;
	struct pe_image pe;

	if (pe_open(&pe, data, size, layout) != NULL)
		return;
	if (pe_find_section(&pe, ".text", &section))
		read_all(&section);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pe_image pe;
	uint8_t *image;

	look(data, size, PE_LOADED);
	look(data, size, PE_FILE);
	if (pe_open(&pe, data, size, PE_FILE) != NULL || pe.image_size > IMAGE_MAX)
		return 0;
	image = malloc(pe.image_size);
	if (image == NULL)
		return 0;
	pe_load(&pe, image);
	look(image, pe.image_size, PE_LOADED);
	if (pe_relocate(&pe, image, 0x7e000000) == NULL)
		look(image, pe.image_size, PE_LOADED);
	free(image);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * UEFI protocols that Rootstock uses, beyond the tables of efi/efi.h.
 */
#ifndef EFI_PROTOCOL_H
#define EFI_PROTOCOL_H

/* Tables, laid out by hand. */
/* clang-format off */

#include "efi/efi.h"

/* "EFI Device Path Protocol" */
#define EFI_DEVICE_PATH_PROTOCOL_GUID \
	((struct efi_guid){ 0x09576e91, 0x6d3f, 0x11d2, \
		{ 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b } })

#define EFI_DEVICE_PATH_HARDWARE	0x01
#define EFI_DEVICE_PATH_HARDWARE_MEMORY	0x03
#define EFI_DEVICE_PATH_MEDIA		0x04
#define EFI_DEVICE_PATH_MEDIA_VENDOR	0x03
#define EFI_DEVICE_PATH_END		0x7f
#define EFI_DEVICE_PATH_END_ENTIRE	0xff

struct efi_device_path {
	uint8_t type;
	uint8_t subtype;
	uint16_t length; /* of this node, header included */
} __packed;

struct efi_vendor_device_path {
	struct efi_device_path header;
	struct efi_guid vendor;
} __packed;

struct efi_memory_device_path {
	struct efi_device_path header;
	uint32_t memory_type;
	uint64_t start;
	uint64_t end; /* last byte */
} __packed;

_Static_assert(sizeof(struct efi_vendor_device_path) == 20, "UEFI layout");
_Static_assert(sizeof(struct efi_memory_device_path) == 24, "UEFI layout");

/* "EFI Loaded Image Protocol" */
#define EFI_LOADED_IMAGE_PROTOCOL_GUID \
	((struct efi_guid){ 0x5b1b31a1, 0x9562, 0x11d2, \
		{ 0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b } })

struct efi_loaded_image {
	uint32_t revision;
	efi_handle_t parent;
	struct efi_system_table *system_table;
	efi_handle_t device;
	struct efi_device_path *file_path;
	void *reserved;
	uint32_t load_options_size; /* bytes */
	void *load_options;
	void *image_base;
	uint64_t image_size;
	enum efi_memory_type image_code_type;
	enum efi_memory_type image_data_type;
	void *unload;
};

_Static_assert(offsetof(struct efi_loaded_image, image_base) == 64,
	       "UEFI layout");

/* "EFI Load File 2 Protocol" */
#define EFI_LOAD_FILE2_PROTOCOL_GUID \
	((struct efi_guid){ 0x4006c0c1, 0xfcb3, 0x403e, \
		{ 0x99, 0x6d, 0x4a, 0x6c, 0x87, 0x24, 0xe0, 0x6d } })

struct efi_load_file2 {
	/* buffer NULL or too small: sets *size, EFI_BUFFER_TOO_SMALL */
	efi_status_t (EFIAPI *load_file)(struct efi_load_file2 *this,
					 struct efi_device_path *path,
					 uint8_t boot_policy, uint64_t *size,
					 void *buffer);
};

/*
 * Linux's EFI stub looks for its initrd at the Load File 2 protocol of the
 * handle with this vendor media path (Linux: "LINUX_EFI_INITRD_MEDIA_GUID").
 */
#define LINUX_EFI_INITRD_MEDIA_GUID \
	((struct efi_guid){ 0x5568e427, 0x68fc, 0x4f3d, \
		{ 0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68 } })

#endif

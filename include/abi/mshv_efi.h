/* SPDX-License-Identifier: MIT */
/*
 * The launch protocol: what a hypervisor's loader publishes while UEFI boot
 * services live, and what Linux's EFI stub calls to have the hypervisor slide
 * under it.  Described in docs/boot.md; the same bytes that Microsoft's
 * lxhvloader.dll publishes.  There is no revision field: this is the form with
 * six entries (every loader since May 2023).
 *
 * Boundary: boot/ and hypervisor/efi/ and the kernel patch.  Everything is
 * x86-64 Microsoft calling convention, little-endian.  IN = read by the
 * hypervisor, OUT = written by it.
 */
#ifndef ABI_MSHV_EFI_H
#define ABI_MSHV_EFI_H

/* Tables, laid out by hand. */
/* clang-format off */

#include <stddef.h>
#include <stdint.h>

#define MSHV_EFIAPI __attribute__((ms_abi))

/* 098d423a-6ca5-4ad4-90fa-72c3ce22c8d0; an initialiser of struct efi_guid */
#define MSHV_LOADER_PROTOCOL_GUID \
	{ 0x098d423a, 0x6ca5, 0x4ad4, \
	  { 0x90, 0xfa, 0x72, 0xc3, 0xce, 0x22, 0xc8, 0xd0 } }

/*
 * OUT: result of launch_hv.  The caller zeroes it; only launch_status is
 * promised to mean something: 0 = the hypervisor runs and the caller is its
 * root partition's first processor; else = nothing was started.
 */
struct mshv_launch_return {
	uint32_t crash_area_page_count;
	uint32_t unused;
	uint64_t crash_area_spa;
	uint64_t launch_status;
	uint64_t launch_substatus;
	uint8_t debug_data[552];
	uint64_t spa_page_ranges;
	uint32_t spa_page_range_count;
	uint32_t patch_details[7];
} __attribute__((packed));

_Static_assert(sizeof(struct mshv_launch_return) == 624, "return block");
_Static_assert(offsetof(struct mshv_launch_return, launch_status) == 0x10,
	       "return block");
_Static_assert(offsetof(struct mshv_launch_return, debug_data) == 0x20,
	       "return block");
_Static_assert(offsetof(struct mshv_launch_return, spa_page_ranges) == 0x248,
	       "return block");
_Static_assert(offsetof(struct mshv_launch_return, patch_details) == 0x254,
	       "return block");

/*
 * get_memory_map's descriptors: UEFI's memory descriptor (40 bytes), padded to
 * a multiple of 16, then this, at the end of the stride.
 */
struct mshv_memory_extension {
	uint64_t attribute;
	uint64_t pad;
};

#define MSHV_MEMORY_HYPERVISOR	(UINT64_C(1) << 0)
#define MSHV_MEMORY_LOADER	(UINT64_C(1) << 1)

struct mshv_loader_protocol {
	/*
	 * Once, on the boot processor, after ExitBootServices, with 4-level
	 * paging and an identity map of the caller, the hypervisor's image
	 * and its return block.  "context" is NULL (a register context to be
	 * cleaned, which Linux does not use).
	 */
	void (MSHV_EFIAPI *launch_hv)(void *context,
				      struct mshv_launch_return *ret);
	/*
	 * Before ExitBootServices, once per UEFI runtime range; repeating a
	 * range is allowed, for the memory map may be fetched twice.  Does
	 * not allocate.
	 */
	uint64_t (MSHV_EFIAPI *register_range)(uint64_t base_page,
					       uint64_t page_count);
	/* As the boot service GetMemoryMap, descriptors extended as above. */
	uint64_t (MSHV_EFIAPI *get_memory_map)(uint64_t *map_size, void *map,
					       uint64_t *map_key,
					       uint64_t *descriptor_size,
					       uint32_t *descriptor_version);
	/*
	 * Memory that the kernel has to leave alone: an array of UEFI memory
	 * descriptors (start and page count valid, not sorted) in a pool
	 * buffer that the caller frees with FreePool.
	 */
	uint64_t (MSHV_EFIAPI *get_hv_ranges)(void **ranges, uint64_t *size,
					      uint64_t *descriptor_size);
	/* EFI status of the loader's own work; not 0: do not launch. */
	uint64_t (MSHV_EFIAPI *get_loader_init_status)(void);
	/*
	 * Text lines (UCS-2, no line end), for the user's eyes; start with
	 * *cursor = 0, NULL ends.  Only walks memory.
	 */
	const uint16_t *(MSHV_EFIAPI *get_next_log_msg)(uint64_t *cursor);
};

_Static_assert(sizeof(struct mshv_loader_protocol) == 48, "six entries");

/*
 * What the loader of the hypervisor's PE image tells its entry point:
 *
 *   EFI_STATUS EFIAPI entry(EFI_HANDLE, EFI_SYSTEM_TABLE *,
 *                           struct hvloader_info *);
 *
 * as Microsoft's HvLoader.efi does.  Valid only during the call.  An entry that
 * returns an error has published nothing and its image is freed; success means
 * that the protocol is there, whose get_loader_init_status tells the rest.
 */
struct hvloader_info {
	uint32_t version; /* HVLOADER_INFO_VERSION */
	uint32_t size;	  /* of this block */
	uint32_t flags;
	uint32_t pad0;
	uint64_t image_base;
	uint64_t image_size; /* bytes, as the PE header has it */
	uint64_t page_count;
	uint32_t memory_type; /* UEFI's */
	uint32_t pad1;
	uint64_t entry_point;
	/*
	 * Here Microsoft's block ends. Ours goes on, if "size" says so: the command
	 * line, ASCII, ended by NUL; the reference hypervisor's options are in it.
	 */
	const char *command_line;
};

#define HVLOADER_INFO_VERSION	0x100
#define HVLOADER_FLAG_EFI	(1U << 0)

#define HVLOADER_INFO_SIZE	offsetof(struct hvloader_info, command_line)

_Static_assert(HVLOADER_INFO_SIZE == 56, "info block");
_Static_assert(offsetof(struct hvloader_info, memory_type) == 0x28,
	       "info block");

#endif

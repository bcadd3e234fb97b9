/* SPDX-License-Identifier: MIT */
/*
 * The part of UEFI that Rootstock uses: types, status codes, tables.  Written
 * from the UEFI Specification 2.10; chapter titles are quoted at each part.
 * Protocols are in efi/protocol.h.
 *
 * For boot/ and hypervisor/efi/ only: those are compiled for the x86_64 windows
 * target, whose C calling convention is the one UEFI uses.  EFIAPI is written
 * all the same so that a declaration says which side of a boundary it is on.
 *
 * Entries of a table that nobody calls are "void *": they hold their place.
 */
#ifndef EFI_EFI_H
#define EFI_EFI_H

/* Tables, laid out by hand. */
/* clang-format off */

#include "base/base.h"

#define EFIAPI __attribute__((ms_abi))

/*
 * UEFI's own scalar names, the only typedefs of the tree: a status and a
 * handle are different things that would both read "uint64_t"/"void *".
 * Text is UCS-2: uint16_t, with u"" literals.
 */
typedef uint64_t efi_status_t;
typedef void *efi_handle_t;

struct efi_guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

/* "Status Codes".  Every code that has a name in boot/console.c is here. */
#define EFI_ERROR_BIT			BIT64(63)
#define EFI_SUCCESS			UINT64_C(0)
#define EFI_LOAD_ERROR			(EFI_ERROR_BIT | 1)
#define EFI_INVALID_PARAMETER		(EFI_ERROR_BIT | 2)
#define EFI_UNSUPPORTED			(EFI_ERROR_BIT | 3)
#define EFI_BAD_BUFFER_SIZE		(EFI_ERROR_BIT | 4)
#define EFI_BUFFER_TOO_SMALL		(EFI_ERROR_BIT | 5)
#define EFI_NOT_READY			(EFI_ERROR_BIT | 6)
#define EFI_DEVICE_ERROR		(EFI_ERROR_BIT | 7)
#define EFI_WRITE_PROTECTED		(EFI_ERROR_BIT | 8)
#define EFI_OUT_OF_RESOURCES		(EFI_ERROR_BIT | 9)
#define EFI_VOLUME_CORRUPTED		(EFI_ERROR_BIT | 10)
#define EFI_NOT_FOUND			(EFI_ERROR_BIT | 14)
#define EFI_ACCESS_DENIED		(EFI_ERROR_BIT | 15)
#define EFI_TIMEOUT			(EFI_ERROR_BIT | 18)
#define EFI_NOT_STARTED			(EFI_ERROR_BIT | 19)
#define EFI_ALREADY_STARTED		(EFI_ERROR_BIT | 20)
#define EFI_ABORTED			(EFI_ERROR_BIT | 21)
#define EFI_INCOMPATIBLE_VERSION	(EFI_ERROR_BIT | 25)
#define EFI_SECURITY_VIOLATION		(EFI_ERROR_BIT | 26)
#define EFI_CRC_ERROR			(EFI_ERROR_BIT | 27)

static inline bool efi_failed(efi_status_t status)
{
	return (status & EFI_ERROR_BIT) != 0;
}

/* "EFI Table Header" */
struct efi_table_header {
	uint64_t signature;
	uint32_t revision;
	uint32_t header_size;
	uint32_t crc32;
	uint32_t reserved;
};

/* "EFI_BOOT_SERVICES.GetMemoryMap()" */
enum efi_memory_type {
	EFI_RESERVED_MEMORY,
	EFI_LOADER_CODE,
	EFI_LOADER_DATA,
	EFI_BOOT_SERVICES_CODE,
	EFI_BOOT_SERVICES_DATA,
	EFI_RUNTIME_SERVICES_CODE,
	EFI_RUNTIME_SERVICES_DATA,
	EFI_CONVENTIONAL_MEMORY,
	EFI_UNUSABLE_MEMORY,
	EFI_ACPI_RECLAIM_MEMORY,
	EFI_ACPI_MEMORY_NVS,
	EFI_MEMORY_MAPPED_IO,
	EFI_MEMORY_MAPPED_IO_PORT_SPACE,
	EFI_PAL_CODE,
	EFI_PERSISTENT_MEMORY,
	EFI_UNACCEPTED_MEMORY,
};

/* Step by the descriptor size that came with the map, never by sizeof. */
struct efi_memory_descriptor {
	uint32_t type;
	uint32_t pad;
	uint64_t physical_start;
	uint64_t virtual_start;
	uint64_t page_count;
	uint64_t attribute;
};

_Static_assert(sizeof(struct efi_memory_descriptor) == 40, "UEFI layout");

#define EFI_MEMORY_DESCRIPTOR_VERSION 1

/* "EFI_BOOT_SERVICES.AllocatePages()" */
enum efi_allocate_type {
	EFI_ALLOCATE_ANY_PAGES,
	EFI_ALLOCATE_MAX_ADDRESS,
	EFI_ALLOCATE_ADDRESS,
};

/* "EFI_BOOT_SERVICES.LocateHandle()" */
enum efi_locate_search_type {
	EFI_LOCATE_ALL_HANDLES,
	EFI_LOCATE_BY_REGISTER_NOTIFY,
	EFI_LOCATE_BY_PROTOCOL,
};

/* "EFI_SIMPLE_TEXT_INPUT_PROTOCOL" */
struct efi_input_key {
	uint16_t scan_code;
	uint16_t unicode_char;
};

struct efi_text_input {
	void *reset;
	efi_status_t (EFIAPI *read_key_stroke)(struct efi_text_input *this,
					       struct efi_input_key *key);
	void *wait_for_key;
};

/* "EFI_SIMPLE_TEXT_OUTPUT_PROTOCOL" */
struct efi_text_output {
	void *reset;
	efi_status_t (EFIAPI *output_string)(struct efi_text_output *this,
					     const uint16_t *string);
	/* more members that we do not use */
};

/* "EFI Boot Services Table" */
struct efi_boot_services {
	struct efi_table_header header;

	void *raise_tpl;
	void *restore_tpl;

	efi_status_t (EFIAPI *allocate_pages)(enum efi_allocate_type type,
					      enum efi_memory_type memory_type,
					      uint64_t page_count,
					      uint64_t *address);
	efi_status_t (EFIAPI *free_pages)(uint64_t address,
					  uint64_t page_count);
	efi_status_t (EFIAPI *get_memory_map)(
		uint64_t *map_size, struct efi_memory_descriptor *map,
		uint64_t *map_key, uint64_t *descriptor_size,
		uint32_t *descriptor_version);
	efi_status_t (EFIAPI *allocate_pool)(enum efi_memory_type memory_type,
					     uint64_t size, void **buffer);
	efi_status_t (EFIAPI *free_pool)(void *buffer);

	void *create_event;
	void *set_timer;
	void *wait_for_event;
	void *signal_event;
	void *close_event;
	void *check_event;

	efi_status_t (EFIAPI *install_protocol_interface)(
		efi_handle_t *handle, const struct efi_guid *protocol,
		uint32_t interface_type, void *interface);
	void *reinstall_protocol_interface;
	efi_status_t (EFIAPI *uninstall_protocol_interface)(
		efi_handle_t handle, const struct efi_guid *protocol,
		void *interface);
	efi_status_t (EFIAPI *handle_protocol)(efi_handle_t handle,
					       const struct efi_guid *protocol,
					       void **interface);
	void *reserved;
	void *register_protocol_notify;
	void *locate_handle;
	void *locate_device_path;
	void *install_configuration_table;

	efi_status_t (EFIAPI *load_image)(uint8_t boot_policy,
					  efi_handle_t parent,
					  void *device_path, void *source,
					  uint64_t source_size,
					  efi_handle_t *image);
	efi_status_t (EFIAPI *start_image)(efi_handle_t image,
					   uint64_t *exit_data_size,
					   uint16_t **exit_data);
	void *exit;
	efi_status_t (EFIAPI *unload_image)(efi_handle_t image);
	void *exit_boot_services;

	void *get_next_monotonic_count;
	efi_status_t (EFIAPI *stall)(uint64_t microseconds);
	void *set_watchdog_timer;

	void *connect_controller;
	void *disconnect_controller;

	void *open_protocol;
	void *close_protocol;
	void *open_protocol_information;

	void *protocols_per_handle;
	efi_status_t (EFIAPI *locate_handle_buffer)(
		enum efi_locate_search_type type,
		const struct efi_guid *protocol, void *key, uint64_t *count,
		efi_handle_t **handles);
	efi_status_t (EFIAPI *locate_protocol)(const struct efi_guid *protocol,
					       void *registration,
					       void **interface);
	void *install_multiple_protocol_interfaces;
	void *uninstall_multiple_protocol_interfaces;

	efi_status_t (EFIAPI *calculate_crc32)(const void *data, uint64_t size,
					       uint32_t *crc32);
	void *copy_mem;
	void *set_mem;
	void *create_event_ex;
};

_Static_assert(offsetof(struct efi_boot_services, load_image) == 200,
	       "EFI Boot Services Table");
_Static_assert(sizeof(struct efi_boot_services) == 376,
	       "EFI Boot Services Table");

/* The only value of interface_type ("InstallProtocolInterface()"). */
#define EFI_NATIVE_INTERFACE 0

/* "EFI Runtime Services Table" */
struct efi_runtime_services {
	struct efi_table_header header;
	void *get_time;
	void *set_time;
	void *get_wakeup_time;
	void *set_wakeup_time;
	void *set_virtual_address_map;
	void *convert_pointer;
	efi_status_t (EFIAPI *get_variable)(const uint16_t *name,
					    const struct efi_guid *vendor,
					    uint32_t *attributes,
					    uint64_t *size, void *data);
	/* more members that we do not use */
};

/* "EFI Configuration Table & Properties Table" */
struct efi_configuration_table {
	struct efi_guid guid;
	void *table;
};

/* "EFI System Table" */
struct efi_system_table {
	struct efi_table_header header;
	uint16_t *firmware_vendor;
	uint32_t firmware_revision;
	efi_handle_t console_in_handle;
	struct efi_text_input *con_in;
	efi_handle_t console_out_handle;
	struct efi_text_output *con_out;
	efi_handle_t standard_error_handle;
	struct efi_text_output *std_err;
	struct efi_runtime_services *runtime;
	struct efi_boot_services *boot;
	uint64_t table_count;
	struct efi_configuration_table *tables;
};

_Static_assert(sizeof(struct efi_system_table) == 120, "EFI System Table");

/* "Globally Defined Variables" */
#define EFI_GLOBAL_VARIABLE_GUID \
	((struct efi_guid){ 0x8be4df61, 0x93ca, 0x11d2, \
		{ 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c } })

/* Configuration table with the ACPI 2.0 root pointer (RSDP). */
#define EFI_ACPI_20_TABLE_GUID \
	((struct efi_guid){ 0x8868e871, 0xe4f1, 0x11d3, \
		{ 0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 } })

static inline bool efi_guid_equal(const struct efi_guid *x,
				  const struct efi_guid *y)
{
	const uint8_t *p = (const uint8_t *)x, *q = (const uint8_t *)y;

	for (size_t i = 0; i < sizeof(*x); i++) {
		if (p[i] != q[i])
			return false;
	}
	return true;
}

#endif

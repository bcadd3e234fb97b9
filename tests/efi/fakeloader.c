/* SPDX-License-Identifier: MIT */
/*
 * A hypervisor's loader without a hypervisor, to test what the kernel's EFI
 * stub makes of the launch protocol (kernel-config/patches).  The launcher
 * enters it in place of the real one, section .hv.  Whether the stub does what
 * it should is seen in the kernel's log and by tests/efi/probe.c.
 *
 * FAKE_MODE selects what goes wrong:
 *
 *   OK        nothing; the launch returns success, on the bare machine
 *   INIT      the loader's status turns bad between launcher and kernel
 *   RANGES    the loader names no memory
 *   CROWD     the loader names more ranges than the kernel takes
 *   REGISTER  a runtime range is refused
 *   LAUNCH    the launch fails
 *
 * On success two pieces of memory are named by three descriptors: the upper
 * half of the large piece comes right behind the lower one, so that the stub
 * has two to join, and the small piece lies below both.
 */
#include "abi/mshv_efi.h"
#include "efi/efi.h"

enum fake_mode { OK, INIT, RANGES, CROWD, REGISTER, LAUNCH };

#ifndef FAKE_MODE
#define FAKE_MODE OK
#endif

/* What tests/e2e/efi-launch.sh looks for; bytes no status code is made of. */
#define FAKE_STATUS	UINT64_C(0x5eed)
#define FAKE_SUBSTATUS	UINT64_C(0xfa11)

#define LARGE_PAGES	UINT64_C(16384) /* 64 MiB: to be missed in MemTotal */
#define SMALL_PAGES	UINT64_C(3)
#define SMALL_LIMIT	UINT64_C(0x8000000)
/* Every second page, so that none continues the one before it. */
#define CROWD_RANGES	40

/* Larger than UEFI's, as the real loader's may be: the stride must be used. */
struct fake_descriptor {
	struct efi_memory_descriptor efi;
	uint64_t extension;
};

static struct efi_boot_services *services;
static uint64_t large, small;
static unsigned int status_calls;

static void MSHV_EFIAPI launch_hv(void *context, struct mshv_launch_return *ret)
{
	uint8_t *byte = (uint8_t *)ret;

	/* The block must come zeroed, and no context with it. */
	for (unsigned int i = 0; i < sizeof(*ret); i++)
		if (byte[i] != 0)
			ret->launch_status = FAKE_STATUS + 1;
	if (context != NULL)
		ret->launch_status = FAKE_STATUS + 2;
	if (FAKE_MODE == LAUNCH && ret->launch_status == 0) {
		ret->launch_status = FAKE_STATUS;
		ret->launch_substatus = FAKE_SUBSTATUS;
	}
}

static uint64_t MSHV_EFIAPI register_range(uint64_t base_page,
					   uint64_t page_count)
{
	if (FAKE_MODE == REGISTER || base_page == 0 || page_count == 0)
		return EFI_ACCESS_DENIED;
	return EFI_SUCCESS;
}

static uint64_t MSHV_EFIAPI get_memory_map(uint64_t *map_size, void *map,
					   uint64_t *map_key,
					   uint64_t *descriptor_size,
					   uint32_t *descriptor_version)
{
	(void)map_size, (void)map, (void)map_key;
	(void)descriptor_size, (void)descriptor_version;
	return EFI_UNSUPPORTED; /* Linux does not ask */
}

static void describe(struct fake_descriptor *descriptor, uint64_t start,
		     uint64_t page_count)
{
	*descriptor = (struct fake_descriptor){
		.efi = {
			.type = EFI_LOADER_DATA,
			.physical_start = start,
			.page_count = page_count,
		},
		.extension = UINT64_MAX, /* read as a range it is nonsense */
	};
}

static uint64_t MSHV_EFIAPI get_hv_ranges(void **ranges, uint64_t *size,
					  uint64_t *descriptor_size)
{
	struct fake_descriptor *descriptors;
	uint64_t half = LARGE_PAGES / 2, count = 3;
	efi_status_t status;

	if (FAKE_MODE == RANGES)
		count = 0;
	if (FAKE_MODE == CROWD)
		count = CROWD_RANGES;
	*size = count * sizeof(*descriptors);
	*descriptor_size = sizeof(*descriptors);
	status = services->allocate_pool(EFI_LOADER_DATA, *size + 1, ranges);
	if (efi_failed(status) || count == 0)
		return status;

	descriptors = *ranges;
	if (FAKE_MODE == CROWD) {
		for (unsigned int i = 0; i < CROWD_RANGES; i++)
			describe(&descriptors[i], large + 2 * i * PAGE_SIZE, 1);
		return EFI_SUCCESS;
	}
	describe(&descriptors[0], large, half);
	describe(&descriptors[1], large + half * PAGE_SIZE, half);
	describe(&descriptors[2], small, SMALL_PAGES);
	return EFI_SUCCESS;
}

static uint64_t MSHV_EFIAPI get_loader_init_status(void)
{
	/* The first to ask is the launcher, which would not start Linux. */
	if (FAKE_MODE == INIT && ++status_calls > 1)
		return EFI_DEVICE_ERROR;
	return EFI_SUCCESS;
}

static const uint16_t *MSHV_EFIAPI get_next_log_msg(uint64_t *cursor)
{
	static const uint16_t *const messages[] = {
		u"fakeloader: first message",
		u"fakeloader: second message",
	};

	if (*cursor >= ARRAY_SIZE(messages))
		return NULL;
	return messages[(*cursor)++];
}

static const struct mshv_loader_protocol protocol = {
	.launch_hv = launch_hv,
	.register_range = register_range,
	.get_memory_map = get_memory_map,
	.get_hv_ranges = get_hv_ranges,
	.get_loader_init_status = get_loader_init_status,
	.get_next_log_msg = get_next_log_msg,
};

static const struct efi_guid protocol_guid = MSHV_LOADER_PROTOCOL_GUID;

efi_status_t EFIAPI fake_main(efi_handle_t image,
			      struct efi_system_table *system,
			      struct hvloader_info *info);

efi_status_t EFIAPI fake_main(efi_handle_t image,
			      struct efi_system_table *system,
			      struct hvloader_info *info)
{
	efi_handle_t handle = NULL;
	efi_status_t status;

	(void)image;
	if (info->version != HVLOADER_INFO_VERSION)
		return EFI_INCOMPATIBLE_VERSION;
	services = system->boot;

	status = services->allocate_pages(EFI_ALLOCATE_ANY_PAGES,
					  EFI_LOADER_DATA, LARGE_PAGES, &large);
	if (efi_failed(status))
		return status;
	small = SMALL_LIMIT;
	status = services->allocate_pages(EFI_ALLOCATE_MAX_ADDRESS,
					  EFI_LOADER_DATA, SMALL_PAGES, &small);
	if (efi_failed(status))
		return status;

	return services->install_protocol_interface(
		&handle, &protocol_guid, EFI_NATIVE_INTERFACE,
		/* The table is not written through the interface. */
		(void *)(uintptr_t)&protocol);
}

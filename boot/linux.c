/* SPDX-License-Identifier: MIT */
/*
 * Start Linux through its EFI stub: the kernel is itself a PE image that the
 * firmware loads from memory; its initrd is fetched back from us through the
 * Load File 2 protocol on a well-known vendor path (Linux:
 * Documentation/arch/x86/boot.rst, "EFI handover", and efi-stub-helper.c).
 */
#include "boot/boot.h"

#include "lib/mem.h"

struct initrd {
	struct efi_load_file2 load_file2; /* first: "this" is us */
	struct pe_section content;
};

static const struct initrd_path {
	struct efi_vendor_device_path vendor;
	struct efi_device_path end;
} __packed initrd_path = {
	.vendor = {
		.header = { EFI_DEVICE_PATH_MEDIA, EFI_DEVICE_PATH_MEDIA_VENDOR,
			    sizeof(struct efi_vendor_device_path) },
		/* LINUX_EFI_INITRD_MEDIA_GUID, spelled out as a constant */
		.vendor = { 0x5568e427, 0x68fc, 0x4f3d,
			    { 0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68 } },
	},
	.end = { EFI_DEVICE_PATH_END, EFI_DEVICE_PATH_END_ENTIRE,
		 sizeof(struct efi_device_path) },
};

static efi_status_t EFIAPI load_initrd(struct efi_load_file2 *this, struct efi_device_path *path,
				       uint8_t boot_policy, uint64_t *size, void *buffer)
{
	struct initrd *initrd = container_of(this, struct initrd, load_file2);

	if (this == NULL || path == NULL || size == NULL)
		return EFI_INVALID_PARAMETER;
	if (boot_policy)
		return EFI_UNSUPPORTED;
	if (buffer == NULL || *size < initrd->content.size) {
		*size = initrd->content.size;
		return EFI_BUFFER_TOO_SMALL;
	}
	memcpy(buffer, initrd->content.data, initrd->content.size);
	*size = initrd->content.size;
	return EFI_SUCCESS;
}

/* Publish the initrd on a new handle; *handle stays NULL without an initrd. */
static efi_status_t publish_initrd(struct boot *boot, struct initrd *initrd, efi_handle_t *handle)
{
	struct efi_boot_services *services = boot->services;
	efi_status_t status;

	*handle = NULL;
	if (boot->parts.initrd.data == NULL)
		return EFI_SUCCESS;
	initrd->load_file2.load_file = load_initrd;
	initrd->content = boot->parts.initrd;

	status = services->install_protocol_interface(handle, &EFI_DEVICE_PATH_PROTOCOL_GUID,
						      EFI_NATIVE_INTERFACE,
						      (void *)(uintptr_t)&initrd_path);
	if (efi_failed(status))
		return boot_failed(status, "cannot offer the initrd (device path)");
	status = services->install_protocol_interface(handle, &EFI_LOAD_FILE2_PROTOCOL_GUID,
						      EFI_NATIVE_INTERFACE, &initrd->load_file2);
	if (efi_failed(status)) {
		services->uninstall_protocol_interface(*handle, &EFI_DEVICE_PATH_PROTOCOL_GUID,
						       (void *)(uintptr_t)&initrd_path);
		*handle = NULL;
		return boot_failed(status, "cannot offer the initrd (load file 2)");
	}
	return EFI_SUCCESS;
}

static void withdraw_initrd(struct boot *boot, struct initrd *initrd, efi_handle_t handle)
{
	struct efi_boot_services *services = boot->services;

	if (handle == NULL)
		return;
	services->uninstall_protocol_interface(handle, &EFI_LOAD_FILE2_PROTOCOL_GUID,
					       &initrd->load_file2);
	services->uninstall_protocol_interface(handle, &EFI_DEVICE_PATH_PROTOCOL_GUID,
					       (void *)(uintptr_t)&initrd_path);
}

/* The firmware wants a path for every image, also for one in memory. */
static efi_status_t load_kernel(struct boot *boot, efi_handle_t *kernel)
{
	const struct pe_section *part = &boot->parts.kernel;
	struct {
		struct efi_memory_device_path memory;
		struct efi_device_path end;
	} __packed path = {
		.memory = {
			.header = { EFI_DEVICE_PATH_HARDWARE,
				    EFI_DEVICE_PATH_HARDWARE_MEMORY,
				    sizeof(struct efi_memory_device_path) },
			.memory_type = EFI_LOADER_CODE,
			.start = (uintptr_t)part->data,
			.end = (uintptr_t)part->data + part->size - 1,
		},
		.end = { EFI_DEVICE_PATH_END, EFI_DEVICE_PATH_END_ENTIRE,
			 sizeof(struct efi_device_path) },
	};
	efi_status_t status;

	status = boot->services->load_image(false, boot->image, &path,
					    (void *)(uintptr_t)part->data, part->size, kernel);
	if (efi_failed(status)) {
		/* The image was loaded all the same, just not trusted. */
		if (status == EFI_SECURITY_VIOLATION)
			boot->services->unload_image(*kernel);
		return boot_failed(status,
				   "firmware does not load the Linux image (section .linux)");
	}
	return EFI_SUCCESS;
}

static efi_status_t set_command_line(struct boot *boot, efi_handle_t kernel)
{
	static uint16_t line[BOOT_CMDLINE_SIZE]; /* Linux reads it later */
	struct efi_loaded_image *loaded;
	efi_status_t status;
	uint32_t length = 0;

	status = boot->services->handle_protocol(kernel, &EFI_LOADED_IMAGE_PROTOCOL_GUID,
						 (void **)&loaded);
	if (efi_failed(status))
		return boot_failed(status, "no way to pass the command line");
	for (; boot->cmdline[length] != '\0'; length++)
		line[length] = (uint8_t)boot->cmdline[length];
	line[length] = 0;
	loaded->load_options = line;
	loaded->load_options_size = (length + 1) * sizeof(line[0]);
	return EFI_SUCCESS;
}

efi_status_t linux_start(struct boot *boot)
{
	static struct initrd initrd;
	efi_handle_t initrd_handle, kernel = NULL;
	efi_status_t status;

	status = publish_initrd(boot, &initrd, &initrd_handle);
	if (efi_failed(status))
		return status;
	status = load_kernel(boot, &kernel);
	if (efi_failed(status))
		goto withdraw;
	status = set_command_line(boot, kernel);
	if (efi_failed(status))
		goto unload;

	console_line("boot: starting Linux (%s)", boot->cmdline);
	status = boot->services->start_image(kernel, NULL, NULL);
	status = boot_failed(status, "Linux came back");
	/* A failed start has unloaded the image already. */
	goto withdraw;

unload:
	boot->services->unload_image(kernel);
withdraw:
	withdraw_initrd(boot, &initrd, initrd_handle);
	return status;
}

/* SPDX-License-Identifier: MIT */
/*
 * The launcher: one EFI application that carries everything a machine needs
 * as sections of its own image, starts the hypervisor's loader and then Linux.
 * docs/boot.md tells the story; boot/main.c is its list of steps.
 *
 * One processor, one thread, firmware alive throughout.  Everything here is
 * called from boot/main.c, in that order.
 */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "efi/efi.h"
#include "efi/protocol.h"
#include "lib/pe.h"

/* Linux's COMMAND_LINE_SIZE on x86, the final NUL included. */
#define BOOT_CMDLINE_SIZE 2048

/* Parts of the unified image; data NULL and size 0 if the image has none. */
struct boot_parts {
	struct pe_section hypervisor; /* .hv */
	struct pe_section kernel;     /* .linux */
	struct pe_section initrd;     /* .initrd */
	struct pe_section cmdline;    /* .cmdline */
	struct pe_section version;    /* .version */
};

/* What the command line tells the launcher itself. */
struct boot_config {
	bool hypervisor;     /* rootstock.hypervisor=reference | off */
	bool fallback_linux; /* rootstock.fallback=stop | linux */
};

struct boot {
	efi_handle_t image;
	struct efi_system_table *system;
	struct efi_boot_services *services;
	struct efi_loaded_image *loaded;

	struct boot_parts parts;
	struct boot_config config;
	char cmdline[BOOT_CMDLINE_SIZE];
};

/* console.c: lines on the firmware's console, nothing else. */
void console_init(struct efi_system_table *system);

/* One line, at most 300 characters; the line end is added. */
void console_line(const char *format, ...) __printf(1, 2);

/* One line that somebody else wrote, in UCS-2. */
void console_text(const uint16_t *text);

/*
 * The one line of a failure, "boot: <what and where>: <status by name>".
 * Returns @status so that callers can write "return boot_failed(...)".
 */
efi_status_t boot_failed(efi_status_t status, const char *format, ...) __printf(2, 3);

/* The same with a text that somebody else wrote: "<text>: <status by name>". */
void boot_failed_text(efi_status_t status, const uint16_t *text);

/* Leave the user time to read: until a key or some seconds have passed. */
void console_pause(const struct boot *boot);

/*
 * sections.c: find boot->parts in our own image, each as it was when the image was
 * made (include/abi/sums.h).  Only Linux is a must.
 */
efi_status_t sections_find(struct boot *boot);

/* config.c: compose boot->cmdline and read boot->config from it. */
efi_status_t config_read(struct boot *boot);

/*
 * hvload.c: load the hypervisor's image and have it publish the launch
 * protocol.  On failure nothing of it stays published.
 */
efi_status_t hypervisor_prepare(struct boot *boot);

/* linux.c: hand over initrd and command line, start.  Returns on failure. */
efi_status_t linux_start(struct boot *boot);

#endif

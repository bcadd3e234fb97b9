/* SPDX-License-Identifier: MIT */
/*
 * The half of the hypervisor that lives while firmware lives: the launcher
 * enters it once (efi/entry.c), it looks at the machine, takes memory, fills
 * boot_info (hypervisor/launch.h) and publishes the launch protocol
 * (include/abi/mshv_efi.h).  One processor, firmware's page tables and stack.
 *
 * Only entry.c, memory.c and protocol.c call firmware; the others work on what
 * they are given and are compiled into host tests as well.  Functions that can
 * fail say why with launch_message() themselves.
 */
#ifndef HYPERVISOR_EFI_LOADER_H
#define HYPERVISOR_EFI_LOADER_H

#include "efi/efi.h"
#include "hypervisor/launch.h"

/* --- processor.c --- */

/* What decides whether this hypervisor can run here. */
struct processor_facts {
	char vendor[13];       /* CPUID 0 */
	uint32_t max_extended; /* CPUID 0x80000000 EAX */
	uint32_t features_c;   /* CPUID 0x80000001 ECX */
	uint32_t svm_features; /* CPUID 0x8000000a EDX */
	uint64_t vm_cr;	       /* MSR VM_CR; 0 without SVM */
	uint64_t cr4;
};

struct processor_facts processor_read(void);

/* EFI_UNSUPPORTED if the hypervisor cannot run. */
efi_status_t processor_check(const struct processor_facts *facts);

/* --- memory.c --- */

/* Describe RAM, then take the pool, sized by it, and the trampoline page.  Into @info. */
efi_status_t memory_take(struct efi_boot_services *services, struct boot_info *info);
efi_status_t memory_describe(struct efi_boot_services *services, struct boot_info *info);
void memory_give_back(struct efi_boot_services *services, struct boot_info *info);

/* --- map.c: work on memory maps that firmware has made --- */

/*
 * Fill @info's RAM ranges and top from a UEFI memory map.  False: more than
 * HV_RAM_RANGES_MAX ranges.
 */
bool map_read_ram(struct boot_info *info, const void *map, uint64_t size, uint64_t stride);

/* Memory of ours, for get_memory_map. */
struct map_mark {
	struct boot_range range;
	uint64_t attribute; /* MSHV_MEMORY_* */
};

/* Stride of an extended descriptor, for a firmware's of @stride bytes. */
uint64_t map_extended_stride(uint64_t stride);

/*
 * Turn the firmware's map at the start of @buffer (@size bytes) into the
 * extended form, in place, descriptors split where a mark begins or ends.
 * Returns the bytes that form has; nothing is done if they exceed @room.
 */
uint64_t map_extend(void *buffer, uint64_t room, uint64_t size, uint64_t stride,
		    const struct map_mark *marks, size_t mark_count);

/* --- acpi.c --- */

/*
 * Read processors, PM1 control and PM timer ports into @info from the tables
 * that @rsdp leads to.  Addresses in the tables are used as pointers.
 */
efi_status_t acpi_read(const void *rsdp, struct boot_info *info);

/* --- protocol.c --- */

/*
 * Publish the launch protocol on a new handle.  @status is what Linux and the
 * launcher are told about our own work.
 */
efi_status_t protocol_publish(struct efi_system_table *system, efi_status_t status);

#endif

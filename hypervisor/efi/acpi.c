/* SPDX-License-Identifier: MIT */
/*
 * The few facts of ACPI that the hypervisor needs once firmware is gone, from
 * the ACPI Specification 6.5; chapter titles are quoted.  Tables are checked
 * for their checksum and never read beyond their length.
 */
#include "hypervisor/efi/loader.h"

#include "lib/mem.h"

/* "Root System Description Pointer (RSDP)" */
#define RSDP_REVISION	       15
#define RSDP_RSDT	       16
#define RSDP_XSDT	       24
#define RSDP_V1_SIZE	       20
#define RSDP_V2_SIZE	       36

/* "System Description Table Header" */
#define TABLE_LENGTH	       4
#define TABLE_HEADER_SIZE      36

/* "Fixed ACPI Description Table (FADT)" */
#define FADT_PM1A_CNT	       64
#define FADT_PM1B_CNT	       68
#define FADT_PM_TIMER	       76
#define FADT_X_PM1A_CNT	       172
#define FADT_X_PM1B_CNT	       184
#define FADT_X_PM_TIMER	       208

/* "Generic Address Structure (GAS)" */
#define GAS_SPACE	       0
#define GAS_SPACE_IO	       1
#define GAS_ADDRESS	       4
#define GAS_SIZE	       12

/* "Multiple APIC Description Table (MADT)" */
#define MADT_ENTRIES	       44
#define MADT_LOCAL_APIC	       0
#define MADT_LOCAL_APIC_SIZE   8
#define MADT_LOCAL_X2APIC      9
#define MADT_LOCAL_X2APIC_SIZE 16
#define MADT_ENABLED	       BIT32(0)

struct table {
	const uint8_t *data;
	uint32_t length;
};

static uint32_t get32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static bool checksum_ok(const uint8_t *p, uint32_t size)
{
	uint8_t sum = 0;

	for (uint32_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + p[i]);
	return sum == 0;
}

/* Firmware's memory is mapped one to one: a table's address is a pointer. */
static bool open_table(uint64_t address, const char *signature, struct table *table)
{
	if (address == 0)
		return false;
	table->data = (const uint8_t *)(uintptr_t)address;
	if (memcmp(table->data, signature, 4) != 0)
		return false;
	table->length = get32(table->data + TABLE_LENGTH);
	return table->length >= TABLE_HEADER_SIZE && checksum_ok(table->data, table->length);
}

static bool open_root(const uint8_t *rsdp, struct table *root, uint32_t *width)
{
	if (memcmp(rsdp, "RSD PTR ", 8) != 0 || !checksum_ok(rsdp, RSDP_V1_SIZE))
		return false;
	if (rsdp[RSDP_REVISION] >= 2 && checksum_ok(rsdp, RSDP_V2_SIZE) &&
	    open_table(get64(rsdp + RSDP_XSDT), "XSDT", root)) {
		*width = 8;
		return true;
	}
	*width = 4;
	return open_table(get32(rsdp + RSDP_RSDT), "RSDT", root);
}

static bool find_table(const struct table *root, uint32_t width, const char *signature,
		       struct table *table)
{
	for (uint32_t at = TABLE_HEADER_SIZE; at + width <= root->length; at += width) {
		const uint8_t *entry = root->data + at;

		if (open_table(width == 8 ? get64(entry) : get32(entry), signature, table))
			return true;
	}
	return false;
}

/* The old 32-bit field, else the extended one; 0 if neither is a port. */
static uint16_t read_port(const struct table *fadt, uint32_t field, uint32_t extended)
{
	uint64_t port = 0;

	if (field + 4 <= fadt->length)
		port = get32(fadt->data + field);
	if (port == 0 && extended + GAS_SIZE <= fadt->length &&
	    fadt->data[extended + GAS_SPACE] == GAS_SPACE_IO)
		port = get64(fadt->data + extended + GAS_ADDRESS);
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* Linux as root sends interrupts of devices to a plain 8-bit destination; 255 is all. */
#define APIC_ID_MAX 254u

static efi_status_t add_processor(struct boot_info *info, uint32_t apic_id, uint32_t flags)
{
	if ((flags & MADT_ENABLED) == 0)
		return EFI_SUCCESS;
	if (info->processor_count == HV_CPUS_MAX) {
		/* One left outside the hypervisor could undo everything. */
		launch_message("rootstock: more than %d processors: hypervisor not started",
			       HV_CPUS_MAX);
		return EFI_UNSUPPORTED;
	}
	if (apic_id > APIC_ID_MAX) {
		launch_message(
			"rootstock: a processor has APIC id %u, more than %u: hypervisor not started",
			apic_id, APIC_ID_MAX);
		return EFI_UNSUPPORTED;
	}
	info->apic_id[info->processor_count++] = apic_id;
	return EFI_SUCCESS;
}

static efi_status_t read_processors(const struct table *madt, struct boot_info *info)
{
	uint32_t at = MADT_ENTRIES;

	info->processor_count = 0;
	while (at + 2 <= madt->length) {
		const uint8_t *entry = madt->data + at;
		uint32_t size = entry[1];
		efi_status_t status = EFI_SUCCESS;

		if (size < 2 || size > madt->length - at)
			break;
		if (entry[0] == MADT_LOCAL_APIC && size >= MADT_LOCAL_APIC_SIZE)
			status = add_processor(info, entry[3], get32(entry + 4));
		else if (entry[0] == MADT_LOCAL_X2APIC && size >= MADT_LOCAL_X2APIC_SIZE)
			status = add_processor(info, get32(entry + 4), get32(entry + 8));
		if (efi_failed(status))
			return status;
		at += size;
	}
	if (info->processor_count == 0) {
		launch_refused("ACPI MADT lists no processor");
		return EFI_UNSUPPORTED;
	}
	return EFI_SUCCESS;
}

efi_status_t acpi_read(const void *rsdp, struct boot_info *info)
{
	struct table root, fadt, madt;
	const char *missing;
	uint32_t width;

	if (rsdp == NULL || !open_root(rsdp, &root, &width))
		missing = "no valid ACPI root table";
	else if (!find_table(&root, width, "APIC", &madt))
		missing = "no valid ACPI MADT";
	else if (!find_table(&root, width, "FACP", &fadt))
		missing = "no valid ACPI FADT";
	else
		missing = NULL;
	if (missing) {
		launch_refused(missing);
		return EFI_UNSUPPORTED;
	}
	info->pm1a_cnt = read_port(&fadt, FADT_PM1A_CNT, FADT_X_PM1A_CNT);
	info->pm1b_cnt = read_port(&fadt, FADT_PM1B_CNT, FADT_X_PM1B_CNT);
	info->pm_timer = read_port(&fadt, FADT_PM_TIMER, FADT_X_PM_TIMER);
	return read_processors(&madt, info);
}

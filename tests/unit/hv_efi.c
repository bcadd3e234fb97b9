/* SPDX-License-Identifier: MIT */
/*
 * The pure half of hypervisor/efi/: processor check, ACPI, memory maps, log.
 * Pointers are addresses here as they are under firmware.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "abi/mshv_efi.h"
#include "hypervisor/efi/loader.h"

/* The last line said since the mark. */
static uint64_t mark;

static void last_line(char *line, size_t size)
{
	const uint16_t *text, *last = NULL;
	uint64_t cursor = mark;
	size_t i = 0;

	while ((text = launch_message_next(&cursor)) != NULL)
		last = text;
	mark = cursor;
	if (last != NULL) {
		for (; last[i] != 0 && i < size - 1; i++)
			line[i] = (char)last[i];
	}
	line[i] = '\0';
}

#define SAID(expected)                               \
	do {                                         \
		char line[256];                      \
		last_line(line, sizeof(line));       \
		assert_string_equal(line, expected); \
	} while (0)

/* --- processor --- */

static const struct processor_facts good = {
	.vendor = "AuthenticAMD",
	.max_extended = 0x8000001e,
	.features_c = BIT32(2),
	.svm_features = BIT32(0),
};

static void accepts_processor(void **state)
{
	(void)state;
	assert_int_equal(processor_check(&good), EFI_SUCCESS);
}

static void refuses_processor(void **state)
{
	struct processor_facts bad = good;

	(void)state;
	memcpy(bad.vendor, "GenuineIntel", 12);
	assert_int_equal(processor_check(&bad), EFI_UNSUPPORTED);
	SAID("rootstock: this is an Intel processor, the reference hypervisor needs AMD SVM: hypervisor not started");

	bad = good;
	bad.features_c = (uint32_t)~BIT32(2);
	assert_int_equal(processor_check(&bad), EFI_UNSUPPORTED);
	SAID("rootstock: this processor has no AMD SVM (CPUID 0x80000001 ECX bit 2 clear): hypervisor not started");

	bad = good;
	bad.vm_cr = BIT64(4);
	assert_int_equal(processor_check(&bad), EFI_UNSUPPORTED);
	SAID("rootstock: AMD SVM is disabled by the firmware (VM_CR.SVMDIS set, look for \"SVM mode\" in its setup): hypervisor not started");

	bad = good;
	bad.svm_features = (uint32_t)~BIT32(0);
	assert_int_equal(processor_check(&bad), EFI_UNSUPPORTED);
	SAID("rootstock: this processor has no nested paging (CPUID 0x8000000a EDX bit 0 clear): hypervisor not started");

	bad = good;
	bad.cr4 = BIT64(12);
	assert_int_equal(processor_check(&bad), EFI_UNSUPPORTED);
	SAID("rootstock: the firmware runs with 5-level paging (CR4.LA57): hypervisor not started");
}

/* --- ACPI --- */

struct tables {
	uint8_t rsdp[36];
	uint8_t xsdt[36 + 3 * 8];
	uint8_t rsdt[36];
	uint8_t fadt[244];
	uint8_t other[36];
	uint8_t madt[44 + 8 + 8 + 16 + 12];
};

static void put(uint8_t *at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static void seal(uint8_t *table, size_t size, size_t sum_at)
{
	uint8_t sum = 0;

	table[sum_at] = 0;
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + table[i]);
	table[sum_at] = (uint8_t)-sum;
}

static void seal_table(uint8_t *table, const char *signature, size_t size)
{
	memcpy(table, signature, 4);
	put(table + 4, size, 4);
	seal(table, size, 9);
}

/* Two processors enabled, one not; an I/O APIC between them. */
static void fill_madt(uint8_t *madt)
{
	uint8_t *p = madt + 44;

	p[0] = 0; /* local APIC: UID 7, id 3 */
	p[1] = 8;
	p[2] = 7;
	p[3] = 3;
	put(p + 4, 1, 4);
	p += 8;
	p[0] = 0; /* disabled */
	p[1] = 8;
	p[3] = 9;
	p += 8;
	p[0] = 9; /* local x2APIC: id 0xfe, UID 0x456 */
	p[1] = 16;
	put(p + 4, 0xfe, 4);
	put(p + 8, 1, 4);
	put(p + 12, 0x456, 4);
	p += 16;
	p[0] = 1;
	p[1] = 12;
}

static struct tables *make_tables(void)
{
	struct tables *t = calloc(1, sizeof(*t));

	fill_madt(t->madt);
	put(t->fadt + 64, 0x604, 4);
	put(t->fadt + 76, 0x608, 4);
	put(t->xsdt + 36, (uintptr_t)t->other, 8);
	put(t->xsdt + 44, (uintptr_t)t->fadt, 8);
	put(t->xsdt + 52, (uintptr_t)t->madt, 8);
	seal_table(t->madt, "APIC", sizeof(t->madt));
	seal_table(t->fadt, "FACP", sizeof(t->fadt));
	seal_table(t->other, "HPET", sizeof(t->other));
	seal_table(t->xsdt, "XSDT", sizeof(t->xsdt));
	memcpy(t->rsdp, "RSD PTR ", 8);
	t->rsdp[15] = 2;
	put(t->rsdp + 20, sizeof(t->rsdp), 4);
	put(t->rsdp + 24, (uintptr_t)t->xsdt, 8);
	seal(t->rsdp, 20, 8);
	seal(t->rsdp, 36, 32);
	return t;
}

static void reads_acpi(void **state)
{
	struct tables *t = make_tables();
	struct boot_info info = { 0 };

	(void)state;
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_SUCCESS);
	assert_int_equal(info.processor_count, 2);
	assert_int_equal(info.apic_id[0], 3);
	assert_int_equal(info.apic_id[1], 0xfe);
	assert_int_equal(info.pm1a_cnt, 0x604);
	assert_int_equal(info.pm1b_cnt, 0);
	assert_int_equal(info.pm_timer, 0x608);
	free(t);
}

static void reads_extended_ports(void **state)
{
	struct tables *t = make_tables();
	struct boot_info info = { 0 };

	(void)state;
	put(t->fadt + 64, 0, 4);
	t->fadt[172] = 1; /* I/O space */
	put(t->fadt + 176, 0x804, 8);
	t->fadt[184] = 0; /* memory: no port */
	put(t->fadt + 188, 0x900, 8);
	seal_table(t->fadt, "FACP", sizeof(t->fadt));
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_SUCCESS);
	assert_int_equal(info.pm1a_cnt, 0x804);
	assert_int_equal(info.pm1b_cnt, 0);
	free(t);
}

static void reads_short_fadt(void **state)
{
	struct tables *t = make_tables();
	struct boot_info info = { 0 };

	(void)state;
	seal_table(t->fadt, "FACP", 68); /* ends behind PM1a control */
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_SUCCESS);
	assert_int_equal(info.pm1a_cnt, 0x604);
	assert_int_equal(info.pm_timer, 0);
	free(t);
}

static void stops_at_broken_madt_entry(void **state)
{
	struct tables *t = make_tables();
	struct boot_info info = { 0 };

	(void)state;
	t->madt[44 + 8 + 1] = 0; /* an entry of no length */
	seal_table(t->madt, "APIC", sizeof(t->madt));
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_SUCCESS);
	assert_int_equal(info.processor_count, 1);
	t->madt[44 + 8 + 1] = 255; /* longer than the table */
	seal_table(t->madt, "APIC", sizeof(t->madt));
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_SUCCESS);
	assert_int_equal(info.processor_count, 1);
	free(t);
}

static void refuses_bad_acpi(void **state)
{
	struct tables *t = make_tables();
	struct boot_info info = { 0 };

	(void)state;
	assert_int_equal(acpi_read(NULL, &info), EFI_UNSUPPORTED);
	SAID("rootstock: no valid ACPI root table: hypervisor not started");
	t->madt[60] ^= 1; /* checksum */
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_UNSUPPORTED);
	SAID("rootstock: no valid ACPI MADT: hypervisor not started");
	t->madt[60] ^= 1;
	t->fadt[60] ^= 1;
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_UNSUPPORTED);
	SAID("rootstock: no valid ACPI FADT: hypervisor not started");
	t->fadt[60] ^= 1;
	put(t->madt + 44 + 4, 0, 4);
	put(t->madt + 44 + 16 + 8, 0, 4);
	seal_table(t->madt, "APIC", sizeof(t->madt));
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_UNSUPPORTED);
	SAID("rootstock: ACPI MADT lists no processor: hypervisor not started");
	t->rsdp[0] = 'X';
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_UNSUPPORTED);
	free(t);
}

static void refuses_high_apic_id(void **state)
{
	struct tables *t = make_tables();
	struct boot_info info = { 0 };

	(void)state;
	put(t->madt + 44 + 16 + 4, 255, 4); /* xAPIC's broadcast */
	seal_table(t->madt, "APIC", sizeof(t->madt));
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_UNSUPPORTED);
	SAID("rootstock: a processor has APIC id 255, more than 254: hypervisor not started");
	/* One that is not there does not matter. */
	put(t->madt + 44 + 16 + 8, 0, 4);
	seal_table(t->madt, "APIC", sizeof(t->madt));
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_SUCCESS);
	free(t);
}

static void refuses_too_many_processors(void **state)
{
	size_t size = 44 + (HV_CPUS_MAX + 1) * 8;
	struct tables *t = make_tables();
	uint8_t *madt = calloc(1, size);
	struct boot_info info = { 0 };

	(void)state;
	for (int i = 0; i <= HV_CPUS_MAX; i++) {
		uint8_t *p = madt + 44 + i * 8;

		p[1] = 8;
		p[3] = (uint8_t)i;
		put(p + 4, 1, 4);
	}
	seal_table(madt, "APIC", size);
	put(t->xsdt + 52, (uintptr_t)madt, 8);
	seal_table(t->xsdt, "XSDT", sizeof(t->xsdt));
	assert_int_equal(acpi_read(t->rsdp, &info), EFI_UNSUPPORTED);
	SAID("rootstock: more than 64 processors: hypervisor not started");
	free(madt);
	free(t);
}

/* --- memory maps --- */

#define STRIDE 48 /* EDK2's, larger than the structure on purpose */

struct map {
	uint8_t bytes[64 * STRIDE];
	uint64_t size;
};

static void add(struct map *map, uint32_t type, uint64_t base, uint64_t pages)
{
	struct efi_memory_descriptor d = {
		.type = type,
		.physical_start = base,
		.page_count = pages,
		.attribute = 0xf,
	};

	memcpy(map->bytes + map->size, &d, sizeof(d));
	map->size += STRIDE;
}

static void reads_ram(void **state)
{
	struct map map = { 0 };
	struct boot_info info;

	(void)state;
	add(&map, EFI_CONVENTIONAL_MEMORY, 0x100000, 0x10);
	add(&map, EFI_LOADER_CODE, 0x0, 0xa0);
	add(&map, EFI_MEMORY_MAPPED_IO, 0xfec00000, 1);
	add(&map, EFI_RUNTIME_SERVICES_DATA, 0x120000, 0x10);
	add(&map, EFI_RESERVED_MEMORY, 0x200000, 0x10);
	add(&map, EFI_BOOT_SERVICES_CODE, 0x110000, 0x10); /* closes the gap */
	add(&map, 0x80000001, 0x300000, 1);		   /* an OS loader's own */
	add(&map, EFI_CONVENTIONAL_MEMORY, 0x400000, 0);
	assert_true(map_read_ram(&info, map.bytes, map.size, STRIDE));
	assert_int_equal(info.ram_count, 2);
	assert_int_equal(info.ram[0].base, 0);
	assert_int_equal(info.ram[0].size, 0xa0000);
	assert_int_equal(info.ram[1].base, 0x100000);
	assert_int_equal(info.ram[1].size, 0x30000);
	assert_int_equal(info.ram_top, 0xfec01000);
}

static void refuses_too_many_ranges(void **state)
{
	uint8_t *bytes = calloc(HV_RAM_RANGES_MAX + 1, STRIDE);
	struct boot_info info;

	(void)state;
	for (uint64_t i = 0; i <= HV_RAM_RANGES_MAX; i++) {
		struct efi_memory_descriptor d = {
			.type = EFI_CONVENTIONAL_MEMORY,
			.physical_start = i * 0x2000,
			.page_count = 1,
		};

		memcpy(bytes + i * STRIDE, &d, sizeof(d));
	}
	assert_true(map_read_ram(&info, bytes, HV_RAM_RANGES_MAX * STRIDE, STRIDE));
	assert_int_equal(info.ram_count, HV_RAM_RANGES_MAX);
	assert_false(map_read_ram(&info, bytes, (HV_RAM_RANGES_MAX + 1) * STRIDE, STRIDE));
	free(bytes);
}

struct expected {
	uint64_t base, pages, attribute;
};

static void check_extended(const uint8_t *map, uint64_t size, const struct expected *expected,
			   size_t count)
{
	uint64_t stride = map_extended_stride(STRIDE);

	assert_int_equal(size, count * stride);
	for (size_t i = 0; i < count; i++) {
		struct mshv_memory_extension extension;
		struct efi_memory_descriptor d;

		memcpy(&d, map + i * stride, sizeof(d));
		memcpy(&extension, map + (i + 1) * stride - sizeof(extension), sizeof(extension));
		assert_int_equal(d.physical_start, expected[i].base);
		assert_int_equal(d.page_count, expected[i].pages);
		assert_int_equal(d.attribute, 0xf);
		assert_int_equal(extension.attribute, expected[i].attribute);
	}
}

static void extends_map(void **state)
{
	static const struct map_mark marks[] = {
		{ { 0x105000, 0x3000 }, MSHV_MEMORY_HYPERVISOR },
		{ { 0x200000, 0x2000 }, MSHV_MEMORY_LOADER },
	};
	static const struct expected expected[] = {
		{ 0x100000, 5, 0 }, { 0x105000, 3, MSHV_MEMORY_HYPERVISOR },
		{ 0x108000, 8, 0 }, { 0x200000, 2, MSHV_MEMORY_LOADER },
		{ 0x202000, 1, 0 }, { 0x300000, 1, 0 },
	};
	uint64_t need = ARRAY_SIZE(expected) * map_extended_stride(STRIDE);
	uint8_t *buffer = malloc(need); /* not a byte to spare */
	struct map map = { 0 };

	(void)state;
	add(&map, EFI_LOADER_DATA, 0x100000, 0x10);
	add(&map, EFI_LOADER_DATA, 0x200000, 3);
	add(&map, EFI_CONVENTIONAL_MEMORY, 0x300000, 1);
	memcpy(buffer, map.bytes, map.size);
	assert_int_equal(map_extend(buffer, need - 1, map.size, STRIDE, marks, 2), need);
	assert_memory_equal(buffer, map.bytes, map.size); /* untouched */
	check_extended(buffer, map_extend(buffer, need, map.size, STRIDE, marks, 2), expected,
		       ARRAY_SIZE(expected));
	free(buffer);
}

/* --- log --- */

static void log_ends(void **state)
{
	uint64_t cursor = UINT64_MAX;
	int count = 0;

	(void)state;
	assert_null(launch_message_next(&cursor));
	cursor = 1; /* inside a line */
	launch_message("a line");
	assert_null(launch_message_next(&cursor));

	/* Full: what does not fit is dropped, the rest stays whole. */
	for (int i = 0; i < 1000; i++)
		launch_message("line %d of very many", i);
	for (cursor = 0; launch_message_next(&cursor) != NULL; count++)
		assert_true(count < 1000);
	assert_true(count > 50);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_processor), cmocka_unit_test(refuses_processor),
		cmocka_unit_test(reads_acpi),	     cmocka_unit_test(reads_extended_ports),
		cmocka_unit_test(reads_short_fadt),  cmocka_unit_test(stops_at_broken_madt_entry),
		cmocka_unit_test(refuses_bad_acpi),  cmocka_unit_test(refuses_high_apic_id),
		cmocka_unit_test(refuses_bad_acpi),  cmocka_unit_test(refuses_too_many_processors),
		cmocka_unit_test(reads_ram),	     cmocka_unit_test(refuses_too_many_ranges),
		cmocka_unit_test(extends_map),	     cmocka_unit_test(log_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

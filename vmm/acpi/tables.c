/* SPDX-License-Identifier: MIT */
/*
 * Layouts: ACPI specification 6.5, chapter "ACPI Software Programming Model";
 * MCFG: PCI Firmware Specification, "MCFG Table Description". WDAT: Microsoft,
 * "Hardware Watchdog Timers Design Specification".
 */
#include "vmm/acpi/acpi.h"

#include <errno.h>
#include <string.h>

#include "abi/platform.h"
#include "vmm/load/layout.h"

#include "dsdt.h" /* dsdt_aml: generated */

#define TABLES_MAX     4   /* FADT, MADT, MCFG, WDAT */
#define CPUS_XAPIC_MAX 255 /* ids above need the x2APIC entry */

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __packed;

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __packed;

struct address {
	uint8_t space; /* 1: system I/O */
	uint8_t bits;
	uint8_t offset;
	uint8_t access; /* 1: byte */
	uint64_t address;
} __packed;

struct fadt {
	struct header header;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved1;
	uint8_t profile;
	uint8_t legacy[62]; /* SCI to day alarm: not in a reduced machine */
	uint8_t century;
	uint16_t boot_arch;
	uint8_t reserved2;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_version;
	uint64_t x_facs;
	uint64_t x_dsdt;
	struct address x_legacy[8]; /* PM1a to GPE1 */
	struct address sleep_control;
	struct address sleep_status;
	uint64_t hypervisor_id;
} __packed;

_Static_assert(sizeof(struct header) == 36, "ACPI header");
_Static_assert(sizeof(struct rsdp) == 36, "RSDP");
_Static_assert(sizeof(struct fadt) == 276, "FADT, revision 6");
_Static_assert(offsetof(struct fadt, century) == 108, "FADT");
_Static_assert(offsetof(struct fadt, flags) == 112, "FADT");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "FADT");

/* What the DSDT says about the windows. */
_Static_assert(PLATFORM_PCI32_BASE + PLATFORM_PCI32_SIZE - 1 == PLATFORM_PCI32_LAST,
	       "32-bit PCI window");
_Static_assert(PLATFORM_PCI64_BASE + PLATFORM_PCI64_SIZE - 1 == PLATFORM_PCI64_LAST,
	       "64-bit PCI window");

#define FADT_WBINVD	    BIT32(0)
#define FADT_POWER_BUTTON   BIT32(4) /* not a fixed one */
#define FADT_SLEEP_BUTTON   BIT32(5) /* not a fixed one */
#define FADT_RESET_REGISTER BIT32(10)
#define FADT_HEADLESS	    BIT32(12)
#define FADT_HW_REDUCED	    BIT32(20)
#define FADT_NO_VGA	    (1U << 2)
#define PROFILE_SERVER	    4
#define CMOS_CENTURY	    0x32

struct madt {
	struct header header;
	uint32_t lapic_address;
	uint32_t flags; /* bit 0, two 8259s: no */
} __packed;

struct madt_lapic {
	uint8_t type, length;
	uint8_t acpi_id, apic_id;
	uint32_t flags;
} __packed;

struct madt_ioapic {
	uint8_t type, length;
	uint8_t id, reserved;
	uint32_t address;
	uint32_t gsi_base;
} __packed;

struct madt_x2apic {
	uint8_t type, length;
	uint16_t reserved;
	uint32_t apic_id;
	uint32_t flags;
	uint32_t acpi_id;
} __packed;

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_X2APIC = 9 };
#define MADT_ENABLED 1

struct mcfg {
	struct header header;
	uint64_t reserved;
	uint64_t base;
	uint16_t segment;
	uint8_t bus_first, bus_last;
	uint32_t reserved2;
} __packed;

struct wdat_entry {
	uint8_t action;
	uint8_t instruction;
	uint16_t reserved;
	struct address at;
	uint32_t value;
	uint32_t mask;
} __packed;

struct wdat {
	struct header header;
	uint32_t header_length; /* from here to the entries */
	uint16_t pci_segment;	/* none: 0xff, in spite of its width */
	uint8_t pci_bus, pci_device, pci_function;
	uint8_t reserved1[3];
	uint32_t period_ms;
	uint32_t count_max, count_min;
	uint8_t flags;
	uint8_t reserved2[3];
	uint32_t entry_count;
	struct wdat_entry entry[];
} __packed;

_Static_assert(sizeof(struct wdat_entry) == 24, "WDAT entry");
_Static_assert(sizeof(struct wdat) == 68, "WDAT");

#define WDAT_ENABLED 0x01
#define WDAT_NO_PCI  0xff

enum { WDAT_READ_VALUE, WDAT_READ_COUNT, WDAT_WRITE_VALUE, WDAT_WRITE_COUNT };

/* Tables are laid one after the other. */
struct builder {
	uint8_t *start;
	uint64_t size;
	uint64_t used;
	uint64_t table[TABLES_MAX]; /* guest physical, for the XSDT */
	unsigned int table_count;
	bool full;
};

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* Room for @len bytes, zeroed (guest memory is new), 16 byte aligned. */
static void *take(struct builder *b, uint64_t len, uint64_t *where)
{
	uint64_t at = ALIGN_UP(b->used, 16);

	if (at > b->size || len > b->size - at) {
		b->full = true;
		return NULL;
	}
	b->used = at + len;
	*where = LAYOUT_ACPI + at;
	return b->start + at;
}

static void finish(struct header *h, const char *signature, size_t len, uint8_t revision)
{
	memcpy(h->signature, signature, sizeof(h->signature));
	h->length = (uint32_t)len;
	h->revision = revision;
	memcpy(h->oem_id, "ROOTST", sizeof(h->oem_id));
	memcpy(h->oem_table_id, "MACHINE ", sizeof(h->oem_table_id));
	h->oem_revision = 1;
	memcpy(h->creator_id, "ROOT", sizeof(h->creator_id));
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, len);
}

static struct address port(uint16_t offset)
{
	return (struct address){
		.space = 1,
		.bits = 8,
		.access = 1,
		.address = PLATFORM_PORT_PM + offset,
	};
}

static uint64_t add_dsdt(struct builder *b)
{
	uint64_t where = 0;
	void *p = take(b, sizeof(dsdt_aml), &where);

	if (p)
		memcpy(p, dsdt_aml, sizeof(dsdt_aml));
	return where;
}

static void add_fadt(struct builder *b, uint64_t dsdt)
{
	struct fadt *f = take(b, sizeof(*f), &b->table[b->table_count]);

	if (!f)
		return;
	b->table_count++;
	f->dsdt = (uint32_t)dsdt;
	f->x_dsdt = dsdt;
	f->profile = PROFILE_SERVER;
	f->century = CMOS_CENTURY;
	f->boot_arch = FADT_NO_VGA;
	f->flags = FADT_WBINVD | FADT_POWER_BUTTON | FADT_SLEEP_BUTTON | FADT_RESET_REGISTER |
		   FADT_HEADLESS | FADT_HW_REDUCED;
	f->reset = port(PLATFORM_PM_RESET);
	f->reset_value = PLATFORM_PM_RESET_VALUE;
	f->minor_version = 5;
	f->sleep_control = port(PLATFORM_PM_SLEEP_CONTROL);
	f->sleep_status = port(PLATFORM_PM_SLEEP_STATUS);
	finish(&f->header, "FACP", sizeof(*f), 6);
}

static void add_cpu(void *at, unsigned int cpu)
{
	if (cpu < CPUS_XAPIC_MAX) {
		struct madt_lapic l = { MADT_LAPIC, sizeof(l), (uint8_t)cpu, (uint8_t)cpu,
					MADT_ENABLED };

		memcpy(at, &l, sizeof(l));
	} else {
		struct madt_x2apic x = { MADT_X2APIC, sizeof(x), 0, cpu, MADT_ENABLED, cpu };

		memcpy(at, &x, sizeof(x));
	}
}

static void add_madt(struct builder *b, unsigned int cpus)
{
	const struct madt_ioapic ioapic = {
		MADT_IOAPIC, sizeof(ioapic), 0, 0, (uint32_t)PLATFORM_IOAPIC_BASE, 0,
	};
	uint64_t small = MIN(cpus, CPUS_XAPIC_MAX);
	uint64_t cpu_bytes =
		small * sizeof(struct madt_lapic) + (cpus - small) * sizeof(struct madt_x2apic);
	uint64_t len = sizeof(struct madt) + sizeof(ioapic) + cpu_bytes;
	struct madt *m = take(b, len, &b->table[b->table_count]);
	uint8_t *p;

	if (!m)
		return;
	b->table_count++;
	m->lapic_address = (uint32_t)PLATFORM_LAPIC_BASE;
	p = (uint8_t *)(m + 1);
	for (unsigned int i = 0; i < cpus; i++) {
		add_cpu(p, i);
		p += i < CPUS_XAPIC_MAX ? sizeof(struct madt_lapic) : sizeof(struct madt_x2apic);
	}
	memcpy(p, &ioapic, sizeof(ioapic));
	finish(&m->header, "APIC", len, 5);
}

static void add_mcfg(struct builder *b)
{
	struct mcfg *m = take(b, sizeof(*m), &b->table[b->table_count]);

	if (!m)
		return;
	b->table_count++;
	m->base = PLATFORM_ECAM_BASE;
	m->bus_last = (uint8_t)(PLATFORM_ECAM_SIZE / 0x100000 - 1);
	finish(&m->header, "MCFG", sizeof(*m), 1);
}

/* One of the watchdog's registers, of @size bytes. */
#define WATCHDOG(register, size)                                                  \
	{                                                                         \
		.space = 1, .bits = 8 * (size), .access = (size),                 \
		.address = PLATFORM_PORT_WATCHDOG + PLATFORM_WATCHDOG_##register, \
	}

static void add_wdat(struct builder *b)
{
	static const struct wdat_entry entries[] = {
		/* reset the countdown */
		{ 1, WDAT_WRITE_VALUE, 0, WATCHDOG(RELOAD, 1), 1, 0xff },
		/* query and set: what is left of the count, the count */
		{ 4, WDAT_READ_COUNT, 0, WATCHDOG(LEFT, 2), 0, 0xffff },
		{ 5, WDAT_READ_COUNT, 0, WATCHDOG(COUNT, 2), 0, 0xffff },
		{ 6, WDAT_WRITE_COUNT, 0, WATCHDOG(COUNT, 2), 0, 0xffff },
		/* query and set: running, stopped */
		{ 8, WDAT_READ_VALUE, 0, WATCHDOG(CONTROL, 1), PLATFORM_WATCHDOG_RUN, 1 },
		{ 9, WDAT_WRITE_VALUE, 0, WATCHDOG(CONTROL, 1), PLATFORM_WATCHDOG_RUN, 1 },
		{ 10, WDAT_READ_VALUE, 0, WATCHDOG(CONTROL, 1), 0, 1 },
		{ 11, WDAT_WRITE_VALUE, 0, WATCHDOG(CONTROL, 1), 0, 1 },
		/* query: did it cause this start? and forget it */
		{ 32, WDAT_READ_VALUE, 0, WATCHDOG(STATUS, 1), PLATFORM_WATCHDOG_FIRED, 1 },
		{ 33, WDAT_WRITE_VALUE, 0, WATCHDOG(STATUS, 1), 0, 1 },
	};
	struct wdat *w = take(b, sizeof(*w) + sizeof(entries), &b->table[b->table_count]);

	if (!w)
		return;
	b->table_count++;
	w->header_length = sizeof(*w) - sizeof(w->header);
	w->pci_segment = WDAT_NO_PCI;
	w->pci_bus = w->pci_device = w->pci_function = WDAT_NO_PCI;
	w->period_ms = PLATFORM_WATCHDOG_UNIT_MS;
	w->count_max = PLATFORM_WATCHDOG_COUNT_MAX;
	w->count_min = PLATFORM_WATCHDOG_COUNT_MIN;
	w->flags = WDAT_ENABLED;
	w->entry_count = ARRAY_SIZE(entries);
	memcpy(w->entry, entries, sizeof(entries));
	finish(&w->header, "WDAT", sizeof(*w) + sizeof(entries), 1);
}

static uint64_t add_xsdt(struct builder *b)
{
	uint64_t entries = b->table_count * sizeof(uint64_t);
	uint64_t where = 0;
	struct header *x = take(b, sizeof(*x) + entries, &where);

	if (!x)
		return 0;
	memcpy(x + 1, b->table, entries);
	finish(x, "XSDT", sizeof(*x) + entries, 1);
	return where;
}

int acpi_build(const struct memory *m, unsigned int cpus, bool watchdog, uint64_t *rsdp)
{
	struct builder b = {
		.start = memory_at(m, gpa(LAYOUT_ACPI), LAYOUT_ACPI_SIZE),
		.size = LAYOUT_ACPI_SIZE,
	};
	struct rsdp *r;

	if (!b.start)
		return -EFAULT;
	r = take(&b, sizeof(*r), rsdp); /* first: a scan finds it soonest */
	add_fadt(&b, add_dsdt(&b));
	add_madt(&b, cpus);
	add_mcfg(&b);
	if (watchdog)
		add_wdat(&b);
	memcpy(r->signature, "RSD PTR ", sizeof(r->signature));
	memcpy(r->oem_id, "ROOTST", sizeof(r->oem_id));
	r->revision = 2;
	r->length = sizeof(*r);
	r->xsdt = add_xsdt(&b);
	if (b.full)
		return -EFAULT;
	/* The first checksum covers what ACPI 1.0 had. */
	r->checksum = checksum(r, offsetof(struct rsdp, length));
	r->extended_checksum = checksum(r, sizeof(*r));
	return 0;
}

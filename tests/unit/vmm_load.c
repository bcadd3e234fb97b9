/* SPDX-License-Identifier: MIT */
/*
 * Kernels, initrds and ACPI tables in guest memory: good ones land where they
 * should, bad ones are refused with the guest's memory as the limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/platform.h"
#include "vmm/acpi/acpi.h"
#include "vmm/config.h"
#include "vmm/load/layout.h"
#include "vmm/load/load.h"

#define MIB (1024 * 1024ULL)

static struct memory memory;
static int fds[8];
static unsigned int fd_count;

/* A file of these bytes; the path stays valid until the test ends. */
static const char *file(const void *data, size_t len)
{
	static char path[ARRAY_SIZE(fds)][32];
	int fd = memfd_create("test", 0);

	assert_true(fd >= 0 && fd_count < ARRAY_SIZE(fds));
	assert_int_equal(write(fd, data, len), len);
	fds[fd_count] = fd;
	snprintf(path[fd_count], sizeof(path[0]), "/proc/self/fd/%d", fd);
	return path[fd_count++];
}

static int set_up(void **state)
{
	(void)state;
	log_set_level(LOG_DEBUG);
	fd_count = 0;
	return memory_init(&memory, 64 * MIB);
}

static int tear_down(void **state)
{
	(void)state;
	while (fd_count)
		close(fds[--fd_count]);
	memory_destroy(&memory);
	return 0;
}

static int load(const char *kernel, const char *initrd, const char *cmdline, struct boot_entry *e)
{
	struct load_request r = { kernel, initrd, cmdline, 0xe0000 };

	memset(e, 0, sizeof(*e));
	return load_guest(&memory, &r, e);
}

/* --- bzImage --- */

#define SECTS 2

struct bz {
	uint8_t bytes[(SECTS + 1) * 512 + 4096];
};

static struct setup_header *header(struct bz *b)
{
	return (struct setup_header *)(b->bytes + 0x1f1);
}

static void good_bz(struct bz *b)
{
	struct setup_header *h = header(b);

	memset(b, 0, sizeof(*b));
	h->setup_sects = SECTS;
	h->syssize = 4096 / 16;
	h->boot_flag = 0xaa55;
	h->jump = 0x6aeb;
	memcpy(&h->header, "HdrS", 4);
	h->version = 0x20f;
	h->loadflags = LOADED_HIGH;
	h->xloadflags = XLF_KERNEL_64;
	h->initrd_addr_max = 0x7fffffff;
	h->kernel_alignment = 2 * MIB;
	h->relocatable_kernel = 1;
	h->cmdline_size = 2047;
	h->pref_address = 16 * MIB;
	h->init_size = 8 * MIB;
	memset(b->bytes + (SECTS + 1) * 512, 0xab, 4096);
}

static void test_bzimage(void **state)
{
	const struct boot_params *bp;
	struct boot_entry e;
	uint8_t *code;
	struct bz b;

	(void)state;
	good_bz(&b);
	assert_int_equal(load(file(&b, sizeof(b)), file("initrd", 6), "quiet", &e), 0);
	assert_int_equal(e.mode, BOOT_LONG);
	assert_int_equal(e.rip, 16 * MIB + 0x200);
	assert_int_equal(e.argument, LAYOUT_ZERO_PAGE);
	code = memory_at(&memory, gpa(16 * MIB), 4096);
	assert_int_equal(code[0], 0xab);
	assert_int_equal(code[4095], 0xab);
	bp = memory_at(&memory, gpa(LAYOUT_ZERO_PAGE), sizeof(*bp));
	assert_int_equal(bp->hdr.type_of_loader, 0xff);
	assert_int_equal(bp->acpi_rsdp_addr, 0xe0000);
	assert_string_equal(memory_at(&memory, gpa(bp->hdr.cmd_line_ptr), 6), "quiet");
	assert_int_equal(bp->hdr.ramdisk_size, 6);
	assert_int_equal(bp->hdr.ramdisk_image, 64 * MIB - 4096);
	assert_memory_equal(memory_at(&memory, gpa(bp->hdr.ramdisk_image), 6), "initrd", 6);
	assert_int_equal(bp->e820_table[0].size, 0xa0000);
	/* Tables, generation ID, reset vector. */
	assert_int_equal(bp->e820_table[1].addr, LAYOUT_ACPI);
	assert_int_equal(bp->e820_table[1].size, 0x20000);
	assert_int_equal(bp->e820_table[1].type, 2);
	assert_in_range(PLATFORM_VMGENID, LAYOUT_ACPI + LAYOUT_ACPI_SIZE, LAYOUT_RESET - PAGE_SIZE);
	assert_int_equal(bp->e820_table[2].addr + bp->e820_table[2].size, 64 * MIB);
}

static void test_bzimage_moves(void **state)
{
	struct boot_entry e;
	struct bz b;

	(void)state;
	good_bz(&b);
	header(&b)->init_size = 60 * MIB; /* not at 16 MiB */
	assert_int_equal(load(file(&b, sizeof(b)), NULL, "", &e), 0);
	assert_int_equal(e.rip, 2 * MIB + 0x200);
	header(&b)->relocatable_kernel = 0;
	assert_int_equal(load(file(&b, sizeof(b)), NULL, "", &e), -EFBIG);
}

/* One wrong thing each. */
static void test_bzimage_hostile(void **state)
{
	static const struct {
		unsigned int off, len;
		uint64_t val;
		int error;
	} list[] = {
		{ 0x1fe, 2, 0, -ENOEXEC },	       /* boot flag */
		{ 0x202, 4, 0, -ENOEXEC },	       /* magic */
		{ 0x206, 2, 0x0203, -ENOEXEC },	       /* too old */
		{ 0x236, 2, 0, -ENOEXEC },	       /* no 64-bit entry */
		{ 0x211, 1, 0, -ENOEXEC },	       /* not high */
		{ 0x1f1, 1, 200, -ENOEXEC },	       /* setup past the end */
		{ 0x1f4, 4, 4096 / 16 + 1, -ENOEXEC }, /* code past the end */
		{ 0x1f4, 4, 0xffffffff, -ENOEXEC },
		{ 0x1f4, 4, 0, 0 },		  /* does not say */
		{ 0x260, 4, 0xffffffff, -EFBIG }, /* init size */
		{ 0x260, 4, 64 * MIB, -EFBIG },
		{ 0x258, 8, 0xfffffffffffff000, 0 }, /* address: moved */
		{ 0x258, 8, 0x1000, 0 },	     /* below 1 MiB: moved */
		{ 0x230, 4, 0, 0 },		     /* alignment unused */
		{ 0x238, 4, 1, -E2BIG },	     /* command line */
	};
	struct boot_entry e;
	struct bz b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		good_bz(&b);
		memcpy(b.bytes + list[i].off, &list[i].val, list[i].len);
		assert_int_equal(load(file(&b, sizeof(b)), NULL, "quiet", &e), list[i].error);
		close(fds[--fd_count]);
	}
	/* Both at once: no preferred place and no way to find another. */
	good_bz(&b);
	header(&b)->kernel_alignment = 3;
	header(&b)->pref_address = 1 << 30;
	assert_int_equal(load(file(&b, sizeof(b)), NULL, "", &e), -EFBIG);
}

static void test_bzimage_truncated(void **state)
{
	struct boot_entry e;
	struct bz b;

	(void)state;
	good_bz(&b);
	for (size_t len = 0; len < sizeof(b); len += 97) {
		int ret = load(file(&b, len), NULL, "", &e);

		assert_int_equal(ret, -ENOEXEC);
		close(fds[--fd_count]);
	}
}

static void test_initrd(void **state)
{
	struct boot_entry e;
	struct bz b;
	int big;

	(void)state;
	good_bz(&b);
	assert_int_equal(load(file(&b, sizeof(b)), "/nonexistent", "", &e), -ENOENT);
	assert_int_equal(load(file(&b, sizeof(b)), "/", "", &e), -EISDIR);
	assert_int_equal(load(file(&b, sizeof(b)), "/dev/null", "", &e), -ENOEXEC);
	assert_int_equal(load(file(&b, sizeof(b)), file("", 0), "", &e), 0);
	/* Reaches into the kernel's room: 64 - 16 - 8 MiB are left. */
	big = memfd_create("big", 0);
	fds[fd_count++] = big;
	assert_int_equal(ftruncate(big, 40 * MIB + 1), 0);
	{
		char path[32];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", big);
		assert_int_equal(load(file(&b, sizeof(b)), path, "", &e), -EFBIG);
		assert_int_equal(ftruncate(big, 40 * MIB), 0);
		assert_int_equal(load(file(&b, sizeof(b)), path, "", &e), 0);
	}
}

static void test_kernel_paths(void **state)
{
	struct boot_entry e;

	(void)state;
	assert_int_equal(load("/nonexistent", NULL, "", &e), -ENOENT);
	assert_int_equal(load("/", NULL, "", &e), -EISDIR);
	assert_int_equal(load("/dev/zero", NULL, "", &e), -ENOEXEC);
	assert_int_equal(load(file("", 0), NULL, "", &e), -ENOEXEC);
	assert_int_equal(load(file("\177ELF", 4), NULL, "", &e), -ENOEXEC);
	assert_true(config_is_at_fault(-ENOENT));
	assert_false(config_is_at_fault(-ENOMEM));
}

static void test_too_little_memory(void **state)
{
	struct boot_entry e;
	struct bz b;
	uint64_t rsdp;

	(void)state;
	good_bz(&b);
	memory_destroy(&memory);
	assert_int_equal(memory_init(&memory, 0x80000), 0);
	assert_int_equal(load(file(&b, sizeof(b)), NULL, "", &e), -EFBIG);
	assert_int_equal(acpi_build(&memory, 1, true, &rsdp), -EFAULT);
}

/* --- PVH --- */

struct pvh {
	Elf64_Ehdr e;
	Elf64_Phdr p[2];
	Elf64_Nhdr n;
	char name[4];
	uint32_t entry[2];
	uint8_t code[256];
};

static void good_pvh(struct pvh *v)
{
	memset(v, 0, sizeof(*v));
	memcpy(v->e.e_ident, ELFMAG, SELFMAG);
	v->e.e_ident[EI_CLASS] = ELFCLASS64;
	v->e.e_ident[EI_DATA] = ELFDATA2LSB;
	v->e.e_machine = EM_X86_64;
	v->e.e_phoff = offsetof(struct pvh, p);
	v->e.e_phentsize = sizeof(Elf64_Phdr);
	v->e.e_phnum = 2;
	v->p[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
				.p_offset = offsetof(struct pvh, code),
				.p_paddr = 2 * MIB,
				.p_filesz = sizeof(v->code),
				.p_memsz = 4096 };
	v->p[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
				.p_offset = offsetof(struct pvh, n),
				.p_filesz = 24 };
	v->n = (Elf64_Nhdr){ 4, 8, 18 };
	memcpy(v->name, "Xen", 4);
	v->entry[0] = 2 * MIB + 16;
	memset(v->code, 0xcd, sizeof(v->code));
}

static void test_pvh(void **state)
{
	const uint32_t *info;
	struct boot_entry e;
	struct pvh v;

	(void)state;
	good_pvh(&v);
	memset(memory_at(&memory, gpa(2 * MIB), 4096), 0xff, 4096);
	assert_int_equal(load(file(&v, sizeof(v)), file("x", 1), "hello", &e), 0);
	assert_int_equal(e.mode, BOOT_PROTECTED);
	assert_int_equal(e.rip, 2 * MIB + 16);
	assert_memory_equal(memory_at(&memory, gpa(2 * MIB), 256), v.code, 256);
	/* The rest of the segment is zero. */
	assert_int_equal(*(uint8_t *)memory_at(&memory, gpa(2 * MIB + 4095), 1), 0);
	info = memory_at(&memory, gpa(e.argument), 56);
	assert_int_equal(info[0], 0x336ec578);
	assert_int_equal(info[3], 1); /* one module */
	assert_string_equal(memory_at(&memory, gpa(info[6]), 6), "hello");
}

static void test_pvh_hostile(void **state)
{
#define AT(f) offsetof(struct pvh, f), sizeof(((struct pvh *)0)->f)
	static const struct {
		unsigned int off, len;
		uint64_t val;
		int error;
	} list[] = {
		{ AT(e.e_machine), EM_386, -ENOEXEC },
		{ AT(e.e_phoff), ~0ULL, -ENOEXEC },
		{ AT(e.e_phoff), 0x7fffffffffffffff, -ENOEXEC },
		{ AT(e.e_phnum), 0, -ENOEXEC },
		{ AT(e.e_phnum), 0xffff, -ENOEXEC },
		{ AT(e.e_phentsize), 8, -ENOEXEC },
		{ AT(p[0].p_paddr), 0x9000, -EFBIG }, /* our tables */
		{ AT(p[0].p_paddr), ~0ULL, -EFBIG },
		{ AT(p[0].p_paddr), 64 * MIB - 4095, -EFBIG },
		{ AT(p[0].p_memsz), ~0ULL, -EFBIG },
		{ AT(p[0].p_filesz), 8192, -ENOEXEC }, /* > memsz */
		{ AT(p[0].p_offset), ~0ULL, -ENOEXEC },
		{ AT(p[1].p_offset), ~0ULL, -ENOEXEC },
		{ AT(p[1].p_filesz), 0, -ENOEXEC }, /* no entry */
		{ AT(n.n_namesz), 0xfffffffd, -ENOEXEC },
		{ AT(n.n_descsz), 0xffffffff, -ENOEXEC },
		{ AT(n.n_type), 17, -ENOEXEC },
		{ AT(name), 0, -ENOEXEC },
		{ AT(entry), 0, -ENOEXEC },
	};
	struct boot_entry e;
	struct pvh v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		good_pvh(&v);
		memcpy((uint8_t *)&v + list[i].off, &list[i].val, list[i].len);
		assert_int_equal(load(file(&v, sizeof(v)), NULL, "", &e), list[i].error);
		close(fds[--fd_count]);
	}
}

/* --- the processors' state --- */

static void test_boot_registers(void **state)
{
	struct boot_entry e = { BOOT_LONG, 0x1000200, LAYOUT_ZERO_PAGE };
	struct hv_register_assoc reg[BOOT_REGISTERS_MAX];
	const uint64_t *pml4;
	unsigned int n;
	uint64_t cr3 = 0;
	uint64_t mtrr = 0;

	(void)state;
	assert_int_equal(boot_tables(&memory), 0);
	n = boot_registers(&e, 0, reg);
	assert_in_range(n, 10, BOOT_REGISTERS_MAX);
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = 0; k < i; k++)
			assert_int_not_equal(reg[i].name, reg[k].name);
		if (reg[i].name == HV_X64_REGISTER_CR3)
			cr3 = reg[i].value.reg64;
		if (reg[i].name == HV_X64_REGISTER_MTRR_DEF_TYPE)
			mtrr = reg[i].value.reg64;
	}
	/* Memory types are the same in all; everything else is the first one's. */
	assert_int_equal(mtrr, 0x806);
	assert_int_equal(boot_registers(&e, 1, reg), 1);
	assert_int_equal(reg[0].name, HV_X64_REGISTER_MTRR_DEF_TYPE);
	assert_int_equal(reg[0].value.reg64, mtrr);
	/* Who jumps to the BIOS of old finds a reset there. */
	assert_memory_equal(memory_at(&memory, gpa(0xffff0), 5), "\xb0\xfe\xe6\x64\xf4", 5);
	/* 3 GiB and a bit, through the tables, is itself. */
	pml4 = memory_at(&memory, gpa(cr3), 4096);
	{
		const uint64_t *pdpt = memory_at(&memory, gpa(pml4[0] & ~0xfffULL), 4096);
		const uint64_t *pd = memory_at(&memory, gpa(pdpt[3] & ~0xfffULL), 4096);

		assert_int_equal(pd[511] & ~0xfffULL, 0xffe00000);
		assert_int_equal(pd[511] & 0x83, 0x83);
	}
}

/* --- ACPI --- */

static uint8_t sum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *b++);
	return s;
}

/* Signature, length and checksum of the table at @at; how long it is. */
static uint32_t check_table(uint64_t at, const char *signature)
{
	const uint8_t *t = memory_at(&memory, gpa(at), 36);
	uint32_t len;

	assert_non_null(t);
	assert_memory_equal(t, signature, 4);
	memcpy(&len, t + 4, 4);
	assert_true(at >= LAYOUT_ACPI && at + len <= LAYOUT_ACPI + LAYOUT_ACPI_SIZE);
	assert_int_equal(sum(t, len), 0);
	return len;
}

static void test_acpi(void **state)
{
	static const unsigned int cpus[] = { 1, 2, 64, 300 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cpus); i++) {
		uint64_t rsdp = 0, xsdt, table[3], dsdt;
		const uint8_t *p;
		uint32_t len;

		memset(memory_at(&memory, gpa(LAYOUT_ACPI), LAYOUT_ACPI_SIZE), 0, LAYOUT_ACPI_SIZE);
		assert_int_equal(acpi_build(&memory, cpus[i], false, &rsdp), 0);
		p = memory_at(&memory, gpa(rsdp), 36);
		assert_memory_equal(p, "RSD PTR ", 8);
		assert_int_equal(sum(p, 20), 0);
		assert_int_equal(sum(p, 36), 0);
		memcpy(&xsdt, p + 24, 8);
		assert_int_equal(check_table(xsdt, "XSDT"), 36 + 3 * 8);
		memcpy(table, memory_at(&memory, gpa(xsdt + 36), 24), 24);
		assert_int_equal(check_table(table[0], "FACP"), 276);
		memcpy(&dsdt, memory_at(&memory, gpa(table[0] + 140), 8), 8);
		check_table(dsdt, "DSDT");
		len = check_table(table[1], "APIC");
		assert_int_equal(
			len,
			44 + 12 + (cpus[i] <= 255 ? cpus[i] * 8 : 255 * 8 + (cpus[i] - 255) * 16));
		assert_int_equal(check_table(table[2], "MCFG"), 60);
	}
}

static void test_memory(void **state)
{
	uint8_t byte = 1;

	(void)state;
	assert_non_null(memory_at(&memory, gpa(64 * MIB - 1), 1));
	assert_null(memory_at(&memory, gpa(64 * MIB - 1), 2));
	assert_null(memory_at(&memory, gpa(64 * MIB), 1));
	assert_null(memory_at(&memory, gpa(1), ~0ULL));
	assert_int_equal(memory_write(&memory, gpa(64 * MIB), &byte, 1), -EFAULT);
	assert_int_equal(memory_write(&memory, gpa(5), &byte, 1), 0);
	byte = 0;
	assert_int_equal(memory_read(&memory, gpa(5), &byte, 1), 0);
	assert_int_equal(byte, 1);
	memory_destroy(&memory);
	/* Above the PCI hole it goes on at 4 GiB. */
	assert_int_equal(memory_init(&memory, 4096 * MIB), 0);
	assert_int_equal(memory.region_count, 2);
	assert_null(memory_at(&memory, gpa(3072 * MIB), 1));
	assert_non_null(memory_at(&memory, gpa(5119 * MIB), MIB));
	assert_null(memory_at(&memory, gpa(3072 * MIB - 1), 2));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_bzimage),	      TEST(test_bzimage_moves), TEST(test_bzimage_hostile),
		TEST(test_bzimage_truncated), TEST(test_initrd),	TEST(test_kernel_paths),
		TEST(test_too_little_memory), TEST(test_pvh),		TEST(test_pvh_hostile),
		TEST(test_boot_registers),    TEST(test_acpi),		TEST(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

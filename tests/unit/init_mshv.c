/* SPDX-License-Identifier: MIT */
/* Why there are no guests: each reason has its own line. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "init/mshv.h"
#include "init/sys.h"

/* The processor of these tests. */
static struct {
	uint32_t leaf1_ecx;
	const char *signature;
	uint32_t max_leaf;
	uint32_t privileges;
} cpu;

void sys_cpuid(uint32_t leaf, struct sys_cpuid *out)
{
	*out = (struct sys_cpuid){ 0 };
	switch (leaf) {
	case 1:
		out->ecx = cpu.leaf1_ecx;
		break;
	case 0x40000000:
		out->eax = cpu.max_leaf;
		memcpy(&out->ebx, cpu.signature, 4);
		memcpy(&out->ecx, cpu.signature + 4, 4);
		memcpy(&out->edx, cpu.signature + 8, 4);
		break;
	case 0x40000002:
		out->eax = 27744;
		out->ebx = 10u << 16;
		break;
	case 0x40000003:
		out->ebx = cpu.privileges;
		break;
	default:
		fail_msg("leaf 0x%x is not ours to read", leaf);
	}
}

static const char *explain(enum mshv_failure failure, int error)
{
	static char text[MSHV_TEXT];
	struct mshv_facts facts;

	mshv_collect(&facts);
	return mshv_explain(&facts, failure, error, text);
}

static int reset_cpu(void **state)
{
	(void)state;
	cpu.leaf1_ecx = 1u << 31;
	cpu.signature = "Microsoft Hv";
	cpu.max_leaf = 0x4000000c;
	cpu.privileges = 0x1103;
	return 0;
}

static void ready(void **state)
{
	(void)state;
	assert_string_equal(explain(MSHV_NONE, 0),
			    "hypervisor ready (Microsoft Hv 10.0 build 27744)");
}

static void no_hypervisor(void **state)
{
	(void)state;
	cpu.leaf1_ecx = 0x7fffffff;
	assert_non_null(strstr(explain(MSHV_MISSING, ENOENT), "no hypervisor is running"));
}

static void another_hypervisor(void **state)
{
	(void)state;
	cpu.signature = "KVMKVMKVM\0\0\0";
	assert_non_null(strstr(explain(MSHV_MISSING, ENOENT),
			       "no hypervisor is running above \"KVMKVMKVM\" ("));
	cpu.signature = "\x1b[2Jabcdefgh";
	assert_non_null(strstr(explain(MSHV_MISSING, ENOENT), "\"?[2Jabcdefgh\""));
}

static void not_the_root(void **state)
{
	(void)state;
	cpu.privileges = 0x1000;
	assert_non_null(strstr(explain(MSHV_MISSING, ENOENT), "not its root partition"));
	/* Leaves that are not there say nothing about privileges. */
	cpu.privileges = 0x1103;
	cpu.max_leaf = 0x40000001;
	assert_non_null(strstr(explain(MSHV_MISSING, ENOENT), "not its root partition"));
}

static void wrong_privileges(void **state)
{
	(void)state;
	cpu.privileges = 0x0001;
	assert_non_null(strstr(explain(MSHV_MISSING, ENOENT), "0x00000001 lacks CpuManagement"));
}

static void no_driver(void **state)
{
	(void)state;
	assert_non_null(strstr(explain(MSHV_MISSING, ENOENT), "CONFIG_MSHV_ROOT"));
}

static void refused(void **state)
{
	(void)state;
	assert_non_null(strstr(explain(MSHV_REFUSED, EACCES), "Permission denied"));
	assert_non_null(strstr(explain(MSHV_SILENT, EIO), "does not answer"));
}

/* One line on an 80-column console would be nice; one line at all is a must. */
static void every_text_is_one_line(void **state)
{
	int failure;

	(void)state;
	for (failure = MSHV_NONE; failure <= MSHV_SILENT; failure++) {
		const char *text = explain((enum mshv_failure)failure, EPERM);

		assert_null(strchr(text, '\n'));
		assert_true(strlen(text) < MSHV_TEXT - 1);
		assert_int_equal(text[strlen(text) - 1], ')');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(ready, reset_cpu),
		cmocka_unit_test_setup(no_hypervisor, reset_cpu),
		cmocka_unit_test_setup(another_hypervisor, reset_cpu),
		cmocka_unit_test_setup(not_the_root, reset_cpu),
		cmocka_unit_test_setup(wrong_privileges, reset_cpu),
		cmocka_unit_test_setup(no_driver, reset_cpu),
		cmocka_unit_test_setup(refused, reset_cpu),
		cmocka_unit_test_setup(every_text_is_one_line, reset_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

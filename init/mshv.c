/* SPDX-License-Identifier: MIT */
#include "init/mshv.h"

#include <stdio.h>
#include <string.h>

#include "include/base/base.h"
#include "init/sys.h"

#define CPUID_1_ECX_HYPERVISOR	    BIT32(31)
#define LEAF_VENDOR		    0x40000000
#define LEAF_VERSION		    0x40000002
#define LEAF_PRIVILEGES		    0x40000003

/* Top-Level Functional Specification, "HV_PARTITION_PRIVILEGE_MASK", high half. */
#define PRIVILEGE_CREATE_PARTITIONS BIT32(0)
#define PRIVILEGE_CPU_MANAGEMENT    BIT32(12)

#define SIGNATURE		    "Microsoft Hv"

void mshv_collect(struct mshv_facts *facts)
{
	struct sys_cpuid leaf;

	*facts = (struct mshv_facts){ .has_hypervisor = false };
	sys_cpuid(1, &leaf);
	if (!(leaf.ecx & CPUID_1_ECX_HYPERVISOR))
		return;
	facts->has_hypervisor = true;
	sys_cpuid(LEAF_VENDOR, &leaf);
	memcpy(facts->signature, &leaf.ebx, 4);
	memcpy(facts->signature + 4, &leaf.ecx, 4);
	memcpy(facts->signature + 8, &leaf.edx, 4);
	/* Leaf numbers above the vendor's mean something else elsewhere. */
	if (strcmp(facts->signature, SIGNATURE) != 0 || leaf.eax < LEAF_PRIVILEGES)
		return;
	sys_cpuid(LEAF_VERSION, &leaf);
	facts->version_build = leaf.eax;
	facts->version_major = (uint16_t)(leaf.ebx >> 16);
	facts->version_minor = (uint16_t)leaf.ebx;
	sys_cpuid(LEAF_PRIVILEGES, &leaf);
	facts->privileges = leaf.ebx;
}

/* The signature is whatever some hypervisor put there. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
	}
}

const char *mshv_explain(const struct mshv_facts *facts, enum mshv_failure failure, int error,
			 char text[MSHV_TEXT])
{
	char signature[sizeof(facts->signature)];

	memcpy(signature, facts->signature, sizeof(signature));
	make_printable(signature);
	switch (failure) {
	case MSHV_NONE:
		snprintf(text, MSHV_TEXT, "hypervisor ready (%s %u.%u build %u)", signature,
			 facts->version_major, facts->version_minor, facts->version_build);
		return text;
	case MSHV_REFUSED:
		snprintf(text, MSHV_TEXT,
			 "no guests: " MSHV_DEVICE
			 " cannot be opened (%s; see the kernel's mshv lines)",
			 strerror(error));
		return text;
	case MSHV_SILENT:
		snprintf(text, MSHV_TEXT,
			 "no guests: the hypervisor does not answer through " MSHV_DEVICE
			 " (%s; its version may not fit this kernel)",
			 strerror(error));
		return text;
	case MSHV_MISSING:
		break;
	}
	if (!facts->has_hypervisor)
		snprintf(text, MSHV_TEXT,
			 "no guests: no hypervisor is running (start rootstock.efi, not the kernel "
			 "alone; the processor needs AMD SVM enabled)");
	else if (strcmp(facts->signature, SIGNATURE) != 0)
		snprintf(text, MSHV_TEXT,
			 "no guests: no hypervisor is running above \"%s\" (start rootstock.efi, "
			 "not the kernel alone)",
			 signature);
	else if (!(facts->privileges & PRIVILEGE_CREATE_PARTITIONS))
		snprintf(text, MSHV_TEXT,
			 "no guests: this is a guest of \"%s\", not its root partition (privileges "
			 "0x%08x lack CreatePartitions; start Rootstock on the machine itself, or "
			 "with nested virtualization)",
			 signature, facts->privileges);
	else if (!(facts->privileges & PRIVILEGE_CPU_MANAGEMENT))
		snprintf(text, MSHV_TEXT,
			 "no guests: wrong privileges for a root partition (0x%08x lacks "
			 "CpuManagement; the hypervisor must grant it)",
			 facts->privileges);
	else
		snprintf(text, MSHV_TEXT,
			 "no guests: the kernel has no " MSHV_DEVICE " although this is the root "
			 "partition (build it with CONFIG_MSHV_ROOT=y, or see its mshv lines for "
			 "why the driver gave up)");
	return text;
}

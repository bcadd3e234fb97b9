/* SPDX-License-Identifier: MIT */
/*
 * Can this machine run guests?  /dev/mshv says yes, or CPUID tells why there is
 * none.
 */
#ifndef INIT_MSHV_H
#define INIT_MSHV_H

#include <stdbool.h>
#include <stdint.h>

#define MSHV_DEVICE "/dev/mshv"

/* What the processor says about the hypervisor it runs under. */
struct mshv_facts {
	bool has_hypervisor;	/* CPUID 1, ECX bit 31 */
	char signature[13];	/* leaf 0x40000000 */
	uint32_t privileges;	/* leaf 0x40000003, EBX */
	uint16_t version_major; /* leaf 0x40000002 */
	uint16_t version_minor;
	uint32_t version_build;
};

enum mshv_failure {
	MSHV_NONE,    /* it opened and answered */
	MSHV_MISSING, /* no such device */
	MSHV_REFUSED, /* open() failed in another way */
	MSHV_SILENT,  /* it opened, but the hypervisor did not answer through it */
};

/* Longest text of mshv_explain(), with its end. */
#define MSHV_TEXT 400

void mshv_collect(struct mshv_facts *facts);

/*
 * One line: what is wrong and what to do about it.  Pure.  error is the errno
 * of what failed.  Returns text.
 */
const char *mshv_explain(const struct mshv_facts *facts, enum mshv_failure failure, int error,
			 char text[MSHV_TEXT]);

/* Open the device, ask the hypervisor something through it, close it. */
enum mshv_failure mshv_probe(int *error);

#endif

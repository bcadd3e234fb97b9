/* SPDX-License-Identifier: MIT */
/*
 * Guests of a few bytes of 16-bit code, with one processor and no VMM: what the
 * test programs drive /dev/mshv with. Not thread-safe but for what says so; a
 * failed test may leave what it made to the end of the process.
 */
#ifndef TESTS_ROOT_LIB_GUEST_H
#define TESTS_ROOT_LIB_GUEST_H

#include <linux/mshv.h>
#include <stddef.h>
#include <stdint.h>

#include "include/abi/hv/message.h"
#include "include/abi/hv/register.h"
#include "tests/root/lib/code.h"

#define RAM_BYTES   (1 << 20)
#define LARGE_BYTES (2UL << 20) /* of a large page; sized RAM begins at a multiple */

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* musl does not know it yet */
#endif

#define GUEST_FLAGS \
	(1ULL << MSHV_PT_BIT_LAPIC | 1ULL << MSHV_PT_BIT_X2APIC | \
	 1ULL << MSHV_PT_BIT_GPA_SUPER_PAGES)

struct guest {
	int pt, vp;
	uint8_t *ram;
	size_t ram_bytes;
	struct hv_register_page *page;
	struct hv_message msg;
};

/* Open /dev/mshv, which all of them use; 0 or -errno. */
int guest_device(void);

/* RAM from address 0, code at CODE_AT, about to run it in real mode; 0 or -errno. */
int guest_create(struct guest *g, const uint8_t *code, size_t size);
/* The same with other memory than RAM_BYTES, at a multiple of 2 MiB. */
int guest_create_sized(struct guest *g, const uint8_t *code, size_t size, size_t ram_bytes);
/*
 * The same with other flags (MSHV_PT_BIT_...) than GUEST_FLAGS and SYNTHETIC_PROC_FEATURES
 * other than none.
 */
int guest_create_featured(struct guest *g, const uint8_t *code, size_t size, uint64_t flags,
			  uint64_t features);
/* It starts in 32-bit mode, flat, instead; 0 or -errno. */
int guest_set_flat(struct guest *g);
void guest_destroy(struct guest *g);
/* Run to the next message: its type, or -errno. */
int64_t guest_run(struct guest *g);
/* Continue behind the instruction of the message, through the register page. */
void guest_skip(struct guest *g, unsigned int len);

/* @fd's signals become MSI @data of the first processor; call once. 0 or -errno. */
int guest_irqfd(struct guest *g, int fd, uint32_t data);

/* A hypercall through @fd; 0 or -errno. *status, if asked for: HV_STATUS_... */
long hvcall(int fd, uint16_t code, uint16_t reps, void *in, uint16_t in_size, void *out,
	    uint16_t out_size, uint16_t *status);
/* One register of the guest's processor by name; 0 or -errno. */
int set_register(struct guest *g, uint32_t name, union hv_register_value value);
int get_register(struct guest *g, uint32_t name, union hv_register_value *value);
/* Many at once, MODES_REGISTERS of modes.h for sure. */
int set_registers(struct guest *g, const struct hv_register_assoc *reg, uint32_t count);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A processor's registers as gdb numbers and lays them out, made from those that the
 * hypervisor has. GDB manual, "Target Descriptions", "i386 Features".
 */
#ifndef VMM_DEBUG_GDBREGS_H
#define VMM_DEBUG_GDBREGS_H

#include "abi/hv/register.h"
#include "base/base.h"

/* How many of the hypervisor's are behind them. */
#define GDBREGS_HV	  67
/* The bytes of all, in the order of "g". */
#define GDBREGS_BYTES	  736
/* Where RIP is in them. */
#define GDBREGS_RIP	  128
/* What gdbregs_xml() needs. */
#define GDBREGS_XML_BYTES 8192

/* Names of the hypervisor's registers into @r[GDBREGS_HV]. */
void gdbregs_names(struct hv_register_assoc *r);

/* Their values, as gdb's block of bytes. */
void gdbregs_pack(const struct hv_register_assoc *r, uint8_t block[GDBREGS_BYTES]);

/*
 * The other way: @r holds the values of before and takes those of @block. Those that
 * differ come to the front of @r; returns how many.
 */
unsigned int gdbregs_unpack(struct hv_register_assoc *r, const uint8_t block[GDBREGS_BYTES]);

/* Where gdb's register @number is in the block, and how many bytes it has; 0: none. */
unsigned int gdbregs_find(uint64_t number, unsigned int *offset);

/* The target description, as text; its length. */
size_t gdbregs_xml(char text[GDBREGS_XML_BYTES]);

#endif

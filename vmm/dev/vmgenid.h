/* SPDX-License-Identifier: MIT */
/*
 * VM generation ID: 16 random bytes at PLATFORM_VMGENID that no other start of any
 * guest has. Linux mixes them into its random numbers, so that two guests on copies of
 * one disk do not begin with the same ones. Microsoft, "Virtual Machine Generation ID".
 */
#ifndef VMM_DEV_VMGENID_H
#define VMM_DEV_VMGENID_H

struct machine;

/* 0 or -errno; -EFAULT: the guest has no memory there. */
int vmgenid_create(struct machine *m);

#endif

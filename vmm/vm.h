/* SPDX-License-Identifier: MIT */
/*
 * One virtual machine: put together, run, taken apart. Used by main.c on the
 * main thread, which is also the device thread while the machine runs.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include "vmm/config.h"
#include "vmm/device.h"

struct vm;

/*
 * NULL: *code is what the process should exit with (VMMCTL_BAD_CONFIG or
 * VMMCTL_BAD_HOST) and the reason was logged. @c stays the caller's and must
 * outlive the machine.
 */
struct vm *vm_create(const struct vm_config *c, int *code);

/* Until the machine ends, and is not to be preserved any more; says why. */
enum vm_end vm_run(struct vm *vm);

/* What the process says of it. */
enum vmmctl_exit vm_exit_code(enum vm_end why);

/* What the guest wrote is out, its memory and processors are gone. */
void vm_destroy(struct vm *vm);

#endif

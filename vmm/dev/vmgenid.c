/* SPDX-License-Identifier: MIT */
/*
 * The guest finds the place by the DSDT, and what it writes there is its own affair:
 * nobody reads it back. The specification wants the ID kept over a restart of the guest.
 * That would take a place to keep it in, and a new one does no harm; it only says "this
 * may be a copy" once more than it is true.
 */
#include "vmm/dev/vmgenid.h"

#include <errno.h>
#include <sys/random.h>

#include "abi/platform.h"
#include "vmm/device.h"

#define ID_BYTES 16

int vmgenid_create(struct machine *m)
{
	uint8_t id[ID_BYTES];

	/* Never short: so few bytes come whole. */
	if (getrandom(id, sizeof(id), 0) < 0)
		return -errno;
	return memory_write(m->memory, gpa(PLATFORM_VMGENID), id, sizeof(id));
}

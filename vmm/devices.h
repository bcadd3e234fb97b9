/* SPDX-License-Identifier: MIT */
/* All devices of the machine, in one table. */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

struct machine;

/*
 * Create them in the table's order, before any VP runs. Logs what failed.
 * 0 or -errno; what exists by then stays (the process ends).
 */
int devices_create(struct machine *m);

/* After the last VP and the device thread; also when creation failed half way. */
void devices_destroy(struct machine *m);

#endif

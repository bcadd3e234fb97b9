/* SPDX-License-Identifier: MIT */
/* All devices there are, in two tables: what every machine has, and what it can be given. */
#ifndef VMM_DEVICES_H
#define VMM_DEVICES_H

struct device_kind;
struct machine;

/* Those of the command line, NULL at the end. */
extern const struct device_kind *const device_kinds[];

/*
 * Create those of every machine, then those of its configuration in the order of the
 * table and, within a kind, of the command line; before any VP runs. Logs what failed.
 * 0 or -errno; what exists by then stays (the process ends).
 */
int devices_create(struct machine *m);

/* After the last VP and the device thread; also when creation failed half way. */
void devices_destroy(struct machine *m);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Doorbells (ioeventfd in the root): a port belongs to the root and has a
 * number; a connection of a guest partition says which store rings it. Such a
 * store is carried out here, without an intercept, and the port's number goes
 * into the event ring of the port's SINT.
 */
#ifndef HYPERVISOR_HV_PORT_H
#define HYPERVISOR_HV_PORT_H

#include "base/base.h"

struct partition;

/* Might a store of some size to @gpa ring? Cheap enough for every MMIO exit. */
bool port_watched(struct partition *p, uint64_t gpa);
/* Ring the port for a store of @size bytes of @value; false: no match. */
bool port_ring(struct partition *p, uint64_t gpa, unsigned int size, uint64_t value);

void port_destroy_all(struct partition *p);

#endif

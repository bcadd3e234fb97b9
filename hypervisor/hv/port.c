/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/port.h"

#include "hypervisor/cpu.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/partition.h"
#include "hypervisor/hv/synic.h"
#include "hypervisor/log.h"

/* Used for both kinds: the root's ports (no match) and a guest's connections. */
struct entry {
	uint32_t id;			/* 0: free */
	uint32_t port_id;
	uint32_t sint;
	uint32_t flags;			/* HV_DOORBELL_* */
	uint64_t gpa;
	uint64_t value;
};

#define ENTRIES	((PAGE_SIZE - 2 * sizeof(void *)) / sizeof(struct entry))

struct port_page {
	struct port_page *next;
	uint64_t used;
	struct entry entry[ENTRIES];
};

_Static_assert(sizeof(struct port_page) <= PAGE_SIZE, "one deposited page");

#define PORT_ID_MAX	0xffffffu	/* 24 bits in the event ring */

/* partition.lock held in all of these. */

static struct entry *find(struct partition *p, uint32_t id)
{
	for (struct port_page *page = p->ports; page; page = page->next)
		for (unsigned int i = 0; i < ENTRIES; i++)
			if (page->entry[i].id == id)
				return &page->entry[i];
	return NULL;
}

/* A free entry, in a new page if need be; NULL: no memory. */
static struct entry *add(struct partition *p, const struct entry *e)
{
	struct port_page *page;

	for (page = p->ports; page; page = page->next)
		if (page->used < ENTRIES)
			break;
	if (!page) {
		page = pool_get(&p->pool);
		if (!page)
			return NULL;
		page->next = p->ports;
		p->ports = page;
	}
	for (unsigned int i = 0; i < ENTRIES; i++) {
		if (page->entry[i].id == 0) {
			page->entry[i] = *e;
			page->used++;
			return &page->entry[i];
		}
	}
	panic("port: page says %llu used", (unsigned long long)page->used);
}

static bool remove_entry(struct partition *p, uint32_t id)
{
	for (struct port_page **at = &p->ports; *at; at = &(*at)->next) {
		struct port_page *page = *at;

		for (unsigned int i = 0; i < ENTRIES; i++) {
			if (page->entry[i].id != id)
				continue;
			page->entry[i].id = 0;
			if (--page->used == 0) {
				*at = page->next;
				pool_put(&p->pool, page);
			}
			return true;
		}
	}
	return false;
}

void port_destroy_all(struct partition *p)
{
	lock_take(&p->lock);
	while (p->ports) {
		struct port_page *page = p->ports;

		p->ports = page->next;
		pool_put(&p->pool, page);
	}
	lock_drop(&p->lock);
}

bool port_watched(struct partition *p, uint64_t gpa)
{
	bool hit = false;

	if (!p->ports)
		return false;
	lock_take(&p->lock);
	for (struct port_page *page = p->ports; page && !hit; page = page->next)
		for (unsigned int i = 0; i < ENTRIES; i++)
			if (page->entry[i].id && page->entry[i].gpa == gpa)
				hit = true;
	lock_drop(&p->lock);
	return hit;
}

static bool matches(const struct entry *e, uint64_t gpa, unsigned int size,
		    uint64_t value)
{
	unsigned int want = e->flags & HV_DOORBELL_SIZE_MASK;

	if (!e->id || e->gpa != gpa)
		return false;
	if (want && size != 1u << (want - 1))
		return false;
	return (e->flags & HV_DOORBELL_ANY_VALUE) || e->value == value;
}

bool port_ring(struct partition *p, uint64_t gpa, unsigned int size, uint64_t value)
{
	uint32_t port = 0, sint = 0;

	lock_take(&p->lock);
	for (struct port_page *page = p->ports; page && !port; page = page->next) {
		for (unsigned int i = 0; i < ENTRIES && !port; i++) {
			if (matches(&page->entry[i], gpa, size, value)) {
				port = page->entry[i].port_id;
				sint = page->entry[i].sint;
			}
		}
	}
	lock_drop(&p->lock);
	if (!port)
		return false;
	synic_ring(cpu_this(), sint, port);
	return true;
}

/* --- calls --- */

enum hv_status hvcall_create_port(struct hvcall *c)
{
	const struct hv_input_create_port *in = c->in;
	struct partition *p = partition_root();
	struct entry e = {
		.id = in->port_id, .port_id = in->port_id, .sint = in->target_sint,
	};
	enum hv_status status = HV_STATUS_SUCCESS;

	if (in->port_partition != ROOT_PARTITION_ID &&
	    in->port_partition != HV_PARTITION_ID_SELF)
		return HV_STATUS_INVALID_PARTITION_ID;
	if (in->port_type != HV_PORT_TYPE_DOORBELL || in->target_sint >= 16)
		return HV_STATUS_INVALID_PARAMETER;
	if (in->port_id == 0 || in->port_id > PORT_ID_MAX)
		return HV_STATUS_INVALID_PORT_ID;

	lock_take(&p->lock);
	if (find(p, in->port_id))
		status = HV_STATUS_INVALID_PORT_ID;
	else if (!add(p, &e))
		status = HV_STATUS_INSUFFICIENT_MEMORY;
	lock_drop(&p->lock);
	return status;
}

enum hv_status hvcall_delete_port(struct hvcall *c)
{
	const struct hv_input_port *in = c->in;
	struct partition *p = partition_root();
	bool found;

	if (in->partition_id != ROOT_PARTITION_ID &&
	    in->partition_id != HV_PARTITION_ID_SELF)
		return HV_STATUS_INVALID_PARTITION_ID;
	if (in->id == 0)
		return HV_STATUS_INVALID_PORT_ID;
	lock_take(&p->lock);
	found = remove_entry(p, in->id);
	lock_drop(&p->lock);
	return found ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_PORT_ID;
}

enum hv_status hvcall_connect_port(struct hvcall *c)
{
	const struct hv_input_connect_port *in = c->in;
	struct partition *ports = partition_root();
	enum hv_status status = HV_STATUS_SUCCESS;
	const struct entry *port;
	struct partition *p;
	struct entry e = {
		.id = in->connection_id, .port_id = in->port_id,
		.flags = in->flags, .gpa = in->gpa, .value = in->match_value,
	};

	if (in->connection_id == 0 || in->port_type != HV_PORT_TYPE_DOORBELL ||
	    (in->flags & HV_DOORBELL_SIZE_MASK) > 4)
		return HV_STATUS_INVALID_PARAMETER;

	lock_take(&ports->lock);
	port = in->port_id ? find(ports, in->port_id) : NULL;
	if (port)
		e.sint = port->sint;
	lock_drop(&ports->lock);
	if (!port)
		return HV_STATUS_INVALID_PORT_ID;

	p = partition_get_guest(in->connection_partition);
	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;
	lock_take(&p->lock);
	if (p->state == PARTITION_FINALIZED)
		status = HV_STATUS_INVALID_PARTITION_STATE;
	else if (find(p, in->connection_id))
		status = HV_STATUS_INVALID_CONNECTION_ID;
	else if (!add(p, &e))
		status = HV_STATUS_INSUFFICIENT_MEMORY;
	lock_drop(&p->lock);
	partition_put(p);
	return status;
}

/* Idempotent: a finalized partition has no connections left. */
enum hv_status hvcall_disconnect_port(struct hvcall *c)
{
	const struct hv_input_port *in = c->in;
	struct partition *p = partition_get_guest(in->partition_id);

	if (!p)
		return HV_STATUS_INVALID_PARTITION_ID;
	if (in->id) {
		lock_take(&p->lock);
		remove_entry(p, in->id);
		lock_drop(&p->lock);
	}
	partition_put(p);
	return HV_STATUS_SUCCESS;
}

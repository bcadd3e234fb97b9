/* SPDX-License-Identifier: MIT */
#include "hypervisor/hv/port.h"

#include "hypervisor/cpu.h"
#include "hypervisor/hv/calls.h"
#include "hypervisor/hv/partition.h"
#include "hypervisor/hv/synic.h"

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

/* partition.lock held in all of these. To be left by "return": there are two loops. */
#define for_each_entry(page_, e_, p_) \
	for (struct port_page *page_ = (p_)->ports; page_; page_ = page_->next) \
		for (struct entry *e_ = page_->entry; e_ < page_->entry + ENTRIES; e_++)

static struct entry *find(struct partition *p, uint32_t id)
{
	for_each_entry(page, e, p) {
		if (e->id == id)
			return e;
	}
	return NULL;
}

/* Into a free entry, in a new page if need be; false: no memory. */
static bool add(struct partition *p, const struct entry *new)
{
	struct port_page *empty;

	for_each_entry(page, e, p) {
		if (e->id)
			continue;
		*e = *new;
		page->used++;
		return true;
	}
	empty = pool_get(&p->pool);
	if (!empty)
		return false;
	empty->next = p->ports;
	empty->entry[0] = *new;
	empty->used = 1;
	p->ports = empty;
	return true;
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
	lock_scope(&p->lock);
	while (p->ports) {
		struct port_page *page = p->ports;

		p->ports = page->next;
		pool_put(&p->pool, page);
	}
}

bool port_watched(struct partition *p, uint64_t gpa)
{
	if (!p->ports)
		return false;
	lock_scope(&p->lock);
	for_each_entry(page, e, p) {
		if (e->id && e->gpa == gpa)
			return true;
	}
	return false;
}

static bool matches(const struct entry *e, uint64_t gpa, unsigned int size, uint64_t value)
{
	unsigned int want = e->flags & HV_DOORBELL_SIZE_MASK;

	if (!e->id || e->gpa != gpa || (want && size != 1u << (want - 1)))
		return false;
	return (e->flags & HV_DOORBELL_ANY_VALUE) || e->value == value;
}

/* False: no connection of the guest's for such a store. */
static bool match(struct partition *p, uint64_t gpa, unsigned int size, uint64_t value,
		  struct entry *found)
{
	lock_scope(&p->lock);
	for_each_entry(page, e, p) {
		if (matches(e, gpa, size, value)) {
			*found = *e;
			return true;
		}
	}
	return false;
}

bool port_ring(struct partition *p, uint64_t gpa, unsigned int size, uint64_t value)
{
	struct entry e;

	if (!match(p, gpa, size, value, &e))
		return false;
	synic_ring(cpu_this(), e.sint, e.port_id);
	return true;
}

/* --- calls --- */

enum hv_status hvcall_create_port(struct hvcall *c)
{
	const struct hv_input_create_port *in = c->in;
	struct partition *p = c->partition;
	struct entry e = {
		.id = in->port_id, .port_id = in->port_id, .sint = in->target_sint,
	};

	if (in->port_type != HV_PORT_TYPE_DOORBELL || in->target_sint >= 16)
		return HV_STATUS_INVALID_PARAMETER;
	if (in->port_id == 0 || in->port_id > PORT_ID_MAX)
		return HV_STATUS_INVALID_PORT_ID;

	lock_scope(&p->lock);
	if (find(p, in->port_id))
		return HV_STATUS_INVALID_PORT_ID;
	return add(p, &e) ? HV_STATUS_SUCCESS : HV_STATUS_INSUFFICIENT_MEMORY;
}

enum hv_status hvcall_delete_port(struct hvcall *c)
{
	const struct hv_input_port *in = c->in;

	lock_scope(&c->partition->lock);
	return in->id && remove_entry(c->partition, in->id) ? HV_STATUS_SUCCESS :
							      HV_STATUS_INVALID_PORT_ID;
}

enum hv_status hvcall_connect_port(struct hvcall *c)
{
	const struct hv_input_connect_port *in = c->in;
	struct partition *ports = partition_root(), *p = c->partition;
	const struct entry *port;
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

	lock_scope(&p->lock);
	if (p->state == PARTITION_FINALIZED)
		return HV_STATUS_INVALID_PARTITION_STATE;
	if (find(p, in->connection_id))
		return HV_STATUS_INVALID_CONNECTION_ID;
	return add(p, &e) ? HV_STATUS_SUCCESS : HV_STATUS_INSUFFICIENT_MEMORY;
}

/* Idempotent: a finalized partition has no connections left. */
enum hv_status hvcall_disconnect_port(struct hvcall *c)
{
	const struct hv_input_port *in = c->in;

	lock_scope(&c->partition->lock);
	if (in->id)
		remove_entry(c->partition, in->id);
	return HV_STATUS_SUCCESS;
}

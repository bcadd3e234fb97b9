/* SPDX-License-Identifier: MIT */
/*
 * The devices of one page (random numbers, console, balloon) under a driver gone
 * mad. The first byte says which one, and by its flags how the set-up goes that
 * comes before the rest:
 *
 *   byte   what to do (enum op), modulo their number
 *   ...    its operands
 *
 * The console behind the console device is full or has something to say when told
 * so. Checked: it gets only what lies in guest memory, and is asked to hold no more
 * input than it was told there is room for; a reset ends.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio_driver.h"
#include "vmm/console.h"
#include "vmm/log.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/rng.h"

#define QUEUES 3u
#define RINGS(q)                                                                    \
	{                                                                           \
		0x1000 + 0x1000 * (q), 0x1100 + 0x1000 * (q), 0x1200 + 0x1000 * (q) \
	}

static const struct rings rings[QUEUES] = { RINGS(0), RINGS(1), RINGS(2) };

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

/* ---- our end of the guest's consoles ---- */

struct console {
	const struct memory *memory;
	struct console_client client;
	bool attached, front, wanted;
	size_t room; /* for output */
};

unsigned int console_attach(struct console *c, const struct console_client *client)
{
	c->client = *client;
	c->attached = true;
	return 1;
}

void console_front(struct console *c, unsigned int number)
{
	c->front = number == 1;
}

size_t console_write(struct console *c, const void *data, size_t len)
{
	const struct mem_region *ram = &c->memory->region[0];
	const uint8_t *at = data;
	size_t n = MIN(len, c->room);

	check(at >= ram->host && at + len <= ram->host + ram->size);
	c->room -= n;
	return n;
}

void console_resume(struct console *c)
{
	c->wanted = true;
}

/* Somebody types @count bytes: as many as fit are handed on. */
static void type(struct console *c, size_t count)
{
	static const uint8_t typed[256];
	size_t n;

	if (!c->attached || !c->front)
		return;
	n = MIN(MIN(count, sizeof(typed)), c->client.room(c->client.arg));
	if (n)
		c->client.receive(c->client.arg, typed, n);
}

static void drain(struct console *c, size_t room)
{
	c->room = room;
	if (c->attached)
		c->client.drained(c->client.arg);
}

/* ---- the driver ---- */

enum op {
	REGISTER, /* write a register of the common configuration */
	MEMORY,	  /* write guest memory */
	RING,	  /* make a descriptor and put it into the available ring */
	OFFER,	  /* advance avail.idx */
	NOTIFY,
	TYPE,  /* input for the console */
	DRAIN, /* room for its output */
	RESET,
	SETUP,
	COMMAND,  /* PCI command register */
	ANYWHERE, /* access the BAR anywhere */
	OPS,
};

static void setup(struct machine *m, uint8_t flags)
{
	driver_begin(m, BIT64(VIRTIO_F_VERSION_1) | (flags & 4 ? BIT64(VIRTIO_F_EVENT_IDX) : 0) |
				(flags & 8 ? BIT64(VIRTIO_F_INDIRECT_DESC) : 0) | 0x3f);
	for (unsigned int q = 0; q < QUEUES; q++)
		driver_queue(m, q, &rings[q]);
	driver_run(m);
}

static void step(struct machine *m, struct input *in)
{
	unsigned int q;

	switch ((enum op)(input_u8(in) % OPS)) {
	case REGISTER:
		step_register(m, in);
		break;
	case MEMORY:
		step_memory(m, in);
		break;
	case RING:
		q = input_u8(in) % QUEUES;
		step_ring(m, in, &rings[q]);
		break;
	case OFFER:
		q = input_u8(in) % QUEUES;
		step_offer(m, in, &rings[q]);
		break;
	case NOTIFY:
		driver_notify(m, input_u8(in) % QUEUES);
		stub_loop_turn();
		break;
	case TYPE:
		type(m->console, input_u8(in));
		stub_loop_turn();
		break;
	case DRAIN:
		drain(m->console, input_u8(in));
		stub_loop_turn();
		break;
	case RESET:
		driver_reg(m, REG(device_status), 1, 0);
		break;
	case SETUP:
		setup(m, input_u8(in));
		break;
	case COMMAND:
		step_command(m, in);
		break;
	case ANYWHERE:
		step_anywhere(m, in);
		break;
	case OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const struct balloon_config balloon = {
		.size = STUB_MEMORY / 2,
		.deflate_on_oom = true,
		.reporting = true,
	};
	static const struct {
		const struct device_kind *kind;
		const void *config;
	} kinds[] = {
		{ &virtio_rng_device, NULL },
		{ &virtio_console_device, NULL },
		{ &virtio_balloon_device, &balloon },
	};
	const struct device_kind *kind;
	struct input in = { bytes, len };
	struct console console = { 0 };
	struct virtio_device *v;
	struct memory memory;
	struct machine m;
	uint8_t flags;
	void *device;

	log_set_level(LOG_ERROR);
	stub_machine_create(&m, &memory);
	console.memory = &memory;
	m.console = &console;
	flags = input_u8(&in);
	kind = kinds[flags % ARRAY_SIZE(kinds)].kind;
	check(!kind->create(&m, kinds[flags % ARRAY_SIZE(kinds)].config, &device));

	if (!(flags & 0x40)) {
		driver_recover(&m);
		setup(&m, flags);
	}
	while (in.left)
		step(&m, &in);

	driver_recover(&m);
	driver_reg(&m, REG(device_status), 1, 0);
	driver_reset_done(&m);
	check(!console.front);

	/* As destroy() does it; the console device has none, it ends with its process. */
	v = device;
	virtio_pci_remove(v->transport_data);
	free(device);
	stub_machine_destroy(&m);
	return 0;
}

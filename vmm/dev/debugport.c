/* SPDX-License-Identifier: MIT */
#include "vmm/dev/debugport.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "abi/platform.h"
#include "vmm/device.h"
#include "vmm/log.h"

#define PRESENT 0xe9 /* what Bochs answers, and guests look for */

struct debugport {
	pthread_mutex_t lock;
	unsigned int len;
	char line[120];
};

static uint64_t debugport_read(void *dev, uint64_t off, unsigned int size)
{
	(void)dev;
	(void)off;
	(void)size;
	return PRESENT;
}

static void debugport_write(void *dev, uint64_t off, unsigned int size, uint64_t val)
{
	struct debugport *d = dev;
	unsigned char byte = (unsigned char)val;

	(void)off;
	(void)size;
	pthread_mutex_lock(&d->lock);
	/* A guest must not be able to forge or garble a line of ours. */
	if (byte != '\n' && d->len < sizeof(d->line))
		d->line[d->len++] = isprint(byte) ? (char)byte : '.';
	if (byte == '\n' || d->len == sizeof(d->line)) {
		log_info("guest says (%.*s)", (int)d->len, d->line);
		d->len = 0;
	}
	pthread_mutex_unlock(&d->lock);
}

static const struct bus_ops debugport_ops = { debugport_read, debugport_write };

int debugport_create(struct machine *m)
{
	struct bus_range range = {
		.name = "debug port",
		.base = PLATFORM_PORT_DEBUG,
		.size = 1,
		.ops = &debugport_ops,
	};
	struct debugport *d = calloc(1, sizeof(*d));
	int ret;

	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	range.dev = d;
	ret = bus_add(m->ports, &range);
	if (ret < 0) {
		free(d);
		return ret;
	}
	return 0;
}

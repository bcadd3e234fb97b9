/* SPDX-License-Identifier: MIT */
/*
 * The manifest: which guests this machine runs.  docs/manifest.md is the
 * operator's description; the tables in manifest.c are what is true.
 *
 * Used by init at start-up and by manifest-check when an image is built, so
 * that both refuse the same things in the same words.  Everything about the
 * outside comes in through struct manifest_env; the parser itself opens
 * nothing.  It allocates (libyaml does) and frees all of it before it returns:
 * the result lives in struct manifest alone.
 */
#ifndef INIT_MANIFEST_H
#define INIT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "include/abi/vmmctl.h"
#include "init/policy.h"
#include "lib/cpus.h"
#include "lib/mac.h"

#define MANIFEST_VERSION    1
#define MANIFEST_SIZE_MAX   65536
#define MANIFEST_GUESTS_MAX 64
/* All names, paths and command lines together. */
#define MANIFEST_TEXT_MAX   65536
/* Longest line given to manifest_env.report(), with its end. */
#define MANIFEST_LINE_MAX   512
#define MANIFEST_NOBODY	    (-1)

struct manifest_disk {
	const char *path;
	const char *serial; /* NULL: none */
	bool readonly;
	uint32_t queues;    /* 0: the vmm decides */
	uint32_t iops;	    /* a second; 0: no limit */
	uint64_t bandwidth; /* bytes a second; 0: no limit */
};

/* Interfaces of the kernel have names of up to that many bytes. */
#define MANIFEST_INTERFACE_MAX 15
#define MANIFEST_NETWORKS_MAX  16

struct manifest_network {
	const char *name;
	const char *bridge; /* the interface that is it */
	const char *uplink; /* NULL: none */
	/* The host's own address in it, IPv4, in host order; 0: none. */
	uint32_t address;
	uint32_t prefix; /* bits of the network's part */
};

/* In the order of their words in manifest_net.c, and of the vmm's. */
enum manifest_vhost { MANIFEST_VHOST_AUTO, MANIFEST_VHOST_ON, MANIFEST_VHOST_OFF };

struct manifest_nic {
	uint32_t network; /* index in manifest.networks */
	bool has_mac;	  /* while reading: the manifest gave it */
	uint8_t mac[MAC_BYTES];
	uint32_t queues; /* pairs */
	uint64_t rate;	 /* bytes a second, each way; 0: no limit */
	enum manifest_vhost vhost;
};

struct manifest_memory {
	uint64_t bytes;
	bool hugepages, prefault;
};

enum manifest_console { MANIFEST_CONSOLE_SERIAL, MANIFEST_CONSOLE_VIRTIO };

struct manifest_balloon {
	bool wanted;
	bool deflate_on_oom, reporting;
	uint64_t size; /* bytes it should hold; less than the guest's memory */
};

struct manifest_guest {
	const char *name;
	const char *kernel;
	const char *initrd;  /* NULL: none */
	const char *cmdline; /* NULL: none */
	struct manifest_memory memory;
	struct cpus cpus;
	uint32_t disk_count;
	struct manifest_disk disks[VMMCTL_DISKS_MAX];
	uint32_t nic_count;
	struct manifest_nic nics[VMMCTL_NICS_MAX];
	enum manifest_console console; /* besides the serial port */
	bool rng;
	struct manifest_balloon balloon;
	uint32_t cid; /* of its sockets, vsock; 0: none */
	bool watchdog;
	enum restart_policy restart;
	struct end_policies on;
};

struct manifest {
	const char *host_name;
	enum idle_policy on_idle;
	/* Index of the guest that reads what is typed, or MANIFEST_NOBODY. */
	int console;
	unsigned int network_count;
	struct manifest_network networks[MANIFEST_NETWORKS_MAX];
	unsigned int guest_count;
	/* Guests that are in the file but were refused. */
	unsigned int refused_count;
	struct manifest_guest guests[MANIFEST_GUESTS_MAX];
	/* Every string above points into this. */
	size_t text_used;
	char text[MANIFEST_TEXT_MAX];
};

enum manifest_file {
	MANIFEST_FILE, /* a kernel or an initrd */
	MANIFEST_DISK, /* read and written */
	MANIFEST_DISK_READONLY,
};

/* Does path, used so, mean a device of the machine, not a file of the image? */
static inline bool manifest_is_device(const char *path, enum manifest_file use)
{
	return use != MANIFEST_FILE && strncmp(path, "/dev/", 5) == 0;
}

struct manifest_env {
	/* Name of the file in messages. */
	const char *file;
	/* What all guests together may have; 0: not known, not checked. */
	uint64_t memory_bytes;
	/* NULL if the file will do, else why not ("does not exist"). */
	const char *(*check_file)(void *context, const char *path, enum manifest_file use);
	/* One message, "FILE:LINE:COLUMN: ...", without line end. */
	void (*report)(void *context, const char *line);
	void *context;
};

enum manifest_result {
	MANIFEST_GOOD,
	/* Something was reported; what is in *out is sound and can be used. */
	MANIFEST_FLAWED,
	/*
	 * Not to be used: not readable, not YAML, no list of guests, or a list
	 * in which every single guest was refused.
	 */
	MANIFEST_UNUSABLE,
};

/* Read size bytes at text.  *out is overwritten whatever comes back. */
enum manifest_result manifest_parse(struct manifest *out, const char *text, size_t size,
				    const struct manifest_env *env);

#endif

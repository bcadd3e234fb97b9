/* SPDX-License-Identifier: MIT */
/*
 * The host's networks: a bridge for each of the manifest's, and a tap on it for
 * each card of a guest. By ioctl only, of which a kernel needs to be asked a
 * dozen; a tap belongs to the vmm that has it open and goes when that ends.
 */
#ifndef INIT_NET_H
#define INIT_NET_H

#include <stdbool.h>

#include "init/manifest.h"

#define NET_TEXT 120

/*
 * Make the network, with its uplink and address. An uplink is waited for, up to
 * *patience_ms, of which it takes what it needs. False: what could not be done
 * is in why; the network is there without, if it can be.
 */
bool net_create(const struct manifest_network *network, unsigned int *patience_ms,
		char why[NET_TEXT]);

/* Descriptors of a guest's taps: one for each pair of queues. */
struct net_taps {
	int fd[VMMCTL_NICS_MAX][VMMCTL_NIC_QUEUES_MAX];
};

/*
 * In the child that becomes guest's vmm: make the taps and put them on their
 * bridges. They stay open over execve(). False: why says what failed.
 */
bool net_open_taps(const struct manifest *manifest, const struct manifest_guest *guest,
		   struct net_taps *taps, char why[NET_TEXT]);

#endif

/* SPDX-License-Identifier: MIT */
/* The part of the manifest about networks; for manifest.c. */
#ifndef INIT_MANIFEST_NET_H
#define INIT_MANIFEST_NET_H

#include "init/schema.h"

/* "networks:", or NULL. What is wrong in one costs that one. */
void manifest_read_networks(struct schema_reader *r, const yaml_node_t *node);

/* "nics:" of a guest, a struct manifest_guest; a struct schema_key's read. */
bool manifest_read_nics(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *guest);

/*
 * Once all guests are known: a card without an address gets the one of its
 * host's, its guest's and its number, or the next that no card has.
 */
void manifest_give_macs(struct manifest *m);

#endif

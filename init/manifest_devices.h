/* SPDX-License-Identifier: MIT */
/* The small devices of a guest in the manifest; for manifest.c. */
#ifndef INIT_MANIFEST_DEVICES_H
#define INIT_MANIFEST_DEVICES_H

#include "init/schema.h"

/* Each a struct schema_key's read. "console:", an enum manifest_console. */
bool manifest_read_console(struct schema_reader *r, const char *key, const yaml_node_t *node,
			   void *console);
/* "balloon:" of a guest, a struct manifest_guest. */
bool manifest_read_balloon(struct schema_reader *r, const char *key, const yaml_node_t *node,
			   void *guest);
/* "vsock:" of the same. */
bool manifest_read_vsock(struct schema_reader *r, const char *key, const yaml_node_t *node,
			 void *guest);

#endif

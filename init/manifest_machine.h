/* SPDX-License-Identifier: MIT */
/* Keys of a guest about its processors and its memory; for manifest.c's table. */
#ifndef INIT_MANIFEST_MACHINE_H
#define INIT_MANIFEST_MACHINE_H

#include "init/schema.h"

/* "cpus:", a number or a group; @field is a struct cpus. */
bool manifest_read_cpus(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *field);

/* "memory:", a size or a group; @field is a struct manifest_memory. */
bool manifest_read_memory(struct schema_reader *r, const char *key, const yaml_node_t *node,
			  void *field);

#endif

/* SPDX-License-Identifier: MIT */
#include "init/manifest_machine.h"

#include "lib/conf.h"

/* ---- processors ---- */

static bool read_number(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *field)
{
	return schema_count(r, key, node, 1, VMMCTL_CPUS_MAX, field);
}

static bool add_pin(struct schema_reader *r, const char *key, const yaml_node_t *node,
		    struct cpus *cpus)
{
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	if (cpus_pin(cpus, schema_text(node)))
		return true;
	return schema_problem(r, &node->start_mark,
			      "%s: %s is not possible (processors of the host, e.g. [0-3, 5])", key,
			      schema_quote(node, shown));
}

/* One, or a list of them. */
static bool read_pin(struct schema_reader *r, const char *key, const yaml_node_t *node,
		     void *object)
{
	const yaml_node_item_t *item;

	if (node->type != YAML_SEQUENCE_NODE)
		return add_pin(r, key, node, object);
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		if (!add_pin(r, key, yaml_document_get_node(r->doc, *item), object))
			return false;
	}
	return true;
}

static const struct schema_key cpus_keys[] = {
	{ "count", read_number, offsetof(struct cpus, count), "e.g. count: 4" },
	{ "cores", read_number, offsetof(struct cpus, cores), NULL },
	{ "threads", read_number, offsetof(struct cpus, threads), NULL },
	{ "pin", read_pin, 0, NULL },
	{ NULL, NULL, 0, NULL },
};

bool manifest_read_cpus(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *field)
{
	struct cpus *cpus = field;
	const char *why;

	*cpus = (struct cpus){ 0 };
	if (node->type == YAML_MAPPING_NODE ? !schema_read(r, node, cpus_keys, cpus) :
					      !read_number(r, key, node, &cpus->count))
		return false;
	why = cpus_complete(cpus);
	return !why || schema_problem(r, &node->start_mark, "%s: not possible (%s)", key, why);
}

/* ---- memory ---- */

static bool read_size(struct schema_reader *r, const char *key, const yaml_node_t *node,
		      void *field)
{
	uint64_t *bytes = field;
	char size[CONF_SIZE_TEXT];
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	if (!conf_parse_size(schema_text(node), bytes))
		return schema_problem(r, &node->start_mark,
				      "%s: %s is not a size (write e.g. 64M, 1G, or bytes)", key,
				      schema_quote(node, shown));
	if (*bytes % VMMCTL_MEMORY_STEP)
		return schema_problem(r, &node->start_mark,
				      "%s: %s is not possible (must be a multiple of 4K)", key,
				      schema_quote(node, shown));
	if (*bytes < VMMCTL_MEMORY_MIN)
		return schema_problem(r, &node->start_mark, "%s: %s is not possible (at least %s)",
				      key, schema_quote(node, shown),
				      conf_format_size(VMMCTL_MEMORY_MIN, size));
	return true;
}

static const struct schema_key memory_keys[] = {
	{ "size", read_size, offsetof(struct manifest_memory, bytes), "e.g. size: 64M" },
	{ "hugepages", schema_flag, offsetof(struct manifest_memory, hugepages), NULL },
	{ "prefault", schema_flag, offsetof(struct manifest_memory, prefault), NULL },
	{ NULL, NULL, 0, NULL },
};

bool manifest_read_memory(struct schema_reader *r, const char *key, const yaml_node_t *node,
			  void *field)
{
	struct manifest_memory *memory = field;

	*memory = (struct manifest_memory){ .hugepages = true };
	return node->type == YAML_MAPPING_NODE ? schema_read(r, node, memory_keys, memory) :
						 read_size(r, key, node, &memory->bytes);
}

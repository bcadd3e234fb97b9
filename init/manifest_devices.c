/* SPDX-License-Identifier: MIT */
#include "init/manifest_devices.h"

#include "lib/conf.h"

bool manifest_read_console(struct schema_reader *r, const char *key, const yaml_node_t *node,
			   void *console)
{
	static const char *const words[] = { "serial", "virtio", NULL };
	unsigned int choice;

	if (!schema_choice(r, key, node, words, &choice))
		return false;
	*(enum manifest_console *)console = (enum manifest_console)choice;
	return true;
}

static bool read_size(struct schema_reader *r, const char *key, const yaml_node_t *node,
		      void *field)
{
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	if (!conf_parse_size(schema_text(node), field))
		return schema_problem(r, &node->start_mark,
				      "%s: %s is not a size (write e.g. 16M, or bytes)", key,
				      schema_quote(node, shown));
	return true;
}

static const struct schema_key balloon_keys[] = {
	{ "size", read_size, offsetof(struct manifest_balloon, size), NULL },
	{ "deflate_on_oom", schema_flag, offsetof(struct manifest_balloon, deflate_on_oom),
	  NULL },
	{ "reporting", schema_flag, offsetof(struct manifest_balloon, reporting), NULL },
	{ NULL, NULL, 0, NULL },
};

bool manifest_read_balloon(struct schema_reader *r, const char *key, const yaml_node_t *node,
			   void *guest)
{
	struct manifest_balloon *b = &((struct manifest_guest *)guest)->balloon;

	(void)key;
	/* What most want of one: memory comes back, and nobody dies for it. */
	*b = (struct manifest_balloon){ .wanted = true, .deflate_on_oom = true, .reporting = true };
	return schema_read(r, node, balloon_keys, b);
}

static bool read_cid(struct schema_reader *r, const char *key, const yaml_node_t *node,
		     void *field)
{
	const struct manifest *m = r->out;
	uint32_t *cid = field;

	if (!schema_count(r, key, node, VMMCTL_CID_MIN, VMMCTL_CID_MAX, cid))
		return false;
	for (unsigned int i = 0; i < m->guest_count; i++) {
		if (m->guests[i].cid == *cid)
			return schema_problem(r, &node->start_mark, "%s: guest \"%s\" has it already",
					      key, m->guests[i].name);
	}
	return true;
}

static const struct schema_key vsock_keys[] = {
	{ "cid", read_cid, offsetof(struct manifest_guest, cid), "e.g. cid: 3" },
	{ NULL, NULL, 0, NULL },
};

bool manifest_read_vsock(struct schema_reader *r, const char *key, const yaml_node_t *node,
			 void *guest)
{
	(void)key;
	return schema_read(r, node, vsock_keys, guest);
}

/* SPDX-License-Identifier: MIT */
/*
 * How this file reads: the tables (guest_keys, host_keys, ...) say which keys
 * there are and which function reads each value; schema.c walks the file along
 * them.  Every function reports what is wrong at its place and says whether its
 * value can be used.  Reading never stops at the first mistake, and a mistake
 * in one guest costs that guest only.
 */
#include "init/manifest.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "include/base/base.h"
#include "init/manifest_devices.h"
#include "init/manifest_machine.h"
#include "init/manifest_net.h"
#include "init/schema.h"
#include "lib/conf.h"

static bool read_name(struct schema_reader *r, const char *key, const yaml_node_t *node,
		      void *field)
{
	return schema_name(r, key, node, VMMCTL_NAME_MAX, field);
}

static bool read_cmdline(struct schema_reader *r, const char *key, const yaml_node_t *node,
			 void *field)
{
	return schema_is_value(r, key, node) &&
	       schema_keep(r, key, node, VMMCTL_CMDLINE_MAX, field);
}

/* Is "." or ".." one of the parts of path? */
static bool has_dots(const char *path)
{
	while ((path = strchr(path, '/'))) {
		path++;
		if (path[0] == '.' && (path[1] == '/' || !path[1]))
			return true;
		if (path[0] == '.' && path[1] == '.' && (path[2] == '/' || !path[2]))
			return true;
	}
	return false;
}

/* The form of a path; whether there is such a file comes later. */
static bool read_path(struct schema_reader *r, const char *key, const yaml_node_t *node,
		      void *field)
{
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	if (*schema_text(node) != '/' || has_dots(schema_text(node)))
		return schema_problem(
			r, &node->start_mark,
			"%s: %s is not an absolute path in the image (begin with /, without . and ..)",
			key, schema_quote(node, shown));
	return schema_keep(r, key, node, VMMCTL_PATH_MAX, field);
}

static bool check_file(struct schema_reader *r, const char *key, const yaml_node_t *node,
		       enum manifest_file use)
{
	char shown[SCHEMA_QUOTE_MAX];
	const char *why = r->env->check_file(r->env->context, schema_text(node), use);

	if (!why)
		return true;
	return schema_problem(r, &node->start_mark, "%s: %s %s (%s)", key,
			      schema_quote(node, shown), why,
			      manifest_is_device(schema_text(node), use) ?
				      "a path below /dev is a device of the machine" :
				      "mkimage.sh --add SRC:DEST puts files into the image");
}

static bool read_file(struct schema_reader *r, const char *key, const yaml_node_t *node,
		      void *field)
{
	return read_path(r, key, node, field) && check_file(r, key, node, MANIFEST_FILE);
}

static bool read_restart(struct schema_reader *r, const char *key, const yaml_node_t *node,
			 void *field)
{
	enum restart_policy *restart = field;
	unsigned int choice;

	if (!schema_choice(r, key, node, restart_policy_names, &choice))
		return false;
	*restart = (enum restart_policy)choice;
	return true;
}

static bool read_end(struct schema_reader *r, const char *key, const yaml_node_t *node,
		     const char *const *words, enum end_policy *policy)
{
	unsigned int choice;

	if (!schema_choice(r, key, node, words, &choice))
		return false;
	*policy = (enum end_policy)(END_RESTART + choice);
	return true;
}

static bool read_on_end(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *field)
{
	return read_end(r, key, node, end_policy_names, field);
}

static bool read_on_watchdog(struct schema_reader *r, const char *key, const yaml_node_t *node,
			     void *field)
{
	return read_end(r, key, node, watchdog_policy_names, field);
}

static bool read_on_idle(struct schema_reader *r, const char *key, const yaml_node_t *node,
			 void *field)
{
	enum idle_policy *on_idle = field;
	unsigned int choice;

	if (!schema_choice(r, key, node, idle_policy_names, &choice))
		return false;
	*on_idle = (enum idle_policy)choice;
	return true;
}

static bool read_console(struct schema_reader *r, const char *key, const yaml_node_t *node,
			 void *field)
{
	(void)field;
	if (!schema_is_value(r, key, node))
		return false;
	r->console = node;
	return true;
}

/* Read before everything else: version, and networks, which guests refer to. */
static bool read_before(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *field)
{
	(void)r;
	(void)key;
	(void)node;
	(void)field;
	return true;
}

/* ---- disks ---- */

static bool read_serial(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *field)
{
	if (!schema_is_value(r, key, node))
		return false;
	if (strchr(schema_text(node), ','))
		return schema_problem(r, &node->start_mark, "%s: has a comma, which it cannot have",
				      key);
	return schema_keep(r, key, node, VMMCTL_SERIAL_MAX, field);
}

static bool read_queues(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *field)
{
	return schema_count(r, key, node, 1, VMMCTL_DISK_QUEUES_MAX, field);
}

static bool read_iops(struct schema_reader *r, const char *key, const yaml_node_t *node,
		      void *field)
{
	return schema_count(r, key, node, 1, UINT32_MAX, field);
}

static bool read_bandwidth(struct schema_reader *r, const char *key, const yaml_node_t *node,
			   void *field)
{
	uint64_t *bytes = field;
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	if (!conf_parse_size(schema_text(node), bytes) || !*bytes || *bytes > VMMCTL_BANDWIDTH_MAX)
		return schema_problem(
			r, &node->start_mark,
			"%s: %s is not possible (bytes a second, e.g. 100M; from 1 to 1T)", key,
			schema_quote(node, shown));
	return true;
}

static const struct schema_key disk_keys[] = {
	{ "path", read_path, offsetof(struct manifest_disk, path),
	  "e.g. path: /guests/web/disk.img" },
	{ "readonly", schema_flag, offsetof(struct manifest_disk, readonly), NULL },
	{ "serial", read_serial, offsetof(struct manifest_disk, serial), NULL },
	{ "queues", read_queues, offsetof(struct manifest_disk, queues), NULL },
	{ "iops", read_iops, offsetof(struct manifest_disk, iops), NULL },
	{ "bandwidth", read_bandwidth, offsetof(struct manifest_disk, bandwidth), NULL },
	{ NULL, NULL, 0, NULL },
};

static bool same_disk(const struct manifest_disk *a, const struct manifest_disk *b)
{
	return (!a->readonly || !b->readonly) && !strcmp(a->path, b->path);
}

/*
 * Two writers, or a writer and a reader, of one image destroy it or see
 * nonsense.  Compares with the disks of the guests above and with the earlier
 * ones of this guest.
 */
static bool is_exclusive(struct schema_reader *r, const yaml_node_t *node,
			 const struct manifest_guest *guest, const struct manifest_disk *disk)
{
	const struct manifest *m = r->out;
	unsigned int g, d;

	for (d = 0; d < guest->disk_count; d++) {
		if (same_disk(&guest->disks[d], disk))
			return schema_problem(
				r, &node->start_mark,
				"disks: the same file twice (only read-only disks can be shared)");
	}
	for (g = 0; g < m->guest_count; g++) {
		for (d = 0; d < m->guests[g].disk_count; d++) {
			if (same_disk(&m->guests[g].disks[d], disk))
				return schema_problem(
					r, &node->start_mark,
					"disks: the file is a disk of guest \"%s\" already (only read-only disks can be shared)",
					m->guests[g].name);
		}
	}
	return true;
}

static bool read_disk(struct schema_reader *r, const yaml_node_t *node, void *object)
{
	struct manifest_guest *guest = object;
	struct manifest_disk *disk = &guest->disks[guest->disk_count];
	const yaml_node_t *path;

	*disk = (struct manifest_disk){ .path = NULL };
	if (!schema_read(r, node, disk_keys, disk))
		return false;
	path = schema_lookup(r, node, "path");
	if (strchr(disk->path, ','))
		return schema_problem(
			r, &path->start_mark,
			"path: has a comma, which a disk's path cannot have (rename the file)");
	return check_file(r, "path", path,
			  disk->readonly ? MANIFEST_DISK_READONLY : MANIFEST_DISK) &&
	       is_exclusive(r, node, guest, disk);
}

static bool read_disks(struct schema_reader *r, const char *key, const yaml_node_t *node,
		       void *object)
{
	struct manifest_guest *guest = object;

	return schema_list(r, key, node, "path", VMMCTL_DISKS_MAX, &guest->disk_count, read_disk,
			   guest);
}

/* ---- guests ---- */

static const struct schema_key guest_keys[] = {
	{ "name", read_name, offsetof(struct manifest_guest, name), "e.g. name: web" },
	{ "kernel", read_file, offsetof(struct manifest_guest, kernel),
	  "e.g. kernel: /guests/web/bzImage" },
	{ "initrd", read_file, offsetof(struct manifest_guest, initrd), NULL },
	{ "cmdline", read_cmdline, offsetof(struct manifest_guest, cmdline), NULL },
	{ "memory", manifest_read_memory, offsetof(struct manifest_guest, memory),
	  "e.g. memory: 64M" },
	{ "cpus", manifest_read_cpus, offsetof(struct manifest_guest, cpus), NULL },
	/* Needs the whole guest: it compares its disks with each other. */
	{ "disks", read_disks, 0, NULL },
	{ "nics", manifest_read_nics, 0, NULL },
	{ "console", manifest_read_console, offsetof(struct manifest_guest, console), NULL },
	{ "rng", schema_flag, offsetof(struct manifest_guest, rng), NULL },
	{ "balloon", manifest_read_balloon, 0, NULL },
	{ "vsock", manifest_read_vsock, 0, NULL },
	{ "watchdog", schema_flag, offsetof(struct manifest_guest, watchdog), NULL },
	{ "on_reset", read_on_end, offsetof(struct manifest_guest, on.reset), NULL },
	{ "on_crash", read_on_end, offsetof(struct manifest_guest, on.crash), NULL },
	{ "on_watchdog", read_on_watchdog, offsetof(struct manifest_guest, on.watchdog), NULL },
	{ "restart", read_restart, offsetof(struct manifest_guest, restart), NULL },
	{ NULL, NULL, 0, NULL },
};

_Static_assert(ARRAY_SIZE(guest_keys) <= SCHEMA_KEYS_MAX, "seen[] is too small");

/* Messages name the guest; one that has no proper name goes by its number. */
static void set_where(struct schema_reader *r, const yaml_node_t *node, unsigned int number)
{
	const yaml_node_t *name = schema_lookup(r, node, "name");

	if (name && name->type == YAML_SCALAR_NODE &&
	    conf_is_name(schema_text(name), VMMCTL_NAME_MAX))
		snprintf(r->where, sizeof(r->where), "guest \"%s\": ", schema_text(name));
	else
		snprintf(r->where, sizeof(r->where), "guest number %u: ", number);
}

/* A balloon that takes everything leaves no guest. */
static bool balloon_fits(struct schema_reader *r, const yaml_node_t *node,
			 const struct manifest_guest *guest)
{
	const yaml_node_t *balloon = schema_lookup(r, node, "balloon");

	if (guest->balloon.size < guest->memory.bytes)
		return true;
	return schema_problem(r, &schema_lookup(r, balloon, "size")->start_mark,
			      "size: as large as the guest's memory");
}

/* Somebody relies on it. */
static bool has_its_watchdog(struct schema_reader *r, const yaml_node_t *node,
			     const struct manifest_guest *guest)
{
	if (guest->watchdog || guest->on.watchdog == END_AS_RESTART)
		return true;
	return schema_problem(r, &schema_lookup(r, node, "on_watchdog")->start_mark,
			      "on_watchdog: the guest has none (write watchdog: true)");
}

/* Guests get their memory in manifest order: does this one still fit? */
static bool fits(struct schema_reader *r, const yaml_node_t *node,
		 const struct manifest_guest *guest)
{
	const struct manifest *m = r->out;
	uint64_t left = r->env->memory_bytes;
	char want[CONF_SIZE_TEXT], have[CONF_SIZE_TEXT], all[CONF_SIZE_TEXT];
	unsigned int i;

	if (!r->env->memory_bytes)
		return true;
	for (i = 0; i < m->guest_count; i++)
		left -= m->guests[i].memory.bytes;
	if (guest->memory.bytes <= left)
		return true;
	return schema_problem(
		r, &schema_lookup(r, node, "memory")->start_mark,
		"memory: %s is not possible (%s left of the %s this machine has for guests)",
		conf_format_size(guest->memory.bytes, want), conf_format_size(left, have),
		conf_format_size(r->env->memory_bytes, all));
}

static bool is_new_name(struct schema_reader *r, const yaml_node_t *node, const char *name)
{
	const struct manifest *m = r->out;
	unsigned int i;

	for (i = 0; i < m->guest_count; i++) {
		if (!strcmp(m->guests[i].name, name))
			return schema_problem(
				r, &schema_lookup(r, node, "name")->start_mark,
				"name is taken by a guest above (every guest needs its own)");
	}
	return true;
}

static bool read_guest(struct schema_reader *r, const yaml_node_t *node, unsigned int number)
{
	struct manifest *m = r->out;
	struct manifest_guest *guest = &m->guests[m->guest_count];
	/* A refused guest gives its text back. */
	size_t text_used = m->text_used;
	bool good;

	*guest = (struct manifest_guest){
		.cpus = { .count = 1, .cores = 1, .threads = 1 },
		.restart = RESTART_NEVER,
	};
	set_where(r, node, number);
	good = schema_read(r, node, guest_keys, guest) && is_new_name(r, node, guest->name) &&
	       balloon_fits(r, node, guest) && has_its_watchdog(r, node, guest) &&
	       fits(r, node, guest);
	r->where[0] = '\0';
	if (good)
		m->guest_count++;
	else
		m->text_used = text_used;
	return good;
}

static bool read_guests(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *field)
{
	struct manifest *m = r->out;
	const yaml_node_item_t *item;
	unsigned int number = 0;

	(void)field;
	if (node->type != YAML_SEQUENCE_NODE)
		return schema_problem(
			r, &node->start_mark,
			"%s: a list is expected, not %s (begin each guest with \"- name:\")", key,
			schema_kind(node));
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		const yaml_node_t *guest = yaml_document_get_node(r->doc, *item);

		if (++number > MANIFEST_GUESTS_MAX) {
			schema_problem(r, &guest->start_mark,
				       "more than %d guests (this one and all below are left out)",
				       MANIFEST_GUESTS_MAX);
			m->refused_count++;
			break;
		}
		if (!read_guest(r, guest, number))
			m->refused_count++;
	}
	return true;
}

/* ---- host, and the file as a whole ---- */

static const struct schema_key host_keys[] = {
	{ "name", read_name, offsetof(struct manifest, host_name), NULL },
	{ "on_idle", read_on_idle, offsetof(struct manifest, on_idle), NULL },
	{ "console", read_console, 0, NULL },
	{ NULL, NULL, 0, NULL },
};

static bool read_host(struct schema_reader *r, const char *key, const yaml_node_t *node,
		      void *field)
{
	bool good;

	(void)field;
	snprintf(r->where, sizeof(r->where), "%s: ", key);
	good = schema_read(r, node, host_keys, r->out);
	r->where[0] = '\0';
	return good;
}

/* Only version has a field of its own; the others fill in the manifest. */
static const struct schema_key top_keys[] = {
	{ "version", read_before, 0, NULL },
	{ "networks", read_before, 0, NULL },
	{ "host", read_host, 0, NULL },
	{ "guests", read_guests, 0, "begin with \"guests:\", or \"guests: []\" for none" },
	{ NULL, NULL, 0, NULL },
};

/* host.console: the guest with that name, or a message. */
static void find_console(struct schema_reader *r)
{
	struct manifest *m = r->out;
	char shown[SCHEMA_QUOTE_MAX];
	unsigned int i;

	if (!r->console)
		return;
	for (i = 0; i < m->guest_count; i++) {
		if (schema_is_word(r->console, m->guests[i].name)) {
			m->console = (int)i;
			return;
		}
	}
	schema_problem(
		r, &r->console->start_mark,
		"host: console: %s is not the name of a guest that can start (nobody reads what is typed)",
		schema_quote(r->console, shown));
}

/*
 * A file for another version may mean something else by every line of it, so
 * this comes first and nothing after it.  Without the key it is version 1.
 */
static bool is_our_version(struct schema_reader *r, const yaml_node_t *root)
{
	const yaml_node_t *node = schema_lookup(r, root, "version");
	char shown[SCHEMA_QUOTE_MAX];
	uint64_t version;

	if (!node)
		return true;
	if (!schema_is_value(r, "version", node))
		return false;
	if (conf_parse_u64(schema_text(node), &version) && version == MANIFEST_VERSION)
		return true;
	return schema_problem(
		r, &node->start_mark,
		"version: %s is not possible (this system reads version %d; nothing of the file is used)",
		schema_quote(node, shown), MANIFEST_VERSION);
}

static bool read_document(struct schema_reader *r, const yaml_node_t *root)
{
	const yaml_node_t *guests;

	if (!root)
		return schema_problem(r, &schema_begin, "the file is empty (it needs \"guests:\")");
	if (!is_our_version(r, root))
		return false;
	manifest_read_networks(r, schema_lookup(r, root, "networks"));
	schema_read(r, root, top_keys, r->out);
	guests = schema_lookup(r, root, "guests");
	if (!guests || guests->type != YAML_SEQUENCE_NODE)
		return false;
	find_console(r);
	manifest_give_macs(r->out);
	return r->out->guest_count > 0 || r->out->refused_count == 0;
}

enum manifest_result manifest_parse(struct manifest *out, const char *text, size_t size,
				    const struct manifest_env *env)
{
	struct schema_reader reader = { .env = env, .out = out };

	out->host_name = "rootstock";
	out->on_idle = IDLE_STAY;
	out->console = MANIFEST_NOBODY;
	out->network_count = 0;
	out->guest_count = 0;
	out->refused_count = 0;
	out->text_used = 0;

	if (size > MANIFEST_SIZE_MAX) {
		schema_problem(&reader, &schema_begin,
			       "more than %d bytes (nothing of the file is used)",
			       MANIFEST_SIZE_MAX);
		return MANIFEST_UNUSABLE;
	}
	if (!schema_read_text(&reader, text, size, read_document))
		return MANIFEST_UNUSABLE;
	return reader.problem_count ? MANIFEST_FLAWED : MANIFEST_GOOD;
}

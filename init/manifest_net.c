/* SPDX-License-Identifier: MIT */
/* Reads as manifest.c does: read that first. */
#include "init/manifest_net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/conf.h"

#define RATE_MIN   1024
#define RATE_MAX   (UINT64_C(1) << 40)
/* A network of two machines at least, and not the whole world. */
#define PREFIX_MIN 1
#define PREFIX_MAX 30

/* ---- networks ---- */

/* What the kernel takes for an interface, and nobody has to quote. */
static bool is_interface(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789._-");

	return n >= 1 && n <= MANIFEST_INTERFACE_MAX && !text[n] && strcmp(text, ".") &&
	       strcmp(text, "..");
}

static bool read_interface(struct schema_reader *r, const char *key, const yaml_node_t *node,
			   void *field)
{
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	if (!is_interface(schema_text(node)))
		return schema_problem(
			r, &node->start_mark,
			"%s: %s is not the name of an interface (1 to %d of a-z, A-Z, 0-9, ., _ and -)",
			key, schema_quote(node, shown), MANIFEST_INTERFACE_MAX);
	return schema_keep(r, key, node, MANIFEST_INTERFACE_MAX, field);
}

static bool read_network_name(struct schema_reader *r, const char *key, const yaml_node_t *node,
			      void *field)
{
	return schema_name(r, key, node, MANIFEST_INTERFACE_MAX, field);
}

/* "192.168.7.1/24" */
static bool parse_address(const char *text, struct manifest_network *network)
{
	const char *slash = strchr(text, '/');
	char address[INET_ADDRSTRLEN];
	struct in_addr in;
	uint64_t prefix;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (inet_pton(AF_INET, address, &in) != 1 || !conf_parse_u64(slash + 1, &prefix) ||
	    prefix < PREFIX_MIN || prefix > PREFIX_MAX)
		return false;
	network->address = ntohl(in.s_addr);
	network->prefix = (uint32_t)prefix;
	return network->address != 0;
}

static bool read_address(struct schema_reader *r, const char *key, const yaml_node_t *node,
			 void *object)
{
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	return parse_address(schema_text(node), object) ||
	       schema_problem(r, &node->start_mark,
			      "%s: %s is not an address with its network (e.g. 192.168.7.1/24)",
			      key, schema_quote(node, shown));
}

static const struct schema_key network_keys[] = {
	{ "name", read_network_name, offsetof(struct manifest_network, name), "e.g. name: lan" },
	{ "bridge", read_interface, offsetof(struct manifest_network, bridge), NULL },
	{ "uplink", read_interface, offsetof(struct manifest_network, uplink), NULL },
	/* Writes two fields. */
	{ "address", read_address, 0, NULL },
	{ NULL, NULL, 0, NULL },
};

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

/* An interface can be one thing only, and a name stand for one network. */
static bool is_apart(struct schema_reader *r, const yaml_node_t *node,
		     const struct manifest_network *new)
{
	const struct manifest *m = r->out;

	if (same(new->bridge, new->uplink))
		return schema_problem(r, &node->start_mark, "uplink: the bridge itself");
	for (unsigned int i = 0; i < m->network_count; i++) {
		const struct manifest_network *old = &m->networks[i];

		if (same(old->name, new->name))
			return schema_problem(
				r, &node->start_mark,
				"name is taken by a network above (every network needs its own)");
		if (same(old->bridge, new->bridge) || same(old->bridge, new->uplink) ||
		    same(old->uplink, new->bridge) || same(old->uplink, new->uplink))
			return schema_problem(
				r, &node->start_mark,
				"an interface of network \"%s\" again (every bridge and uplink is one network's)",
				old->name);
	}
	return true;
}

static void read_network(struct schema_reader *r, const yaml_node_t *node, unsigned int number)
{
	struct manifest *m = r->out;
	struct manifest_network *network = &m->networks[m->network_count];
	const yaml_node_t *name = schema_lookup(r, node, "name");
	size_t text_used = m->text_used;

	*network = (struct manifest_network){ .name = NULL };
	if (name && name->type == YAML_SCALAR_NODE &&
	    conf_is_name(schema_text(name), MANIFEST_INTERFACE_MAX))
		snprintf(r->where, sizeof(r->where), "network \"%s\": ", schema_text(name));
	else
		snprintf(r->where, sizeof(r->where), "network number %u: ", number);
	if (schema_read(r, node, network_keys, network)) {
		if (!network->bridge)
			network->bridge = network->name;
		if (is_apart(r, node, network)) {
			m->network_count++;
			text_used = m->text_used;
		}
	}
	m->text_used = text_used;
	r->where[0] = '\0';
}

void manifest_read_networks(struct schema_reader *r, const yaml_node_t *node)
{
	const yaml_node_item_t *item;
	unsigned int number = 0;

	if (!node)
		return;
	if (node->type != YAML_SEQUENCE_NODE) {
		schema_problem(r, &node->start_mark,
			       "networks: a list is expected, not %s (write [{name: ...}])",
			       schema_kind(node));
		return;
	}
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		if (++number > MANIFEST_NETWORKS_MAX) {
			schema_problem(r, &node->start_mark, "networks: more than %d",
				       MANIFEST_NETWORKS_MAX);
			break;
		}
		read_network(r, yaml_document_get_node(r->doc, *item), number);
	}
}

/* ---- network cards ---- */

static bool read_nic_network(struct schema_reader *r, const char *key, const yaml_node_t *node,
			     void *field)
{
	const struct manifest *m = r->out;
	char shown[SCHEMA_QUOTE_MAX];
	uint32_t *index = field;

	if (!schema_is_value(r, key, node))
		return false;
	for (*index = 0; *index < m->network_count; ++*index) {
		if (schema_is_word(node, m->networks[*index].name))
			return true;
	}
	return schema_problem(r, &node->start_mark,
			      "%s: %s is not the name of a network (those are in \"networks:\")",
			      key, schema_quote(node, shown));
}

static bool read_mac(struct schema_reader *r, const char *key, const yaml_node_t *node,
		     void *object)
{
	struct manifest_nic *nic = object;
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	nic->has_mac = mac_parse(schema_text(node), nic->mac);
	return nic->has_mac ||
	       schema_problem(
		       r, &node->start_mark,
		       "%s: %s is not a card's address (as 02:00:00:00:00:01, the second digit even)",
		       key, schema_quote(node, shown));
}

static bool read_queues(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *field)
{
	return schema_count(r, key, node, 1, VMMCTL_NIC_QUEUES_MAX, field);
}

static bool read_rate(struct schema_reader *r, const char *key, const yaml_node_t *node,
		      void *field)
{
	uint64_t *rate = field;
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	if (conf_parse_size(schema_text(node), rate) && *rate >= RATE_MIN && *rate <= RATE_MAX)
		return true;
	return schema_problem(r, &node->start_mark,
			      "%s: %s is not possible (bytes a second, 1K to 1T, e.g. 100M)", key,
			      schema_quote(node, shown));
}

static bool read_vhost(struct schema_reader *r, const char *key, const yaml_node_t *node,
		       void *field)
{
	static const char *const words[] = { "auto", "on", "off", NULL };
	enum manifest_vhost *vhost = field;
	unsigned int choice;

	if (!schema_choice(r, key, node, words, &choice))
		return false;
	*vhost = (enum manifest_vhost)choice;
	return true;
}

static const struct schema_key nic_keys[] = {
	{ "network", read_nic_network, offsetof(struct manifest_nic, network),
	  "e.g. network: lan" },
	/* Writes two fields. */
	{ "mac", read_mac, 0, NULL },
	{ "queues", read_queues, offsetof(struct manifest_nic, queues), NULL },
	{ "rate", read_rate, offsetof(struct manifest_nic, rate), NULL },
	{ "vhost", read_vhost, offsetof(struct manifest_nic, vhost), NULL },
	{ NULL, NULL, 0, NULL },
};

static bool has_mac(const struct manifest_guest *guest, const uint8_t mac[MAC_BYTES])
{
	for (unsigned int i = 0; i < guest->nic_count; i++) {
		if (guest->nics[i].has_mac && !memcmp(guest->nics[i].mac, mac, MAC_BYTES))
			return true;
	}
	return false;
}

/* No other card has its address, in this guest or those above. */
static bool is_alone(struct schema_reader *r, const yaml_node_t *node,
		     const struct manifest_guest *guest, const struct manifest_nic *nic)
{
	const struct manifest *m = r->out;

	if (!nic->has_mac)
		return true;
	if (has_mac(guest, nic->mac))
		return schema_problem(r, &node->start_mark, "mac: two cards with the same address");
	for (unsigned int g = 0; g < m->guest_count; g++) {
		if (has_mac(&m->guests[g], nic->mac))
			return schema_problem(r, &node->start_mark,
					      "mac: a card of guest \"%s\" has it already",
					      m->guests[g].name);
	}
	return true;
}

static bool read_nic(struct schema_reader *r, const yaml_node_t *node, void *object)
{
	struct manifest_guest *guest = object;
	struct manifest_nic *nic = &guest->nics[guest->nic_count];

	*nic = (struct manifest_nic){ .queues = 1 };
	if (!schema_read(r, node, nic_keys, nic))
		return false;
	if (nic->rate && nic->vhost == MANIFEST_VHOST_ON)
		return schema_problem(r, &schema_lookup(r, node, "vhost")->start_mark,
				      "vhost: cannot keep a rate (leave out one of the two)");
	return is_alone(r, node, guest, nic);
}

bool manifest_read_nics(struct schema_reader *r, const char *key, const yaml_node_t *node,
			void *object)
{
	struct manifest_guest *guest = object;

	return schema_list(r, key, node, "network", VMMCTL_NICS_MAX, &guest->nic_count, read_nic,
			   guest);
}

static bool is_taken(const struct manifest *m, const uint8_t mac[MAC_BYTES])
{
	for (unsigned int g = 0; g < m->guest_count; g++) {
		if (has_mac(&m->guests[g], mac))
			return true;
	}
	return false;
}

void manifest_give_macs(struct manifest *m)
{
	char name[2 * VMMCTL_NAME_MAX + 2];

	for (unsigned int g = 0; g < m->guest_count; g++) {
		struct manifest_guest *guest = &m->guests[g];

		snprintf(name, sizeof(name), "%s/%s", m->host_name, guest->name);
		for (unsigned int i = 0; i < guest->nic_count; i++) {
			struct manifest_nic *nic = &guest->nics[i];

			if (nic->has_mac)
				continue;
			mac_of_name(name, i, nic->mac);
			while (is_taken(m, nic->mac))
				mac_next(nic->mac);
			/* From here on it is as taken as any other. */
			nic->has_mac = true;
		}
	}
}

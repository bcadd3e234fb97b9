/* SPDX-License-Identifier: MIT */
#include "init/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "include/base/base.h"
#include "lib/conf.h"

const yaml_mark_t schema_begin;

/* ---- messages ---- */

bool schema_problem(struct schema_reader *r, const yaml_mark_t *mark, const char *format, ...)
{
	char line[MANIFEST_LINE_MAX];
	va_list args;
	int n;

	n = snprintf(line, sizeof(line), "%s:%zu:%zu: %s", r->env->file, mark->line + 1,
		     mark->column + 1, r->where);
	if (n >= 0 && (size_t)n < sizeof(line)) {
		va_start(args, format);
		vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
		va_end(args);
	}
	r->problem_count++;
	r->env->report(r->env->context, line);
	return false;
}

const char *schema_quote(const yaml_node_t *node, char out[SCHEMA_QUOTE_MAX])
{
	const unsigned char *text = node->data.scalar.value;
	size_t length = node->data.scalar.length;
	size_t at = 0;
	size_t i;

	out[at++] = '"';
	for (i = 0; i < length; i++) {
		if (at > SCHEMA_QUOTE_MAX - 10) {
			memcpy(out + at, "...", 3);
			at += 3;
			break;
		}
		if (text[i] >= 0x20 && text[i] < 0x7f)
			out[at++] = (char)text[i];
		else
			at += (size_t)sprintf(out + at, "\\x%02x", text[i]);
	}
	out[at++] = '"';
	out[at] = '\0';
	return out;
}

const char *schema_kind(const yaml_node_t *node)
{
	switch (node->type) {
	case YAML_SCALAR_NODE:
		return "a single value";
	case YAML_SEQUENCE_NODE:
		return "a list";
	case YAML_MAPPING_NODE:
		return "a group of keys";
	case YAML_NO_NODE:
	default:
		return "nothing";
	}
}

/* ---- single values ---- */

const char *schema_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

bool schema_is_word(const yaml_node_t *node, const char *word)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.length == strlen(word) &&
	       !memcmp(node->data.scalar.value, word, strlen(word));
}

bool schema_is_value(struct schema_reader *r, const char *key, const yaml_node_t *node)
{
	size_t i;

	if (node->type != YAML_SCALAR_NODE)
		return schema_problem(r, &node->start_mark,
				      "%s: a single value is expected, not %s", key,
				      schema_kind(node));
	for (i = 0; i < node->data.scalar.length; i++) {
		unsigned char c = node->data.scalar.value[i];

		if (c < 0x20 || c == 0x7f)
			return schema_problem(
				r, &node->start_mark,
				"%s: has a line break or another control character (write it on one line)",
				key);
	}
	return true;
}

bool schema_keep(struct schema_reader *r, const char *key, const yaml_node_t *node, size_t max,
		 const char **field)
{
	struct manifest *m = r->out;
	size_t length = node->data.scalar.length;

	if (length > max)
		return schema_problem(r, &node->start_mark, "%s: is %zu bytes long (at most %zu)",
				      key, length, max);
	if (length + 1 > sizeof(m->text) - m->text_used)
		return schema_problem(r, &node->start_mark,
				      "%s: more than %d bytes of text in all guests together", key,
				      MANIFEST_TEXT_MAX);
	memcpy(m->text + m->text_used, node->data.scalar.value, length);
	m->text[m->text_used + length] = '\0';
	*field = m->text + m->text_used;
	m->text_used += length + 1;
	return true;
}

bool schema_choice(struct schema_reader *r, const char *key, const yaml_node_t *node,
		   const char *const *words, unsigned int *choice)
{
	char shown[SCHEMA_QUOTE_MAX];
	char list[64] = "";
	size_t used = 0;
	unsigned int i;

	if (!schema_is_value(r, key, node))
		return false;
	for (i = 0; words[i]; i++) {
		if (schema_is_word(node, words[i])) {
			*choice = i;
			return true;
		}
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 words[i]);
	}
	return schema_problem(r, &node->start_mark, "%s: %s is not possible (one of: %s)", key,
			      schema_quote(node, shown), list);
}

bool schema_name(struct schema_reader *r, const char *key, const yaml_node_t *node, size_t max,
		 const char **field)
{
	char shown[SCHEMA_QUOTE_MAX];

	if (!schema_is_value(r, key, node))
		return false;
	if (!conf_is_name(schema_text(node), max))
		return schema_problem(
			r, &node->start_mark,
			"%s: %s is not a name (1 to %zu of a-z, 0-9 and -, not beginning with -)",
			key, schema_quote(node, shown), max);
	return schema_keep(r, key, node, max, field);
}

bool schema_count(struct schema_reader *r, const char *key, const yaml_node_t *node, uint32_t min,
		  uint32_t max, uint32_t *count)
{
	char shown[SCHEMA_QUOTE_MAX];
	uint64_t number;

	if (!schema_is_value(r, key, node))
		return false;
	if (!conf_parse_u64(schema_text(node), &number) || number < min || number > max)
		return schema_problem(r, &node->start_mark,
				      "%s: %s is not possible (a number from %u to %u)", key,
				      schema_quote(node, shown), min, max);
	*count = (uint32_t)number;
	return true;
}

bool schema_flag(struct schema_reader *r, const char *key, const yaml_node_t *node, void *field)
{
	static const char *const words[] = { "false", "true", NULL };
	bool *flag = field;
	unsigned int choice;

	if (!schema_choice(r, key, node, words, &choice))
		return false;
	*flag = choice;
	return true;
}

bool schema_list(struct schema_reader *r, const char *key, const yaml_node_t *node,
		 const char *key_of_one, uint32_t max, uint32_t *count,
		 bool (*read)(struct schema_reader *r, const yaml_node_t *node, void *object),
		 void *object)
{
	const yaml_node_item_t *item;
	bool good = true;

	if (node->type != YAML_SEQUENCE_NODE)
		return schema_problem(r, &node->start_mark,
				      "%s: a list is expected, not %s (write [{%s: ...}])", key,
				      schema_kind(node), key_of_one);
	for (item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		if (*count == max)
			return schema_problem(r, &node->start_mark, "%s: more than %u", key, max);
		if (read(r, yaml_document_get_node(r->doc, *item), object))
			++*count;
		else
			good = false;
	}
	return good;
}

/* ---- mappings ---- */

static const struct schema_key *find_key(const struct schema_key *keys, const yaml_node_t *name)
{
	for (; keys->name; keys++) {
		if (schema_is_word(name, keys->name))
			return keys;
	}
	return NULL;
}

static bool unknown_key(struct schema_reader *r, const yaml_node_t *name,
			const struct schema_key *keys)
{
	char shown[SCHEMA_QUOTE_MAX];
	char list[160] = "";
	size_t used = 0;
	unsigned int i;

	for (i = 0; keys[i].name && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "",
					 keys[i].name);
	return schema_problem(r, &name->start_mark, "unknown key %s (known here: %s)",
			      schema_quote(name, shown), list);
}

/* seen[] holds the name node of every key met so far, by place in keys. */
static bool read_pair(struct schema_reader *r, const yaml_node_pair_t *pair,
		      const struct schema_key *keys, const yaml_node_t **seen, void *object)
{
	const yaml_node_t *name = yaml_document_get_node(r->doc, pair->key);
	const yaml_node_t *value = yaml_document_get_node(r->doc, pair->value);
	const struct schema_key *key;

	if (name->type != YAML_SCALAR_NODE)
		return schema_problem(r, &name->start_mark, "a key must be a word, not %s",
				      schema_kind(name));
	key = find_key(keys, name);
	if (!key)
		return unknown_key(r, name, keys);
	if (seen[key - keys])
		return schema_problem(r, &name->start_mark,
				      "key \"%s\" is given twice (first in line %zu)", key->name,
				      seen[key - keys]->start_mark.line + 1);
	seen[key - keys] = name;
	return key->read(r, key->name, value, (char *)object + key->offset);
}

bool schema_read(struct schema_reader *r, const yaml_node_t *node, const struct schema_key *keys,
		 void *object)
{
	const yaml_node_t *seen[SCHEMA_KEYS_MAX] = { NULL };
	const yaml_node_pair_t *pair;
	const struct schema_key *key;
	bool good = true;

	if (node->type != YAML_MAPPING_NODE)
		return schema_problem(r, &node->start_mark, "a group of keys is expected, not %s",
				      schema_kind(node));
	if (node->data.mapping.pairs.top - node->data.mapping.pairs.start > SCHEMA_PAIRS_MAX)
		return schema_problem(r, &node->start_mark, "more than %d keys", SCHEMA_PAIRS_MAX);

	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		if (!read_pair(r, pair, keys, seen, object))
			good = false;
	}
	for (key = keys; key->name; key++) {
		if (key->missing && !seen[key - keys])
			good = schema_problem(r, &node->start_mark, "key \"%s\" is missing (%s)",
					      key->name, key->missing);
	}
	return good;
}

const yaml_node_t *schema_lookup(struct schema_reader *r, const yaml_node_t *node, const char *name)
{
	const yaml_node_pair_t *pair;

	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		if (schema_is_word(yaml_document_get_node(r->doc, pair->key), name))
			return yaml_document_get_node(r->doc, pair->value);
	}
	return NULL;
}

/* ---- the text as a whole ---- */

static bool not_yaml(struct schema_reader *r, const yaml_parser_t *yaml)
{
	switch (yaml->error) {
	case YAML_MEMORY_ERROR:
		return schema_problem(r, &yaml->mark, "out of memory while reading");
	case YAML_READER_ERROR:
		return schema_problem(r, &yaml->mark,
				      "not text in UTF-8: %s at byte %zu (nothing of the file is "
				      "used)",
				      yaml->problem, yaml->problem_offset);
	default:
		return schema_problem(r, &yaml->problem_mark,
				      "not YAML: %s%s%s (nothing of the file is used)",
				      yaml->context ? yaml->context : "", yaml->context ? ", " : "",
				      yaml->problem);
	}
}

/*
 * libyaml's time grows with the square of how deep lists lie in lists.  This
 * walk, which keeps nothing, stops where it becomes too deep.
 */
static bool is_shallow(struct schema_reader *r, yaml_parser_t *yaml)
{
	unsigned int depth = 0;
	yaml_event_type_t type;
	yaml_event_t event;
	yaml_mark_t mark;

	do {
		if (!yaml_parser_parse(yaml, &event))
			return not_yaml(r, yaml);
		type = event.type;
		mark = event.start_mark;
		yaml_event_delete(&event);
		if (type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT)
			depth++;
		if (type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT)
			depth--;
		if (depth > SCHEMA_DEPTH_MAX)
			return schema_problem(r, &mark,
					      "more than %d levels of nesting (nothing of the file "
					      "is used)",
					      SCHEMA_DEPTH_MAX);
	} while (type != YAML_STREAM_END_EVENT);
	return true;
}

/* The first document goes to r->read; there must be no second. */
static bool read_stream(struct schema_reader *r, yaml_parser_t *yaml)
{
	yaml_document_t doc;
	bool good;

	if (!yaml_parser_load(yaml, &doc))
		return not_yaml(r, yaml);
	r->doc = &doc;
	good = r->read(r, yaml_document_get_root_node(&doc));
	yaml_document_delete(&doc);
	r->doc = NULL;

	if (!yaml_parser_load(yaml, &doc))
		return not_yaml(r, yaml);
	if (yaml_document_get_root_node(&doc))
		good = schema_problem(r, &doc.start_mark,
				      "a second document begins here (one file, one document; "
				      "nothing of the file is used)");
	yaml_document_delete(&doc);
	return good;
}

/* Walk over the text once, with a parser of its own. */
static bool walk_text(struct schema_reader *r, const char *text, size_t size,
		      bool (*walk)(struct schema_reader *r, yaml_parser_t *yaml))
{
	yaml_parser_t yaml;
	bool good;

	if (!yaml_parser_initialize(&yaml))
		return schema_problem(r, &schema_begin, "out of memory while reading");
	/* Not what a byte order mark says: UTF-16 would be YAML, too. */
	yaml_parser_set_encoding(&yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&yaml, (const unsigned char *)text, size);
	good = walk(r, &yaml);
	yaml_parser_delete(&yaml);
	return good;
}

bool schema_read_text(struct schema_reader *r, const char *text, size_t size,
		      bool (*read)(struct schema_reader *r, const yaml_node_t *root))
{
	r->read = read;
	return walk_text(r, text, size, is_shallow) && walk_text(r, text, size, read_stream);
}

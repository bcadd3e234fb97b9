/* SPDX-License-Identifier: MIT */
/*
 * Walks a YAML tree along tables of keys and says what is wrong, and where.
 * The part of reading a manifest that knows nothing of guests; only manifest.c
 * uses it.
 *
 * Values are taken as they are written: nothing is ever turned into a number, a
 * boolean or a null because of how it looks.  An alias stands for the very node
 * it names (no copy is made), and tables nest only so deep, so neither size nor
 * time can be multiplied by a clever file.
 */
#ifndef INIT_SCHEMA_H
#define INIT_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "include/base/base.h"
#include "init/manifest.h"

#define SCHEMA_KEYS_MAX	 24 /* in one table, with its end */
#define SCHEMA_PAIRS_MAX 64 /* in one mapping of the file */
#define SCHEMA_QUOTE_MAX 80 /* a quoted value in a message */

#define SCHEMA_DEPTH_MAX 16 /* of lists and mappings in each other */

struct schema_reader {
	const struct manifest_env *env;
	struct manifest *out;
	yaml_document_t *doc;
	/* What messages are about: "", "host: ", "guest \"web\": ". */
	char where[64];
	unsigned int problem_count;
	/* What schema_read_text() was given. */
	bool (*read)(struct schema_reader *r, const yaml_node_t *root);
	/* Value of host.console, looked up once all guests are known. */
	const yaml_node_t *console;
};

/* One key; a table of them ends with a key without name. */
struct schema_key {
	const char *name;
	/* Read value into field; false, after a message, if it will not do. */
	bool (*read)(struct schema_reader *r, const char *key, const yaml_node_t *value,
		     void *field);
	/* Where field is in the object that the mapping describes. */
	size_t offset;
	/* NULL: may be left out; else what to write, for the message. */
	const char *missing;
};

/* Report a problem at a place.  Always false, to be returned. */
bool schema_problem(struct schema_reader *r, const yaml_mark_t *mark, const char *format, ...)
	__printf(3, 4);

/*
 * The value of a scalar for a message: in quotes, shortened, and without bytes
 * that would do something to the terminal that shows it.  Returns out.
 */
const char *schema_quote(const yaml_node_t *node, char out[SCHEMA_QUOTE_MAX]);

/* "a list", ... for messages. */
const char *schema_kind(const yaml_node_t *node);

/* Text of a scalar.  It may hold zero bytes: see schema_is_word(). */
const char *schema_text(const yaml_node_t *node);

/* Is node a scalar and exactly this word? */
bool schema_is_word(const yaml_node_t *node, const char *word);

/* Is the value of key a scalar without control characters?  Reports if not. */
bool schema_is_value(struct schema_reader *r, const char *key, const yaml_node_t *node);

/*
 * Copy a value that passed schema_is_value() and has at most max bytes to the
 * manifest's text memory and point *field at it.
 */
bool schema_keep(struct schema_reader *r, const char *key, const yaml_node_t *node, size_t max,
		 const char **field);

/* One of words (ended by NULL); its index goes to *choice. */
bool schema_choice(struct schema_reader *r, const char *key, const yaml_node_t *node,
		   const char *const *words, unsigned int *choice);

/* "true" or "false"; @field is a bool. For tables of keys. */
bool schema_flag(struct schema_reader *r, const char *key, const yaml_node_t *node, void *field);

/*
 * A name of up to max bytes (conf_is_name()), kept like schema_keep(); a number
 * from min to max.
 */
bool schema_name(struct schema_reader *r, const char *key, const yaml_node_t *node, size_t max,
		 const char **field);
bool schema_count(struct schema_reader *r, const char *key, const yaml_node_t *node, uint32_t min,
		  uint32_t max, uint32_t *count);

/*
 * A list of at most max things, which read() puts into object one after the other;
 * *count, in object, says where the next one goes. @key_of_one: one of its keys, for
 * the message. What is wrong in one leaves that one out; true only without any.
 */
bool schema_list(struct schema_reader *r, const char *key, const yaml_node_t *node,
		 const char *key_of_one, uint32_t max, uint32_t *count,
		 bool (*read)(struct schema_reader *r, const yaml_node_t *node, void *object),
		 void *object);

/*
 * Read the mapping node into object as the table keys says.  Reports every
 * problem; true only without any.
 */
bool schema_read(struct schema_reader *r, const yaml_node_t *node, const struct schema_key *keys,
		 void *object);

/* The value of a key of a mapping; NULL if there is none, or no mapping. */
const yaml_node_t *schema_lookup(struct schema_reader *r, const yaml_node_t *node,
				 const char *name);

/* Where a message about the file as a whole points to: line 1, column 1. */
extern const yaml_mark_t schema_begin;

/*
 * Read text, one YAML document, and hand its root to read (NULL: it is empty).
 * False, after a message, if the text cannot be used at all, or if read says so.
 */
bool schema_read_text(struct schema_reader *r, const char *text, size_t size,
		      bool (*read)(struct schema_reader *r, const yaml_node_t *root));

#endif

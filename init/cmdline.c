/* SPDX-License-Identifier: MIT */
#include "init/cmdline.h"

#include <string.h>

#define OURS "rootstock."

/* The value if word is "key=value", else NULL. */
static const char *value_of(const char *word, const char *key)
{
	size_t length = strlen(key);

	return strncmp(word, key, length) ? NULL : word + length;
}

static bool apply(struct cmdline *out, const char *word)
{
	const char *value;

	value = value_of(word, OURS "rescue=");
	if (value && !strcmp(value, "on")) {
		out->rescue = true;
		return true;
	}
	if (value && !strcmp(value, "off")) {
		out->rescue = false;
		return true;
	}
	value = value_of(word, OURS "manifest=");
	if (value && *value == '/' && strlen(value) < sizeof(out->manifest)) {
		strcpy(out->manifest, value);
		return true;
	}
	/* The launcher's own, read and checked by boot/config.c. */
	return value_of(word, OURS "hypervisor=") || value_of(word, OURS "fallback=");
}

void cmdline_parse(struct cmdline *out, const char *text, void (*complain)(const char *word))
{
	/* Longer than any word of ours that makes sense. */
	char word[VMMCTL_PATH_MAX + 64];

	out->rescue = true;
	strcpy(out->manifest, CMDLINE_MANIFEST);
	for (;;) {
		size_t length;

		text += strspn(text, " \t\n");
		length = strcspn(text, " \t\n");
		if (!length)
			return;
		/* As for the kernel, "--" ends what is meant for the system. */
		if (length == 2 && !strncmp(text, "--", 2))
			return;
		if (!strncmp(text, OURS, strlen(OURS))) {
			size_t kept = length < sizeof(word) ? length : sizeof(word) - 1;

			memcpy(word, text, kept);
			word[kept] = '\0';
			/* One that was cut is too long for every option. */
			if (!apply(out, word))
				complain(word);
		}
		text += length;
	}
}

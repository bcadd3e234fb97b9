/* SPDX-License-Identifier: MIT */
#include "init/mount.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "include/base/base.h"
#include "init/files.h"
#include "init/log.h"

/* In this order: the later ones lie inside the earlier. */
static const struct {
	const char *type;
	const char *where;
	unsigned long flags;
	const char *options;
} table[] = {
	{ "proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
	{ "devtmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755" },
	{ "tmpfs", "/run", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755" },
	{ "tmpfs", "/tmp", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777" },
	{ "cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL },
};

void mount_all(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		/* Missing directories are made; what is wrong shows in mount(). */
		if (mkdir(table[i].where, 0755) != 0 && errno != EEXIST && errno != EROFS)
			log_event("%s cannot be made (%s)", table[i].where, strerror(errno));
		/* EBUSY: it is there already, for init started over. */
		if (mount(table[i].type, table[i].where, table[i].type, table[i].flags,
			  table[i].options) != 0 &&
		    errno != EBUSY)
			log_event("%s cannot be mounted (%s: %s)", table[i].where, table[i].type,
				  strerror(errno));
	}
}

/* Cut the last line off text of that length; NULL if none is left. */
static char *last_line(char *text, size_t *length)
{
	if (*length && text[*length - 1] == '\n')
		--*length;
	text[*length] = '\0';
	while (*length && text[*length - 1] != '\n')
		--*length;
	return text[*length] ? text + *length : NULL;
}

/* The second field, with its octal escapes undone in place; NULL if none. */
static char *mount_point(char *line)
{
	char *field = strchr(line, ' ');
	char *from, *to;

	if (!field)
		return NULL;
	from = to = ++field;
	while (*from && *from != ' ') {
		unsigned int byte;

		if (*from == '\\' && sscanf(from + 1, "%3o", &byte) == 1) {
			*to++ = (char)byte;
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return field;
}

void unmount_all(void)
{
	static char text[16384];
	size_t length;
	char *line;

	if (files_read("/proc/self/mounts", text, sizeof(text) - 1, &length))
		return;
	while ((line = last_line(text, &length))) {
		const char *where = mount_point(line);

		/* The root file system is memory; there is nothing to save. */
		if (!where || !strcmp(where, "/"))
			continue;
		/* A disk somebody mounted by hand must be clean, even if in use. */
		if (umount2(where, 0) != 0)
			mount(NULL, where, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	}
}

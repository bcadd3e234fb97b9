/* SPDX-License-Identifier: MIT */
/*
 * What a manifest's parser wants to know about files, answered by a real file
 * system: at "/" for init, below a staged image tree for manifest-check.
 */
#ifndef INIT_FILES_H
#define INIT_FILES_H

#include <stddef.h>

#include "init/manifest.h"

/*
 * manifest_env.check_file for the tree at root (no slash at its end; "" is the
 * machine itself).  NULL, or why the file will not do.  Below a root that is not
 * the machine devices are not looked for: they will do.
 */
const char *files_check(const char *root, const char *path, enum manifest_file use);

/*
 * The same on the machine itself, where a device may be a moment late: waits for
 * it as long as there is *patience_ms left, and takes what it waited from that.
 */
const char *files_wait(const char *path, enum manifest_file use, unsigned int *patience_ms);

/*
 * Read the whole file into buffer; *length gets its size.  A file of more than
 * size bytes fills the buffer to the last byte.  NULL, or why it cannot be read.
 */
const char *files_read(const char *path, char *buffer, size_t size, size_t *length);

#endif

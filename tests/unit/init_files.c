/* SPDX-License-Identifier: MIT */
/* Files as the manifest's parser asks for them, in a real directory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "init/files.h"

static char root[] = "/tmp/rootstock-files-XXXXXX";

static const char *in_root(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static void make_file(const char *name, const char *text)
{
	FILE *file = fopen(in_root(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(root))
		return -1;
	make_file("kernel", "x");
	make_file("empty", "");
	return mkdir(in_root("directory"), 0755) | mkfifo(in_root("fifo"), 0600);
}

static int teardown(void **state)
{
	(void)state;
	unlink(in_root("kernel"));
	unlink(in_root("empty"));
	unlink(in_root("fifo"));
	rmdir(in_root("directory"));
	return rmdir(root);
}

static void files_are_judged(void **state)
{
	char path[5000];

	(void)state;
	assert_null(files_check(root, "/kernel", MANIFEST_FILE));
	assert_null(files_check(root, "/kernel", MANIFEST_DISK));
	assert_null(files_check(root, "/kernel", MANIFEST_DISK_READONLY));
	assert_string_equal(files_check(root, "/missing", MANIFEST_FILE), "does not exist");
	assert_string_equal(files_check(root, "/kernel/x", MANIFEST_FILE), "does not exist");
	assert_string_equal(files_check(root, "/empty", MANIFEST_FILE), "is empty");
	assert_string_equal(files_check(root, "/directory", MANIFEST_FILE), "is a directory");
	/* Open for writing gives another error, but it is the same mistake. */
	assert_string_equal(files_check(root, "/directory", MANIFEST_DISK), "is a directory");
	/* Must not wait for somebody at the other end. */
	assert_string_equal(files_check(root, "/fifo", MANIFEST_FILE),
			    "is neither a file nor a disk");
	assert_string_equal(files_check("", "/dev/null", MANIFEST_DISK),
			    "is neither a file nor a disk");
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_string_equal(files_check(root, path, MANIFEST_FILE), "has too long a path");
}

static void files_are_read(void **state)
{
	char buffer[4] = "zzz";
	size_t length;

	(void)state;
	assert_null(files_read(in_root("kernel"), buffer, sizeof(buffer), &length));
	assert_int_equal(length, 1);
	assert_memory_equal(buffer, "xzz", 3);
	assert_null(files_read(in_root("empty"), buffer, sizeof(buffer), &length));
	assert_int_equal(length, 0);
	/* More than fits shows as a full buffer. */
	assert_null(files_read("/dev/zero", buffer, sizeof(buffer), &length));
	assert_int_equal(length, sizeof(buffer));
	assert_string_equal(files_read(in_root("missing"), buffer, 4, &length), "does not exist");
	assert_int_equal(length, 0);
	assert_string_equal(files_read(root, buffer, 4, &length), "is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_judged),
		cmocka_unit_test(files_are_read),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

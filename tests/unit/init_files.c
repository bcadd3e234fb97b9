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
#include <sys/wait.h>
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
	return mkdir(in_root("directory"), 0755) | mkfifo(in_root("fifo"), 0600) |
	       symlink("/kernel", in_root("link-in")) | symlink("/etc/passwd", in_root("link-out"));
}

static int teardown(void **state)
{
	(void)state;
	unlink(in_root("kernel"));
	unlink(in_root("empty"));
	unlink(in_root("fifo"));
	unlink(in_root("link-in"));
	unlink(in_root("link-out"));
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
	/* Absolute links begin at the root that was given. */
	assert_null(files_check(root, "/link-in", MANIFEST_FILE));
	assert_string_equal(files_check(root, "/link-out", MANIFEST_FILE), "does not exist");
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_string_equal(files_check(root, path, MANIFEST_FILE), "has too long a path");
}

/* In a tree that becomes an image nothing can be said about the machine's devices. */
static void devices_are_not_in_the_image(void **state)
{
	(void)state;
	assert_null(files_check(root, "/dev/vdb", MANIFEST_DISK));
	assert_null(files_check(root, "/dev/vdb", MANIFEST_DISK_READONLY));
	/* No kernel comes from there, and a name is not a place. */
	assert_string_equal(files_check(root, "/dev/vdb", MANIFEST_FILE), "does not exist");
	assert_string_equal(files_check(root, "/devices", MANIFEST_DISK), "does not exist");
	/* On the machine itself it is there or not. */
	assert_string_equal(files_check("", "/dev/rootstock-none", MANIFEST_DISK),
			    "does not exist");
}

/* A driver may find its device after init has read the manifest. */
static void late_devices_are_waited_for(void **state)
{
	char path[64];
	unsigned int patience = 20000;
	int fd, status;
	pid_t late;

	(void)state;
	snprintf(path, sizeof(path), "/dev/shm/rootstock-%d", getpid());
	late = fork();
	assert_true(late >= 0);
	if (late == 0) {
		usleep(150 * 1000);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		_exit(fd < 0 || write(fd, "x", 1) != 1);
	}
	/* Empty for a moment, which is no reason to wait. */
	while (files_wait(path, MANIFEST_DISK, &patience) && patience)
		;
	assert_int_equal(waitpid(late, &status, 0), late);
	unlink(path);
	assert_int_equal(status, 0);
	assert_in_range(patience, 1, 20000 - 50);

	/* What never comes costs the patience once, and nothing more. */
	patience = 100;
	assert_string_equal(files_wait(path, MANIFEST_DISK, &patience), "does not exist");
	assert_int_equal(patience, 0);
	assert_string_equal(files_wait(path, MANIFEST_DISK, &patience), "does not exist");
	/* Files of the image are there at once or not at all. */
	patience = 100;
	assert_string_equal(files_wait("/nonexistent", MANIFEST_DISK, &patience), "does not exist");
	assert_string_equal(files_wait(path, MANIFEST_FILE, &patience), "does not exist");
	assert_int_equal(patience, 100);
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
		cmocka_unit_test(devices_are_not_in_the_image),
		cmocka_unit_test(late_devices_are_waited_for),
		cmocka_unit_test(files_are_read),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

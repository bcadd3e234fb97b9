/* SPDX-License-Identifier: MIT */
/*
 * Test only, the /init of the guest that tests/root/killdisk.c kills: mounts
 * /dev/vda (ext4; the kernel replays the journal), checks what earlier lives
 * left there, says so, and then writes with fsync for ever, several writers at
 * a time, each saying what is on the disk for sure. Lines:
 *
 *   fsload: journal replayed
 *   fsload: found W N      writer W's last write is number N, all is as it should be
 *   fsload: FAIL ...
 *   ack W N                write number N of writer W has been synced
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITERS 3
#define SLOTS	32   /* records of a writer's log, written round and round */
#define FILE_BY 5    /* every so many writes make a file, too */
#define WORDS	1023 /* of 32 bits, and the first one is 64: 4 KiB in all */

struct record {
	uint64_t seq; /* 0: none */
	uint32_t sum;
	uint32_t word[WORDS - 2];
};

static void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void fail(const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("fsload: FAIL %s (%s)\n", text, strerror(errno));
	for (;;)
		pause();
}

static void fill(struct record *r, unsigned int writer, uint64_t seq)
{
	uint32_t x = (uint32_t)(seq * 2654435761u + writer), sum = 0;

	r->seq = seq;
	for (unsigned int i = 0; i < WORDS - 2; i++) {
		x = x * 1664525 + 1013904223;
		r->word[i] = x;
		sum = sum * 31 + x;
	}
	r->sum = sum;
}

static int is_right(const struct record *r, unsigned int writer, uint64_t seq)
{
	struct record want;

	memset(&want, 0, sizeof(want));
	fill(&want, writer, seq);
	return !memcmp(r, &want, sizeof(want));
}

static int open_log(unsigned int writer, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/mnt/%u", writer);
	if (mkdir(path, 0700) && errno != EEXIST)
		fail("directory of writer %u", writer);
	snprintf(path, sizeof(path), "/mnt/%u/log", writer);
	fd = open(path, flags | O_CREAT, 0600);
	if (fd < 0)
		fail("log of writer %u", writer);
	return fd;
}

static void read_record(int fd, uint64_t seq, struct record *r)
{
	memset(r, 0, sizeof(*r));
	if (pread(fd, r, sizeof(*r), (off_t)(seq % SLOTS * sizeof(*r))) < 0)
		fail("log cannot be read");
}

static void file_name(char path[48], unsigned int writer, uint64_t seq)
{
	snprintf(path, 48, "/mnt/%u/f%llu", writer, (unsigned long long)seq);
}

/* The number of the last write; all that a number promises must be there. */
static uint64_t check(unsigned int writer)
{
	int fd = open_log(writer, O_RDWR), file;
	uint64_t last = 0, made;
	struct record r;
	char path[48];

	for (uint64_t slot = 0; slot < SLOTS; slot++) {
		read_record(fd, slot, &r);
		if (r.seq % SLOTS == slot && r.seq > last && is_right(&r, writer, r.seq))
			last = r.seq;
	}
	/* The oldest slot may have been overwritten in part. */
	for (uint64_t seq = last; seq && seq + SLOTS - 1 > last; seq--) {
		read_record(fd, seq, &r);
		if (!is_right(&r, writer, seq))
			fail("writer %u: record %llu of %llu is wrong", writer,
			     (unsigned long long)seq, (unsigned long long)last);
	}
	close(fd);
	made = last - last % FILE_BY;
	file_name(path, writer, made);
	file = made ? open(path, O_RDONLY) : -1;
	if (made &&
	    (file < 0 || read(file, &r, sizeof(r)) != sizeof(r) || !is_right(&r, writer, made)))
		fail("writer %u: file %llu is wrong", writer, (unsigned long long)made);
	close(file);
	return last;
}

static void sync_path(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fsync(fd))
		fail("%s cannot be synced", path);
	close(fd);
}

/* A new file with record @seq, for sure; an old one goes. */
static void make_file(unsigned int writer, const struct record *r)
{
	char path[48];
	int fd;

	file_name(path, writer, r->seq);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, r, sizeof(*r)) != sizeof(*r) || fsync(fd))
		fail("%s cannot be written", path);
	close(fd);
	if (r->seq > 2 * FILE_BY) {
		file_name(path, writer, r->seq - 2 * FILE_BY);
		unlink(path);
	}
	snprintf(path, sizeof(path), "/mnt/%u", writer);
	sync_path(path);
}

static void load(unsigned int writer, uint64_t seq)
{
	int fd = open_log(writer, O_RDWR);
	char line[48];
	struct record r;

	memset(&r, 0, sizeof(r));
	for (;;) {
		int n;

		fill(&r, writer, ++seq);
		if (seq % FILE_BY == 0)
			make_file(writer, &r);
		if (pwrite(fd, &r, sizeof(r), (off_t)(seq % SLOTS * sizeof(r))) != sizeof(r) ||
		    fsync(fd))
			fail("writer %u: write %llu", writer, (unsigned long long)seq);
		/* In one piece, whatever the others say. */
		n = snprintf(line, sizeof(line), "ack %u %llu\n", writer, (unsigned long long)seq);
		if (write(STDOUT_FILENO, line, (size_t)n) != n)
			return;
	}
}

static void look_for_replay(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char line[1024];
	ssize_t n;

	while ((n = read(fd, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		if (strstr(line, "EXT4-fs") && strstr(line, "recovery complete"))
			printf("fsload: journal replayed\n");
	}
	close(fd);
}

int main(void)
{
	uint64_t last[WRITERS];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mount("dev", "/dev", "devtmpfs", 0, NULL) && errno != EBUSY)
		fail("devtmpfs");
	if (mount("/dev/vda", "/mnt", "ext4", 0, "errors=remount-ro"))
		fail("the disk cannot be mounted");
	look_for_replay();
	for (unsigned int w = 0; w < WRITERS; w++) {
		last[w] = check(w);
		printf("fsload: found %u %llu\n", w, (unsigned long long)last[w]);
	}
	sync_path("/mnt");
	for (unsigned int w = 0; w < WRITERS; w++) {
		if (fork() == 0) {
			load(w, last[w]);
			_exit(1);
		}
	}
	for (;;)
		pause();
}

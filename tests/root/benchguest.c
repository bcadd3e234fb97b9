/* SPDX-License-Identifier: MIT */
/*
 * make bench-peers only, /init of its guests: says that it is there, then does the
 * work it is told by one byte on the console, and says by another when it is ready for
 * it. Nothing else is said meanwhile: each letter costs a VMM exits.
 *
 *   r, R   random reads of 4 KiB of the first disk, one at a time, or 32
 *   e      packets of 1,500 bytes to the host and back (UDP), one at a time
 *   b      the same to the host only, 32 at once, the last of them answered
 *   s      a stream to the host (TCP), 64 KiB a write
 *
 * "reads=", "echoes=", "bursts=" and "segments=" of the kernel's command line are how
 * many, "net=" is the guest's address (24 bits), "peer=" the host's (netpeer.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "tests/root/lib/random.h"

#define DISK	  "/dev/vda"
#define CARD	  "eth0"
#define DEPTH	  32u
#define BLOCK	  4096u
#define PORT	  7 /* netpeer.c: echoes; takes datagrams; takes a stream */
#define DATAGRAM  1472u
#define BURST	  32u
#define SEGMENT	  65536u
#define CARD_WAIT 100

static int kmsg;

/* To the kernel's log: shown at once, by polling, whatever machine it is. */
static void say(const char *text)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "<1>benchguest: %s\n", text);

	if (write(kmsg, line, (size_t)n) != n)
		reboot(RB_POWER_OFF);
}

static _Noreturn void fail(const char *what)
{
	char text[96];

	snprintf(text, sizeof(text), "FAIL %s (%s)", what, strerror(errno));
	say(text);
	for (;;)
		pause();
}

static unsigned int number(const char *name)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 10) : 0;
}

/* --- reads --- */

static struct {
	int fd, disk;
	uint32_t blocks; /* of the disk */
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	uint32_t *sq_tail, *sq_array, *cq_head, *cq_tail;
	uint32_t mask, cq_mask;
	uint8_t *buffer; /* DEPTH blocks */
	struct rng random;
} ring;

static void ring_open(void)
{
	struct io_uring_params p = { 0 };
	uint64_t bytes;
	uint8_t *sq;

	ring.disk = open(DISK, O_RDONLY | O_DIRECT);
	if (ring.disk < 0 || ioctl(ring.disk, BLKGETSIZE64, &bytes))
		fail("disk");
	ring.blocks = (uint32_t)(bytes / BLOCK);
	ring.fd = (int)syscall(SYS_io_uring_setup, DEPTH, &p);
	if (ring.fd < 0 || !(p.features & IORING_FEAT_SINGLE_MMAP))
		fail("io_uring");
	sq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
	ring.sqe = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
	ring.buffer = mmap(NULL, (size_t)DEPTH * BLOCK, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (sq == MAP_FAILED || ring.sqe == MAP_FAILED || ring.buffer == MAP_FAILED)
		fail("memory");
	ring.sq_tail = (uint32_t *)(void *)(sq + p.sq_off.tail);
	ring.sq_array = (uint32_t *)(void *)(sq + p.sq_off.array);
	ring.mask = p.sq_entries - 1;
	ring.cq_head = (uint32_t *)(void *)(sq + p.cq_off.head);
	ring.cq_tail = (uint32_t *)(void *)(sq + p.cq_off.tail);
	ring.cqe = (struct io_uring_cqe *)(void *)(sq + p.cq_off.cqes);
	ring.cq_mask = p.cq_entries - 1;
}

/* Not yet submitted. @slot: which buffer. */
static void queue_read(unsigned int slot)
{
	uint32_t at = *ring.sq_tail & ring.mask;
	struct io_uring_sqe *sqe = &ring.sqe[at];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_READ;
	sqe->fd = ring.disk;
	sqe->addr = (uintptr_t)(ring.buffer + (size_t)slot * BLOCK);
	sqe->len = BLOCK;
	sqe->off = (uint64_t)rng_below(&ring.random, ring.blocks) * BLOCK;
	sqe->user_data = slot;
	ring.sq_array[at] = at;
	__atomic_store_n(ring.sq_tail, *ring.sq_tail + 1, __ATOMIC_RELEASE);
}

/* @count reads, @depth under way all the time. */
static void reads(unsigned int count, unsigned int depth)
{
	unsigned int queued = 0, started = 0, done = 0;

	if (!ring.buffer)
		ring_open();
	while (started < depth && started < count) {
		queue_read(started++);
		queued++;
	}
	while (done < count) {
		long n = syscall(SYS_io_uring_enter, ring.fd, queued, 1, IORING_ENTER_GETEVENTS,
				 NULL, 0);
		uint32_t head = *ring.cq_head;

		if (n < 0 && errno != EINTR)
			fail("submit");
		queued -= n > 0 ? (unsigned int)n : 0;
		for (; head != __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE); head++, done++) {
			struct io_uring_cqe *cqe = &ring.cqe[head & ring.cq_mask];

			if (cqe->res != (int)BLOCK)
				fail("read");
			if (started == count)
				continue;
			queue_read((unsigned int)cqe->user_data);
			started++;
			queued++;
		}
		__atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
	}
}

/* --- packets --- */

static void set_address(struct ifreq *r, int fd, unsigned long request, const char *address)
{
	struct sockaddr_in *a = (struct sockaddr_in *)(void *)&r->ifr_addr;

	memset(a, 0, sizeof(*a));
	a->sin_family = AF_INET;
	if (inet_pton(AF_INET, address, &a->sin_addr) != 1 || ioctl(fd, request, r))
		fail("set an address");
}

static void card_up(void)
{
	struct ifreq r = { .ifr_name = CARD };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	for (int i = 0; ioctl(fd, SIOCGIFFLAGS, &r); i++) {
		if (i == CARD_WAIT)
			fail("no network card");
		usleep(100 * 1000);
	}
	set_address(&r, fd, SIOCSIFADDR, getenv("net"));
	set_address(&r, fd, SIOCSIFNETMASK, "255.255.255.0");
	if (ioctl(fd, SIOCGIFFLAGS, &r))
		fail("flags");
	r.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &r))
		fail("set the card up");
	close(fd);
}

static int connected(int type, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, type, 0);

	if (inet_pton(AF_INET, getenv("peer"), &a.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)))
		fail("connect");
	return fd;
}

static uint8_t data[SEGMENT];

static void echoes(unsigned int count)
{
	int fd = connected(SOCK_DGRAM, PORT);

	for (unsigned int i = 0; i < count; i++)
		if (send(fd, data, DATAGRAM, 0) < 0 || recv(fd, data, DATAGRAM, 0) < 0)
			fail("echo");
	close(fd);
}

static void bursts(unsigned int count)
{
	int fd = connected(SOCK_DGRAM, PORT + 1);

	for (unsigned int i = 0; i < count; i++) {
		for (unsigned int j = 1; j <= BURST; j++) {
			data[0] = j == BURST ? '!' : 0;
			if (send(fd, data, DATAGRAM, 0) < 0)
				fail("burst");
		}
		if (recv(fd, data, 1, 0) != 1)
			fail("burst's answer");
	}
	close(fd);
}

static void stream(unsigned int count)
{
	int fd = connected(SOCK_STREAM, PORT + 2);

	for (unsigned int i = 0; i < count; i++)
		for (size_t at = 0; at < SEGMENT;) {
			ssize_t n = write(fd, data + at, SEGMENT - at);

			if (n < 0)
				fail("stream");
			at += (size_t)n;
		}
	shutdown(fd, SHUT_WR);
	if (read(fd, data, 1) != 1)
		fail("stream's answer");
	close(fd);
}

static void work(char what)
{
	switch (what) {
	case 'r':
		return reads(number("reads"), 1);
	case 'R':
		return reads(number("reads"), DEPTH);
	case 'e':
		return echoes(number("echoes"));
	case 'b':
		return bursts(number("bursts"));
	case 's':
		return stream(number("segments"));
	default:
		fail("no such work");
	}
}

int main(void)
{
	static const char done = '\x06'; /* ACK: in no text */
	struct termios t;
	char what;

	kmsg = open("/dev/kmsg", O_WRONLY);
	if (kmsg < 0) {
		mount("dev", "/dev", "devtmpfs", 0, NULL);
		kmsg = open("/dev/kmsg", O_WRONLY);
	}
	say("init");
	if (getenv("net"))
		card_up();
	if (tcgetattr(STDIN_FILENO, &t))
		fail("console");
	cfmakeraw(&t);
	tcsetattr(STDIN_FILENO, TCSANOW, &t);
	for (;;) {
		if (write(STDOUT_FILENO, &done, 1) != 1 || read(STDIN_FILENO, &what, 1) != 1)
			fail("console");
		work(what);
	}
}

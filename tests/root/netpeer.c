/* SPDX-License-Identifier: MIT */
/*
 * Two of these talk to each other over a network, and check every byte. As PID 1
 * of a guest (the kernel hands "key=value" words of its command line over as
 * variables) or as a program with the same variables in its environment:
 *
 *   role=server | client   the client says what happens, and when it is over
 *   net=ADDRESS            ours, given to eth0 if we are PID 1 (24 bits); where a
 *                          server listens, else at all addresses
 *   peer=ADDRESS           the server's, for the client
 *   rounds=N               how often the client does it all (1); before each but
 *                          the first the driver is unloaded and loaded again
 *   pairs=N                queue pairs the driver should use
 *   bench=1                instead of rounds: how long packets take (make bench-net)
 *
 * A round: datagrams of every size up to the MTU, echoed; TCP, a MiB each
 * way at once, first on one connection, then on four.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#define PORT	   7 /* echo; the two behind it only take */
#define TCP_BYTES  (1u << 20)
#define UDP_MAX	   1472u
#define CARD	   "eth0"
#define PATIENCE_S 60

static const char *role = "client";

static void say(const char *fmt, ...)
{
	char text[256];
	va_list args;
	int n = snprintf(text, sizeof(text), "net: ");

	va_start(args, fmt);
	n += vsnprintf(text + n, sizeof(text) - (size_t)n - 1, fmt, args);
	va_end(args);
	text[n++] = '\n';
	if (write(STDOUT_FILENO, text, (size_t)n) < 0)
		_exit(1);
}

static _Noreturn void leave(int code)
{
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	_exit(code);
}

static _Noreturn void fail(const char *what)
{
	say("%s FAILED: %s (%s)", role, what, strerror(errno));
	leave(1);
}

/* --- the machine around us, as PID 1 --- */

static const char *const modules[] = { "failover", "net_failover", "virtio_net" };

static void load_modules(void)
{
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/modules/%s.ko", modules[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		/* A kernel that has them built in needs none. */
		if (fd < 0)
			continue;
		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			fail(path);
		close(fd);
	}
}

static void unload_driver(void)
{
	if (syscall(SYS_delete_module, "virtio_net", 0))
		fail("unload the driver");
}

static int control(unsigned long request, struct ifreq *r)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int ret = ioctl(fd, request, r);

	close(fd);
	return ret;
}

static void set_pairs(unsigned int pairs)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq r = { .ifr_name = CARD, .ifr_data = (void *)&c };

	if (control(SIOCETHTOOL, &r))
		fail("ask for channels");
	say("%s has %u pairs of %u", role, c.combined_count, c.max_combined);
	c.cmd = ETHTOOL_SCHANNELS;
	c.combined_count = pairs;
	if (control(SIOCETHTOOL, &r))
		fail("set channels");
}

static void bring_up(void)
{
	struct ifreq r = { .ifr_name = CARD };
	struct sockaddr_in *a = (struct sockaddr_in *)(void *)&r.ifr_addr;
	const char *pairs = getenv("pairs");

	load_modules();
	for (int i = 0; control(SIOCGIFFLAGS, &r); i++) {
		if (i == 100)
			fail("no network card");
		usleep(100 * 1000);
	}
	if (control(SIOCGIFHWADDR, &r))
		fail("address of the card");
	say("%s card %02x:%02x:%02x:%02x:%02x:%02x", role, (uint8_t)r.ifr_hwaddr.sa_data[0],
	    (uint8_t)r.ifr_hwaddr.sa_data[1], (uint8_t)r.ifr_hwaddr.sa_data[2],
	    (uint8_t)r.ifr_hwaddr.sa_data[3], (uint8_t)r.ifr_hwaddr.sa_data[4],
	    (uint8_t)r.ifr_hwaddr.sa_data[5]);
	if (pairs)
		set_pairs((unsigned int)atoi(pairs));
	memset(a, 0, sizeof(*a));
	a->sin_family = AF_INET;
	inet_pton(AF_INET, getenv("net"), &a->sin_addr);
	if (control(SIOCSIFADDR, &r))
		fail("set our address");
	inet_pton(AF_INET, "255.255.255.0", &a->sin_addr);
	if (control(SIOCSIFNETMASK, &r))
		fail("set the mask");
	if (control(SIOCGIFFLAGS, &r))
		fail("flags");
	r.ifr_flags |= IFF_UP;
	if (control(SIOCSIFFLAGS, &r))
		fail("set the card up");
}

/* --- what goes over the wire --- */

static uint8_t pattern(uint64_t at, unsigned int seed)
{
	return (uint8_t)(at * 167 + (at >> 8) * 13 + (at >> 16) + seed);
}

static void fill(uint8_t *to, size_t n, uint64_t at, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		to[i] = pattern(at + i, seed);
}

static bool same(const uint8_t *p, size_t n, uint64_t at, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(at + i, seed))
			return false;
	return true;
}

static struct sockaddr_in place(const char *address, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (address && inet_pton(AF_INET, address, &a.sin_addr) != 1)
		fail("not an address");
	return a;
}

/* TCP_BYTES out and in at once; each side checks what the other one writes. */
static void exchange(int fd, unsigned int mine, unsigned int theirs)
{
	static uint8_t out[65536], in[65536];
	uint64_t sent = 0, got = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (sent < TCP_BYTES || got < TCP_BYTES) {
		struct pollfd p = { .fd = fd, .events = POLLIN | (sent < TCP_BYTES ? POLLOUT : 0) };
		ssize_t n;

		if (poll(&p, 1, PATIENCE_S * 1000) != 1)
			fail("TCP stands still");
		if (p.revents & POLLOUT) {
			size_t want = TCP_BYTES - sent;

			want = want < sizeof(out) ? want : sizeof(out);
			fill(out, want, sent, mine);
			n = write(fd, out, want);
			if (n < 0 && errno != EAGAIN)
				fail("TCP write");
			sent += n > 0 ? (uint64_t)n : 0;
		}
		if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
			n = read(fd, in, sizeof(in));
			if (n < 0 && errno == EAGAIN)
				continue;
			if (n <= 0)
				fail("TCP read");
			if (!same(in, (size_t)n, got, theirs))
				fail("TCP bytes are wrong");
			got += (uint64_t)n;
		}
	}
	/* The other end has all of it before we go. */
	shutdown(fd, SHUT_WR);
	fcntl(fd, F_SETFL, 0);
	if (read(fd, in, 1) != 0)
		fail("TCP end");
	close(fd);
}

/* --- make bench-net --- */

#define BENCH_ECHOES  1000u
#define BENCH_BURSTS  100u
#define BENCH_BURST   32u
#define BENCH_BYTES   (16u << 20)
#define BENCH_SEGMENT 65536u

/* Take what comes; a datagram that begins with "!" and the end of a stream are answered. */
static void take(void)
{
	static uint8_t data[BENCH_SEGMENT];
	struct sockaddr_in udp = place(getenv("net"), PORT + 1);
	struct sockaddr_in tcp = place(getenv("net"), PORT + 2);
	int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1, stream = -1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(datagrams, (struct sockaddr *)&udp, sizeof(udp)) ||
	    bind(listener, (struct sockaddr *)&tcp, sizeof(tcp)) || listen(listener, 1))
		fail("listen");
	for (;;) {
		struct pollfd p[] = { { datagrams, POLLIN, 0 },
				      { stream < 0 ? listener : stream, POLLIN, 0 } };
		struct sockaddr_in from;
		socklen_t length = sizeof(from);

		poll(p, 2, -1);
		if (p[0].revents &&
		    recvfrom(datagrams, data, sizeof(data), 0, (struct sockaddr *)&from, &length) >
			    0 &&
		    data[0] == '!')
			sendto(datagrams, data, 1, 0, (struct sockaddr *)&from, length);
		if (p[1].revents && stream < 0) {
			stream = accept(listener, NULL, NULL);
		} else if (p[1].revents && read(stream, data, sizeof(data)) <= 0) {
			if (write(stream, "!", 1) != 1)
				fail("answer");
			close(stream);
			stream = -1;
		}
	}
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int connected(int type, int port)
{
	struct sockaddr_in a = place(getenv("peer"), port);
	int fd = socket(AF_INET, type, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		fail("connect");
	return fd;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void bench(void)
{
	static uint8_t data[BENCH_SEGMENT];
	static uint64_t trip[BENCH_ECHOES];
	int echoes = connected(SOCK_DGRAM, PORT), taken = connected(SOCK_DGRAM, PORT + 1);
	int stream = connected(SOCK_STREAM, PORT + 2);
	uint64_t start;

	for (unsigned int i = 0; i < BENCH_ECHOES; i++) {
		start = now_ns();
		if (send(echoes, data, UDP_MAX, 0) < 0 || recv(echoes, data, UDP_MAX, 0) < 0)
			fail("echo");
		trip[i] = now_ns() - start;
	}
	qsort(trip, BENCH_ECHOES, sizeof(trip[0]), compare);
	say("bench echo %llu ns a packet (fastest %llu, one in ten above %llu, slowest %llu)",
	    (unsigned long long)trip[BENCH_ECHOES / 2] / 2, (unsigned long long)trip[0] / 2,
	    (unsigned long long)trip[BENCH_ECHOES * 9 / 10] / 2,
	    (unsigned long long)trip[BENCH_ECHOES - 1] / 2);

	start = now_ns();
	for (unsigned int i = 0; i < BENCH_BURSTS; i++) {
		for (unsigned int j = 1; j <= BENCH_BURST; j++) {
			data[0] = j == BENCH_BURST ? '!' : 0;
			if (send(taken, data, UDP_MAX, 0) < 0)
				fail("burst");
		}
		if (recv(taken, data, 1, 0) != 1)
			fail("burst's answer");
	}
	say("bench burst %llu ns a packet",
	    (unsigned long long)(now_ns() - start) / (BENCH_BURSTS * BENCH_BURST));

	start = now_ns();
	for (unsigned int i = 0; i < BENCH_BYTES / BENCH_SEGMENT; i++)
		for (size_t at = 0; at < BENCH_SEGMENT;) {
			ssize_t n = write(stream, data + at, BENCH_SEGMENT - at);

			if (n < 0)
				fail("stream");
			at += (size_t)n;
		}
	shutdown(stream, SHUT_WR);
	if (read(stream, data, 1) != 1)
		fail("stream's answer");
	say("bench stream %llu ns a segment",
	    (unsigned long long)(now_ns() - start) / (BENCH_BYTES / BENCH_SEGMENT));
}

/* --- the server: a process for each connection, until a datagram says "bye" --- */

static void serve_tcp(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		fail("accept");
	if (fork() == 0) {
		exchange(fd, 2, 1);
		_exit(0);
	}
	close(fd);
}

static void serve(void)
{
	struct sockaddr_in us = place(getenv("net"), PORT);
	int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(datagrams, (struct sockaddr *)&us, sizeof(us)) ||
	    bind(listener, (struct sockaddr *)&us, sizeof(us)) || listen(listener, 8))
		fail("listen");
	if (getenv("bench") && fork() == 0)
		take();
	say("server ready");
	for (;;) {
		struct pollfd p[] = { { datagrams, POLLIN, 0 }, { listener, POLLIN, 0 } };
		struct sockaddr_in from;
		socklen_t length = sizeof(from);
		uint8_t data[UDP_MAX];
		ssize_t n;

		poll(p, 2, -1);
		if (p[1].revents)
			serve_tcp(listener);
		if (!p[0].revents)
			continue;
		n = recvfrom(datagrams, data, sizeof(data), 0, (struct sockaddr *)&from, &length);
		if (n < 0)
			continue;
		sendto(datagrams, data, (size_t)n, 0, (struct sockaddr *)&from, length);
		if (n == 3 && memcmp(data, "bye", 3) == 0)
			break;
	}
	while (!getenv("bench") && wait(NULL) > 0)
		;
	/* Time for the answer to leave, before the card goes. */
	sleep(1);
	say("server done");
}

/* --- the client --- */

/* Sent until it comes back: datagrams may be lost, but not changed. */
static void echo(int fd, const uint8_t *data, size_t n, unsigned int *again)
{
	uint8_t back[UDP_MAX];

	for (int i = 0; i < PATIENCE_S; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		send(fd, data, n, 0);
		while (poll(&p, 1, 1000) == 1) {
			ssize_t got = recv(fd, back, sizeof(back), 0);

			/* The server may not be there yet; an older answer may be. */
			if (got < 0 || (size_t)got != n)
				continue;
			if (memcmp(back, data, n))
				fail("datagram is wrong");
			return;
		}
		++*again;
	}
	fail("no answer to a datagram");
}

static void ask_tcp(const struct sockaddr_in *server)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (const struct sockaddr *)server, sizeof(*server)))
		fail("connect");
	exchange(fd, 1, 2);
}

static void ask_tcp_at_once(const struct sockaddr_in *server, int connections)
{
	int status;

	for (int i = 0; i < connections; i++) {
		if (fork() == 0) {
			ask_tcp(server);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		if (status)
			fail("a connection");
}

static void ask(const struct sockaddr_in *server)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t data[UDP_MAX];
	unsigned int again = 0;

	if (connect(fd, (const struct sockaddr *)server, sizeof(*server)))
		fail("datagram socket");
	for (size_t n = 4; n <= UDP_MAX; n += 61) {
		fill(data, n, 0, (unsigned int)n);
		echo(fd, data, n, &again);
	}
	fill(data, UDP_MAX, 0, 99);
	echo(fd, data, UDP_MAX, &again);
	say("ok datagrams (%u sent again)", again);
	ask_tcp(server);
	say("ok TCP, %u bytes each way", TCP_BYTES);
	ask_tcp_at_once(server, 4);
	say("ok TCP, four connections at once");
	close(fd);
}

static void say_bye(const struct sockaddr_in *server)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	unsigned int again = 0;

	if (connect(fd, (const struct sockaddr *)server, sizeof(*server)))
		fail("datagram socket");
	echo(fd, (const uint8_t *)"bye", 3, &again);
}

int main(void)
{
	bool first = getpid() == 1;
	const char *rounds = getenv("rounds");
	struct sockaddr_in server;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (getenv("role"))
		role = getenv("role");
	if (first) {
		mkdir("/dev", 0755);
		mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
		bring_up();
	}
	if (strcmp(role, "server") == 0) {
		serve();
		leave(0);
	}
	server = place(getenv("peer"), PORT);
	if (getenv("bench")) {
		/* Until the server is there, and each knows the other's address. */
		unsigned int again = 0;
		int fd = connected(SOCK_DGRAM, PORT);

		echo(fd, (const uint8_t *)"hello", 5, &again);
		close(fd);
		bench();
		rounds = "0";
	}
	for (int i = 0; i < (rounds ? atoi(rounds) : 1); i++) {
		if (first && i) {
			unload_driver();
			bring_up();
		}
		ask(&server);
		say("round %d done", i + 1);
	}
	say_bye(&server);
	say("client done");
	leave(0);
}

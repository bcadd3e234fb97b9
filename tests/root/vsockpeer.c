/* SPDX-License-Identifier: MIT */
/*
 * Both ends of virtio-vsock, and every byte is checked. As /init of a guest: calls the
 * host, is called by it, sends packets, finds nobody where nobody listens; then the
 * driver is unloaded and loaded, and it all happens again. In the root, started as
 * "rdinit=/test/vsockpeer": leaves the host's end behind and becomes the real init.
 */
#include <errno.h>
#include <fcntl.h>
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
#include <termios.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "tests/root/lib/beside.h"
#include "tests/root/lib/module.h"

#define ROUNDS	     2
#define BYTES	     (1u << 20) /* each way */
#define CALL_HOST    1000	/* ports: streams, */
#define CALL_GUEST   1001
#define PACKETS	     1002 /* packets, */
#define NOBODY	     1003
#define PACKET_COUNT 64u
#define PACKET_MAX   20000u /* more than one of the driver's buffers */
#define PATIENCE_S   60

static bool is_guest;

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (is_guest)
		printf("vsock: %s\n", text);
	else
		say("vsock: host: %s", text);
}

/* After all that was said is out. */
static _Noreturn void leave(void)
{
	tcdrain(STDOUT_FILENO);
	if (is_guest)
		reboot(RB_POWER_OFF);
	_exit(1);
}

static _Noreturn void fail(const char *what)
{
	tell("FAILED: %s (%s)", what, strerror(errno));
	leave();
}

/* --- sockets --- */

static struct sockaddr_vm address(unsigned int cid, unsigned int port)
{
	return (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
}

static int make_socket(int type)
{
	int fd = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static int listen_at(int type, unsigned int port)
{
	const struct sockaddr_vm a = address(VMADDR_CID_ANY, port);
	int fd = make_socket(type);

	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) || listen(fd, 4))
		fail("listen");
	return fd;
}

/* The one who called, and *cid is its number. */
static int answer(int listener, unsigned int *cid)
{
	struct sockaddr_vm a;
	socklen_t len = sizeof(a);
	int fd = accept(listener, (struct sockaddr *)&a, &len);

	if (fd < 0)
		fail("accept");
	*cid = a.svm_cid;
	return fd;
}

static int try_call(int type, unsigned int cid, unsigned int port)
{
	const struct sockaddr_vm a = address(cid, port);
	int fd = make_socket(type), error;

	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int call(int type, unsigned int cid, unsigned int port)
{
	int fd = try_call(type, cid, port);

	if (fd < 0)
		fail("connect");
	return fd;
}

/* --- bytes --- */

static uint8_t byte_at(size_t i, unsigned int seed)
{
	return (uint8_t)(i * 31 + (i >> 8) * 7 + seed * 101);
}

static void send_some(int fd, size_t *sent, unsigned int seed)
{
	uint8_t piece[30000];
	size_t n = BYTES - *sent < sizeof(piece) ? BYTES - *sent : sizeof(piece);
	ssize_t done;

	for (size_t i = 0; i < n; i++)
		piece[i] = byte_at(*sent + i, seed);
	done = send(fd, piece, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (done < 0 && errno != EAGAIN)
		fail("send");
	*sent += done > 0 ? (size_t)done : 0;
}

static void receive_some(int fd, size_t *received, unsigned int seed)
{
	uint8_t piece[30000];
	ssize_t n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN))
		fail("receive");
	for (ssize_t i = 0; i < n; i++) {
		if (piece[i] != byte_at(*received + (size_t)i, seed))
			fail("bytes that were not sent");
	}
	*received += n > 0 ? (size_t)n : 0;
}

/* BYTES each way at once; the other end has our @theirs as its @ours. */
static void exchange(int fd, unsigned int ours, unsigned int theirs)
{
	size_t sent = 0, received = 0;

	while (sent < BYTES || received < BYTES) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (sent < BYTES)
			p.events |= POLLOUT;
		if (poll(&p, 1, PATIENCE_S * 1000) != 1)
			fail("wait");
		if (p.revents & POLLOUT)
			send_some(fd, &sent, ours);
		if (p.revents & (POLLIN | POLLHUP | POLLERR))
			receive_some(fd, &received, theirs);
	}
	/* The last who closes has read everything. */
	shutdown(fd, SHUT_WR);
	if (recv(fd, &sent, 1, 0) != 0)
		fail("end");
	close(fd);
}

/* Each comes back as it was sent: as one. */
static void send_packets(int fd)
{
	static uint8_t there[PACKET_MAX], back[PACKET_MAX];

	for (unsigned int n = 1; n <= PACKET_COUNT; n++) {
		size_t size = (size_t)n * n * 4919 % PACKET_MAX + 1;

		for (size_t i = 0; i < size; i++)
			there[i] = byte_at(i, n);
		if (send(fd, there, size, MSG_NOSIGNAL) != (ssize_t)size ||
		    recv(fd, back, sizeof(back), 0) != (ssize_t)size || memcmp(there, back, size))
			fail("packet");
	}
	close(fd);
}

static void echo_packets(int fd)
{
	static uint8_t packet[PACKET_MAX];
	ssize_t n;

	while ((n = recv(fd, packet, sizeof(packet), 0)) > 0) {
		if (send(fd, packet, (size_t)n, MSG_NOSIGNAL) != n)
			fail("send a packet back");
	}
	if (n < 0)
		fail("receive a packet");
	close(fd);
}

/* --- the guest --- */

#define TRANSPORT "vmw_vsock_virtio_transport"

static void load(const char *module)
{
	char path[64];

	snprintf(path, sizeof(path), "/modules/%s.ko", module);
	if (module_load(path))
		fail(path);
}

/* What was closed may still wait for the other end's last word. */
static void unload(void)
{
	for (int i = 0; syscall(SYS_delete_module, TRANSPORT, 0); i++) {
		if (errno != EAGAIN || i == PATIENCE_S * 10)
			fail("unload the driver");
		usleep(100000);
	}
}

static unsigned int own_cid(void)
{
	int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	unsigned int cid = 0;

	if (fd < 0 || ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid))
		fail("own number");
	close(fd);
	return cid;
}

static void guest_round(unsigned int round)
{
	int listener = listen_at(SOCK_STREAM, CALL_GUEST);
	unsigned int cid;
	int fd;

	tell("guest is %u", own_cid());
	exchange(call(SOCK_STREAM, VMADDR_CID_HOST, CALL_HOST), round, round + 100);
	tell("ok guest calls host");
	fd = answer(listener, &cid);
	if (cid != VMADDR_CID_HOST)
		fail("somebody else than the host called");
	exchange(fd, round + 10, round + 110);
	close(listener);
	tell("ok host calls guest");
	send_packets(call(SOCK_SEQPACKET, VMADDR_CID_HOST, PACKETS));
	tell("ok packets");
	if (try_call(SOCK_STREAM, VMADDR_CID_HOST, NOBODY) >= 0 || errno != ECONNRESET)
		fail("nobody answered");
	tell("round %u done", round);
}

static _Noreturn void guest(void)
{
	is_guest = true;
	setvbuf(stdout, NULL, _IOLBF, 0);
	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	load("vsock");
	load("vmw_vsock_virtio_transport_common");
	load(TRANSPORT);
	guest_round(1);
	unload();
	load(TRANSPORT);
	guest_round(2);
	leave();
}

/* --- the host --- */

static void host(void)
{
	int streams = listen_at(SOCK_STREAM, CALL_HOST);
	int packets = listen_at(SOCK_SEQPACKET, PACKETS);
	unsigned int cid;

	for (unsigned int round = 1; round <= ROUNDS; round++) {
		int fd = answer(streams, &cid);

		tell("%u calls", cid);
		exchange(fd, round + 100, round);
		exchange(call(SOCK_STREAM, cid, CALL_GUEST), round + 110, round + 10);
		echo_packets(answer(packets, &cid));
		tell("round %u done", round);
	}
}

int main(int argc, char **argv)
{
	(void)argc;
	if (!strcmp(argv[0], "/init"))
		guest();
	return beside_init(host, argv);
}

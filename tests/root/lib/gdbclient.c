/* SPDX-License-Identifier: MIT */
#include "tests/root/lib/gdbclient.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DATA_MAX 4096

int gdb_connect(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	while (connect(fd, (struct sockaddr *)&a, sizeof(a)))
		usleep(10000);
	return fd;
}

void gdb_raw(int fd, char byte)
{
	if (write(fd, &byte, 1) != 1)
		printf("gdb: cannot write\n");
}

static void send_list(int fd, const char *format, va_list ap)
{
	char text[DATA_MAX + 8] = "$";
	unsigned int sum = 0;
	int n = 1;

	n += vsnprintf(text + 1, DATA_MAX, format, ap);
	for (int i = 1; i < n; i++)
		sum += (unsigned char)text[i];
	n += snprintf(text + n, 4, "#%02x", sum & 0xff);
	if (write(fd, text, (size_t)n) != n)
		printf("gdb: cannot write\n");
}

void gdb_send(int fd, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	send_list(fd, format, ap);
	va_end(ap);
}

const char *gdb_receive(int fd)
{
	static char data[DATA_MAX + 1];
	unsigned int told, sum = 0;
	char c, hex[3] = "";
	size_t n = 0;

	do {
		if (read(fd, &c, 1) != 1)
			return "";
	} while (c != '$');
	while (read(fd, &c, 1) == 1 && c != '#' && n < DATA_MAX) {
		data[n++] = c;
		sum += (unsigned char)c;
	}
	data[n] = '\0';
	if (read(fd, hex, 1) != 1 || read(fd, hex + 1, 1) != 1)
		return "";
	told = (unsigned int)strtoul(hex, NULL, 16);
	gdb_raw(fd, '+');
	return told == (sum & 0xff) ? data : "wrong sum";
}

const char *gdb_ask(int fd, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	send_list(fd, format, ap);
	va_end(ap);
	return gdb_receive(fd);
}

/* As bytes go, the lowest first. */
uint64_t gdb_register(int fd, unsigned int number)
{
	const char *hex = gdb_ask(fd, "p%x", number);
	uint64_t value = 0;
	unsigned int byte;

	for (unsigned int i = 0; i < 8 && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
		value |= (uint64_t)byte << 8 * i;
	return value;
}

void gdb_set_register(int fd, unsigned int number, uint64_t value)
{
	char hex[17];

	for (unsigned int i = 0; i < 8; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned int)(value >> 8 * i & 0xff));
	gdb_ask(fd, "P%x=%s", number, hex);
}

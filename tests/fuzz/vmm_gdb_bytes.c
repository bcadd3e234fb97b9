/* SPDX-License-Identifier: MIT */
/*
 * Any bytes to the debugger's connection. What is sent back must be packets that our own
 * reader takes; threads that do not exist must never be asked for (the rig looks).
 *
 * Input: what the peer sends. An unfinished packet is given its end, so that the fuzzer
 * need not learn sums: "$" DATA "\n" is "$" DATA "#xx". "\r" is the guest's next stop.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm_gdb_rig.h"

static struct rig rig;

/* Everything sent is an acknowledgement or a whole packet. */
static void check_sent(void)
{
	static struct packet_in in;

	memset(&in, 0, sizeof(in));
	for (size_t i = 0; i < rig.sent_bytes; i++) {
		enum packet_event e = packet_take(&in, (uint8_t)rig.sent[i]);

		if (e == PACKET_DAMAGED || e == PACKET_INTERRUPT)
			abort();
	}
	if (rig.sent_bytes < sizeof(rig.sent) - 1 && in.state != PACKET_IDLE)
		abort();
	rig.sent_bytes = 0;
}

static void feed_sum(uint8_t sum)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t end[] = { '#', (uint8_t)digits[sum >> 4], (uint8_t)digits[sum & 15] };

	gdb_feed(&rig.session, end, sizeof(end));
}

static void stop(uint8_t noise)
{
	const struct gdb_stop s = {
		.thread = noise % RIG_THREADS,
		.signal = noise & 2 ? GDB_SIGTRAP : GDB_SIGINT,
		.point = noise & 4,
		.kind = (enum gdb_point)(noise >> 3 & 3),
		.address = noise * 0x0123456789abcdefULL,
	};

	if (rig.session.running)
		gdb_stopped(&rig.session, &s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sum = 0;

	rig_init(&rig);
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n') {
			feed_sum(sum);
		} else if (data[i] == '\r') {
			stop((uint8_t)i);
		} else {
			sum = data[i] == '$' ? 0 : (uint8_t)(sum + data[i]);
			gdb_feed(&rig.session, data + i, 1);
		}
		check_sent();
	}
	gdb_exited(&rig.session, 10);
	check_sent();
	return 0;
}

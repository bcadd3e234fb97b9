/* SPDX-License-Identifier: MIT */
/*
 * The queue engine over arbitrary memory. The input is
 *
 *   byte 0     log2 of the ring's size, EVENT_IDX, indirect descriptors
 *   bytes 1-3  where the three rings are, in units of 16 bytes
 *   the rest   guest memory, repeated to fill it
 *
 * Memory is exactly as long as malloc gave it, so a step beyond is seen.
 * Between pops a byte of memory changes, as a guest may do. Checked besides:
 * what pop hands out lies in guest memory and adds up.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/virtio/queue.h"

#define MEMORY 8192u
#define IOV    64u
#define POPS   600u

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_chain(const struct memory *m, const struct virtq_chain *c)
{
	uint64_t sum[2] = { 0, 0 };

	check(c->read_count + c->write_count > 0);
	check(c->read_count + c->write_count <= c->iov_max);
	for (unsigned int i = 0; i < c->read_count + c->write_count; i++) {
		const uint8_t *at = c->iov[i].iov_base;
		uint64_t n = c->iov[i].iov_len;

		check(n > 0 && at >= m->region[0].host &&
		      at + n <= m->region[0].host + m->region[0].size);
		sum[i >= c->read_count] += n;
	}
	check(sum[0] == c->read_bytes && sum[1] == c->write_bytes);
}

/* What a device would do: read the readable part, fill the writable one. */
static void use_chain(struct virtq_chain *c)
{
	struct iovec *in = c->iov, *out = c->iov + c->read_count;
	unsigned int in_count = c->read_count, out_count = c->write_count;
	uint8_t buf[32] = { 0 };
	uint8_t *last = iov_cut_last(out, &out_count);

	if (last)
		*last = 1;
	check((last != NULL) == (c->write_count > 0));
	check(iov_take(&in, &in_count, buf, 16) == (c->read_bytes >= 16));
	if (iov_put(&out, &out_count, buf, sizeof(buf)))
		check(c->write_bytes > sizeof(buf));
}

int LLVMFuzzerTestOneInput(const uint8_t *in, size_t len)
{
	struct memory m = { .region_count = 1 };
	struct iovec iov[IOV];
	struct virtq_chain c = { .iov = iov, .iov_max = IOV };
	struct virtq q;
	uint16_t taken[1024];
	unsigned int held = 0;
	uint8_t *ram;

	if (len < 5)
		return 0;
	ram = malloc(MEMORY);
	for (size_t i = 0; i < MEMORY; i++)
		ram[i] = in[4 + i % (len - 4)];
	m.region[0] = (struct mem_region){ 0, MEMORY, ram };

	virtq_init(&q, &m, (uint16_t)(1u << (in[0] & 7)));
	q.event_idx = in[0] & 8;
	q.indirect = in[0] & 16;
	q.desc_gpa = gpa(in[1] * 16u);
	q.avail_gpa = gpa(in[2] * 16u);
	q.used_gpa = gpa(in[3] * 16u);
	if (!virtq_enable(&q))
		goto out;

	for (unsigned int n = 0; n < POPS; n++) {
		int got = virtq_pop(&q, &c);

		check(got == 1 || got == 0 || got == -EPROTO);
		check((got == -EPROTO) == (q.broken != NULL));
		check(q.in_flight <= q.size);
		if (got < 0)
			break;
		if (got == 1) {
			check_chain(&m, &c);
			use_chain(&c);
			taken[held++] = c.head;
		}
		/* Give back now and then, more than one at a time. */
		if (got == 0 || held == q.size || n % 5 == 4) {
			while (held)
				virtq_push(&q, taken[--held], (uint32_t)n);
			virtq_should_interrupt(&q);
			virtq_listen(&q);
			virtq_quiet(&q);
		}
		/* The guest never sleeps. */
		ram[(n * 37 + in[n % len]) % MEMORY] = in[(n * 3 + 1) % len];
	}
out:
	free(ram);
	return 0;
}

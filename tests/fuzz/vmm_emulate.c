/* SPDX-License-Identifier: MIT */
/*
 * One instruction on a processor in any state, with any page tables and any
 * memory. The emulator may do what it likes inside the guest; it must return,
 * stay inside the guest's memory, and leave the registers alone when it says
 * that it did nothing.
 *
 * Input: struct fuzz_state, then the instruction (up to 16 bytes), then the
 * first bytes of RAM.
 */
#include <stdlib.h>
#include <string.h>

#include "vmm/insn/insn.h"

#define RAM_BYTES 0x8000U

struct fuzz_state {
	struct insn_cpu cpu;
	uint8_t insn_len;
	uint8_t insn[16];
	uint8_t ram_mirror; /* RAM repeats at every multiple of its size */
	uint8_t xcr0;
	uint8_t reserved[5];
};

static uint8_t *ram;
static bool mirror;

static void *bus_ram(void *arg, uint64_t gpa, uint64_t len)
{
	(void)arg;
	if (mirror)
		gpa %= 2 * RAM_BYTES; /* every other piece is a device */
	if (gpa >= RAM_BYTES || len > RAM_BYTES - gpa)
		return NULL;
	return ram + gpa;
}

static void check_size(unsigned int size)
{
	if (size != 1 && size != 2 && size != 4 && size != 8)
		abort();
}

static uint64_t bus_read(void *arg, uint64_t gpa, unsigned int size)
{
	(void)arg;
	check_size(size);
	return gpa * 0x9e3779b97f4a7c15ULL;
}

static void bus_write(void *arg, uint64_t gpa, unsigned int size, uint64_t val)
{
	(void)arg, (void)gpa, (void)val;
	check_size(size);
}

static uint64_t port_read(void *arg, uint16_t port, unsigned int size)
{
	(void)arg;
	check_size(size);
	return port;
}

static void port_write(void *arg, uint16_t port, unsigned int size, uint64_t val)
{
	(void)arg, (void)port, (void)val;
	check_size(size);
}

static struct insn_vectors vectors;
static bool vectors_given;

static bool vectors_get(void *arg, struct insn_vectors *v)
{
	(void)arg;
	vectors_given = true;
	*v = vectors;
	return true;
}

/* XCR0 is not the emulator's; it asked before it answers. */
static void vectors_put(void *arg, const struct insn_vectors *v)
{
	(void)arg;
	if (!vectors_given || v->xcr0 != vectors.xcr0)
		abort();
	vectors = *v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct insn_bus bus = {
		NULL, bus_ram, bus_read, bus_write, port_read, port_write, vectors_get, vectors_put,
	};
	struct insn_fault fault = { 0 };
	struct fuzz_state s;
	struct insn_cpu before;
	uint8_t bytes[16];

	if (size < sizeof(s))
		return -1;
	memcpy(&s, data, sizeof(s));
	/* Exactly so large, that the sanitizer sees what goes over. */
	ram = calloc(1, RAM_BYTES);
	if (!ram)
		return -1;
	memcpy(ram, data + sizeof(s), size - sizeof(s) < RAM_BYTES ? size - sizeof(s) : RAM_BYTES);
	mirror = s.ram_mirror & 1;
	s.cpu.cpl &= 3;
	before = s.cpu;
	memset(&vectors, 0x5a, sizeof(vectors));
	vectors.xcr0 = s.xcr0;
	vectors_given = false;
	memcpy(bytes, s.insn, sizeof(bytes));
	switch (insn_emulate(&s.cpu, &bus, bytes, s.insn_len % 17, &fault)) {
	case INSN_DONE:
		break;
	case INSN_TRAP:
		if (fault.vector != 1)
			abort();
		break;
	case INSN_FAULT:
		if (fault.vector > 31)
			abort();
		break;
	case INSN_UNKNOWN:
		if (memcmp(&before, &s.cpu, sizeof(before)))
			abort();
		break;
	}
	free(ram);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "vmm_insn_rig.h"

#include <string.h>
#include <sys/mman.h>

uint8_t *arena;
uint64_t last_port_value;

static void *world_ram(void *arg, uint64_t gpa, uint64_t len)
{
	struct world *w = arg;

	if (w->device || gpa < ARENA_BASE || gpa - ARENA_BASE > ARENA_SIZE ||
	    len > ARENA_SIZE - (gpa - ARENA_BASE))
		return NULL;
	return arena + (gpa - ARENA_BASE);
}

static uint64_t world_read(void *arg, uint64_t gpa, unsigned int size)
{
	struct world *w = arg;
	uint64_t val = 0;

	w->accesses++;
	if (gpa >= ARENA_BASE && gpa + size <= ARENA_BASE + ARENA_SIZE)
		memcpy(&val, arena + (gpa - ARENA_BASE), size);
	return val;
}

static void world_write(void *arg, uint64_t gpa, unsigned int size, uint64_t val)
{
	struct world *w = arg;

	w->accesses++;
	if (gpa >= ARENA_BASE && gpa + size <= ARENA_BASE + ARENA_SIZE)
		memcpy(arena + (gpa - ARENA_BASE), &val, size);
}

static uint64_t port_read(void *arg, uint16_t port, unsigned int size)
{
	(void)arg;
	return 0x11223344U + port + size;
}

static void port_write(void *arg, uint16_t port, unsigned int size, uint64_t val)
{
	(void)arg;
	last_port_value = (uint64_t)port << 40 | (uint64_t)size << 32 | val;
}

struct insn_vectors vectors;

static bool vectors_get(void *arg, struct insn_vectors *v)
{
	(void)arg;
	*v = vectors;
	return true;
}

static void vectors_put(void *arg, const struct insn_vectors *v)
{
	(void)arg;
	vectors = *v;
}

struct insn_bus world_bus(struct world *w)
{
	return (struct insn_bus){
		.arg = w,
		.ram = world_ram,
		.mmio_read = world_read,
		.mmio_write = world_write,
		.port_read = port_read,
		.port_write = port_write,
		.vectors_get = vectors_get,
		.vectors_put = vectors_put,
	};
}

struct insn_cpu long_mode(void)
{
	struct insn_cpu c = { .cr0 = CR0_PE, .efer = EFER_LMA, .rflags = 2 };

	c.segment[SEG_CS].attributes = 0xa09b;
	return c;
}

void store32(uint64_t at, uint32_t v)
{
	memcpy(arena + (at - ARENA_BASE), &v, sizeof(v));
}

uint32_t load32(uint64_t at)
{
	uint32_t v;

	memcpy(&v, arena + (at - ARENA_BASE), sizeof(v));
	return v;
}

void entry64(uint64_t table, unsigned int i, uint64_t v)
{
	memcpy(arena + (table - ARENA_BASE) + 8 * i, &v, sizeof(v));
}

uint64_t get64(uint64_t table, unsigned int i)
{
	uint64_t v;

	memcpy(&v, arena + (table - ARENA_BASE) + 8 * i, sizeof(v));
	return v;
}

struct insn_cpu paged(void)
{
	struct insn_cpu c = long_mode();

	memset(arena, 0, ARENA_SIZE);
	entry64(PML4, 0, PDPT | 7);
	entry64(PDPT, 0, PD | 7);
	entry64(PD, 0, PT | 7);
	entry64(PT, 1, DATA0 | 7);
	entry64(PT, 2, DATA1 | 7);
	c.cr0 |= CR0_PG | CR0_WP;
	c.cr4 = CR4_PAE;
	c.cr3 = PML4;
	return c;
}

enum insn_result run(struct insn_cpu *c, const uint8_t *code, unsigned int len,
		     struct insn_fault *fault)
{
	struct world w = { 0 };
	struct insn_bus bus = world_bus(&w);

	memset(fault, 0, sizeof(*fault));
	return insn_emulate(c, &bus, code, len, fault);
}

int arena_set_up(void **state)
{
	(void)state;
	arena = mmap((void *)ARENA_BASE, ARENA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	return arena == (uint8_t *)ARENA_BASE ? 0 : -1;
}

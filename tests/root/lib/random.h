/* SPDX-License-Identifier: MIT */
/* Random numbers that a seed brings back, for the fuzzers. Also for freestanding programs. */
#ifndef TESTS_ROOT_LIB_RANDOM_H
#define TESTS_ROOT_LIB_RANDOM_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood). */
static inline uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* 0 … n - 1 */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)((rng_next(r) >> 32) * n >> 32);
}

/* Once in n. */
static inline int rng_one_in(struct rng *r, uint32_t n)
{
	return rng_below(r, n) == 0;
}

/* Small numbers, single bits, limits and noise, which is what breaks things. */
static inline uint64_t rng_odd(struct rng *r)
{
	switch (rng_below(r, 6)) {
	case 0:
		return rng_below(r, 16);
	case 1:
		return 1ull << rng_below(r, 64);
	case 2:
		return (1ull << rng_below(r, 64)) - 1;
	case 3:
		return ~(uint64_t)rng_below(r, 16);
	case 4:
		return rng_next(r) & 0xffffffff;
	default:
		return rng_next(r);
	}
}

#define RNG_PICK(r, array) ((array)[rng_below(r, sizeof(array) / sizeof((array)[0]))])

#endif

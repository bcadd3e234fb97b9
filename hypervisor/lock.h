/* SPDX-License-Identifier: MIT */
/*
 * Spin locks. The hypervisor runs with GIF clear and is never interrupted, so
 * a lock is only ever waited for by another processor. A waiter that might
 * itself be waited for by a TLB shoot-down must not hold this processor "in
 * guest" (see hv/gpa.c). Lock order: docs/ARCHITECTURE.md, "Lock order".
 */
#ifndef HYPERVISOR_LOCK_H
#define HYPERVISOR_LOCK_H

#include "base/base.h"

struct lock {
	volatile uint32_t held;
};

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline void lock_take(struct lock *l)
{
	while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE))
		while (l->held)
			cpu_relax();
}

static inline bool lock_try(struct lock *l)
{
	return !__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE);
}

static inline void lock_drop(struct lock *l)
{
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

static inline struct lock *lock_enter(struct lock *l)
{
	lock_take(l);
	return l;
}

static inline void lock_leave(struct lock **l)
{
	lock_drop(*l);
}

/* Take @lock_ and hold it to the end of the block, whichever way that is left. */
#define lock_scope(lock_) lock_scope_at(lock_, __LINE__)
#define lock_scope_at(lock_, line_) lock_scope_named(lock_, line_)
#define lock_scope_named(lock_, line_) \
	__maybe_unused __attribute__((cleanup(lock_leave))) struct lock *lock_held_##line_ = \
		lock_enter(lock_)

#endif

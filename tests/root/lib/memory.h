/* SPDX-License-Identifier: MIT */
/* Looking for leaks from inside the root; for the test programs in tests/root/. */
#ifndef TESTS_ROOT_MEMORY_H
#define TESTS_ROOT_MEMORY_H

/* In pages. */
struct memory {
	long free;   /* also those each processor keeps to itself */
	long stores; /* slabs, page tables, vmalloc (stacks too), per-CPU memory */
};

/*
 * What the kernel's stores may grow by, once, whatever is done: a second chunk of
 * per-CPU memory brings a 2 MiB array for control groups (struct pcpuobj_ext).
 */
#define MEMORY_GROWTH 600

/*
 * Memory once what can be given back has been: waits until partitions of dead
 * processes are taken apart and drops the kernel's caches. Takes three seconds;
 * needs /proc; 0, or -1 if the kernel does not say.
 */
int memory_look(struct memory *m);

/* Pages gone between two looks that are not in the kernel's stores either. */
long memory_lost(const struct memory *before, const struct memory *after);

/* Pages by which the kernel's stores grew. */
long memory_grown(const struct memory *before, const struct memory *after);

#endif

/* SPDX-License-Identifier: MIT */
/* Looking for leaks from inside the root; for the test programs in tests/root/. */
#ifndef TESTS_ROOT_MEMORY_H
#define TESTS_ROOT_MEMORY_H

/*
 * Free memory in pages, once what can be given back has been: waits until
 * partitions of dead processes are taken apart, drops the kernel's caches, and
 * counts the free pages each processor keeps to itself (several MiB, which
 * MemFree in /proc/meminfo leaves out).  Takes two seconds; -1 if the kernel does
 * not say.  Needs /proc.
 */
long memory_free_pages(void);

#endif

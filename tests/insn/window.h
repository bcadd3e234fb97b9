/* SPDX-License-Identifier: MIT */
/*
 * A device that is memory: RAM once more, WINDOW_BASE above where it is. Only the
 * VMM that tests/fake/window.c is linked into has it (out/test/vmm-window).
 */
#ifndef TESTS_INSN_WINDOW_H
#define TESTS_INSN_WINDOW_H

#define WINDOW_BASE 0xc8000000 /* between RAM and what PCI may use */
#define WINDOW_SIZE 0x01000000

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The two ways out for text: QEMU's debug port (0x402) and the first serial
 * port, which is the root's once the root runs (panic takes it back).
 */
#ifndef HYPERVISOR_HW_UART_H
#define HYPERVISOR_HW_UART_H

#include "base/base.h"

/* Find out which of them exist. */
void uart_init(void);
void uart_debug(char c);
void uart_serial(char c);

#endif

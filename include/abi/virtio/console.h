/* SPDX-License-Identifier: MIT */
/*
 * Console device. Virtio 1.2, "Console Device". One port, without any feature.
 */
#ifndef ABI_VIRTIO_CONSOLE_H
#define ABI_VIRTIO_CONSOLE_H

/* "Virtqueues" of port 0 */
#define VIRTIO_CONSOLE_RECEIVE	0 /* the guest reads */
#define VIRTIO_CONSOLE_TRANSMIT 1 /* the guest writes */

#endif

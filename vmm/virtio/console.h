/* SPDX-License-Identifier: MIT */
/*
 * virtio-console: the same streams as the serial port's, a line at a time instead
 * of a byte. While its driver works, what is typed goes here.
 */
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

struct device_kind;

extern const struct device_kind virtio_console_device;

#endif

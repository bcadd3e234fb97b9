/* SPDX-License-Identifier: MIT */
/* virtio-rng: random bytes of the host's, for guests whose processor has none to give. */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

struct device_kind;

extern const struct device_kind virtio_rng_device;

#endif

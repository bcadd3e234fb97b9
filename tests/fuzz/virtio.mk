# SPDX-License-Identifier: MIT
# Fuzz targets of vmm/virtio/ and the PCI part of vmm/dev/.

virtio_fuzz_src := tests/fuzz/virtio_stubs.c tests/fuzz/virtio_driver.c vmm/bus.c vmm/log.c vmm/memory.c \
	vmm/dev/pci_config.c vmm/dev/pci_host.c vmm/dev/pci_msix.c vmm/dev/reset.c \
	vmm/virtio/queue.c vmm/virtio/device.c vmm/virtio/pci.c

fuzz_targets += virtqueue
virtqueue_src := tests/fuzz/virtqueue.c vmm/virtio/queue.c vmm/memory.c

fuzz_targets += virtio_device
virtio_device_src := tests/fuzz/virtio_device.c $(virtio_fuzz_src) vmm/virtio/blk.c \
	vmm/virtio/blk_request.c vmm/rate.c
virtio_device_inc := -Itests/fuzz

fuzz_targets += pci_config
pci_config_src := tests/fuzz/pci_config.c $(virtio_fuzz_src)
pci_config_inc := -Itests/fuzz

fuzz_targets += virtio_net_device
virtio_net_device_src := tests/fuzz/virtio_net_device.c $(virtio_fuzz_src) vmm/virtio/net.c \
	vmm/virtio/net_path.c vmm/virtio/net_control.c vmm/virtio/net_vhost.c vmm/virtio/vhost.c \
	vmm/rate.c lib/mac.c lib/conf.c
virtio_net_device_inc := -Itests/fuzz

fuzz_targets += virtio_small_device
virtio_small_device_src := tests/fuzz/virtio_small_device.c $(virtio_fuzz_src) \
	vmm/virtio/rng.c vmm/virtio/console.c vmm/virtio/balloon.c
virtio_small_device_inc := -Itests/fuzz

# vhost-vsock is in the target.
fuzz_targets += virtio_vsock_device
virtio_vsock_device_src := tests/fuzz/virtio_vsock_device.c $(virtio_fuzz_src) \
	vmm/virtio/vsock.c vmm/virtio/vhost.c
virtio_vsock_device_inc := -Itests/fuzz
virtio_vsock_device_ldflags := -Wl,--wrap=open -Wl,--wrap=open64 -Wl,--wrap=ioctl

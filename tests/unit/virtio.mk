# SPDX-License-Identifier: MIT
# Unit tests of vmm/virtio/, vmm/backend/ and the PCI part of vmm/dev/.

virtio_rig_src := tests/unit/virtio_rig.c vmm/bus.c vmm/log.c vmm/loop.c vmm/memory.c \
	vmm/dev/pci_config.c vmm/dev/pci_host.c vmm/dev/pci_msix.c \
	vmm/dev/reset.c

unit_tests += virtio_queue
virtio_queue_src := tests/unit/virtio_queue.c vmm/virtio/queue.c vmm/memory.c

unit_tests += virtio_pci_config
virtio_pci_config_src := tests/unit/virtio_pci_config.c $(virtio_rig_src)
virtio_pci_config_inc := -Itests/unit

unit_tests += virtio_transport
virtio_transport_src := tests/unit/virtio_transport.c $(virtio_rig_src) \
	vmm/virtio/queue.c vmm/virtio/device.c vmm/virtio/pci.c
virtio_transport_inc := -Itests/unit

unit_tests += virtio_blk
virtio_blk_src := tests/unit/virtio_blk.c $(virtio_rig_src) vmm/virtio/queue.c \
	vmm/virtio/device.c vmm/virtio/pci.c vmm/virtio/blk.c vmm/backend/disk.c vmm/thread.c
virtio_blk_inc := -Itests/unit

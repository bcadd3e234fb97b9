# SPDX-License-Identifier: MIT
# Unit tests of vmm/virtio/, vmm/backend/ and the PCI part of vmm/dev/.

# What begins a thread.
vmm_thread_all := vmm/thread.c vmm/sandbox/filter.c

virtio_rig_src := tests/unit/virtio_rig.c vmm/bus.c vmm/log.c vmm/loop.c vmm/memory.c \
	vmm/dev/pci_config.c vmm/dev/pci_host.c vmm/dev/pci_msix.c \
	vmm/dev/reset.c

virtio_queue_all := tests/unit/virtio_queue_rig.c vmm/virtio/queue.c vmm/memory.c

unit_tests += virtio_queue
virtio_queue_src := tests/unit/virtio_queue.c $(virtio_queue_all)

unit_tests += virtio_queue_hostile
virtio_queue_hostile_src := tests/unit/virtio_queue_hostile.c $(virtio_queue_all)

unit_tests += virtio_pci_config
virtio_pci_config_src := tests/unit/virtio_pci_config.c $(virtio_rig_src)
virtio_pci_config_inc := -Itests/unit

virtio_transport_all := tests/unit/virtio_transport_rig.c $(virtio_rig_src) \
	vmm/virtio/queue.c vmm/virtio/device.c vmm/virtio/pci.c

unit_tests += virtio_transport
virtio_transport_src := tests/unit/virtio_transport.c $(virtio_transport_all)
virtio_transport_inc := -Itests/unit

unit_tests += virtio_transport_faults
virtio_transport_faults_src := tests/unit/virtio_transport_faults.c $(virtio_transport_all)
virtio_transport_faults_inc := -Itests/unit

virtio_blk_all := tests/unit/virtio_blk_rig.c $(virtio_rig_src) vmm/virtio/queue.c \
	vmm/virtio/device.c vmm/virtio/pci.c vmm/virtio/blk.c vmm/virtio/blk_request.c \
	vmm/backend/disk.c vmm/rate.c vmm/ring.c $(vmm_thread_all)

unit_tests += virtio_blk
virtio_blk_src := tests/unit/virtio_blk.c $(virtio_blk_all)
virtio_blk_inc := -Itests/unit

unit_tests += virtio_blk_more
virtio_blk_more_src := tests/unit/virtio_blk_more.c $(virtio_blk_all)
virtio_blk_more_inc := -Itests/unit

unit_tests += virtio_blk_stress
virtio_blk_stress_src := tests/unit/virtio_blk_stress.c $(virtio_blk_all)
virtio_blk_stress_inc := -Itests/unit

unit_tests += vmm_ring
vmm_ring_src := tests/unit/vmm_ring.c vmm/ring.c vmm/log.c

unit_tests += vmm_disk
vmm_disk_src := tests/unit/vmm_disk.c vmm/backend/disk.c

unit_tests += virtio_small
virtio_small_src := tests/unit/virtio_small.c $(virtio_rig_src) vmm/virtio/queue.c \
	vmm/virtio/device.c vmm/virtio/pci.c vmm/virtio/rng.c vmm/virtio/balloon.c
virtio_small_inc := -Itests/unit
virtio_small_ldflags := -Wl,--wrap=madvise

# The device, and a driver for it; the tap is a socket pair.
virtio_net_dev := vmm/virtio/net.c vmm/virtio/net_path.c vmm/virtio/net_control.c \
	vmm/virtio/net_vhost.c vmm/virtio/vhost.c vmm/rate.c $(vmm_thread_all) \
	lib/mac.c lib/conf.c
virtio_net_all := tests/unit/virtio_net_rig.c tests/unit/virtio_net_tap.c $(virtio_rig_src) \
	vmm/virtio/queue.c vmm/virtio/device.c vmm/virtio/pci.c $(virtio_net_dev)

unit_tests += virtio_net
virtio_net_src := tests/unit/virtio_net.c $(virtio_net_all)
virtio_net_inc := -Itests/unit

unit_tests += virtio_net_hostile
virtio_net_hostile_src := tests/unit/virtio_net_hostile.c $(virtio_net_all)
virtio_net_hostile_inc := -Itests/unit
virtio_net_hostile_ldflags := -Wl,--wrap=log_print

# vhost-net is a list in the test.
unit_tests += virtio_net_vhost
virtio_net_vhost_src := tests/unit/virtio_net_vhost.c $(virtio_net_all)
virtio_net_vhost_inc := -Itests/unit
virtio_net_vhost_ldflags := -Wl,--wrap=open -Wl,--wrap=open64 -Wl,--wrap=ioctl

unit_tests += virtio_console
virtio_console_src := tests/unit/virtio_console.c $(virtio_rig_src) vmm/virtio/queue.c \
	vmm/virtio/device.c vmm/virtio/pci.c vmm/virtio/console.c vmm/console.c $(vmm_thread_all)
virtio_console_inc := -Itests/unit

# vhost-vsock is a list in the test.
unit_tests += virtio_vsock
virtio_vsock_src := tests/unit/virtio_vsock.c $(virtio_rig_src) vmm/virtio/queue.c \
	vmm/virtio/device.c vmm/virtio/pci.c vmm/virtio/vhost.c vmm/virtio/vsock.c
virtio_vsock_inc := -Itests/unit
virtio_vsock_ldflags := -Wl,--wrap=open -Wl,--wrap=open64 -Wl,--wrap=ioctl

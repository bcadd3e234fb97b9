# SPDX-License-Identifier: MIT
# Programs nobody here wrote, above our hypervisor (tests/peers/README.md).
#
#   $(PEERS)/qemu.img   a disk with Debian's QEMU, what it needs and what it boots
#   make check-peers    the machine tests whose name begins with "qemu-"

PEERS := $(O)/peers

peer_names := $(shell awk '/^peer-/ { print $$1 }' tools/sources.lock)
peer_debs  := $(peer_names:%=$(O)/src/%.deb)

$(foreach n,$(peer_names),$(eval $(call fetch_rule,$(n),$(O)/src/$(n).deb,)))

# The guest of the machine test "debian", with virtio-net besides: modules are
# loaded in the order of their names, which is the one that these need.
peer_modules := failover net_failover virtio_blk virtio_net

$(PEERS)/modules.list: mk/peers.mk
	$(Q)mkdir -p $(@D) && { for m in $(peer_modules); do \
		echo "file /modules/$$m.ko $(GUEST)/debian/$$m.ko 644"; done; } >$@

$(PEERS)/initramfs.cpio.gz: $(GUEST)/userland.list $(PEERS)/modules.list $(GUEST)/debian/.unpacked \
		guests/init guests/shrc $(BUSYBOX) tools/mkcpio.sh
	$(call say,CPIO,$@)tools/mkcpio.sh -o $@ $(filter %.list,$^)

$(PEERS)/qemu.img: tests/peers/qemu.list tests/peers/mkdisk.sh $(peer_debs) $(BUSYBOX) \
		$(DEBIAN_VMLINUZ) $(PEERS)/initramfs.cpio.gz $(GUEST_DISK)
	$(call say,DISK,$@)O=$(O) tests/peers/mkdisk.sh -o $@ $< $(peer_debs)

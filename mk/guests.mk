# SPDX-License-Identifier: MIT
# The sample guests (guests/README.md).  out/guest/bzImage is mk/kernel.mk's.

GUEST := $(O)/guest
GUEST_INITRAMFS  := $(GUEST)/initramfs.cpio.gz
GUEST_DISK       := $(GUEST)/disk.img
DEBIAN_VMLINUZ   := $(GUEST)/debian/vmlinuz
DEBIAN_INITRAMFS := $(GUEST)/debian/initramfs.cpio.gz

# Applets the guests' init and a person at its shell call by name.
guest_applets := cat cmp cttyhack cut dd df dmesg free grep head insmod ip kill \
	ls lsmod mkdir mount nproc od ping poweroff ps reboot rm sed setsid \
	sha256sum sleep stty sync tail tr umount uname uptime vi wc

$(GUEST)/userland.list: mk/guests.mk
	$(Q)mkdir -p $(@D) && { \
	for d in /bin /dev /etc /modules /proc /sys; do echo "dir $$d 755"; done; \
	echo "file /init guests/init 755"; \
	echo "file /etc/shrc guests/shrc 644"; \
	echo "file /bin/busybox $(BUSYBOX) 755"; \
	for a in sh $(guest_applets); do echo "link /bin/$$a busybox"; done; } >$@

$(GUEST_INITRAMFS): $(GUEST)/userland.list guests/init guests/shrc $(BUSYBOX) tools/mkcpio.sh
	$(call say,CPIO,$@)tools/mkcpio.sh -o $@ $<

# All but the first are for tests only.
debian_modules := virtio_blk failover net_failover virtio_net watchdog wdat_wdt vsock \
	vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport pvpanic pvpanic-mmio

# The kernel of Debian's package as it is; its modules are compressed one by
# one, and our busybox insmod wants them plain.
$(GUEST)/debian/.unpacked: $(SRC_DEBIAN_KERNEL) mk/guests.mk
	$(call say,UNPACK,debian kernel)rm -rf $(@D) && mkdir -p $(@D)/root && \
	dpkg-deb --fsys-tarfile $< | tar -x -C $(@D)/root && \
	cp $(@D)/root/boot/vmlinuz-* $(DEBIAN_VMLINUZ) && \
	for m in $(debian_modules); do \
		xz -dc "$$(find $(@D)/root -name $$m.ko.xz)" >$(@D)/$$m.ko || exit 1; done && \
	rm -rf $(@D)/root && touch $@

$(DEBIAN_VMLINUZ): $(GUEST)/debian/.unpacked

$(DEBIAN_INITRAMFS): $(GUEST)/userland.list $(GUEST)/debian/.unpacked \
		guests/init guests/shrc $(BUSYBOX) tools/mkcpio.sh
	$(call say,CPIO,$@)echo "file /modules/virtio_blk.ko $(GUEST)/debian/virtio_blk.ko 644" >$(@D)/modules.list && \
	tools/mkcpio.sh -o $@ $(GUEST)/userland.list $(@D)/modules.list

# For machine tests of devices: one program, and the drivers of the package.
netpeer_modules := failover net_failover virtio_net
dog_modules := watchdog wdat_wdt
panics_modules := pvpanic pvpanic-mmio
vsockpeer_modules := vsock vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport

$(TEST)/netpeer.cpio.gz $(TEST)/dog.cpio.gz $(TEST)/panics.cpio.gz \
$(TEST)/vsockpeer.cpio.gz: \
		$(TEST)/%.cpio.gz: $(TEST)/root/% \
		$(GUEST)/debian/.unpacked mk/guests.mk tools/mkcpio.sh
	$(call say,CPIO,$@)mkdir -p $(@D) && { echo 'dir /modules 755'; \
	echo 'file /init $< 755'; for m in $($*_modules); do \
		echo "file /modules/$$m.ko $(GUEST)/debian/$$m.ko 644"; done; } >$@.list && \
	tools/mkcpio.sh -o $@ $@.list

# 4 MB: sector 0 the SHA-256 of the second MB, sector 1 a counter, the third MB
# for the guest to write.  Numbers in a row: every block differs from all others.
$(GUEST_DISK): mk/guests.mk
	$(call say,DISK,$@)mkdir -p $(@D) && rm -f $@ && \
	seq 1 200000 | head -c 1048576 >$@.data && \
	{ sha256sum <$@.data | head -c 64 | dd bs=512 conv=sync && \
	printf '%-511d\n' 0; } 2>/dev/null >$@.part && \
	dd if=$@.data of=$@.part bs=1M seek=1 conv=notrunc 2>/dev/null && \
	truncate -s 4M $@.part && rm $@.data && mv $@.part $@

.PHONY: guests
guests: $(GUEST_INITRAMFS) $(DEBIAN_INITRAMFS) $(DEBIAN_VMLINUZ) $(GUEST_DISK) $(GUEST)/bzImage

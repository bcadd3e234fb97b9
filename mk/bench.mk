# SPDX-License-Identifier: MIT
# make bench: start-up times in virtual time (tools/bench.sh).
# make bench-hv: what guests cost, in instructions and virtual time (tools/bench-hv.sh).
# make bench-boot: what their boot costs (tools/bench-boot.sh).
# make bench-peers: the same of ours and of QEMU (tools/bench-peers.sh).

BENCH := $(O)/bench

$(BENCH)/initramfs.cpio.gz: $(O)/guest/initramfs.cpio.gz $(O)/test/root/tsc
	$(call say,CPIO,$@)mkdir -p $(@D) && \
	echo 'file /bin/tsc $(O)/test/root/tsc 755' >$(BENCH)/tsc.list && \
	tools/mkcpio.sh -o $@ $(O)/guest/userland.list $(BENCH)/tsc.list

# nokaslr: the kernel's place must not depend on what the firmware found random.
$(BENCH)/rootstock.efi: $(IMAGE_DEPS) $(BENCH)/initramfs.cpio.gz $(GUEST_KERNEL) guests/bench.yaml
	$(call say,IMAGE,$@)O=$(O) tools/mkimage.sh --manifest guests/bench.yaml \
		--add $(GUEST_KERNEL):/guests/tiny/bzImage \
		--add $(BENCH)/initramfs.cpio.gz:/guests/tiny/initramfs.cpio.gz \
		--add $(O)/test/root/tsc:/test/tsc \
		--cmdline "console=ttyS0,115200 loglevel=5 panic=30 nokaslr rdinit=/test/tsc" \
		--format efi -o $@

.PHONY: do-bench
do-bench: $(BENCH)/rootstock.efi
	$(Q)O=$(O) tools/bench.sh $<

$(BENCH)/idler.cpio.gz: $(O)/test/root/idler
	$(call say,CPIO,$@)mkdir -p $(@D) && \
	printf 'dir /bin 755\nfile /bin/idler %s 755\n' $< \
		>$(BENCH)/idler.list && \
	tools/mkcpio.sh -o $@ $(BENCH)/idler.list

# The same programs, once for one processor and once for a crowd on two.
$(BENCH)/hv-%.efi: $(IMAGE_DEPS) $(BENCH)/idler.cpio.gz $(GUEST_KERNEL) $(O)/test/guest/cost \
		$(O)/test/root/benchhv guests/bench.yaml
	$(call say,IMAGE,$@)O=$(O) tools/mkimage.sh --manifest guests/bench.yaml \
		--add $(GUEST_KERNEL):/guests/tiny/bzImage \
		--add $(BENCH)/idler.cpio.gz:/guests/tiny/initramfs.cpio.gz \
		--add $(O)/test/guest/cost:/guests/cost \
		--add $(O)/test/root/benchhv:/test/benchhv \
		--cmdline "console=ttyS0,115200 loglevel=5 panic=30 nokaslr rdinit=/test/benchhv -- $*" \
		--format efi -o $@

.PHONY: do-bench-hv
do-bench-hv: $(BENCH)/hv-alone.efi $(BENCH)/hv-crowd.efi
	$(Q)O=$(O) tools/bench-hv.sh $^

# Two guests of Debian's kernel, packets carried by the vmm or by vhost-net.
bench_net_own   := off
bench_net_vhost := on

$(BENCH)/net-%.efi: $(IMAGE_DEPS) $(O)/guest/debian/vmlinuz $(O)/test/netpeer.cpio.gz guests/bench-net.yaml
	$(call say,IMAGE,$@)mkdir -p $(@D) && sed 's/VHOST}/$(bench_net_$*)}/' guests/bench-net.yaml >$@.yaml && \
	O=$(O) tools/mkimage.sh --manifest $@.yaml \
		--add $(DEBIAN_VMLINUZ):/guests/debian/vmlinuz \
		--add $(O)/test/netpeer.cpio.gz:/guests/net.cpio.gz \
		--cmdline "console=ttyS0,115200 loglevel=5 panic=30 nokaslr" --format efi -o $@

.PHONY: do-bench-net
do-bench-net: $(BENCH)/net-own.efi $(BENCH)/net-vhost.efi
	$(Q)O=$(O) tools/bench-net.sh $^

# What a boot costs: instructions and exits by kind (tools/bench-boot.sh).
$(BENCH)/boot.efi: $(IMAGE_DEPS) $(GUEST_KERNEL) $(O)/guest/initramfs.cpio.gz \
		$(O)/guest/debian/vmlinuz $(O)/guest/debian/initramfs.cpio.gz \
		$(O)/test/root/benchboot guests/bench.yaml
	$(call say,IMAGE,$@)mkdir -p $(@D) && O=$(O) tools/mkimage.sh --manifest guests/bench.yaml \
		--add $(GUEST_KERNEL):/guests/tiny/bzImage \
		--add $(GUEST_INITRAMFS):/guests/tiny/initramfs.cpio.gz \
		--add $(DEBIAN_VMLINUZ):/guests/debian/vmlinuz \
		--add $(DEBIAN_INITRAMFS):/guests/debian/initramfs.cpio.gz \
		--add $(O)/test/root/benchboot:/test/benchboot \
		--cmdline "console=ttyS0,115200 loglevel=5 panic=30 nokaslr rdinit=/test/benchboot" \
		--format efi -o $@

.PHONY: do-bench-boot
do-bench-boot: $(BENCH)/boot.efi
	$(Q)O=$(O) tools/bench-boot.sh $<

# Ours beside Debian's QEMU, 1, 8 and 32 guests (tools/bench-peers.sh). Guests that do
# something have the root's kernel, which has every driver that they need built in.
$(BENCH)/peers.cpio.gz: $(O)/test/root/benchguest
	$(call say,CPIO,$@)mkdir -p $(@D) && printf 'dir /dev 755\nfile /init %s 755\n' $< \
		>$(BENCH)/peers.list && tools/mkcpio.sh -o $@ $(BENCH)/peers.list

$(BENCH)/peers-%.efi: $(IMAGE_DEPS) $(GUEST_KERNEL) $(O)/guest/initramfs.cpio.gz \
		$(O)/guest/debian/vmlinuz $(BENCH)/peers.cpio.gz \
		$(O)/test/root/benchpeers $(O)/test/root/netpeer guests/bench.yaml
	$(call say,IMAGE,$@)O=$(O) tools/mkimage.sh --manifest guests/bench.yaml \
		--add $(GUEST_KERNEL):/test/tiny --add $(DEBIAN_VMLINUZ):/test/debian \
		--add $(O)/kernel/bzImage:/test/linux --add $(BENCH)/peers.cpio.gz:/test/initramfs \
		--add $(O)/test/root/netpeer:/test/netpeer \
		--add $(O)/test/root/benchpeers:/test/benchpeers \
		--add $(GUEST_KERNEL):/guests/tiny/bzImage \
		--add $(GUEST_INITRAMFS):/guests/tiny/initramfs.cpio.gz \
		--cmdline "console=ttyS0,115200 loglevel=5 panic=30 nokaslr rdinit=/test/benchpeers -- $*" \
		--format efi -o $@

.PHONY: do-bench-peers
do-bench-peers: $(BENCH)/peers-1.efi $(BENCH)/peers-8.efi $(BENCH)/peers-32.efi $(O)/peers/qemu.img
	$(Q)O=$(O) tools/bench-peers.sh $(O)/peers/qemu.img $(filter %.efi,$^)

# SPDX-License-Identifier: MIT
# Running the image.  How QEMU is called stands in tools/run-qemu.sh alone.
#
#   ACCEL=tcg|kvm   CPUS=2   MEM=2G   (environment of run-qemu.sh)

export ACCEL CPUS MEM GDB_PORT O

.PHONY: do-run do-debug
do-run: $(IMAGE_DIR)/rootstock.img
	$(Q)exec tools/run-qemu.sh disk $< --console --dir $(O)/run

do-debug: $(IMAGE_DIR)/rootstock.img
	$(Q)tools/gdb-hints.sh $(O)
	$(Q)exec tools/run-qemu.sh disk $< --console --gdb --dir $(O)/run

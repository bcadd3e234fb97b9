# SPDX-License-Identifier: MIT
# Rootstock.  "make help" says what there is; every rule lives in mk/*.mk.
.DEFAULT_GOAL := help

include mk/common.mk
include $(sort $(filter-out mk/common.mk,$(wildcard mk/*.mk)))

.PHONY: help clean
help:
	@sed -n 's/^## //p' Makefile

clean:
	$(Q)rm -rf $(O)

# SPDX-License-Identifier: MIT
# make lint, make format: what a reviewer would otherwise have to say.

shell_scripts := $(wildcard tools/*.sh tests/*.sh tests/tools/*.sh tests/peers/*.sh tests/debian/*.sh) \
	tests/debian/report guests/init .ci/run
c_sources     := $(shell git ls-files '*.c' '*.h' 2>/dev/null)

.PHONY: do-lint do-format
do-lint: $(TP_LIBS) $(KERNEL_HEADERS_STAMP)
	$(Q)shellcheck $(shell_scripts)
	$(Q)tools/check-tree.sh
	$(Q)CC_EFI_ALL='$(CC_EFI) $(CFLAGS_EFI)' CC_MUSL_ALL='$(CC_MUSL) $(CFLAGS_MUSL)' \
		tools/check-headers.sh
	@echo "lint: $(words $(shell_scripts)) scripts, $(words $(c_sources)) C files, nothing to say"

# Files in which a table reads better as it is say "clang-format off" there.
do-format:
	$(Q)clang-format -i $(c_sources)

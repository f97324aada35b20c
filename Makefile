# SPDX-License-Identifier: GPL-2.0-only
#
# What a person types. Everything that is made lands in build/.
#
#   make            lodge.ko for one kernel, and the user tools
#   make module     lodge.ko alone: KDIR=headers or KVER=release; KUNIT=1
#                   takes the tests beside the code in
#   make run        a guest on lodge, on an emulated host
#   make test       all test suites, or SUITE='name...', of which launcher is a
#                   group; make soak: long ones
#   make bench      what they cost beside KVM: SUITE=exits|memory|boot|io SIDE=
#   make check      what can be said without running anything
#   make install    the module for KVER, the tools, the udev rule, the user; DESTDIR=
#   make uninstall
#   make clean      build/ only; the cache of kernels stays
#
# Without KDIR and KVER the running kernel's headers are taken, else the
# newest that are installed.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := all

O ?= $(CURDIR)/build
NEWEST = $(shell ls -d /lib/modules/*/build 2>/dev/null | \
	sort -V | tail -n1 | cut -d/ -f4)
KVER ?= $(if $(wildcard /lib/modules/$(shell uname -r)/build),$(shell \
	uname -r),$(NEWEST))
ifdef KDIR
override KVER := $(shell cat $(KDIR)/include/config/kernel.release)
endif
KDIR ?= /lib/modules/$(KVER)/build
# KBUILD_ARGS: anything more for the kernel's own make, e.g. C=2.
MODULE_DIR = $(O)/$(KVER)$(if $(KUNIT),-kunit)

.PHONY: all
all: module user

.PHONY: module
module:
	@test -d "$(KDIR)" || { echo >&2 "make: no kernel headers at \
	'$(KDIR)': install linux-headers-amd64 or give KDIR=..."; exit 1; }
	@selftests/hosts/build-module $(MODULE_DIR) -C $(KDIR) W=1 \
		$(if $(KUNIT),CONFIG_LODGE_KUNIT_TEST=y) $(KBUILD_ARGS) modules
	@echo "$(patsubst $(CURDIR)/%,%,$(MODULE_DIR))/lodge.ko"

.PHONY: user
user:
	@mkdir -p $(O)
	@for d in $(patsubst %/Makefile,%,$(wildcard userspace/*/Makefile)); do \
		flock $(O)/.user.lock $(MAKE) -C $$d O=$(O)/$$d || exit; \
	done
	@test ! -f selftests/Makefile || flock $(O)/.user.lock \
		$(MAKE) -C selftests O=$(O)/selftests

prefix ?= /usr/local
MODULES_TO = $(DESTDIR)/lib/modules/$(KVER)/updates
RULES_TO = $(DESTDIR)/lib/udev/rules.d
USERS_TO = $(DESTDIR)$(prefix)/lib/sysusers.d
COMPLETIONS_TO = $(DESTDIR)$(prefix)/share/bash-completion/completions

MAN_PAGES = $(wildcard Documentation/man/*.[1-9])

.PHONY: install uninstall
install: all
	install -D -m 644 -t $(MODULES_TO) $(MODULE_DIR)/lodge.ko
	install -D -m 644 -t $(RULES_TO) 70-lodge.rules
	install -D -m 644 lodge.sysusers $(USERS_TO)/lodge.conf
	install -D -m 644 -t $(DESTDIR)$(prefix)/include uapi/lodge.h
	@for tool in lodge lodgectl; do \
		test ! -x $(O)/userspace/$$tool/$$tool || install -D -t \
		$(DESTDIR)$(prefix)/bin $(O)/userspace/$$tool/$$tool || exit; \
	done
	@for page in $(MAN_PAGES); do \
		install -D -m 644 -t $(DESTDIR)$(prefix)/share/man/man$${page##*.} \
		$$page || exit; \
	done
	install -D -m 644 -t $(COMPLETIONS_TO) $(wildcard userspace/completion/*)
	$(if $(DESTDIR),,/sbin/depmod $(KVER))
	$(if $(DESTDIR),,-systemd-sysusers $(USERS_TO)/lodge.conf)

uninstall:
	rm -f $(MODULES_TO)/lodge.ko $(RULES_TO)/70-lodge.rules $(USERS_TO)/lodge.conf
	rm -f $(DESTDIR)$(prefix)/include/lodge.h
	rm -f $(addprefix $(DESTDIR)$(prefix)/bin/,lodge lodgectl)
	rm -f $(foreach page,$(MAN_PAGES),\
		$(DESTDIR)$(prefix)/share/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
	rm -f $(addprefix $(COMPLETIONS_TO)/,$(notdir \
		$(wildcard userspace/completion/*)))
	$(if $(DESTDIR),,/sbin/depmod $(KVER))

.PHONY: clean
clean:
	rm -rf $(O)

# make test [SUITE='name...']: every suite, or those; make soak: the long ones.
.PHONY: test soak
test:
	@selftests/hosts/need
	@selftests/tap $(SUITE)

soak:
	@selftests/hosts/need
	@selftests/tap -k $(SUITE)

# What can be said without running anything; a suite of make test, too.
.PHONY: check
check:
	@selftests/hosts/need
	@selftests/tap check

# make run [CMD='...'] [CPUS=] [MEM=] [HOST=amd|intel] [KERNEL=6.1|6.12]
# [NODE=kvm]: a guest on lodge on an emulated host; see selftests/hosts/run.
.PHONY: run
run:
	@selftests/hosts/need
	@selftests/hosts/run

# make bench [SUITE=exits|memory|boot|io] [HOST=amd|intel] [SIDE=lodge|kvm] [ROW='row...']
# [PROFILE=row]: see Documentation/benchmarks.rst.
.PHONY: bench
bench:
	@selftests/hosts/need
	@bench/bench

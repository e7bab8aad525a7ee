# SPDX-License-Identifier: MIT
#
# A thin front to meson: `make help` lists the targets. Variables:
#   BUILD          build tree (build)
#   PREFIX         where to install (/usr/local), below DESTDIR
#   MESON_ARGS     more options for meson setup
#   DEMO_ARGS, BENCH_ARGS, DIFFERENTIAL_ARGS   options of these
#   SOAK_ARGS      the same; SOAK_MINUTES how long the soak is (20)
#   STUDIES_ARGS   options of tessera study (--quick, --full); STUDIES_OUT where they go
#   FUZZ_SECONDS   how long each fuzz target runs (300)

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
MESON_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=
DIFFERENTIAL_ARGS ?= --count 10000
SOAK_ARGS ?=
SOAK_MINUTES ?= 20
STUDIES_OUT ?= studies-out
STUDIES_ARGS ?=
FUZZ_SECONDS ?= 300

# need(groups): installs packages only when some are missing.
need = @scripts/deps.sh --check $(1) 2>/dev/null || scripts/deps.sh $(1)

# package(kind): for /usr, whatever was installed last.
define package
	$(call need,build package)
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) $(MESON_ARGS)
	@meson configure $(BUILD) -Dprefix=/usr
	@ninja -C $(BUILD)
	@packaging/package.sh $(1) $(BUILD)
endef

.PHONY: all deps demo check check-full check-vm check-vm-full vm-image bench bench-sched \
	bench-vm bench-suspend bench-gpu studies instructions soak asan tsan fuzz differential \
	format format-check lint install guest-package host-package clean help

all: ## build everything (the default)
	$(call need,build)
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD) $(MESON_ARGS)
	@ninja -C $(BUILD)

deps: ## install the Debian packages that are missing
	@scripts/deps.sh

demo: ## train a network natively and on vGPUs, and compare (needs no GPU)
	$(call need,build run)
	@$(MAKE) --no-print-directory all
	@$(BUILD)/tessera demo $(DEMO_ARGS)

check: ## build and run every test
	$(call need)
	@scripts/check.sh

bench: all ## micro-benchmarks, native and vGPU side by side, both kinds of GPU
	$(call need,build run)
	@$(BUILD)/bench/tessera-bench --build $(BUILD) $(BENCH_ARGS)

bench-sched: all ## what vGPUs get under each scheduler, against what it promises
	$(call need,build run)
	@$(BUILD)/bench/bench-sched --build $(BUILD) $(BENCH_ARGS)

bench-vm: all ## the same calls natively, by a process on a vGPU, and in a virtual machine
	@$(MAKE) --no-print-directory vm-image
	@/usr/bin/python3 bench/vm.py --build $(BUILD) $(BENCH_ARGS)

bench-gpu: all ## CUDA programs on vGPUs of a real card, in ten minutes at most
	@bench/gpu/run --build $(BUILD) --out $(BUILD)/bench/gpu $(BENCH_ARGS)

bench-suspend: all ## suspend, resume and clone, next to the disk and the memory
	$(call need,build run)
	@/usr/bin/python3 bench/suspend.py --build $(BUILD) $(BENCH_ARGS)

studies: vm-image ## what sharing a GPU costs: every study, into STUDIES_OUT (studies-out)
	$(call need,build run test)
	@$(BUILD)/tessera study all --out "$(STUDIES_OUT)" $(STUDIES_ARGS)

instructions: all ## count instructions of the fast paths, and renew the baseline
	$(call need)
	@/usr/bin/python3 tests/instructions/instructions.py write $(BUILD) \
		docs/results/instructions.json

soak: all ## guests and kills for SOAK_MINUTES (20): does anything grow?
	$(call need,build run test)
	@/usr/bin/python3 tests/soak/soak.py --build $(BUILD) --minutes $(SOAK_MINUTES) \
		$(SOAK_ARGS)

check-full: ## as check, with all programs in full and all of e2e under the sanitizers
	$(call need)
	@scripts/check.sh build style unit instructions e2e-all programs-all vm-all \
		asan-all tsan-all fuzz

vm-image: all ## a small virtual machine to try, into build/vm
	$(call need,build run vm)
	@/usr/bin/python3 tests/vm/image.py --build $(BUILD) $(BUILD)/vm

check-vm: ## virtual machines with vGPUs, under KVM or emulated
	$(call need)
	@scripts/check.sh vm

check-vm-full: ## as check-vm, and what takes long
	$(call need)
	@scripts/check.sh vm-all

asan: ## unit and end-to-end tests under AddressSanitizer and UBSan
	$(call need)
	@scripts/check.sh asan-all

tsan: ## unit and end-to-end tests under ThreadSanitizer
	$(call need)
	@scripts/check.sh tsan-all

fuzz: ## run each fuzz target for FUZZ_SECONDS
	$(call need)
	@FUZZ_SECONDS="$(FUZZ_SECONDS) each" scripts/check.sh fuzz

differential: all ## random sequences of OpenCL calls, natively and on vGPUs
	$(call need,build run)
	@BUILD=$(BUILD) scripts/differential.sh $(DIFFERENTIAL_ARGS)

format: ## lay out all C files
	$(call need)
	@scripts/format.sh

format-check: ## tell which C files are not laid out
	$(call need)
	@scripts/format.sh --check

lint: ## clang-tidy
	$(call need)
	@scripts/check.sh lint

install: all ## install below PREFIX
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD)

guest-package: ## a .deb and a tarball for guests, into build/packages
	$(call package,guest)

host-package: ## a .deb for hosts, into build/packages
	$(call package,host)

clean: ## remove all build trees
	rm -rf $(BUILD) build-asan build-tsan build-fuzz

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

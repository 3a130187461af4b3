# The two commands are `make run` and `make test`; as root, on Debian 12 or 13 with git, make and a Rust toolchain.

CARGO   ?= cargo
DESTDIR ?=
PREFIX  ?= /usr
BOOT    ?= /var/lib/proxydhcpd/boot
RUN     ?= target/run/boot

# The program of `make run`, `make install`, `make test` and `make bench`; packages have one that is optimised further.
PROGRAM := target/local/proxydhcpd
# Prints the completions; a package for another processor needs a program for this one.
COMPLETIONS = $(PROGRAM)

# Where Debian's and Fedora's shells look for completions.
BASH_COMPLETION = $(DESTDIR)$(PREFIX)/share/bash-completion/completions/proxydhcpd
ZSH_COMPLETION  = $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_proxydhcpd
FISH_COMPLETION = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/proxydhcpd.fish

# The unit, and the explanations of `journalctl -x`. Whatever the prefix is, packages put units here, and systemd reads
# explanations from here only.
UNIT    = $(DESTDIR)/usr/lib/systemd/system/proxydhcpd.service
CATALOG = $(DESTDIR)/usr/lib/systemd/catalog/proxydhcpd.catalog

# `e2e` and `bench` are directories, too.
.PHONY: help run toolchain build loaders test unit e2e tested-programs book bench attacks soak coverage fuzz install
.PHONY: uninstall packages packages-test audit msrv

help:
	@echo 'make run        start the server on the networks of this host, without a configuration, and open its page'
	@echo 'make test       run all tests, including firmware in QEMU, and the page in a browser'
	@echo 'make loaders    unpack newer iPXE loaders (ARM, RISC-V, LoongArch) into BOOT=$(BOOT)'
	@echo 'make book       write the documentation as HTML, into target/book/site'
	@echo 'make bench      compare speed with dnsmasq, tftpd-hpa and nginx'
	@echo 'make attacks    attack the server while machines boot, and write the table of docs/attacks.md'
	@echo 'make soak       run the server for MINUTES=60 under load and attacks: does it grow?'
	@echo 'make coverage   show line coverage by file'
	@echo 'make fuzz       run every fuzz target for half a minute (docs/fuzzing.md)'
	@echo 'make install    install binary, unit, manual pages and completions; make uninstall removes them'
	@echo 'make packages   build packages for Debian and RPM, archives and container images in target/packages'
	@echo 'make audit      check the licences, the origin and the known faults of the libraries'
	@echo 'make msrv       compile the workspace with the oldest Rust that it supports'

run: build
	@dist/install-loaders
	@mkdir -p $(RUN)
	@test -e $(RUN)/ipxe-arm64.efi || dist/loaders $(RUN) || echo 'Continuing with the installed loaders'
	$(PROGRAM) serve --boot-dir $(RUN) --open-page

toolchain:
	@CARGO='$(CARGO)' dist/toolchain

build: toolchain
	$(CARGO) build --profile local --locked --package proxydhcpd

loaders:
	dist/loaders $(BOOT)

# One command for all tests of the workspace: cargo would compile most of it again for other sets of packages. The
# packages are installed first, so that a missing one is reported before the build.
test: toolchain tested-programs
	PROXYDHCPD=$(CURDIR)/$(PROGRAM) $(CARGO) test --locked --workspace --no-fail-fast
	docs/book/build

unit: toolchain
	e2e/setup
	$(CARGO) test --locked --workspace --exclude proxydhcpd-e2e --exclude proxydhcpd-browser --no-fail-fast

e2e: toolchain tested-programs
	PROXYDHCPD=$(CURDIR)/$(PROGRAM) $(CARGO) test --locked --workspace --no-fail-fast --test boots --test page --test instructions

tested-programs: toolchain
	e2e/setup
	$(CARGO) build --profile local --locked --package proxydhcpd --package proxydhcpd-instructions

book:
	docs/book/build

bench:
	bench/setup
	@$(MAKE) --no-print-directory build
	$(CARGO) bench --locked --package proxydhcpd-core --bench machines
	CARGO='$(CARGO)' bench/run $(PROGRAM)
	e2e/setup
	PROXYDHCPD=$(CURDIR)/$(PROGRAM) $(CARGO) bench --locked --package proxydhcpd-e2e --bench race

attacks: build
	e2e/setup
	PROXYDHCPD=$(CURDIR)/$(PROGRAM) ATTACKS=long $(CARGO) test --locked --workspace --test attacks

# The duration of `make soak`.
MINUTES ?= 60

soak: build
	e2e/setup
	PROXYDHCPD=$(CURDIR)/$(PROGRAM) MINUTES=$(MINUTES) $(CARGO) test --locked --workspace --test soak

coverage: toolchain
	dist/coverage

fuzz: toolchain
	fuzz/run

install: build
	install -D -m 0755 $(PROGRAM) $(DESTDIR)$(PREFIX)/sbin/proxydhcpd
	install -d -m 0755 $(dir $(UNIT))
	sed 's|/usr/sbin/|$(PREFIX)/sbin/|g' dist/systemd/proxydhcpd.service > $(UNIT)
	chmod 0644 $(UNIT)
	install -D -m 0644 dist/systemd/proxydhcpd.catalog $(CATALOG)
	install -d -m 0755 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 0644 docs/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -d -m 0755 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/doc/proxydhcpd
	install -m 0644 docs/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 0644 dist/proxydhcpd.toml $(DESTDIR)$(PREFIX)/share/doc/proxydhcpd/proxydhcpd.toml
	install -m 0644 dist/monitoring/* $(DESTDIR)$(PREFIX)/share/doc/proxydhcpd
	install -d -m 0755 $(dir $(BASH_COMPLETION)) $(dir $(ZSH_COMPLETION)) $(dir $(FISH_COMPLETION))
	$(COMPLETIONS) completions bash > $(BASH_COMPLETION)
	$(COMPLETIONS) completions zsh > $(ZSH_COMPLETION)
	$(COMPLETIONS) completions fish > $(FISH_COMPLETION)
	chmod 0644 $(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION)
	install -d -m 0755 $(DESTDIR)/etc/proxydhcpd $(DESTDIR)$(BOOT)
	@if [ -z '$(DESTDIR)' ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; journalctl --update-catalog; fi
	@echo 'Start it with: systemctl enable --now proxydhcpd'

# Keeps the operator's files in /etc/proxydhcpd and in the boot directory.
uninstall:
	@if [ -z '$(DESTDIR)' ] && [ -d /run/systemd/system ]; then systemctl disable --now proxydhcpd || true; fi
	rm -f $(DESTDIR)$(PREFIX)/sbin/proxydhcpd $(UNIT)
	rm -f $(DESTDIR)$(PREFIX)/share/man/man8/proxydhcpd*.8 $(DESTDIR)$(PREFIX)/share/man/man5/proxydhcpd*.5
	rm -f $(CATALOG) $(BASH_COMPLETION) $(ZSH_COMPLETION) $(FISH_COMPLETION)
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/proxydhcpd
	@rmdir $(DESTDIR)/etc/proxydhcpd $(DESTDIR)$(BOOT) $(DESTDIR)$(dir $(BOOT)) 2>/dev/null || true
	@if [ -z '$(DESTDIR)' ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; journalctl --update-catalog; fi

# The packages contain programs of the profile `release`, which take long to compile; PROFILE=local is for a trial.
PROFILE ?= release

packages: toolchain
	dist/packages/setup
	dist/packages/all $(PROFILE)

# Installs the packages in bare root directories, and boots machines from the static programs and from the image. The
# programs are of the profile `local`.
packages-test: toolchain
	dist/packages/setup test
	$(CARGO) build --profile local --locked --package proxydhcpd-player
	dist/packages/test $$(dist/packages/build x86_64-unknown-linux-gnu local) \
		$$(dist/packages/build x86_64-unknown-linux-musl local) \
		$$(dist/packages/build aarch64-unknown-linux-musl local)

# Two commands, because the second one needs the data base of RustSec from the Internet.
audit: toolchain
	dist/packages/setup
	target/packages/tools/bin/cargo-deny --locked check licenses bans sources
	target/packages/tools/bin/cargo-deny --locked check advisories

# Whether the oldest compiler that Cargo.toml promises (`rust-version`) compiles the workspace.
msrv:
	dist/msrv

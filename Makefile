# make run    start Vigie (on a virtual desktop where there is no display)
# make test   run every test
# make dist   make the packages for Windows and Debian, into target/dist
# Each installs what it needs first (scripts/setup). Cargo's build script makes the panel's page, with npm.

WINDOWS := x86_64-pc-windows-gnu
SHOT := target/vigie.png
CYCLONEDX := 0.5.9

.PHONY: run screenshot images release release-windows test test-windows test-packages lint bench dist
.DELETE_ON_ERROR:

run: release
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then exec target/release/vigie; fi; \
	scripts/setup desktop && exec scripts/virtual-desktop $(SHOT) target/release/vigie

# As `make run` without a display, but ends after the screenshot.
screenshot: release
	scripts/setup desktop
	scripts/virtual-desktop --once $(SHOT) target/release/vigie

# The docs' pictures of the windows, anew: their tests take them of the real ones.
images:
	scripts/setup build desktop test
	cargo test --test desktop -- panel:: window::
	cp target/tmp/screenshots/panneau-*.png docs/images/
	cp target/tmp/screenshots/connexion-clair-vide.png target/tmp/screenshots/connexion-clair-refus.png docs/images/

# What is shipped names no folder of the machine that built it, and no time: the same sources give the same bytes.
REMAP := --remap-path-prefix=$(CURDIR)=/vigie --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo

release: export RUSTFLAGS = $(REMAP)
release:
	scripts/setup build
	cargo build --release --bins

release-windows: export RUSTFLAGS = $(REMAP) -Clink-arg=-Wl,--no-insert-timestamp
release-windows:
	scripts/setup build lint
	cargo build --release --bins --target $(WINDOWS)

dist: release release-windows
	scripts/setup dist
	[ -x target/tools/bin/cargo-cyclonedx ] || cargo install --locked --root target/tools cargo-cyclonedx@$(CYCLONEDX)
	packaging/dist

# Installs, starts, upgrades and removes both packages. Debian's is made of the programs that `make test` has built: to
# compile them a second time would show nothing more.
test-packages: release-windows
	scripts/setup desktop dist wine test-packages
	cargo build --bins
	packaging/linux/test target/debug target/package.png
	scripts/under-wine packaging/windows/test target/$(WINDOWS)/release

# The tests on the desktop wait more than they work: two for each processor.
test: test-windows
	scripts/setup build desktop test
	RUST_TEST_THREADS=$$((2 * $$(nproc))) cargo test
	npm --prefix ui test

# The Windows half, under wine.
test-windows:
	scripts/setup build lint wine
	scripts/under-wine cargo test --target $(WINDOWS) --lib --bins --test windows

lint:
	scripts/setup build lint
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --target $(WINDOWS) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
	npm --prefix ui run check

# The program as it is shipped; the measuring one needs no speed of its own. Ends with 1 where a goal is not met.
bench: release
	scripts/setup desktop test bench
	cargo build --release --manifest-path benches/bare-tray/Cargo.toml --target-dir target/bare-tray
	VIGIE_BIN=$(CURDIR)/target/release/vigie cargo bench --profile dev --bench desktop

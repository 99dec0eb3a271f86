# make run    start Vigie (on a virtual desktop where there is no display)
# make test   run every test
# Each installs what it needs first (scripts/setup). Cargo's build script makes the panel's page, with npm.

WINDOWS := x86_64-pc-windows-gnu
SHOT := target/vigie.png

.PHONY: run screenshot release test lint bench
.DELETE_ON_ERROR:

run: release
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then exec target/release/vigie; fi; \
	scripts/setup desktop && exec scripts/virtual-desktop $(SHOT) target/release/vigie

# As `make run` without a display, but ends after the screenshot.
screenshot: release
	scripts/setup desktop
	scripts/virtual-desktop --once $(SHOT) target/release/vigie

release:
	scripts/setup build
	cargo build --release --bins

# The tests on the desktop wait more than they work: two for each processor.
test:
	scripts/setup build desktop test
	RUST_TEST_THREADS=$$((2 * $$(nproc))) cargo test
	npm --prefix ui test

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

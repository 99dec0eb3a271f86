# make run    start Vigie (on a virtual desktop where there is no display)
# make test   run every test
# Each installs what it needs first: scripts/setup.

WINDOWS := x86_64-pc-windows-gnu
PAGE := $(if $(wildcard ui/package.json),ui/dist/index.html)
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

release: $(PAGE)
	scripts/setup build
	cargo build --release --bins

test: $(PAGE)
	scripts/setup build desktop test
	$(if $(PAGE),npm --prefix ui test)
	cargo test

lint: $(PAGE)
	scripts/setup build lint
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo clippy --all-targets --target $(WINDOWS) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps
	$(if $(PAGE),npm --prefix ui run check)

bench: $(PAGE)
	scripts/setup build desktop bench
	cargo bench

ui/node_modules: ui/package.json $(wildcard ui/package-lock.json)
	npm --prefix ui ci
	touch $@

ui/dist/index.html: ui/node_modules $(shell find ui -path ui/node_modules -prune -o -path ui/dist -prune -o -type f -print 2>/dev/null)
	npm --prefix ui run build

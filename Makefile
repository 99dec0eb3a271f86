# make run    start Vigie (without a display: a guided tour on a virtual desktop)
# make test   run every test; test-unit, test-desktop, test-faults, test-windows: one layer of them
# make lint   run every linter
# make dist   make the packages for Windows and Debian, in target/dist
# Each installs what it needs first (scripts/setup). Cargo's build script makes the panel's page, with npm.

WINDOWS := x86_64-pc-windows-gnu
SHOT := target/vigie.png
CYCLONEDX := 0.5.9
DENY := 0.20.2
MACHETE := 0.9.2

.PHONY: run tour demo build-tour screenshot images release release-windows test test-unit test-desktop test-faults test-windows \
    test-packages lint lint-scripts lint-crates bench dist
.DELETE_ON_ERROR:

# Without a display: the academy in miniature and a guided tour. It takes namespaces; without them, what still works.
run:
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then $(MAKE) release && exec target/release/vigie; exit 1; fi; \
	scripts/setup build desktop test tour || exit; \
	if scripts/in-user-namespace --check; then exec $(MAKE) tour STAY=--stay; fi; \
	echo "So there is no VPN server and no tour. What still works: make test-unit"; \
	unshare --user --map-root-user --net true 2>/dev/null || exit 1; \
	echo "and this, Vigie without a network."; \
	$(MAKE) release && exec scripts/virtual-desktop $(SHOT) target/release/vigie

# Checks the main job step by step on real servers in network namespaces; pictures in target/tour.png, target/tour/.
tour: build-tour
	scripts/in-user-namespace cargo test --quiet --test tour -- $(STAY)

# The same in a window on your own desktop, which it leaves alone; Enter leads to the next step.
demo:
	@[ -n "$$DISPLAY" ] || { echo "make demo needs an X display (DISPLAY); make tour brings its own" >&2; exit 1; }
	$(MAKE) build-tour
	scripts/in-user-namespace --display cargo test --quiet --test tour -- --demo

build-tour:
	scripts/setup build desktop test tour
	cargo build -p vigie-openconnect
	cargo test --no-run --test tour

# Vigie alone on the virtual desktop, until the screenshot is taken.
screenshot: release
	scripts/setup desktop
	scripts/virtual-desktop --once $(SHOT) target/release/vigie

# The pictures in the docs: the tests and the tour take them from the real windows.
images: tour
	scripts/setup build desktop test
	cargo test --no-run --test desktop
	scripts/in-user-namespace cargo test --test desktop -- panel:: connect_window:: welcome::
	cd docs/images && for picture in panneau-[!b]* panneau-bienvenue.png connexion-*; do cp ../../target/tmp/screenshots/$$picture . || exit; done
	cp target/tour/menu.png target/tour/notification.png docs/images/
	convert target/tour/panneau-bureau-clair.png target/tour/panneau-bureau-sombre.png +append docs/images/panneau-bureau.png
	convert target/tour.png -resize 1280x -colors 128 PNG8:docs/images/tour.png

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

# SIGN_OPTIONS: see packaging/windows/sign.
dist: export SIGN_OPTIONS ?=
dist: release release-windows
	scripts/setup dist
	[ -x target/tools/bin/cargo-cyclonedx ] || cargo install --locked --root target/tools cargo-cyclonedx@$(CYCLONEDX)
	packaging/dist

# Installs, starts, upgrades and removes both packages. The Debian package is made from the debug build of `make test`:
# another build would show nothing more.
test-packages: release-windows
	scripts/setup desktop dist wine test-packages
	cargo build --bins
	packaging/linux/test target/debug target/package.png
	scripts/under-wine packaging/windows/test target/$(WINDOWS)/release

test: test-windows test-desktop
	npm --prefix ui test

# The pure crates: any user, no system package.
test-unit:
	cargo test -p vigie-profile -p vigie-core -p vigie-view

# Everything on Linux. The desktop tests mostly wait: two for each processor.
test-desktop:
	scripts/setup build desktop test tour
	cargo test --no-run
	RUST_TEST_THREADS=$$((2 * $$(nproc))) scripts/in-user-namespace cargo test

# The faults alone.
test-faults:
	scripts/setup build desktop test
	scripts/in-user-namespace cargo test --test faults -- --test-threads=$$((2 * $$(nproc)))

# The Windows half, under wine, in namespaces without a way out.
test-windows: WINDOWS_TESTS := --target $(WINDOWS) --lib --bins --test windows --test console
test-windows:
	scripts/setup build lint wine
	cargo test --no-run $(WINDOWS_TESTS)
	scripts/under-wine cargo test $(WINDOWS_TESTS)

lint: lint-scripts lint-crates
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --all-targets --target $(WINDOWS) -- -D warnings
	# Each crate by itself, without the features that its tests or other crates would enable.
	for crate in vigie-profile vigie-core vigie-view vigie-openconnect; do cargo clippy -p $$crate -- -D warnings || exit; done
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --target $(WINDOWS)
	npm --prefix ui run check

# Shell scripts, the spelling of English and French, and type names that are used twice.
lint-scripts:
	scripts/setup build lint
	shellcheck --severity=warning $$(git ls-files | xargs -d '\n' grep -lE '^#!/bin/(ba)?sh')
	scripts/check-spelling
	scripts/check-type-names

# Licences, banned and doubled crates, sources (deny.toml); unused dependencies.
lint-crates:
	[ -x target/tools/bin/cargo-deny ] || cargo install --locked --root target/tools cargo-deny@$(DENY)
	[ -x target/tools/bin/cargo-machete ] || cargo install --locked --root target/tools cargo-machete@$(MACHETE)
	target/tools/bin/cargo-deny --locked check bans licenses sources
	target/tools/bin/cargo-machete --with-metadata

# Measures the release build; the benchmark itself may be a debug build. Exits with 1 if a goal is not met.
bench: release
	scripts/setup desktop test bench
	cargo build --release --manifest-path benches/bare-tray/Cargo.toml --target-dir target/bare-tray
	cargo bench --profile dev --bench desktop --no-run
	VIGIE_BIN=$(CURDIR)/target/release/vigie scripts/in-user-namespace cargo bench --profile dev --bench desktop

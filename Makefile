# Two commands do everything on a fresh Debian or Ubuntu with a Rust toolchain: `make demo` and `make test`.
.PHONY: demo demo-stop test check bench dist

# Installs what is missing, builds, starts a database with real data, prints how to call it. Leaves it running.
demo:
	scripts/install-tools demo
	scripts/demo

demo-stop:
	scripts/demo stop

# Installs what is missing, then every level of tests a submission needs.
test:
	scripts/install-tools test
	cargo xtask test

# Formatting, lints as errors, crate edges, headers, generated documentation.
check:
	cargo xtask check

# Ratios against a baseline measured in the same run.
bench:
	scripts/install-tools bench
	bench/run

# A release archive in dist/: binary, checksums, systemd unit, example configuration.
dist:
	scripts/dist

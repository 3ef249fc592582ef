# Two commands do everything on a fresh Debian or Ubuntu with a Rust toolchain: `make demo` and `make test`.
.PHONY: demo demo-stop test test-pooler check bench soak dist

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

# The tests of the binary once more, each of its servers behind a PgBouncer of its own.
test-pooler:
	scripts/install-tools test
	FERROBASE_TEST_POOLER=pgbouncer cargo xtask test --app-only

# Formatting, lints as errors, crate edges, headers, generated documentation.
check:
	cargo xtask check

# Ratios against a baseline measured in the same run.
bench:
	scripts/install-tools bench
	bench/run

# Half an hour at 70 % load with faults: wrong answers, lost writes, growing memory. MINUTES=480 for a night.
soak:
	scripts/install-tools test
	FERROBASE_SOAK_MINUTES=$(or $(MINUTES),30) cargo test --release -p ferrobase-app --test main -- \
		--ignored --exact soak::half_an_hour_of_load_and_faults_leaves_nothing_behind --nocapture

# A release archive in dist/: binary, checksums, systemd unit, example configuration.
dist:
	scripts/install-tools bench
	scripts/dist

# make demo   from nothing to a signed release of profiles/demo.toml; again at any time, also without a network
# make test   all tests: cargo's and the end-to-end ones
# make lint   formatting, clippy, licences and advisories
# make fuzz     fuzzes every reader of outside bytes
# make mutants  leaves out one guard of the program after the other, and sees a test fail for each
# make bench  what builds, checks and fleets take, beside those who do the same work on the same files
.PHONY: help demo test lint fuzz mutants bench
.NOTPARALLEL:

CARGO = tests/e2e/cargo

help:
	@sed -n 's/^# make/make/p' Makefile

demo:
	@tests/e2e/setup demo
	@tests/e2e/demo

test:
	@tests/e2e/setup test
	$(CARGO) test --locked
	$(CARGO) build --release --locked
	tests/e2e/run
	@echo "make test: everything passed"

lint:
	@tests/e2e/setup demo
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; else echo "cargo-deny is not installed: deny.toml was not checked"; fi

fuzz:
	@tests/e2e/setup test
	tests/e2e/fuzz

mutants:
	@tests/e2e/setup test
	tests/e2e/mutants

bench:
	@tests/e2e/setup test
	tests/e2e/bench

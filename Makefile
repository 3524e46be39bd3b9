# make demo and make test do all the set-up themselves (scripts/setup.sh).
.PHONY: help build demo test check bench fuzz questions clean
.DEFAULT_GOAL := help

FUZZ_SECONDS ?= 60

help: ## what there is
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

build: ## the release binary, target/release/overhear
	@scripts/setup.sh build
	@cargo build --release --locked --bin overhear

demo: build ## read sample-pcaps/ into out/ and print what was found
	@target/release/overhear read sample-pcaps -o out --overwrite

test: ## all tests
	@scripts/setup.sh test
	@cargo test --locked

check: ## format, lints, documentation, licences
	@scripts/setup.sh build
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	scripts/check-policy.sh

bench: build ## compare speed and memory with other programs (OVERHEAR_BENCH_DIR: folder with captures)
	@scripts/bench.sh

fuzz: ## every fuzz target for FUZZ_SECONDS (60) with libFuzzer; needs nightly and cargo-fuzz
	@scripts/setup.sh build
	@scripts/fuzz.sh $(FUZZ_SECONDS)

questions: build ## hold the answers in README.md against DuckDB and tshark
	@scripts/check-questions.sh

clean: ## remove what was built
	cargo clean
	rm -rf out

#!/usr/bin/env bash
# Runs every fuzz target with libFuzzer: scripts/fuzz.sh SECONDS [TARGET...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz"
seconds=${1:-60}
shift || true
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzz: a nightly toolchain is needed: rustup toolchain install nightly" >&2
    exit 1
fi
if ! command -v cargo-fuzz >/dev/null; then
    echo "fuzz: cargo-fuzz is needed: cargo install cargo-fuzz --locked" >&2
    exit 1
fi
[ $# -gt 0 ] || set -- $(cargo +nightly fuzz list --fuzz-dir .)
cargo +nightly run --quiet --release --example corpus
for target in "$@"; do
    echo "== $target, $seconds s"
    cargo +nightly fuzz run --fuzz-dir . "$target" -- -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 \
        -timeout=20 -print_final_stats=1 -verbosity=0
done

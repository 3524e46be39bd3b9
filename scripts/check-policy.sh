#!/usr/bin/env bash
# Licences, sources and advisories of the dependencies (deny.toml).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if command -v cargo-deny >/dev/null; then
    cargo deny --locked check licenses bans sources
    # Only the fetching may fail; what the database says may not be passed over.
    if cargo deny fetch db >/dev/null 2>&1; then
        cargo deny --locked check --disable-fetch advisories
    else
        echo "SKIPPED: advisories (their database cannot be fetched)"
    fi
else
    python3 -c 'import tomllib' 2>/dev/null || { echo "SKIPPED: licences and advisories (neither cargo-deny nor Python 3.11)"; exit 0; }
    scripts/check-licences.py
    echo "SKIPPED: advisories (cargo-deny is not installed: cargo install cargo-deny --locked)"
fi

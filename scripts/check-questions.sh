#!/usr/bin/env bash
# Holds the answers in README.md ("Asking questions") against DuckDB over out/, and what they say
# against tshark over sample-pcaps/. `make questions` makes out/ before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -e out/run.json ] || { echo "check-questions: out/ is not there (make demo)" >&2; exit 1; }
scripts/setup.sh python duckdb
exec target/venv/bin/python scripts/check-questions.py "$@"

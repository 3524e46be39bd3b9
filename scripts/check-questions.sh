#!/usr/bin/env bash
# Holds the answers in README.md ("Asking questions") against DuckDB over the samples of
# sample-pcaps/questions.txt, and what they say against tshark over the same captures.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -x target/release/overhear ] || { echo "check-questions: the program is not there (make build)" >&2; exit 1; }
scripts/setup.sh python duckdb
# Some of the samples are not whole, on purpose: exit code 4.
target/release/overhear read $(sed 's,^,sample-pcaps/,' sample-pcaps/questions.txt) -o asked --overwrite >/dev/null || [ $? -eq 4 ]
exec target/venv/bin/python scripts/check-questions.py "$@"

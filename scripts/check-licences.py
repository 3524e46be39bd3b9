#!/usr/bin/env python3
"""Holds the licence of every dependency against deny.toml, where cargo-deny is not installed.

Reads `cargo metadata` only: what a crate declares, not what its files say, and no advisories.
"""
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


def allows(expression, allowed):
    """Whether an SPDX expression can be met by licences of a set."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    at = 0

    def peek():
        return tokens[at] if at < len(tokens) else None

    def any_of():
        nonlocal at
        result = all_of()
        while peek() == "OR":
            at += 1
            result = all_of() or result
        return result

    def all_of():
        nonlocal at
        result = one()
        while peek() == "AND":
            at += 1
            result = one() and result
        return result

    def one():
        nonlocal at
        if peek() is None:
            return False
        token = tokens[at]
        at += 1
        if token == "(":
            result = any_of()
            at += 1
            return result
        if peek() == "WITH":
            token += " WITH " + tokens[at + 1]
            at += 2
        return token in allowed

    return any_of() and at == len(tokens)


def main():
    allowed = set(tomllib.loads((HERE / "deny.toml").read_text())["licenses"]["allow"])
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    packages = json.loads(subprocess.run(command, cwd=HERE, check=True, capture_output=True).stdout)["packages"]
    bad = []
    for package in packages:
        source, licence = package["source"], package["license"] or ""
        if not allows(licence, allowed):
            bad.append(f"{package['name']} {package['version']}: licence {licence or '(none declared)'}")
        if source is not None and not source.startswith("registry+https://github.com/rust-lang/crates.io-index"):
            bad.append(f"{package['name']} {package['version']}: from {source}")
    print("\n".join(bad) or f"{len(packages)} packages, all under allowed licences and from crates.io")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

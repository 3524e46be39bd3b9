#!/usr/bin/env bash
# Sets up what is needed besides Rust. Says nothing and does nothing where all of it is there.
#   scripts/setup.sh build       C compiler and libpcap headers
#   scripts/setup.sh test        the same, and what the tests call
#   scripts/setup.sh python NAME...  a virtual environment in target/venv with these packages
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
what=${1:-build}
shift || true

say() { printf 'setup: %s\n' "$*" >&2; }

missing=()
need() { # need PACKAGE COMMAND...: the package unless the command works
    local package=$1
    shift
    "$@" >/dev/null 2>&1 </dev/null || missing+=("$package")
}

has_pcap() {
    local object
    object=$(mktemp)
    printf '#include <pcap/pcap.h>\nint main(void) { return pcap_lib_version() == 0; }\n' |
        cc -x c - -lpcap -o "$object" 2>/dev/null
    local result=$?
    rm -f "$object"
    return $result
}

has_venv() { python3 -c 'import ensurepip, venv'; }

install_missing() {
    [ ${#missing[@]} -gt 0 ] || return 0
    local as=()
    if ! command -v apt-get >/dev/null; then
        say "needed and not found: ${missing[*]} (names of Debian packages; install what your system calls them)"
        exit 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            say "needed and not found: ${missing[*]}"
            say "no right to install them here; please run: sudo apt-get install ${missing[*]}"
            exit 1
        fi
        as=(sudo -n)
    fi
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    if ! { "${as[@]}" apt-get update -qq && "${as[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >&2; then
        say "apt-get failed; needed are: ${missing[*]}"
        exit 1
    fi
}

case $what in
build | test)
    if ! command -v cargo >/dev/null; then
        say "Rust is needed: https://rustup.rs (1.91 or later)"
        exit 1
    fi
    need gcc command -v cc
    need libc6-dev test -e /usr/include/stdio.h
    need libpcap-dev has_pcap
    if [ "$what" = test ]; then
        need python3 command -v python3
        need iproute2 command -v ip
    fi
    install_missing
    ;;
python)
    need python3 command -v python3
    need python3-venv has_venv
    install_missing
    [ -x target/venv/bin/python ] || python3 -m venv target/venv
    for package in "$@"; do
        target/venv/bin/python -c "import $package" 2>/dev/null && continue
        say "installing the Python package $package into target/venv"
        target/venv/bin/python -m pip install --quiet --disable-pip-version-check "$package" >&2
    done
    ;;
*)
    say "what is $what? (build, test, python)"
    exit 2
    ;;
esac

#!/bin/bash
# Records the sample captures of this folder: real client and server software, dressed as the
# devices of a small office, in network namespaces of its own.
#
#   sudo sample-pcaps/record.sh                  record all scenes into sample-pcaps/
#   sudo sample-pcaps/record.sh -o DIR           ... into DIR
#   sudo sample-pcaps/record.sh -o DIR dns tls   only these scenes (see record/scenes.sh)
#
# What it touches: it installs missing Debian packages (and says which), and writes into the output
# folder. All else (namespaces, processes, mounts, temporary files) lives in a private set of
# network, mount and process namespaces that the kernel takes down when the script ends, however it
# ends. No packet leaves these namespaces. It stops by itself, at the latest after 5 minutes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here LIMIT_SECONDS=300

# What is run, and the package that brings it.
readonly NEEDS=(
    busybox:busybox dnsmasq:dnsmasq-base telnet:inetutils-telnet dhclient:isc-dhcp-client
    lighttpd:lighttpd gnutls-cli:gnutls-bin openssl:openssl curl:curl dig:bind9-dnsutils
    ping:iputils-ping ethtool:ethtool avahi-daemon:avahi-daemon llmnrd:llmnrd tnftp:tnftp zstd:zstd
    gzip:gzip tshark:tshark editcap:wireshark-common dumpcap:wireshark-common tcpdump:tcpdump ip:iproute2
    python3:python3 unshare:util-linux
)
readonly NEEDS_FILES=(
    /usr/lib/python3/dist-packages/pyftpdlib/__init__.py:python3-pyftpdlib
    /usr/lib/lighttpd/mod_openssl.so:lighttpd-mod-openssl
    /usr/share/ieee-data/oui.csv:ieee-data
    /usr/lib/python3/dist-packages/asyncssh/__init__.py:python3-asyncssh
    /usr/include/zlib.h:zlib1g-dev
)
# More of them beside the scenes of a family of protocols: lines of command:package in record/needs-*.

die() { echo "record.sh: $*" >&2; exit 1; }

# Installs the packages of commands and files that are not there yet. Their services are not
# started: a policy-rc.d that says no is put in place for the time of the installation if none is.
install_missing() {
    local missing=() item policy=/usr/sbin/policy-rc.d own_policy=
    local more=()
    mapfile -t more < <(cat "$here"/record/needs-* 2>/dev/null | sed 's/#.*//; /^[[:space:]]*$/d')
    for item in "${NEEDS[@]}" ${more[@]+"${more[@]}"}; do
        PATH=$PATH:/usr/sbin:/sbin command -v "${item%%:*}" >/dev/null || missing+=("${item##*:}")
    done
    for item in "${NEEDS_FILES[@]}"; do [ -e "${item%%:*}" ] || missing+=("${item##*:}"); done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || die "these packages are needed, and there is no apt-get: ${missing[*]}"
    echo "record.sh: installing from Debian: ${missing[*]}" >&2
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && own_policy=1
    fi
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -y --no-install-recommends "${missing[@]}"; } >&2 || {
        [ -z "$own_policy" ] || rm -f $policy
        die "installing failed; install by hand: ${missing[*]}"
    }
    [ -z "$own_policy" ] || rm -f $policy
}

# The telnet server is unpacked beside the recording, not installed: its package wants an inetd and
# a syslogd on the machine.
fetch_telnetd() {
    mkdir -p "$1/deb"
    (cd "$1/deb" && apt-get -o APT::Sandbox::User=root download inetutils-telnetd >/dev/null) ||
        die "could not download the package inetutils-telnetd"
    dpkg -x "$1"/deb/inetutils-telnetd_*.deb "$1/telnetd"
}

# So is aioquic, which Debian 12 does not have: it comes from the Python package index.
fetch_aioquic() {
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$1/aioquic" \
        aioquic==1.2.0 >&2 || die "could not download aioquic"
}

# An OpenSSL of former times, which current systems do not have any more: its source comes from the registry of Rust's
# packages, and is built with SSL 3.0, RC4 and compression.
fetch_openssl() {
    local dir=$1/openssl
    mkdir -p "$dir"
    printf '[package]\nname = "old"\nversion = "0.0.0"\n[lib]\npath = "/dev/null"\n[dependencies]\nopenssl-src = "=111.28.2"\n' >"$dir/Cargo.toml"
    (
        cd "$dir" && "$CARGO" vendor -q vendor && cd vendor/openssl-src/openssl &&
            ./config no-shared no-tests enable-ssl3 enable-ssl3-method enable-weak-ssl-ciphers zlib &&
            make -j "$(nproc)" build_generated libcrypto.a libssl.a && make apps/openssl && mv apps/openssl "$1/openssl-old"
    ) >"$dir/log" 2>&1 || die "could not build OpenSSL 1.1.1: $(tail -n 1 "$dir/log")"
}

if [ "${1:-}" = --inside ]; then
    shift
    OUT=$1 WORK=$2
    shift 2
    # shellcheck source=record/office.sh
    . "$here/record/office.sh"
    # shellcheck source=record/scenes.sh
    . "$here/record/scenes.sh"
    for family in "$here"/record/scenes-*.sh; do
        # shellcheck source=/dev/null
        [ ! -e "$family" ] || . "$family"
    done
    build_office
    run_scenes "$@"
    exit 0
fi

out=$here
while getopts o: option; do
    case $option in
        o) out=$OPTARG ;;
        *) die "usage: record.sh [-o DIR] [SCENE...]" ;;
    esac
done
shift $((OPTIND - 1))
[ "$(id -u)" = 0 ] || die "needs root, for network namespaces (its own only)"
CARGO=$(command -v cargo || echo cargo)
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
install_missing
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d /tmp/sample-pcaps.XXXXXX)
trap '[ -n "${KEEP_WORK:-}" ] || rm -rf "$work"' EXIT
fetch_telnetd "$work"
case " ${*:-oldtls} " in *" oldtls "*) [ -x "${OLD_OPENSSL:=$work/openssl-old}" ] || fetch_openssl "$work" ;; esac
export OLD_OPENSSL=${OLD_OPENSSL:-}
case " ${*:-quic} " in *" quic "*) fetch_aioquic "$work" ;; esac
timeout --signal=KILL "$LIMIT_SECONDS" \
    unshare --net --mount --pid --uts --fork --kill-child --mount-proc \
    "${BASH_SOURCE[0]}" --inside "$out" "$work" "$@" ||
    { tail -n 5 "$work"/log/* >&2 2>/dev/null || true; die "a scene failed (or took more than $LIMIT_SECONDS s)"; }
chmod 644 "$out"/*.pcap*
echo "record.sh: captures are in $out" >&2
[ $# -gt 0 ] || "$here/expect.sh" "$out"

#!/usr/bin/env bash
# Speed and memory of overhear beside programs that Debian packages.
#   OVERHEAR_BENCH_DIR   folder with mix-2g.pcap, https-1g.pcap, small-1g.pcap, mix-200m.pcap,
#                        handshakes.pcap (any of them; the last is made by scripts/handshakes.py and
#                        scripts/enlarge.py); not set: one capture of OVERHEAR_BENCH_MB (200) MB made of sample-pcaps/
#   OVERHEAR_BENCH_RUNS  runs of each program, in turn (3)
#   OVERHEAR             binary (target/release/overhear)
# What is written goes to memory (/dev/shm). The table shows medians; ratios are to `overhear -t2 --no-hash`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export OVERHEAR=${OVERHEAR:-target/release/overhear}
[ -x "$OVERHEAR" ] || { echo "bench: $OVERHEAR is not there (make build)" >&2; exit 1; }
tmp=/dev/shm
[ -w $tmp ] || tmp=${TMPDIR:-/tmp}
work=$(mktemp -d "$tmp/overhear-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

missing=()
while read -r command package; do
    PATH="$PATH:/usr/sbin" command -v "$command" >/dev/null || missing+=("$package ($command)")
done <<'PEERS'
capinfos wireshark-common
tcpdump tcpdump
nfpcapd nfdump
argus argus-server
ndpiReader libndpi-bin
tshark tshark
PEERS
for package in "${missing[@]}"; do
    echo "SKIPPED: $package is not installed (apt-get install ${package%% *})" >&2
done

files=()
if [ -n "${OVERHEAR_BENCH_DIR:-}" ]; then
    for name in mix-2g https-1g small-1g mix-200m handshakes; do
        if [ -e "$OVERHEAR_BENCH_DIR/$name.pcap" ]; then
            files+=("$OVERHEAR_BENCH_DIR/$name.pcap")
        else
            echo "SKIPPED: $OVERHEAR_BENCH_DIR/$name.pcap is not there" >&2
        fi
    done
    [ ${#files[@]} -gt 0 ] || { echo "bench: no capture in $OVERHEAR_BENCH_DIR" >&2; exit 1; }
else
    python3 scripts/enlarge.py sample-pcaps "$work/samples.pcap" "${OVERHEAR_BENCH_MB:-200}"
    files=("$work/samples.pcap")
    mkdir "$work/handshakes"
    python3 scripts/handshakes.py "$work/handshakes/front.pcap" sample-pcaps
    python3 scripts/enlarge.py "$work/handshakes" "$work/handshakes.pcap" "${OVERHEAR_BENCH_MB:-200}"
    files+=("$work/handshakes.pcap")
fi
PATH="$PATH:/usr/sbin" python3 scripts/bench.py "$work" "${OVERHEAR_BENCH_RUNS:-3}" "${files[@]}"

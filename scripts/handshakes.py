#!/usr/bin/env python3
"""Makes a capture of handshakes only, for benches: handshakes.py OUT.pcap CAPTURE_OR_FOLDER...

Of each TCP flow that begins with a TLS handshake the packets up to the application data stay, and of each UDP
flow that begins with QUIC or DTLS the first packets; everything else is left out. Captures are laid one
behind the other. Formats other than pcap are converted by editcap, where it is installed. What comes out can be
made larger with enlarge.py.
"""
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import enlarge

# Packets kept of a flow at most: a handshake with a long chain, and the end of the connection.
TCP_PACKETS, UDP_PACKETS = 40, 12


def records(path):
    """(nanoseconds, frame) of an Ethernet capture; nothing of other links."""
    head = path.read_bytes()[:24]
    if len(head) == 24 and struct.unpack_from("<I", head)[0] in enlarge.MAGIC:
        yield from enlarge.records(path)
    elif shutil.which("editcap"):
        with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
            if not subprocess.run(["editcap", "-F", "pcap", path, file.name], capture_output=True).returncode:
                yield from enlarge.records(Path(file.name))


def transport(frame):
    """(flow, protocol, payload) of a frame; None where it is neither TCP nor UDP over IP."""
    at = 12
    while frame[at : at + 2] == b"\x81\x00":
        at += 4
    kind, at = frame[at : at + 2], at + 2
    if kind == b"\x08\x00" and len(frame) >= at + 20:
        protocol, addresses = frame[at + 9], (frame[at + 12 : at + 16], frame[at + 16 : at + 20])
        end, at = at + struct.unpack_from(">H", frame, at + 2)[0], at + (frame[at] & 15) * 4
    elif kind == b"\x86\xdd" and len(frame) >= at + 40:
        protocol, addresses = frame[at + 6], (frame[at + 8 : at + 24], frame[at + 24 : at + 40])
        end, at = at + 40 + struct.unpack_from(">H", frame, at + 4)[0], at + 40
    else:
        return None
    if protocol not in (6, 17) or len(frame) < at + (20 if protocol == 6 else 8):
        return None
    ends = [(address, frame[at + 2 * i : at + 2 * i + 2]) for i, address in enumerate(addresses)]
    header = (frame[at + 12] >> 4) * 4 if protocol == 6 else 8
    return (protocol, *sorted(ends)), protocol, frame[at + header : end]


def begins(protocol, payload):
    """Whether a first payload is that of a handshake."""
    if protocol == 6:
        return payload[:2] == b"\x16\x03"
    # A long header of QUIC in a datagram as long as a first one must be, or a handshake record of DTLS.
    return (len(payload) >= 1200 and payload[0] & 0xC0 == 0xC0) or payload[:2] == b"\x16\xfe"


def handshakes(path):
    """The frames of one capture that stay."""
    flows = {}
    for at, frame in records(path):
        parts = transport(frame)
        if not parts:
            continue
        flow, protocol, payload = parts
        # Frames of the flow so far; None once it is known to be of no interest, or done with.
        state = flows.setdefault(flow, {"frames": [], "is": None, "over": False})
        if state["over"]:
            continue
        if state["is"] is None and payload:
            state["is"] = begins(protocol, payload)
        if state["is"] is False:
            state.update(over=True, frames=[])
            continue
        state["frames"].append((at, frame))
        limit = TCP_PACKETS if protocol == 6 else UDP_PACKETS
        state["over"] = len(state["frames"]) >= limit or (protocol == 6 and payload[:2] == b"\x17\x03")
    kept = [frame for state in flows.values() if state["is"] for frame in state["frames"]]
    return sorted(kept, key=lambda record: record[0])


def main():
    out, sources = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    if not sources:
        sys.exit(__doc__)
    files = [f for s in sources for f in (sorted(p for p in s.rglob("*") if p.is_file()) if s.is_dir() else [s])]
    clock, written = 1_700_000_000 * 10**9, 0
    with open(out, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for path in files:
            kept = handshakes(path)
            for i, (at, frame) in enumerate(kept):
                # Silence is cut, so that copies of the whole follow each other closely.
                clock += min(at - kept[i - 1][0], 10**8) if i else 10**6
                file.write(struct.pack("<IIII", clock // 10**9, clock % 10**9, len(frame), len(frame)) + frame)
            written += len(kept)
    print(f"{out}: {written} packets of {len(files)} files", file=sys.stderr)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Makes a larger capture out of sample-pcaps/, for benches: enlarge.py FOLDER OUT MEGABYTES

Every Ethernet frame of the plain pcap files is written again and again, each time with other
addresses: the third byte of IPv4 addresses and of MAC addresses changes, and the IP checksum with
it. Transport checksums become wrong, which none of the programs that are compared looks at. So each
copy is new flows between new hosts. Copies follow each other in time.
"""
import struct
import sys
from pathlib import Path

MAGIC = {0xA1B2C3D4: 1_000, 0xA1B23C4D: 1}


def records(path):
    """(nanoseconds, frame) of a little-endian Ethernet pcap; nothing of other files."""
    content = path.read_bytes()
    if len(content) < 24:
        return
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", content)
    if magic not in MAGIC or link != 1:
        return
    at = 24
    while at + 16 <= len(content):
        seconds, fraction, captured, _ = struct.unpack_from("<IIII", content, at)
        yield seconds * 10**9 + fraction * MAGIC[magic], content[at + 16 : at + 16 + captured]
        at += 16 + captured


def checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF ^ ((total & 0xFFFF) + (total >> 16))


def renumber(frame, copy):
    """The frame between hosts of copy number so many."""
    frame = bytearray(frame)
    for mac in (0, 6):
        if not frame[mac] & 1:
            frame[mac + 3] ^= copy & 0xFF
            frame[mac + 4] ^= copy >> 8 & 0xFF
    at = 12
    while frame[at : at + 2] == b"\x81\x00":
        at += 4
    if frame[at : at + 2] == b"\x08\x00" and len(frame) >= at + 22:
        ip = at + 2
        length = (frame[ip] & 15) * 4
        for address in (ip + 12, ip + 16):
            # Broadcast and multicast stay; a host keeps its network's first byte.
            if frame[address] < 224:
                frame[address + 1] ^= copy >> 8 & 0xFF
                frame[address + 2] ^= copy & 0xFF
        if length >= 20 and len(frame) >= ip + length:
            frame[ip + 10 : ip + 12] = b"\0\0"
            frame[ip + 10 : ip + 12] = struct.pack(">H", checksum(bytes(frame[ip : ip + length])))
    return bytes(frame)


def main():
    folder, out, wanted = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) << 20
    frames = sorted((r for path in sorted(folder.glob("*.pcap")) for r in records(path)), key=lambda r: r[0])
    first, span = frames[0][0], frames[-1][0] - frames[0][0] + 1_000_000
    with open(out, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        copy = written = 0
        while written < wanted:
            block = bytearray()
            for at, frame in frames:
                at += copy * span
                block += struct.pack("<IIII", at // 10**9, at % 10**9, len(frame), len(frame))
                block += renumber(frame, copy)
            file.write(block)
            written += len(block)
            copy += 1
    print(f"{out}: {len(frames) * copy} packets, {written >> 20} MiB", file=sys.stderr)


if __name__ == "__main__":
    main()

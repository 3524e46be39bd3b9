#!/usr/bin/python3
"""Turns a recorded capture into what a mirror port or a mirror tunnel would have delivered.

  mirror.py vlan OUT TAG:IN [TAG:IN...]   all captures in one, by time, each frame with the 802.1Q
                                          tag of its VLAN; none where TAG is "-"
  mirror.py vxlan|gre|erspan2|erspan3 OUT IN
                                          each frame in a packet from the switch to the collector:
      vxlan     RFC 7348, VNI 4050, UDP port 4789, source port from the inner flow
      gre       RFC 2784, protocol type 0x6558 (transparent Ethernet bridging)
      erspan2   ERSPAN type II: GRE with sequence number, protocol type 0x88BE, session 100
      erspan3   ERSPAN type III: protocol type 0x22EB, with a 32-bit timestamp of 100 us

Reads and writes little-endian microsecond pcap of Ethernet, which is what dumpcap -P writes."""
import struct
import sys
import zlib

SWITCH = bytes([192, 168, 99, 2]), bytes.fromhex("001c7300aa02")  # an Arista OUI
COLLECTOR = bytes([192, 168, 99, 50]), bytes.fromhex("98e743010203")
FILE_HEADER = struct.Struct("<IHHiIII")
RECORD_HEADER = struct.Struct("<IIII")


def frames(path):
    with open(path, "rb") as f:
        magic, *_, link = FILE_HEADER.unpack(f.read(FILE_HEADER.size))
        if magic != 0xA1B2C3D4 or link != 1:
            sys.exit(f"mirror.py: {path} is no microsecond pcap of Ethernet")
        while header := f.read(RECORD_HEADER.size):
            seconds, micros, kept, _ = RECORD_HEADER.unpack(header)
            yield (seconds, micros), f.read(kept)


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def outer(protocol, number, payload):
    """Ethernet and IPv4 from the switch to the collector (jumbo frames where the inner is full)."""
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), number & 0xFFFF, 0x4000, 62, protocol, 0,
                     SWITCH[0], COLLECTOR[0])
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return COLLECTOR[1] + SWITCH[1] + b"\x08\x00" + ip + payload


def vxlan(time, number, frame):
    # Both directions of an inner flow take the same path: the hash does not know who is first.
    ends = sorted((frame[26:30], frame[30:34]))
    port = 49152 + zlib.crc32(b"".join(ends)) % 16384
    inner = struct.pack("!BxxxI", 0x08, 4050 << 8) + frame
    return outer(17, number, struct.pack("!4H", port, 4789, 8 + len(inner), 0) + inner)


def gre(time, number, frame):
    return outer(47, number, struct.pack("!HH", 0, 0x6558) + frame)


def erspan2(time, number, frame):
    # version 1, VLAN 50, class 0, no truncation, session 100; index 7
    header = struct.pack("!HHI", 1 << 12 | 50, 100, 7)
    return outer(47, number, struct.pack("!HHI", 0x1000, 0x88BE, number) + header + frame)


def erspan3(time, number, frame):
    stamp = (time[0] * 10_000 + time[1] // 100) & 0xFFFFFFFF
    # version 2, VLAN 50, session 100; timestamp; no group tag; an Ethernet frame inside, hardware 3,
    # direction by who speaks, granularity 100 us
    direction = frame[6:12] > frame[0:6]
    header = struct.pack("!HHIHH", 2 << 12 | 50, 100, stamp, 0, 1 << 15 | 3 << 4 | direction << 3)
    return outer(47, number, struct.pack("!HHI", 0x1000, 0x22EB, number) + header + frame)


def main():
    kind, out, *inputs = sys.argv[1:]
    result = []
    if kind == "vlan":
        for item in inputs:
            tag, path = item.split(":", 1)
            for time, frame in frames(path):
                mark = b"" if tag == "-" else struct.pack("!HH", 0x8100, int(tag))
                result.append((time, frame[:12] + mark + frame[12:]))
        result.sort(key=lambda one: one[0])
    else:
        wrap = {"vxlan": vxlan, "gre": gre, "erspan2": erspan2, "erspan3": erspan3}[kind]
        for number, (time, frame) in enumerate(frames(inputs[0]), 1):
            result.append((time, wrap(time, number, frame)))
    with open(out, "wb") as f:
        f.write(FILE_HEADER.pack(0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for (seconds, micros), frame in result:
            f.write(RECORD_HEADER.pack(seconds, micros, len(frame), len(frame)) + frame)


main()

#!/usr/bin/python3
"""scrub.py IN OUT: copies a little-endian pcapng without what it tells about the recording machine
(processor and operating system in the section and interface headers)."""
import struct
import sys

SECTION, INTERFACE = 0x0A0D0D0A, 1
# Block type: length of the fixed part, options to drop (shb_hardware, shb_os; if_os, if_hardware).
HEADERS = {SECTION: (16, {2, 3}), INTERFACE: (8, {12, 15})}

with open(sys.argv[1], "rb") as f:
    whole = f.read()
out = bytearray()
while whole:
    kind, length = struct.unpack_from("<II", whole)
    block, whole = whole[8:length - 4], whole[length:]
    if kind in HEADERS:
        fixed, dropped = HEADERS[kind]
        kept, options = block[:fixed], block[fixed:]
        while options:
            code, size = struct.unpack_from("<HH", options)
            padded = 4 + (size + 3) // 4 * 4
            kept += b"" if code in dropped else options[:padded]
            options = options[padded:]
        block = kept
    out += struct.pack("<II", kind, len(block) + 12) + block + struct.pack("<I", len(block) + 12)
with open(sys.argv[2], "wb") as f:
    f.write(out)

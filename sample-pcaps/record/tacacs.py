#!/usr/bin/python3
"""tacacs.py serve KEY PASSWORD | tacacs.py ask ADDRESS KEY USER PASSWORD clear|hidden: the little of
TACACS+ (RFC 8907) that a PAP login takes, on port 49."""
import hashlib
import socket
import struct
import sys

UNENCRYPTED = 1


def pad(head, key, length):
    """Section 4.5: MD5 over session, key, version and sequence, chained."""
    out, last = b"", b""
    while len(out) < length:
        last = hashlib.md5(head[4:8] + key + head[0:1] + head[2:3] + last).digest()
        out += last
    return out[:length]


def packet(sequence, flags, session, body, key):
    head = struct.pack("!BBBBII", 0xC1, 1, sequence, flags, session, len(body))
    if not flags & UNENCRYPTED:
        body = bytes(a ^ b for a, b in zip(body, pad(head, key, len(body))))
    return head + body


def receive(stream, key):
    head = stream.read(12)
    flags, session, length = head[3], *struct.unpack("!II", head[4:12])
    body = stream.read(length)
    if not flags & UNENCRYPTED:
        body = bytes(a ^ b for a, b in zip(body, pad(head, key, length)))
    return flags, session, body


if sys.argv[1] == "serve":
    key, password = sys.argv[2].encode(), sys.argv[3].encode()
    server = socket.create_server(("0.0.0.0", 49))
    while True:
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            flags, session, body = receive(stream, key)
            status = 1 if body.endswith(password) else 2
            peer.sendall(packet(2, flags, session, bytes([status, 0, 0, 0, 0, 0]), key))
else:
    address, key, user, password, how = sys.argv[2:7]
    fields = [user.encode(), b"tty1", b"192.168.50.12", password.encode()]
    body = bytes([1, 1, 2, 1, *map(len, fields)]) + b"".join(fields)
    flags = UNENCRYPTED if how == "clear" else 0
    with socket.create_connection((address, 49)) as peer, peer.makefile("rb") as stream:
        peer.sendall(packet(1, flags, 0x5A3C0000 + len(password), body, key.encode()))
        receive(stream, key.encode())

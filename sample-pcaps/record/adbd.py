#!/usr/bin/python3
"""adbd.py PORT open|key: the device's end of the Android debug bridge, as much of it as `adb shell` needs. With
`key` it asks for a signature, and then takes any key."""
import os
import socket
import struct
import sys

BANNER = (b"device::ro.product.name=sample_panel;ro.product.model=RallyBar Sample;ro.product.device=rb1;"
          b"features=cmd\0")


def send(connection, command, first, second, payload=b""):
    magic = struct.unpack("<I", command)[0] ^ 0xFFFFFFFF
    connection.sendall(command + struct.pack("<5I", first, second, len(payload), sum(payload), magic) + payload)


def receive(connection):
    header = connection.recv(24, socket.MSG_WAITALL)
    if len(header) < 24:
        return None, 0, b""
    command, first, _second, length, _sum, _magic = struct.unpack("<4s5I", header)
    return command, first, connection.recv(length, socket.MSG_WAITALL) if length else b""


server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    connection, _peer = server.accept()
    with connection:
        while (message := receive(connection))[0]:
            command, first, payload = message
            if command == b"CNXN" and sys.argv[2] == "key":
                send(connection, b"AUTH", 1, 0, os.urandom(20))
            elif command == b"AUTH" and first == 2:
                send(connection, b"AUTH", 1, 0, os.urandom(20))
            elif command in (b"CNXN", b"AUTH"):
                send(connection, b"CNXN", 0x01000000, 4096, BANNER)
            elif command == b"OPEN":
                send(connection, b"OKAY", 7, first)
                send(connection, b"WRTE", 7, first, b"uid=2000(shell)\n")
            elif command == b"OKAY":
                send(connection, b"CLSE", 7, first)

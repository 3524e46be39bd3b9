#!/usr/bin/python3
"""inetd.py PORT COMMAND...: takes connections on PORT, one after the other, and gives each to
COMMAND as its standard input and output (what inetd calls `stream tcp nowait`)."""
import os
import socket
import subprocess
import sys

server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
for _ in range(20):
    connection, _peer = server.accept()
    with connection:
        subprocess.run(sys.argv[2:], stdin=connection, stdout=connection, stderr=subprocess.DEVNULL,
                       timeout=60, check=False)

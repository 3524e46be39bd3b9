#!/usr/bin/python3
"""say.py HOST PORT: a text conversation from standard input. A line `sign<TAB>answer` waits (at most 5 s) until
the other side has sent `sign`, then sends the answer; `\\r\\n` in it is a line end. It ends when the input does."""
import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as connection:
    seen = b""
    for line in sys.stdin:
        sign, answer = line.rstrip("\n").split("\t")
        while sign.encode() not in seen:
            more = connection.recv(65536)
            if not more:
                sys.exit(f"closed, and no {sign!r} in {seen!r}")
            seen += more
        seen = b""
        connection.sendall(answer.replace("\\r\\n", "\r\n").encode())

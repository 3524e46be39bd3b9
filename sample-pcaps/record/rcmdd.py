#!/usr/bin/python3
"""rcmdd.py rlogin|rsh|rexec: a server of that protocol on its usual port. It runs no commands: it answers as a small
appliance would. The one account is invented: service / Sample-Rcmd-1; rsh trusts the user `backup` without."""
import socket
import sys

USER, PASSWORD = b"service", b"Sample-Rcmd-1"
PORTS = {"rlogin": 513, "rsh": 514, "rexec": 512}


def field(connection):
    """The bytes before the next NUL."""
    out = b""
    while (byte := connection.recv(1)) not in (b"", b"\0"):
        out += byte
    return out


def typed(connection, echo):
    """A line that is typed, echoed where asked."""
    out = b""
    while (byte := connection.recv(1)) not in (b"", b"\r", b"\n"):
        if byte == b"\xff":  # a window size
            connection.recv(11, socket.MSG_WAITALL)
            continue
        out += byte
        if echo:
            connection.sendall(byte)
    connection.sendall(b"\r\n")
    return out


def rlogin(connection):
    field(connection)
    _local, user, _terminal = (field(connection) for _ in range(3))
    connection.sendall(b"\0")
    for _ in range(3):
        connection.sendall(b"Password: ")
        if typed(connection, False) == PASSWORD and user == USER:
            break
        connection.sendall(b"Login incorrect\r\nlogin: ")
        user = typed(connection, True)
    else:
        return
    connection.sendall(b"Sample appliance 2.1\r\n")
    while True:
        connection.sendall(b"nas# ")
        command = typed(connection, True)
        if command in (b"exit", b""):
            return
        connection.sendall(b"up 14 days\r\n" if command == b"uptime" else b"unknown command\r\n")


def command(connection, peer, trusted):
    port = field(connection)
    errors = None
    if port not in (b"", b"0"):
        errors = socket.socket()
        errors.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        errors.bind(("", 1021))
        errors.connect((peer[0], int(port)))
    first, second, _command = (field(connection) for _ in range(3))
    if second == b"backup" if trusted else (first, second) == (USER, PASSWORD):
        connection.sendall(b"\0 4:46pm  up 14 days\n")
    else:
        connection.sendall(b"\x01Permission denied.\n" if trusted else b"\x01Login incorrect.\n")
    if errors:
        errors.close()


kind = sys.argv[1]
server = socket.create_server(("0.0.0.0", PORTS[kind]))
while True:
    connection, peer = server.accept()
    with connection:
        rlogin(connection) if kind == "rlogin" else command(connection, peer, kind == "rsh")

"""SSH in Python with its defaults: py_ssh.py LIBRARY HOST PORT, or py_ssh.py LIBRARY-server PORT KEY"""
import sys

library, first, second = sys.argv[1:]
if library == "paramiko":
    import paramiko

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(first, int(second), "a", "b", allow_agent=False, look_for_keys=False, timeout=5)
elif library == "paramiko-server":
    import socket

    import paramiko

    listener = socket.create_server(("127.0.0.1", int(first)))
    while True:
        connection, _ = listener.accept()
        transport = paramiko.Transport(connection)
        transport.add_server_key(paramiko.Ed25519Key(filename=second))
        try:
            transport.start_server(server=paramiko.ServerInterface())
        except (paramiko.SSHException, EOFError):
            pass
else:
    import asyncio

    import asyncssh

    async def client():
        await asyncssh.connect(first, int(second), username="a", password="b", known_hosts=None)

    async def server():
        await asyncssh.listen("127.0.0.1", int(first), server_host_keys=[second])
        await asyncio.Event().wait()

    asyncio.run(server() if library.endswith("server") else client())

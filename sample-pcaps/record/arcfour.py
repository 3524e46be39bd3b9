#!/usr/bin/python3
"""arcfour.py PORT KEY: an SSH server that still has RC4; arcfour.py PORT HOST connect: a client that asks for it."""
import asyncio
import sys
import warnings

warnings.simplefilter("ignore")
import asyncssh  # noqa: E402

KINDS = {"encryption_algs": ["arcfour128"], "kex_algs": ["curve25519-sha256"], "mac_algs": ["hmac-sha2-256"]}


async def main():
    port, what = int(sys.argv[1]), sys.argv[2]
    if len(sys.argv) > 3:
        try:
            await asyncssh.connect(what, port, known_hosts=None, username="viewer", client_keys=None, agent_path=None,
                                   password=None, server_host_key_algs=["ssh-ed25519"], **KINDS)
        except asyncssh.Error as error:
            print(error)
        return
    server = await asyncssh.listen("", port, server_host_keys=[what], **KINDS)
    async with server:
        await asyncio.Event().wait()


asyncio.run(main())

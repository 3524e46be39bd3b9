#!/usr/bin/python3
"""A server and a client of QUIC, by aioquic.

quic.py LIBRARY serve CERTIFICATE PORT ALPN [retry]
    serves until it is ended; with `retry`, it has each client prove its address first
quic.py LIBRARY ask ADDRESS PORT NAME ALPN [WORD...]
    connects, sends one question, and closes. Words: `v2` for version 2, `reserved` to begin with a
    version that nobody has, `resume` to come back a second time, with data before the answer
"""
import asyncio
import ssl
import sys

sys.path.insert(0, sys.argv[1])

from aioquic.asyncio import connect, serve  # noqa: E402
from aioquic.asyncio.protocol import QuicConnectionProtocol  # noqa: E402
from aioquic.quic.configuration import QuicConfiguration  # noqa: E402
from aioquic.quic.events import StreamDataReceived  # noqa: E402

V1, V2, RESERVED = 1, 0x6B3343CF, 0x1A2A3A4A


class Echo(QuicConnectionProtocol):
    """Answers each question with as many bytes."""

    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived) and event.end_stream and event.stream_id % 4 == 0:
            self._quic.send_stream_data(event.stream_id, event.data[::-1], end_stream=True)
            self.transmit()


class Asker(QuicConnectionProtocol):
    """Waits for the answer."""

    answered = None

    def quic_event_received(self, event):
        if isinstance(event, StreamDataReceived) and event.end_stream and self.answered:
            self.answered.set()


async def serving(certificate, port, alpn, *words):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=[alpn], supported_versions=[V1, V2])
    configuration.load_cert_chain(certificate, certificate + ".key")
    tickets = {}
    await serve("0.0.0.0", int(port), configuration=configuration, create_protocol=Echo, retry="retry" in words,
                session_ticket_handler=lambda ticket: tickets.update({ticket.ticket: ticket}),
                session_ticket_fetcher=lambda label: tickets.pop(label, None))
    await asyncio.Future()


async def asking(address, port, name, alpn, *words):
    tickets = []
    for turn in range(2 if "resume" in words else 1):
        configuration = QuicConfiguration(is_client=True, alpn_protocols=[alpn], server_name=name,
                                          verify_mode=ssl.CERT_NONE)
        configuration.supported_versions = [V2] if "v2" in words else [V1]
        if "reserved" in words:
            configuration.original_version = RESERVED
            configuration.supported_versions = [RESERVED, V1]
        if turn:
            configuration.session_ticket = tickets[-1]
        async with connect(address, int(port), configuration=configuration, create_protocol=Asker,
                           session_ticket_handler=tickets.append, wait_connected=not turn) as asker:
            asker.answered = asyncio.Event()
            stream = asker._quic.get_next_available_stream_id()
            asker._quic.send_stream_data(stream, b"which rooms are free?", end_stream=True)
            asker.transmit()
            await asyncio.wait_for(asker.answered.wait(), 3)


try:
    asyncio.run({"serve": serving, "ask": asking}[sys.argv[2]](*sys.argv[3:]))
except (asyncio.TimeoutError, ConnectionError) as e:
    print("no answer:", type(e).__name__)

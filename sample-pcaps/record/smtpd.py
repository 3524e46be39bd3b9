#!/usr/bin/python3
"""smtpd.py PORT [CERTIFICATE]: aiosmtpd that takes any mail of one account and keeps none; with a
certificate it offers STARTTLS and does not insist on it."""
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult, LoginPassword


def authenticate(_server, _session, _envelope, _mechanism, given):
    known = isinstance(given, LoginPassword) and given == LoginPassword(b"scanner@office.example", b"Sample-Mail-4")
    return AuthResult(success=known, handled=False)


context = None
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[2] + ".key")
controller = Controller(Sink(), hostname="0.0.0.0", port=int(sys.argv[1]), server_hostname="mail.office.example",
                        authenticator=authenticate, auth_require_tls=False, tls_context=context)
controller.start()
while True:
    time.sleep(1)

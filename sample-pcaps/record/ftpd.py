#!/usr/bin/python3
"""ftpd.py FOLDER: an FTP server (pyftpdlib) with the greeting of a print server and one invented
account: scanuser / Sample-Scan-2."""
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

authorizer = DummyAuthorizer()
authorizer.add_user("scanuser", "Sample-Scan-2", sys.argv[1], perm="elradfmw")
FTPHandler.authorizer = authorizer
FTPHandler.banner = "Sample FTP Print Server V.52.06 ready."
FTPHandler.passive_ports = range(61000, 61100)
FTPHandler.auth_failed_timeout = 0.3
FTPHandler.use_sendfile = False
# IPv4 and IPv6 on one socket where the host has both.
host = "::" if sys.argv[2:] == ["v6"] else "0.0.0.0"
FTPServer((host, 21), FTPHandler).serve_forever()

#!/usr/bin/python3
"""A printer that answers: PJL on port 9100 (what it is, how it is), LPD on port 515 (yes to everything)."""
import socketserver
import threading

ANSWERS = {
    "INFO ID": '"HP LaserJet M404dn"',
    "INFO STATUS": 'CODE=10001\r\nDISPLAY="Ready"\r\nONLINE=TRUE',
    "DINQUIRE PASSWORD": "ENABLED",
    'FSDIRLIST NAME="0:\\" ENTRY=1 COUNT=9': "PostScript TYPE=DIR\r\nsaveDevice TYPE=DIR",
}


class Pjl(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            text = line.decode("latin-1").replace("\x1b%-12345X", "").strip()
            asked = text[5:] if text.startswith("@PJL ") else ""
            if asked in ANSWERS:
                self.wfile.write(f"@PJL {asked}\r\n{ANSWERS[asked]}\r\n\x0c".encode())


class Lpd(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            if line[0] == 2 and b" " not in line:
                self.wfile.write(b"\0")
            elif line[0] in (2, 3):
                self.wfile.write(b"\0")
                self.rfile.read(int(line[1:].split()[0]) + 1)
                self.wfile.write(b"\0")
            else:
                self.wfile.write(b"no entries\n")
                return


socketserver.ThreadingTCPServer.allow_reuse_address = True
threading.Thread(target=socketserver.ThreadingTCPServer(("", 9100), Pjl).serve_forever, daemon=True).start()
socketserver.ThreadingTCPServer(("", 515), Lpd).serve_forever()

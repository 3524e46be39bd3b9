#!/usr/bin/python3
"""webapp.py PORT: the web pages of a made-up network camera, by Python's http.server: a start page that is
compressed, a login form, JSON-RPC, NTLM as far as its challenge, ONVIF's device service with WS-Security,
an API that wants a key, an upgrade to WebSocket, and a UPnP gateway's port mapping. Accounts are invented:
admin / Sample-Form-5, and admin / Sample-Onvif-6 for ONVIF."""
import base64
import gzip
import hashlib
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

PAGE = b"<html><head><title>Sample Recorder</title></head><body>%s</body></html>"
FORM = b'<form method="post" action="/login.cgi"><input name="username"><input type="password" name="password"></form>'
# MS-NLMP, section 2.2.1.2: challenge 0123456789abcdef, Unicode, NTLM, target information empty.
CHALLENGE = base64.b64encode(
    b"NTLMSSP\0\x02\0\0\0" + b"\x06\0\x06\0\x38\0\0\0" + b"\x05\x82\x8a\x22" + bytes.fromhex("0123456789abcdef")
    + bytes(8) + b"\x04\0\x04\0\x3e\0\0\0" + b"\x0a\0\x61\x4a\0\0\0\x0f" + "CAM".encode("utf-16le") + bytes(4)).decode()
DEVICE = b"""<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tds="http://www.onvif.org/ver10/device/wsdl">
<s:Body><tds:GetDeviceInformationResponse><tds:Manufacturer>Sample Works</tds:Manufacturer><tds:Model>R-16</tds:Model>
<tds:FirmwareVersion>4.30.1</tds:FirmwareVersion><tds:SerialNumber>R16-000731</tds:SerialNumber>
<tds:HardwareId>2.0</tds:HardwareId></tds:GetDeviceInformationResponse></s:Body></s:Envelope>"""
DESCRIPTION = b"""<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:Basic:1</deviceType><friendlyName>Recorder Hall B</friendlyName>
<manufacturer>Sample Works</manufacturer><modelName>R-16</modelName><modelNumber>16</modelNumber>
<serialNumber>R16-000731</serialNumber><UDN>uuid:5a3c1f00-0731-4000-8000-4447ccd10532</UDN></device></root>"""


class Pages(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "SampleRecorder/4.30", ""

    def log_message(self, *words):
        pass

    def answer(self, status, body=b"", kind="text/html", **fields):
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        field = self.headers.get("Authorization", "")
        if self.path == "/ntlm":
            if not field.startswith("NTLM "):
                self.answer(401, WWW_Authenticate="NTLM")
            elif base64.b64decode(field[5:])[8] == 1:
                self.answer(401, WWW_Authenticate="NTLM " + CHALLENGE)
            else:
                self.answer(200, PAGE % b"in")
        elif self.path == "/api/state":
            self.answer(200 if self.headers.get("X-API-Key") else 401, b'{"state":"ok"}', "application/json")
        elif self.path == "/description.xml":
            self.answer(200, DESCRIPTION, "text/xml")
        elif self.headers.get("Upgrade") == "websocket":
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            self.send_response(101)
            for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"\x81\x05hello")
            self.close_connection = True
        else:
            self.answer(200, gzip.compress(PAGE % FORM, mtime=0), Content_Encoding="gzip")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path == "/login.cgi":
            if parse_qs(body).get("password") == ["Sample-Form-5"]:
                self.answer(302, Location="/main.html", Set_Cookie="session=c0ffee-0731-5a3c; Path=/; HttpOnly")
            else:
                self.answer(200, PAGE % FORM)
        elif self.path == "/ubus":
            self.answer(200, b'{"jsonrpc":"2.0","id":1,"result":[6]}', "application/json")
        elif self.path == "/onvif/device_service":
            self.answer(200, DEVICE, "application/soap+xml; charset=utf-8")
        else:
            self.answer(200, b"<s:Envelope/>", "text/xml")


ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Pages).serve_forever()

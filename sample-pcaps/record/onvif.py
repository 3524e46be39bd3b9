#!/usr/bin/python3
"""onvif.py URL USER PASSWORD [text]: asks an ONVIF device who it is, with a WS-Security digest (or, with
`text`, with the password itself)."""
import base64
import hashlib
import sys
import urllib.request

url, user, password = sys.argv[1:4]
nonce, created = bytes(range(16)), "2026-11-25T09:00:00Z"
kind, secret = "PasswordDigest", base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()
if sys.argv[4:] == ["text"]:
    kind, secret = "PasswordText", password
WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
body = f"""<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>
<Security xmlns="{WSS}wssecurity-secext-1.0.xsd"><UsernameToken><Username>{user}</Username>
<Password Type="{WSS}username-token-profile-1.0#{kind}">{secret}</Password>
<Nonce EncodingType="{WSS}soap-message-security-1.0#Base64Binary">{base64.b64encode(nonce).decode()}</Nonce>
<Created xmlns="{WSS}wssecurity-utility-1.0.xsd">{created}</Created></UsernameToken></Security></s:Header>
<s:Body><GetDeviceInformation xmlns="http://www.onvif.org/ver10/device/wsdl"/></s:Body></s:Envelope>"""
request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/soap+xml; charset=utf-8"})
urllib.request.urlopen(request, timeout=5).read()

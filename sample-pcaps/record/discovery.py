#!/usr/bin/env python3
"""The half of a dialogue for which Debian has no software, byte by byte from the standards.

discovery.py map             answers NAT-PMP (RFC 6886) and PCP (RFC 6887)
discovery.py agent           answers SLP (RFC 2608)
discovery.py pcp GATEWAY     asks for a mapping by PCP
discovery.py slp             asks for printers by SLP, and for what one of them is
discovery.py ssdp            searches with SSDP (UPnP Device Architecture 2.0, section 1.3)
discovery.py announce IP     announces a media renderer with SSDP, and answers searches
discovery.py lldp [IP MODEL VLAN]   sends an LLDP frame with LLDP-MED as a phone does (IEEE 802.1AB, ANSI/TIA-1057)
discovery.py cdp INTERFACE   sends a CDP frame as a switch does, from a MAC address of its own
discovery.py probe           looks for ONVIF devices by WS-Discovery
discovery.py camera IP       answers such probes
"""
import socket
import struct
import sys
import time

NONCE = bytes(range(12))
V4 = b"\0" * 10 + b"\xff\xff"


def udp(port=0, group=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
    s.bind(("", port))
    if group:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + b"\0\0\0\0")
    s.settimeout(1)
    return s


def listen(s, seconds):
    end = time.time() + seconds
    while time.time() < end:
        try:
            yield s.recvfrom(4096)
        except TimeoutError:
            pass


def text(t):
    return struct.pack(">H", len(t)) + t


def slp(function, xid, body, flags=0):
    length = 16 + len(body)
    return struct.pack(">BB", 2, function) + length.to_bytes(3, "big") + struct.pack(">H3xHH", flags, xid, 2) + b"en" + body


URL = b"service:printer:lpr://192.168.50.22/lp"
ATTRIBUTES = (b"(printer-make-and-model=Sample Laser 5),(printer-location=floor 2\\2c west),"
              b"(printer-info=invented),(x-hp-mac=001ba9e2c722)")


def port_mapping(message):
    if message[:1] == b"\0" and len(message) == 2:
        return struct.pack(">BBHI4B", 0, 128, 0, 60, 203, 0, 113, 254)
    if message[:1] == b"\0":
        op, inside, _, life = message[1], *struct.unpack(">HHI", message[4:12])
        return struct.pack(">BBHIHHI", 0, 128 + op, 0, 60, inside, inside + 40000, life)
    head = struct.pack(">BBBB", 2, 0x81, 0, 0) + message[4:8] + struct.pack(">I12x", 60)
    return head + message[24:42] + struct.pack(">H", 42554) + V4 + bytes([203, 0, 113, 254])


def map_ports():
    s = udp(5351)
    for message, sender in listen(s, 60):
        s.sendto(port_mapping(message), sender)


def agent():
    s = udp(427, "239.255.255.253")
    for message, sender in listen(s, 60):
        xid = struct.unpack(">H", message[10:12])[0]
        if message[1] == 1:
            body = struct.pack(">HH", 0, 1) + b"\0" + struct.pack(">H", 65535) + text(URL) + b"\0"
            s.sendto(slp(2, xid, body), sender)
        elif message[1] == 6:
            s.sendto(slp(7, xid, b"\0\0" + text(ATTRIBUTES) + b"\0"), sender)


def ask_pcp(gateway):
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.connect((gateway, 5351))
    address = V4 + socket.inet_aton(own.getsockname()[0])
    own.send(struct.pack(">BBHI", 2, 1, 0, 7200) + address + NONCE + struct.pack(">B3xHH", 6, 554, 0) + V4 + bytes(4))
    own.settimeout(2)
    own.recv(1100)


def ask_slp():
    s = udp()
    s.sendto(slp(1, 7, text(b"") + text(b"service:printer") + text(b"DEFAULT") + text(b"") + text(b""), 0x2000),
             ("239.255.255.253", 427))
    _, agent = s.recvfrom(4096)
    s.sendto(slp(6, 8, text(b"") + text(URL) + text(b"DEFAULT") + text(b"") + text(b"")), agent)
    s.recvfrom(4096)


def search():
    s = udp()
    for target in ("ssdp:all", "urn:schemas-upnp-org:device:MediaRenderer:1"):
        s.sendto(f"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: {target}\r\n"
                 "USER-AGENT: Windows/10.0 UPnP/1.1 Sample/1.0\r\n\r\n".encode(), ("239.255.255.250", 1900))
        list(listen(s, 1))


def announce(ip):
    kind, uuid = "urn:schemas-upnp-org:device:MediaRenderer:1", "uuid:5a3c1e00-0000-1000-8000-c0288d661053"
    tail = (f"LOCATION: http://{ip}:49152/description.xml\r\nSERVER: Linux/4.9 UPnP/1.0 SampleBar/2.1\r\n"
            f"CACHE-CONTROL: max-age=1800\r\nUSN: {uuid}::{kind}\r\n\r\n")
    s = udp(1900, "239.255.255.250")
    s.sendto(f"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNT: {kind}\r\nNTS: ssdp:alive\r\n{tail}".encode(),
             ("239.255.255.250", 1900))
    for _, sender in listen(s, 60):
        s.sendto(f"HTTP/1.1 200 OK\r\nEXT:\r\nST: {kind}\r\n{tail}".encode(), sender)


def send_frame(destination, rest, interface="eth0", source=None):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((interface, 0))
    s.send(bytes.fromhex(destination) + (bytes.fromhex(source) if source else s.getsockname()[4]) + rest)


def element(kind, value):
    return struct.pack(">H", kind << 9 | len(value)) + value


def lldp(address="192.168.40.41", model="SIP-T46S", vlan="50"):
    med = lambda subtype, value: element(127, b"\x00\x12\xbb" + bytes([subtype]) + value)
    # Not from /sys, which may be that of the machine around.
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind(("eth0", 0))
        mac = s.getsockname()[4]
    ip, model = socket.inet_aton(address), model.encode()
    # Application voice, tagged, VLAN, priority 5, DSCP 46.
    policy = (1 << 24 | 1 << 22 | int(vlan) << 9 | 5 << 6 | 46).to_bytes(4, "big")
    send_frame("0180c200000e", b"\x88\xcc" + b"".join([
        element(1, b"\x05\x01" + ip), element(2, b"\x03" + mac), element(3, b"\x00\x78"),
        element(4, b"WAN PORT"), element(5, model), element(6, model + b" 66.85.0.5"),
        element(7, bytes([0, 0x24, 0, 0x24])), element(8, b"\x05\x01" + ip + b"\x02\0\0\0\x01\0"),
        med(1, bytes([0, 0x33, 3])), med(2, policy), med(5, b"66.0.0.128"), med(6, b"66.85.0.5"),
        med(7, b"66.85.0.5"), med(8, mac.hex().upper().encode()), med(9, b"Yealink"), med(10, model), element(0, b"")]))


def cdp(interface):
    tlv = lambda kind, value: struct.pack(">HH", kind, len(value) + 4) + value
    address = b"\0\0\0\x01\x01\x01\xcc\0\x04" + bytes([192, 168, 40, 2])
    body = b"\x02\xb4\0\0" + b"".join([
        tlv(1, b"sw-staff.office.example"), tlv(2, address), tlv(3, b"GigabitEthernet1/0/7"), tlv(4, b"\0\0\0\x28"),
        tlv(5, b"Sample Switch Software, Version 15.2(4)"), tlv(6, b"sample WS-2960"), tlv(9, b"office"),
        tlv(10, b"\0\x28"), tlv(11, b"\x01"), tlv(0x16, address)])
    body += b"\0" * (len(body) % 2)
    total = sum(struct.unpack(f">{len(body) // 2}H", body))
    total = (total & 0xffff) + (total >> 16)
    body = body[:2] + struct.pack(">H", 0xffff - ((total & 0xffff) + (total >> 16))) + body[4:]
    send_frame("01000ccccccc", struct.pack(">H", len(body) + 8) + b"\xaa\xaa\x03\x00\x00\x0c\x20\x00" + body,
               interface, "001b54400202")


SOAP = ('<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">'
        '<s:Header><a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/%s</a:Action>'
        '<a:MessageID>urn:uuid:%s</a:MessageID>%s</s:Header><s:Body>%s</s:Body></s:Envelope>')


def probe():
    s = udp()
    s.sendto((SOAP % ("Probe", "0a000001-0000-4000-8000-000000000001",
                      "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>",
                      "<d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe>")).encode(), ("239.255.255.250", 3702))
    list(listen(s, 1))


def camera(ip):
    s = udp(3702, "239.255.255.250")
    match = ("<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:4447ccd1-0532-4000-8000-4447ccd10532"
             "</a:Address></a:EndpointReference><d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>"
             "onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/name/Sample%20Dome "
             "onvif://www.onvif.org/hardware/SD-2143 onvif://www.onvif.org/location/lobby</d:Scopes>"
             f"<d:XAddrs>http://{ip}/onvif/device_service</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
             "</d:ProbeMatch></d:ProbeMatches>")
    for message, sender in listen(s, 60):
        if b"discovery/Probe<" in message:
            s.sendto((SOAP % ("ProbeMatches", "0a000002-0000-4000-8000-000000000002",
                              "<a:RelatesTo>urn:uuid:0a000001-0000-4000-8000-000000000001</a:RelatesTo>", match)).encode(), sender)


WORDS = {"map": map_ports, "agent": agent, "pcp": ask_pcp, "slp": ask_slp, "ssdp": search, "announce": announce, "lldp": lldp, "cdp": cdp,
         "probe": probe, "camera": camera}
WORDS[sys.argv[1]](*sys.argv[2:])

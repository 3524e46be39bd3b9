#!/bin/bash
# What tshark finds in the captures of this folder (or of the folder given): expected.tsv, a second
# opinion for the tests, which read the table and run no tshark.
#
# One row per capture, and one for the two rotated files taken together. Lists are in the order of
# the capture, joined by "|"; "-" where there is nothing.
#   packets            frames in the file
#   tcp_streams        conversations as tshark numbers them, innermost layer; those that are only
#   udp_streams        quoted in an ICMP error do not count
#   icmp_packets       ICMP and ICMPv6 frames (of a fragmented one: the frame that completes it)
#   dns_queries        DNS, mDNS and LLMNR messages with the response bit clear
#   dns_responses      ... and set
#   dns_names          names asked for, without repetition
#   tls_client_hellos  number of them
#   sni                server name of each, "" where it has none
#   ja3, ja3s          MD5 of each client hello and of each server hello
#   tls_server         version (supported_versions, else legacy) and cipher suite of each server hello
#   http_requests      method, Host and target of each
#   http_status        status code of each response
#   http_basic         user:password of each request that has them
#   ftp_logins         user/password/reply to PASS, per control connection ("" where not seen)
#   telnet_lines       what the client typed, line by line
#   dhcp_names         MAC=host name=vendor class of each DHCP request
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$here}"
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
# tshark gives no zstd of its own everywhere.
for file in *.zst; do [ ! -e "$file" ] || zstd -qdc "$file" >"$temporary/$file"; done
[ ! -e rotated-00002.pcap ] || mergecap -a -w "$temporary/rotated-00001.pcap+rotated-00002.pcap" rotated-00001.pcap rotated-00002.pcap
TEMPORARY=$temporary python3 - <<'PYTHON' >"$temporary/expected.tsv"
import glob
import os
import subprocess

TEMPORARY = os.environ["TEMPORARY"]
COLUMNS = ("capture packets tcp_streams udp_streams icmp_packets dns_queries dns_responses dns_names "
           "tls_client_hellos sni ja3 ja3s tls_server http_requests http_status http_basic ftp_logins "
           "telnet_lines dhcp_names").split()
FIELDS = ("frame.protocols tcp.stream udp.stream tcp.dstport tcp.payload dns.flags.response dns.qry.name "
          "tls.handshake.type tls.handshake.extensions_server_name tls.handshake.ja3 tls.handshake.ja3s "
          "tls.handshake.version tls.handshake.extensions.supported_version tls.handshake.ciphersuite "
          "dtls.handshake.type dtls.handshake.extensions_server_name dtls.handshake.ja3 dtls.handshake.ja3s "
          "dtls.handshake.version dtls.handshake.extensions.supported_version dtls.handshake.ciphersuite "
          "http.request.method http.host http.request.uri http.response.code http.authbasic "
          "ftp.request.command ftp.request.arg ftp.response.code "
          "dhcp.option.dhcp dhcp.hw.mac_addr dhcp.option.hostname dhcp.option.vendor_class_id").split()


class Frame(dict):
    """The fields of a frame, each a list of its occurrences."""

    def first(self, field):
        return self[field][0] if self[field] else ""

    def last(self, field):
        return self[field][-1] if self[field] else ""

    def handshake(self, field):
        """A field of TLS, or the same of DTLS."""
        return self.first("tls.handshake." + field) or self.first("dtls.handshake." + field)

    def inner(self):
        """The protocols of the innermost packet; of one that only quotes another, without the quote."""
        protocols = self.first("frame.protocols").split("vxlan:")[-1].split(":")
        for icmp in ("icmp", "icmpv6"):
            if icmp in protocols:
                protocols = protocols[:protocols.index(icmp) + 1]
        return protocols


def tshark(path):
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=|"]
    # Where RTSP announces media, tshark begins their stream anew, with a number of its own; and its SNMP
    # dissector makes a stream of its own of each answer.
    command += ["--disable-protocol", "rtsp", "--disable-protocol", "snmp"]
    # DNS over QUIC has the port of DNS over DTLS.
    command += ["-d", "udp.port==853,quic"]
    # The port of AJP carries TLS here.
    command += ["-d", "tcp.port==8009,tls"]
    for field in FIELDS:
        command += ["-e", field]
    text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    for line in text.decode("utf-8", "replace").splitlines():
        cells = line.split("\t")
        cells += [""] * (len(FIELDS) - len(cells))
        yield Frame(zip(FIELDS, (cell.split("|") if cell else [] for cell in cells)))


def unique(values):
    return list(dict.fromkeys(values))


def telnet_lines(frames):
    """Joins what the client sends, takes the telnet commands (RFC 854) out, splits at the line ends."""
    sent = {}
    for frame in frames:
        if frame.last("tcp.dstport") == "23" and frame["tcp.payload"]:
            sent.setdefault(frame.last("tcp.stream"), bytearray()).extend(bytes.fromhex(frame.last("tcp.payload")))
    lines = []
    for raw in sent.values():
        text, i = bytearray(), 0
        while i < len(raw):
            if raw[i] != 255:
                text.append(raw[i])
                i += 1
            elif raw[i + 1] == 250:
                i = raw.index(b"\xff\xf0", i) + 2
            else:
                i += 3 if raw[i + 1] >= 251 else 2
        lines += text.replace(b"\r\0", b"\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode().splitlines()
    return lines


def ftp_logins(frames):
    logins, current = [], {}
    for frame in frames:
        stream, command = frame.last("tcp.stream"), frame.first("ftp.request.command")
        code = frame.first("ftp.response.code")
        if command == "USER":
            current[stream] = [frame.first("ftp.request.arg"), "", ""]
            logins.append(current[stream])
        elif command == "PASS" and stream in current:
            current[stream][1] = frame.first("ftp.request.arg")
        elif code and stream in current and current[stream][1] and not current[stream][2]:
            current[stream][2] = code
    return ["/".join(login) for login in logins]


def expect(name, path):
    frames = list(tshark(path))
    dns = [f for f in frames if f["dns.flags.response"] and not {"icmp", "icmpv6"} & set(f.inner())]
    responses = [flag for f in dns for flag in f["dns.flags.response"]]
    messages = lambda f: f["tls.handshake.type"] + f["dtls.handshake.type"]
    hellos = [f for f in frames if "1" in messages(f)]
    servers = [f for f in frames if "2" in messages(f)]
    # SSDP is HTTP in form only.
    web = [f for f in frames if "ssdp" not in f.inner()]
    values = [
        name,
        len(frames),
        len(unique(f.last("tcp.stream") for f in frames if "tcp" in f.inner())),
        len(unique(f.last("udp.stream") for f in frames if "udp" in f.inner())),
        sum(1 for f in frames if {"icmp", "icmpv6"} & set(f.inner())),
        responses.count("0"),
        responses.count("1"),
        unique(n for f in dns if f.first("dns.flags.response") == "0" for n in f["dns.qry.name"]),
        len(hellos),
        [f.handshake("extensions_server_name") for f in hellos],
        [f.handshake("ja3") for f in hellos],
        [f.handshake("ja3s") for f in servers],
        [(f.handshake("extensions.supported_version") or f.handshake("version")) + "/" + f.handshake("ciphersuite")
         for f in servers],
        [f"{f.first('http.request.method')} {f.first('http.host')}{f.first('http.request.uri')}"
         for f in web if f["http.request.method"]],
        [code for f in web for code in f["http.response.code"]],
        [login for f in frames for login in f["http.authbasic"]],
        ftp_logins(frames),
        telnet_lines(frames),
        [f"{f.first('dhcp.hw.mac_addr')}={f.first('dhcp.option.hostname')}={f.first('dhcp.option.vendor_class_id')}"
         for f in frames if "3" in f["dhcp.option.dhcp"]],
    ]
    return [("|".join(v) if v else "-") if isinstance(v, list) else str(v) for v in values]


print("\t".join(COLUMNS))
for file in sorted(glob.glob("*.pcap*") + [os.path.basename(p) for p in glob.glob(TEMPORARY + "/*+*")]):
    unpacked = os.path.join(TEMPORARY, file)
    print("\t".join(expect(file, unpacked if os.path.exists(unpacked) else file)))
PYTHON
cp "$temporary/expected.tsv" expected.tsv

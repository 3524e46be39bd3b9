"""Holds the questions of README.md against DuckDB and tshark; see check-questions.sh.

With --print, prints what DuckDB answers, in the form that README.md shows it in.
"""
import collections
import functools
import ipaddress
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

SAMPLES = Path("sample-pcaps")
# Seconds for one run of tshark over one sample.
TSHARK_SECONDS_MAX = 120
Rows = list[tuple[str, ...]]


def shown(value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def questions():
    """Title, SQL and shown answer of each question."""
    text = Path("README.md").read_text().split("## Asking questions", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"### \d+\. (.+?)\n.*?```sql\n(.*?)```\s*```text\n(.*?)```", text, re.S)
    return [(title, sql.strip(), answer.strip("\n")) for title, sql, answer in found]


def ask(sql) -> Rows:
    return [tuple(map(shown, row)) for row in duckdb.execute(sql).fetchall()]


def table(rows: Rows):
    widths = [max(map(len, column)) for column in zip(*rows)] if rows else []
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


class Tshark:
    """Fields of frames of the samples."""

    def __init__(self, folder):
        asked = sorted(SAMPLES / name for name in (SAMPLES / "questions.txt").read_text().split())
        self.files = [p for p in asked if p.suffix != ".zst"]
        for packed in (p for p in asked if p.suffix == ".zst"):
            plain = folder / packed.stem
            with open(plain, "wb") as out:
                subprocess.run(["zstd", "-qdc", packed], stdout=out, check=True)
            self.files.append(plain)

    @functools.cache
    def fields(self, condition, *names, occurrence="l"):
        """(file, value...) of every frame; of a field that occurs more than once, the last one,
        which is that of the innermost layer."""
        found = []
        for path in self.files:
            command = ["tshark", "-r", path, "-Y", condition, "-T", "fields", "-E", f"occurrence={occurrence}"]
            for name in names:
                command += ["-e", name]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TSHARK_SECONDS_MAX)
            for line in done.stdout.splitlines():
                found.append((path.name, *line.split("\t")))
        return found


def inside(address):
    ip = ipaddress.ip_address(address)
    ranges = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10")
    return any(ip.version == n.version and ip in n for n in map(ipaddress.ip_network, ranges))


def outside(address):
    ip = ipaddress.ip_address(address)
    return not inside(address) and not ip.is_multicast and address not in ("0.0.0.0", "255.255.255.255", "::")


def tally(items) -> Rows:
    return [(*key, str(n)) for key, n in sorted(collections.Counter(items).items())]


VERSIONS = {"0x0300": "SSLv3", "0x0301": "TLSv1.0", "0x0302": "TLSv1.1", "0x0303": "TLSv1.2", "0x0304": "TLSv1.3"}


def devices(t) -> Rows:
    """MAC and host name in DHCP requests."""
    rows = t.fields("dhcp.option.dhcp == 3", "dhcp.hw.mac_addr", "dhcp.option.hostname")
    return sorted({(mac, name) for _, mac, name in rows if name})


def passwords(t) -> Rows:
    """FTP: PASS and the reply to it. HTTP: a request with credentials and its status. Telnet: by the
    lines that the client typed, which are told from what it is asked."""
    seen = []
    open_ftp, open_http, told = {}, {}, set()
    # rotated-00002 is the same connection as rotated-00001; one-way captures have no reply.
    for file, stream, ip, command, arg, code in t.fields(
        "ftp", "tcp.stream", "ip.dst", "ftp.request.command", "ftp.request.arg", "ftp.response.code"
    ):
        if command == "PASS":
            open_ftp[file, stream] = (ip, len(arg))
        elif code and (file, stream) in open_ftp:
            ip, length = open_ftp.pop((file, stream))
            seen.append(("ftp", ip, str(length), {"230": "yes", "530": "no"}.get(code, "-")))
    seen += [("ftp", ip, str(length), "-") for ip, length in open_ftp.values()]
    for file, stream, ip, basic, status in t.fields(
        "http", "tcp.stream", "ip.dst", "http.authbasic", "http.response.code"
    ):
        if basic:
            open_http[file, stream] = (ip, basic)
        elif status and (file, stream) in open_http:
            ip, basic = open_http.pop((file, stream))
            told.add((file, stream, ip, basic, "no" if status == "401" else "yes"))
    # A login that is sent again with each request of a connection is one row.
    seen += [("http", ip, str(len(basic.split(":", 1)[1])), ok) for _, _, ip, basic, ok in told]
    for path in t.files:
        streams = {(s, ip) for f, s, ip in t.fields("tcp.dstport == 23", "tcp.stream", "ip.dst") if f == path.name}
        for stream, ip in sorted(streams):
            typed, screen = "", ""
            for f, s, port, payload in t.fields("telnet", "tcp.stream", "tcp.dstport", "tcp.payload"):
                if (f, s) != (path.name, stream):
                    continue
                data = re.sub(rb"\xff\xfa.*?\xff\xf0|\xff[\xfb-\xfe].", b"", bytes.fromhex(payload), flags=re.S)
                text = data.replace(b"\0", b"").decode("latin-1")
                if port != "23":
                    screen += text
                    continue
                for c in text:
                    if c in "\r\n":
                        if re.search(r"(?i)password: *$", screen.rstrip("\r\n")) and typed:
                            seen.append(["telnet", ip, str(len(typed)), "?", len(screen)])
                        typed = ""
                    else:
                        typed += c
            for entry in (e for e in seen if isinstance(e, list) and e[3] == "?"):
                after = screen[entry[4] : entry[4] + 200]
                entry[3] = "no" if re.search(r"(?i)incorrect|invalid|denied|fail", after) else "yes"
    return tally(tuple(e[:4]) for e in seen)


def old_tls(t) -> Rows:
    rows = t.fields("tls.handshake.type == 2", "ip.src", "tcp.srcport", "tls.handshake.version",
                    "tls.handshake.extensions.supported_version")
    servers = [(ip, port, VERSIONS[newer or version]) for _, ip, port, version, newer in rows]
    return tally(s for s in servers if s[2] < "TLSv1.2")


def unknown_names(t) -> Rows:
    rows = t.fields("dns.flags.rcode == 3", "ip.dst", "dns.qry.name")
    return sorted({(ip, name) for _, ip, name in rows})


def outside_bytes(t) -> Rows:
    """TCP payload by pair, from inside to outside and back."""
    sums = collections.defaultdict(lambda: [0, 0])
    for _, ip4s, ip6s, ip4d, ip6d, length, udp in t.fields(
        "(tcp or udp) and not icmp and not icmpv6", "ip.src", "ipv6.src", "ip.dst", "ipv6.dst", "tcp.len", "udp.length"
    ):
        source, target = ip4s or ip6s, ip4d or ip6d
        size = int(length) if length else int(udp) - 8
        if inside(source) and outside(target):
            sums[source, target][0] += size
        elif outside(source) and inside(target):
            sums[target, source][1] += size
    return sorted((*pair, str(sent), str(got)) for pair, (sent, got) in sums.items())


def not_looked_up(t) -> Rows:
    """Connections to the outside that were tried, to addresses that no answer named."""
    named = set()
    for _, v4, v6 in t.fields("dns", "dns.a", "dns.aaaa", occurrence="a"):
        named.update(f"{v4},{v6}".split(","))
    rows = t.fields("tcp.flags.syn == 1 and tcp.flags.ack == 0 and ip", "tcp.stream", "ip.src", "ip.dst", "tcp.dstport")
    # A SYN that is sent again is the same connection.
    calls = {(file, *call) for file, *call in rows if outside(call[2]) and call[2] not in named}
    return tally((ip, peer, port) for _, _, ip, peer, port in calls)


def insecure_services(t) -> Rows:
    """Connections to the control ports of telnet and FTP; the one in two files is one flow."""
    rows = t.fields("tcp.port == 21 or tcp.port == 23", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport")
    connections = set()
    for file, *ends in rows:
        source, target, from_port, to_port = ends
        if to_port not in ("21", "23"):
            source, target, from_port, to_port = target, source, to_port, from_port
        connections.add((re.sub(r"rotated-0000\d", "rotated", file), source, from_port, target, to_port))
    return tally(({"21": "ftp", "23": "telnet"}[port], server) for *_, server, port in connections)


def same_software(t) -> Rows:
    """JA3 values that more than one host has."""
    hosts = collections.defaultdict(set)
    for _, v4, v6, ja3 in t.fields("tls.handshake.type == 1", "ip.src", "ipv6.src", "tls.handshake.ja3"):
        hosts[ja3].add(v4 or v6)
    return sorted((ja3, ", ".join(sorted(of))) for ja3, of in hosts.items() if len(of) > 1)


def tunnels(t) -> Rows:
    """IP packets in tunnels, by the protocols that carry them."""
    kinds = {"vxlan:": "vxlan", "erspan:": "gre/erspan", "gre:eth": "gre"}
    rows = []
    for _, protocols, version in t.fields("vxlan or gre", "frame.protocols", "erspan.version"):
        if re.search(r"(vxlan|erspan|gre):.*eth:ethertype:ip", protocols):
            kind = next(name for mark, name in kinds.items() if mark in protocols)
            if kind == "gre/erspan":
                kind += {"1": "2", "2": "3"}[version]
            rows.append((kind,))
    return tally(rows)


def holes(t) -> Rows:
    """Sequence numbers of each side of TCP that no segment covers."""
    sides = collections.defaultdict(list)
    for file, stream, source, seq, length in t.fields("tcp", "tcp.stream", "ip.src", "tcp.seq", "tcp.len"):
        # The two rotated files make one stream, which the cut leaves whole.
        if source and int(length):
            sides[file, stream, source].append((int(seq), int(seq) + int(length)))
    rows = []
    for (file, _, source), parts in sides.items():
        end, missing = min(parts)[0], 0
        for begin, stop in sorted(parts):
            missing += max(0, begin - end)
            end = max(end, stop)
        if missing:
            rows.append((file, source, str(missing)))
    return sorted(rows)


def columns(*wanted):
    """Keeps only some columns of an answer, for a check that knows only these."""
    return lambda rows: sorted(tuple(row[i] for i in wanted) for row in rows)


# What tshark says to each question, in the order of README.md, and how the answer is brought to the same form.
CHECKS = [
    (devices, lambda rows: sorted((r[0], n) for r in rows for n in r[1].split(", ") if n and not n.endswith(".local"))),
    (passwords, lambda rows: sorted((r[0], r[2], r[3], r[4], r[5]) for r in rows)),
    (old_tls, columns(0, 1, 2, 3)),
    (unknown_names, columns(0, 1)),
    (outside_bytes, columns(0, 1, 3, 4)),
    (not_looked_up, columns(0, 1, 2, 3)),
    (insecure_services, columns(0, 1, 2)),
    (same_software, columns(0, 1)),
    (tunnels, columns(0, 1)),
    (holes, columns(0, 1, 2)),
]


def main():
    asked = questions()
    if "--print" in sys.argv:
        for title, sql, _ in asked:
            print(f"### {title}\n{table(ask(sql))}\n")
        return 0
    failed = 0
    if len(asked) != len(CHECKS):
        print(f"README.md has {len(asked)} questions, and there are {len(CHECKS)} checks")
        failed = 1
    with tempfile.TemporaryDirectory() as folder:
        tshark = Tshark(Path(folder)) if shutil.which("tshark") and shutil.which("zstd") else None
        if not tshark:
            print("SKIPPED: the checks against tshark (tshark and zstd are needed)")
        for (title, sql, answer), (check, form) in zip(asked, CHECKS):
            rows = ask(sql)
            verdict = "as in README.md"
            if table(rows) != answer:
                verdict, failed = f"README.md says otherwise; DuckDB says\n{table(rows)}\n", 1
            if tshark:
                ours, theirs = form(rows), check(tshark)
                verdict += ", as by tshark"
                if ours != theirs:
                    verdict, failed = f"{verdict}: NO\n  tshark   {theirs}\n  overhear {ours}\n", 1
            print(f"{title}: {verdict}")
    return failed


if __name__ == "__main__":
    sys.exit(main())

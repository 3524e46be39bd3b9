#!/usr/bin/env python3
"""Records signatures/lists/fingerprints.tsv from the software on this machine:

    record-fingerprints.py [--overhear PROGRAM] [--out FILE] [--only REGEX] [--list]

Each client that is installed calls a server on the loopback interface, once by name and once by
address, two times each. A relay in between writes what went both ways as a capture, and overhear itself
says what the fingerprints are. A JA3 that changes from call to call (some clients shuffle their
extensions) is left out; its JA4 stays. With --out, rows of software that is not installed here are kept
as they are, and those of software that is are replaced. Needs duckdb for Python, to read the tables.

Programs in clients/ below this folder are compiled or run where their compiler or library is there.
No list that others have published goes in.
"""
import argparse
import datetime
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import duckdb

CLIENTS = Path(__file__).parent / "clients"
OUT = Path(__file__).parent.parent / "signatures/lists/fingerprints.tsv"
COLUMNS = ["type", "fingerprint", "label", "kind", "library", "version", "source", "recorded"]
SECONDS = 40


def u(url="https://{host}:{port}/"):
    return url


# Label, kind, library, command that prints the version, command that calls. {host} {port} {work} {ca}
# are filled in; a command may be text for a shell. What is named first must be installed.
TLS = [
    ("OpenSSL", "library", "OpenSSL", "openssl version", "openssl s_client -connect {host}:{port} {sni} </dev/null"),
    ("GnuTLS", "library", "GnuTLS", "gnutls-cli --version", "gnutls-cli --insecure -p {port} {host} </dev/null"),
    ("Mbed TLS", "library", "Mbed TLS", "{build:mbedtls.c:-lmbedtls -lmbedx509 -lmbedcrypto} --version", "{bin:mbedtls} {host} {port}"),
    ("wolfSSL", "library", "wolfSSL", "{build:wolfssl.c:-lwolfssl} --version", "{bin:wolfssl} {host} {port}"),
    ("NSS", "library", "NSS", "dpkg-query -Wf '${{Version}}' libnss3", "{nss}tstclnt -h {host} -p {port} -d sql:{work}/nss -o -f </dev/null"),
    ("Go crypto/tls", "library", "Go", "go version", "go run {clients}/tls.go {host} {port}"),
    ("Go net/http", "library", "Go", "go version", "go run {clients}/http.go " + u()),
    ("Java JSSE", "library", "Java", "java -version", "java {clients}/Tls.java {host} {port}"),
    ("rustls", "library", "rustls", "{cargo} --version", "{cargo} {host} {port}"),
    ("Erlang ssl", "library", "Erlang/OTP", "dpkg-query -Wf '${{Version}}' erlang-ssl", "erl -noshell -eval 'ssl:start(), ssl:connect(\"{host}\", {port}, [{{verify, verify_none}}], 5000), halt().'"),
    ("curl", "application", "OpenSSL", "curl --version", "curl -sk " + u()),
    ("wget", "application", "GnuTLS", "wget --version", "wget -q -O- --no-check-certificate --tries=1 " + u()),
    ("BusyBox wget", "application", "OpenSSL", "busybox | head -1", "busybox wget -q -O- " + u()),
    ("aria2", "application", "GnuTLS", "aria2c --version", "aria2c -q --check-certificate=false --max-tries=1 -d {work}/aria --allow-overwrite=true " + u()),
    ("lftp", "application", "GnuTLS", "lftp --version", "lftp -e 'set ssl:verify-certificate no; set net:max-retries 1; cat " + u() + "; quit'"),
    ("Lynx", "application", "GnuTLS", "lynx -version", "lynx -dump -accept_all_cookies " + u() + " </dev/null"),
    ("w3m", "application", "OpenSSL", "w3m -version", "w3m -dump -o ssl_verify_server=0 " + u()),
    ("ELinks", "application", "GnuTLS", "elinks -version", "elinks -dump " + u()),
    ("Links", "application", "OpenSSL", "links2 -version", "links2 -dump -ssl.certificates 0 " + u()),
    ("Axel", "application", "OpenSSL", "axel --version", "axel -k -q -n 1 -o {work}/axel.out " + u() + "; rm -f {work}/axel.out*"),
    ("HTTPie", "application", "OpenSSL", "http --version", "http --ignore-stdin --verify=no GET " + u()),
    ("ncat", "tool", "OpenSSL", "ncat --version", "ncat --ssl {host} {port} </dev/null"),
    ("socat", "tool", "OpenSSL", "socat -V", "socat - OPENSSL:{host}:{port},verify=0 </dev/null"),
    ("Swaks", "tool", "OpenSSL", "swaks --version", "swaks --tlsc --server {host} --port {port} --to a@example.com --timeout 3"),
    ("Git", "application", "GnuTLS", "git --version", "git -c http.sslVerify=false ls-remote " + u("https://{host}:{port}/x.git")),
    ("Mosquitto clients", "application", "OpenSSL", "mosquitto_pub --help", "mosquitto_pub --insecure --cafile {ca} -h {host} -p {port} -t a -m b"),
    ("FFmpeg", "application", "GnuTLS", "ffmpeg -version", "ffmpeg -nostdin -i https://{host}:{port}/a.ts -f null -"),
    ("PostgreSQL libpq", "application", "OpenSSL", "psql --version", "psql 'host={host} port={port} sslmode=require connect_timeout=3' -c 'select 1'", "postgresql"),
    ("MariaDB client", "application", "OpenSSL", "mariadb --version", "mariadb -h {host} -P {port} --protocol=tcp --ssl -u a -pb -e 'select 1'", "mysql"),
    ("OpenLDAP clients", "application", "GnuTLS", "ldapsearch -VV", "LDAPTLS_REQCERT=never ldapsearch -H ldaps://{host}:{port} -x -b '' -s base -o nettimeout=3"),
    ("redis-cli", "application", "OpenSSL", "redis-cli --version", "redis-cli --tls --insecure -h {host} -p {port} ping"),
    ("stunnel", "tool", "OpenSSL", "stunnel -version", "printf 'client=yes\\nforeground=yes\\npid=\\n[x]\\naccept=127.0.0.1:{spare}\\nconnect={host}:{port}\\n' > {work}/stunnel.conf; timeout 3 stunnel {work}/stunnel.conf & sleep 1; echo | timeout 1 nc -w1 127.0.0.1 {spare} || echo | timeout 1 ncat 127.0.0.1 {spare}; wait"),
    ("msmtp", "application", "GnuTLS", "msmtp --version", "echo x | msmtp --host={host} --port={port} --tls --tls-starttls=off --tls-certcheck=off --from=a@example.com --timeout=3 b@example.com"),
    ("fetchmail", "application", "OpenSSL", "fetchmail --version", "printf 'poll {host} proto imap port {port} user a pass b ssl no sslcertck\\n' > {work}/fm; chmod 600 {work}/fm; HOME={work} fetchmail -f {work}/fm --timeout 3 --nosyslog --nodetach"),
    ("Python ssl", "library", "OpenSSL", "python3 -c 'import sys, ssl; print(sys.version.split()[0], ssl.OPENSSL_VERSION)'", "python3 {clients}/py_tls.py ssl {host} {port}"),
    ("Python urllib", "library", "OpenSSL", "python3 --version", "python3 {clients}/py_tls.py urllib {host} {port}"),
    ("Python requests", "library", "OpenSSL", "python3 -c 'import requests; print(requests.__version__)'", "python3 {clients}/py_tls.py requests {host} {port}"),
    ("Python aiohttp", "library", "OpenSSL", "python3 -c 'import aiohttp; print(aiohttp.__version__)'", "python3 {clients}/py_tls.py aiohttp {host} {port}"),
    ("Python httpx", "library", "OpenSSL", "python3 -c 'import httpx; print(httpx.__version__)'", "python3 {clients}/py_tls.py httpx {host} {port}"),
    ("Python pycurl", "library", "GnuTLS", "python3 -c 'import pycurl; print(pycurl.version)'", "python3 {clients}/py_tls.py pycurl {host} {port}"),
    ("Node.js https", "library", "OpenSSL", "node --version", "node -e \"require('https').get({{host:'{host}',port:{port},rejectUnauthorized:false}},r=>{{r.resume()}}).on('error',()=>0)\""),
    ("Node.js fetch", "library", "OpenSSL", "node --version", "NODE_TLS_REJECT_UNAUTHORIZED=0 node -e \"fetch('" + u() + "').then(r=>r.text()).catch(()=>0)\""),
    ("PHP streams", "library", "OpenSSL", "php --version", "php -r 'file_get_contents(\"" + u() + "\", false, stream_context_create([\"ssl\"=>[\"verify_peer\"=>false,\"verify_peer_name\"=>false]]));'"),
    ("Ruby Net::HTTP", "library", "OpenSSL", "ruby --version", "ruby -rnet/http -ropenssl -e 'Net::HTTP.start(\"{host}\", {port}, use_ssl: true, verify_mode: OpenSSL::SSL::VERIFY_NONE) {{ |h| h.get(\"/\") }}'"),
    ("Perl IO::Socket::SSL", "library", "OpenSSL", "perl -MIO::Socket::SSL -e 'print IO::Socket::SSL->VERSION'", "perl -MIO::Socket::SSL -e 'IO::Socket::SSL->new(PeerHost=>\"{host}\",PeerPort=>{port},SSL_verify_mode=>0)'"),
    ("Perl LWP", "library", "OpenSSL", "perl -MLWP -e 'print LWP->VERSION'", "PERL_LWP_SSL_VERIFY_HOSTNAME=0 perl -MLWP::UserAgent -e 'LWP::UserAgent->new(ssl_opts=>{{verify_hostname=>0,SSL_verify_mode=>0}})->get(\"" + u() + "\")'"),
    ("LuaSec", "library", "OpenSSL", "lua5.4 -e 'print(require(\"ssl\")._VERSION)'", "lua5.4 -e 'require(\"ssl.https\").request(\"" + u() + "\")'"),
    ("Chromium", "application", "BoringSSL", "chromium --version", "timeout 20 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --ignore-certificate-errors --user-data-dir={work}/chromium --dump-dom " + u()),
    ("Firefox", "application", "NSS", "firefox-esr --version", "HOME={work} timeout 20 firefox-esr --headless --no-remote --profile {work}/firefox --screenshot {work}/shot.png " + u()),
]
SSH = [
    ("OpenSSH", "application", "OpenSSH", "ssh -V", "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o ConnectTimeout=5 -p {port} a@{host} true"),
    ("Dropbear", "application", "Dropbear", "dbclient -V", "dbclient -y -y -p {port} a@{host} true </dev/null"),
    ("PuTTY", "application", "PuTTY", "plink -V", "HOME={work} plink -batch -P {port} a@{host} true"),
    ("libssh", "library", "libssh", "{build:libssh.c:-lssh} --version", "{bin:libssh} {host} {port}"),
    ("libssh2", "library", "libssh2", "{build:libssh2.c:-lssh2} --version", "{bin:libssh2} {host} {port}"),
    ("curl (libssh2)", "application", "libssh2", "curl --version", "curl -k -sS --user a:b sftp://{host}:{port}/"),
    ("Paramiko", "library", "Paramiko", "python3 -c 'import paramiko; print(paramiko.__version__)'", "python3 {clients}/py_ssh.py paramiko {host} {port}"),
    ("AsyncSSH", "library", "AsyncSSH", "python3 -c 'import asyncssh; print(asyncssh.__version__)'", "python3 {clients}/py_ssh.py asyncssh {host} {port}"),
    ("Go x/crypto/ssh", "library", "Go x/crypto", "dpkg-query -Wf '${{Version}}' golang-golang-x-crypto-dev", "GO111MODULE=off GOPATH=/usr/share/gocode go run {clients}/ssh.go {host} {port}"),
    ("JSch", "library", "JSch", "dpkg-query -Wf '${{Version}}' libjsch-java", "java -cp /usr/share/java/jsch.jar {clients}/Ssh.java {host} {port}"),
    ("ssh2 for Node.js", "library", "ssh2", "cd {npm:ssh2} && node -e \"console.log(require('ssh2/package.json').version)\"", "cd {npm:ssh2} && node -e \"new (require('ssh2').Client)().on('error',()=>0).connect({{host:'{host}',port:{port},username:'a',password:'b'}})\""),
]
# Servers: label, kind, library, version, command that listens on {port} in the foreground.
SSH_SERVERS = [
    ("OpenSSH", "application", "OpenSSH", "ssh -V", "/usr/sbin/sshd -D -e -p {port} -h {key} -o PidFile=none -o UsePAM=no"),
    ("Dropbear", "application", "Dropbear", "dbclient -V", "dropbear -F -E -R -p 127.0.0.1:{port} -r {dropbearkey}"),
    ("AsyncSSH", "library", "AsyncSSH", "python3 -c 'import asyncssh; print(asyncssh.__version__)'", "python3 {clients}/py_ssh.py asyncssh-server {port} {key}"),
    ("Paramiko", "library", "Paramiko", "python3 -c 'import paramiko; print(paramiko.__version__)'", "python3 {clients}/py_ssh.py paramiko-server {port} {key}"),
    ("Go x/crypto/ssh", "library", "Go x/crypto", "dpkg-query -Wf '${{Version}}' golang-golang-x-crypto-dev", "GO111MODULE=off GOPATH=/usr/share/gocode go run {clients}/sshd.go {port} {key}"),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class TlsServer:
    """Answers any TLS client with a short page; before TLS it may speak what a database begins with."""

    def __init__(self, work):
        self.key, self.cert = work / "key.pem", work / "cert.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.key, "-out", self.cert],
            check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.cert, self.key)
        self.context.set_alpn_protocols(["http/1.1"])
        self.before = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, raw):
        raw.settimeout(5)
        try:
            if self.before == "postgresql":
                raw.recv(8)
                raw.sendall(b"S")
            elif self.before == "mysql":
                greeting = (b"\x0a5.5.5-10.11.0-MariaDB\0" + struct.pack("<I", 1) + b"abcdefgh\0" + b"\xfe\xff\x2d\x02\0\xff\x81"
                            + b"\x15" + b"\0" * 6 + b"\0\0\0\0" + b"abcdefghijkl\0mysql_native_password\0")
                raw.sendall(struct.pack("<I", len(greeting))[:3] + b"\0" + greeting)
                raw.recv(36)
            with self.context.wrap_socket(raw, server_side=True) as tls:
                tls.recv(4096)
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/html\r\nConnection: close\r\n\r\nok\n")
        except (OSError, ssl.SSLError):
            pass
        finally:
            raw.close()


class Relay:
    """Hands on to a server what a client says and the other way round, and keeps it."""

    def __init__(self, target):
        self.target, self.connections, self.threads = target, [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            kept = []
            self.connections.append(kept)
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for source, sink, way in [(client, server, 0), (server, client, 1)]:
                threading.Thread(target=self.pump, args=(source, sink, way, kept), daemon=True).start()

    @staticmethod
    def pump(source, sink, way, kept):
        try:
            while piece := source.recv(65536):
                kept.append((way, piece))
                sink.sendall(piece)
        except OSError:
            pass
        for s, how in [(sink, socket.SHUT_WR), (source, socket.SHUT_RD)]:
            try:
                s.shutdown(how)
            except OSError:
                pass

    def capture(self, path, port):
        """Writes what was kept as a pcap of raw IP packets, one connection after the other."""
        with open(path, "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
            now = 1_700_000_000_000_000

            def packet(way, own, seq, ack, flags, payload=b""):
                nonlocal now
                now += 1000
                ports = (own, port) if way == 0 else (port, own)
                ends = (b"\x0a\0\0\x01", b"\x0a\0\0\x02") if way == 0 else (b"\x0a\0\0\x02", b"\x0a\0\0\x01")
                tcp = struct.pack(">HHIIBBHHH", *ports, seq, ack, 0x50, flags, 65535, 0, 0) + payload
                ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + ends[0] + ends[1]
                out.write(struct.pack("<IIII", now // 10**6, now % 10**6, len(ip + tcp), len(ip + tcp)) + ip + tcp)

            for number, kept in enumerate(self.connections):
                own, seq = 40000 + number, [1001, 5001]
                packet(0, own, 1000, 0, 0x02)
                packet(1, own, 5000, 1001, 0x12)
                packet(0, own, 1001, 5001, 0x10)
                for way, piece in list(kept):
                    for at in range(0, len(piece), 1400):
                        part = piece[at:at + 1400]
                        packet(way, own, seq[way], seq[1 - way], 0x18, part)
                        seq[way] += len(part)
                packet(0, own, seq[0], seq[1], 0x11)
                packet(1, own, seq[1], seq[0] + 1, 0x11)
                packet(0, own, seq[0] + 1, seq[1] + 1, 0x10)

    def close(self):
        self.listener.close()


class Recorder:
    def __init__(self, overhear, work):
        self.overhear, self.work = overhear, work
        self.built = {}
        for folder in ["nss", "firefox", "aria"]:
            (work / folder).mkdir()
        if shutil.which("certutil"):
            subprocess.run(["certutil", "-N", "-d", f"sql:{work}/nss", "--empty-password"], capture_output=True)

    def filled(self, command, **values):
        """A command with its places filled in; None where something that it needs cannot be had."""
        for place in re.findall(r"\{(build|bin|npm):([^}]+)\}|\{(cargo)\}", command):
            if not (path := self.build(place)):
                return None
            what = "{cargo}" if place[2] else "{%s:%s}" % place[:2]
            command = command.replace(what, str(path))
        nss = next((f"{d}/" for d in ["/usr/lib/nss", "/usr/lib/x86_64-linux-gnu/nss"] if os.path.exists(f"{d}/tstclnt")), "")
        host = values.get("host", "localhost")
        sni = f"-servername {host}" if host == "localhost" else "-noservername"
        return command.format(work=self.work, clients=CLIENTS, nss=nss, sni=sni, spare=free_port(), **values)

    def build(self, place):
        kind, name, cargo = place
        key = "cargo" if cargo else name.split(":")[0].removesuffix(".c")
        if key in self.built or kind == "bin":
            return self.built.get(key)
        path = self.work / f"client-{key}"
        if cargo:
            folder = self.work / "rustls"
            shutil.copytree(CLIENTS / "rustls", folder)
            done = subprocess.run(["cargo", "build", "-q", "--release"], cwd=folder, capture_output=True) if shutil.which("cargo") else None
            path = folder / "target/release/rustls-client"
        elif kind == "npm":
            path.mkdir()
            done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", name], cwd=path, capture_output=True) if shutil.which("npm") else None
        else:
            file, libraries = name.split(":")
            done = subprocess.run(["cc", "-o", path, CLIENTS / file, *libraries.split()], capture_output=True)
        self.built[key] = path if done is not None and done.returncode == 0 else None
        return self.built[key]

    def version(self, command):
        command = self.filled(command)
        if command is None:
            return None
        done = subprocess.run(command, shell=True, capture_output=True, text=True, errors="replace", timeout=SECONDS)
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if re.search(r"\d", line)]
        missing = done.returncode == 127 or "not found" in done.stderr or "Error" in done.stderr
        return re.sub(r"\s+", " ", lines[0])[:60].strip() if lines and not missing else None

    def tables(self, relay, port):
        capture, out = self.work / "client.pcap", self.work / "out"
        relay.capture(capture, port)
        done = subprocess.run([self.overhear, "read", capture, "-o", out, "--overwrite", "--no-hash", "--format", "json"], capture_output=True, text=True)
        if done.returncode not in (0, 4):
            sys.exit(f"{self.overhear}: {done.stderr}")

        def rows(table, columns):
            files = list((out / table).glob("*.parquet"))
            query = f"SELECT {columns} FROM read_parquet({[str(f) for f in files]!r})"
            return duckdb.sql(query).fetchall() if files else []

        return rows

    def call(self, command, server_port, listen_port, columns, table, **values):
        """What one call of a client shows: a set of rows; None where it cannot be run."""
        relay = Relay(server_port)
        command = self.filled(command, port=relay.port, **values)
        if command is None:
            return None
        try:
            subprocess.run(command, shell=True, capture_output=True, timeout=SECONDS, cwd=self.work)
        except subprocess.TimeoutExpired:
            pass
        time.sleep(0.2)
        relay.close()
        return set(self.tables(relay, listen_port)(table, columns))


def tls_rows(recorder, server, client):
    label, kind, library, version, command, *before = client
    if (version := recorder.version(version)) is None:
        return None
    server.before = before[0] if before else None
    listen = {"postgresql": 5432, "mysql": 3306}.get(server.before, 443)
    found = []
    for host in ["localhost", "127.0.0.1"]:
        calls = [recorder.call(command, server.port, listen, "ja3, ja4", "tls", host=host, ca=server.cert) for _ in range(2)]
        if None in calls:
            return None
        first, second = [{ja3 for ja3, _ in call if ja3} for call in calls]
        found += [("ja3", ja3) for ja3 in first & second]
        found += [("ja4", ja4) for call in calls for _, ja4 in call if ja4]
    source = re.sub(r"\s+", " ", command.split("\n")[0])[:200]
    return [(of, text, label, kind, library, version, source) for of, text in sorted(set(found))]


def ssh_rows(recorder, server_port, client):
    label, kind, library, version, command = client
    if (version := recorder.version(version)) is None:
        return None
    found = recorder.call(command, server_port, 22, "hassh", "ssh", host="127.0.0.1")
    if found is None:
        return None
    return [("hassh", text, label, kind, library, version, command[:200]) for text, in sorted(found, key=str) if text]


def ssh_server_rows(recorder, key, dropbearkey, server):
    label, kind, library, version, command = server
    if (version := recorder.version(version)) is None:
        return None
    port = free_port()
    filled = recorder.filled(command, port=port, key=key, dropbearkey=dropbearkey)
    process = subprocess.Popen(filled, shell=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=recorder.work)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.2)
        found = recorder.call(SSH[0][4], port, 22, "hassh_server", "ssh", host="127.0.0.1")
    finally:
        os.killpg(process.pid, 15)
    return [("hassh-server", text, label, kind, library, version, command[:200]) for text, in sorted(found or (), key=str) if text]


def system():
    lines = dict(line.rstrip().split("=", 1) for line in open("/etc/os-release") if "=" in line)
    return lines.get("PRETTY_NAME", "").strip('"')


def write(path, rows, replaced):
    """Rows of labels that were recorded now take the place of their old ones."""
    old = []
    if path.exists():
        cells = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
        old = [tuple(row) for row in cells[1:] if (row[0].startswith("hassh"), row[2]) not in replaced]
    today = datetime.date.today()
    header = [
        "# schema: 1",
        f"# version: {today.year}.{today.month}.1",
        f"# date: {today.isoformat()}",
        "# source: Recorded by scripts/record-fingerprints.py from the software that each row names.",
        "# licence: MIT OR Apache-2.0",
        "#",
        "# type      ja3, ja4, hassh (SSH client), hassh-server",
        "# kind      library, application, tool, malware",
        "# library   what does TLS or SSH for it: many programs that share a fingerprint are told by it",
        "# source    how it was called; a client that shuffles its extensions has no JA3 that stays",
    ]
    body = ["\t".join(COLUMNS)] + ["\t".join(row) for row in sorted(set(rows + old))]
    path.write_text("\n".join(header + body) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--overhear", default="target/release/overhear")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only", default="", help="labels that match this expression")
    parser.add_argument("--list", action="store_true", help="say what is known, and record nothing")
    args = parser.parse_args()
    if args.list:
        print("\n".join(f"{row[0]:24} {row[4]}" for row in TLS + SSH + SSH_SERVERS))
        return
    rows, replaced, missing = [], set(), []
    recorded = f"{datetime.date.today().isoformat()} {system()}"
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        recorder, server = Recorder(args.overhear, work), TlsServer(work)
        key, dropbearkey = work / "ssh_key", work / "dropbear_key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        if shutil.which("dropbearkey"):
            subprocess.run(["dropbearkey", "-t", "ed25519", "-f", dropbearkey], capture_output=True)

        # An SSH server for the clients: any that offers old and new algorithms will do.
        ssh_port = free_port()
        os.makedirs("/run/sshd", exist_ok=True) if os.access("/run", os.W_OK) else None
        command = next((row[4] for row in SSH_SERVERS if shutil.which(row[4].split()[0])), None)
        command = command and recorder.filled(command, port=ssh_port, key=key, dropbearkey=dropbearkey)
        sshd = subprocess.Popen(f"exec {command}", shell=True, stderr=subprocess.DEVNULL) if command else None
        jobs = [(row, lambda row: tls_rows(recorder, server, row), False) for row in TLS]
        jobs += [(row, lambda row: ssh_rows(recorder, ssh_port, row), True) for row in SSH]
        jobs += [(row, lambda row: ssh_server_rows(recorder, key, dropbearkey, row), True) for row in SSH_SERVERS]
        for row, job, is_ssh in jobs:
            if not re.search(args.only, row[0]):
                continue
            found = job(row)
            if not found:
                missing.append(row[0] + (" (not installed)" if found is None else " (showed nothing)"))
                continue
            print(f"{row[0]:24} {len(found)} fingerprints, {found[0][5]}", flush=True)
            rows += [one + (recorded,) for one in found]
            replaced.add((is_ssh, row[0]))
        if sshd:
            sshd.terminate()
    write(args.out, rows, replaced)
    print(f"{len(set(rows))} rows of {len(replaced)} programs to {args.out}; without: {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    main()

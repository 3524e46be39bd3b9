#!/usr/bin/python3
"""certs.py DIR: certificates with one thing wrong each, and some with nothing wrong, as NAME.pem (key, certificate, CA).

All are signed by one CA of the office (ca.pem) unless their name says otherwise. Dates are relative to now.
"""
import datetime
import ipaddress
import math
import secrets
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

out = Path(sys.argv[1])
NOW = datetime.datetime.utcnow().replace(microsecond=0)
DAY = datetime.timedelta(days=1)
NAME = "camera.office.example"


def subject(common, organisation="Sample Office"):
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def pem(key):
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


CA_KEY = rsa.generate_private_key(65537, 3072)
CA_NAME = subject("Sample Office CA")


def certificate(key, common=NAME, since=-10, until=90, names=(NAME,), digest=hashes.SHA256(), ca=False, serial=None, own=False,
                organisation="Sample Office"):
    """A certificate with these days of validity from today; `own`: signed by its own key."""
    name = subject(common, organisation)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if own else CA_NAME)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(NOW + since * DAY)
        .not_valid_after(NOW + until * DAY)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        parsed = [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(parsed), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(key if own else CA_KEY, digest)


def write(name, key, cert, chain=()):
    text = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in [cert, *chain])
    (out / f"{name}.pem").write_bytes(pem(key) + text)


def prime(bits):
    """A prime that 65537 does not divide minus one of."""
    while True:
        n = secrets.randbits(bits) | 3 << bits - 2 | 1
        if all(n % p for p in range(3, 2000, 2)) and pow(2, n - 1, n) == 1 and (n - 1) % 65537:
            if all(pow(secrets.randbelow(n - 3) + 2, n - 1, n) == 1 for _ in range(8)):
                return n


def rsa_of(p, q):
    d = pow(65537, -1, math.lcm(p - 1, q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(65537, p * q)
    )
    return numbers.private_key()


ca = certificate(CA_KEY, "Sample Office CA", -400, 3000, (), ca=True, own=True)
write("ca", CA_KEY, ca)
# One key for all that is not about keys, each its own would take minutes.
for name, options in {
    "sound": {},
    "expired": {"since": -400, "until": -20},
    "future": {"since": 30, "until": 120},
    "ending": {"since": -60, "until": 9},
    "self-signed": {"own": True},
    "other-name": {"common": "nas.office.example", "names": ("nas.office.example",)},
    "sha1": {"digest": hashes.SHA1()},
    "as-ca": {"ca": True},
    "wildcard": {"common": "*.office.example", "names": ("*.office.example",)},
    "factory": {"common": "axis-b8a44f0c9131", "names": (), "own": True, "organisation": "Axis Communications AB"},
}.items():
    key = rsa.generate_private_key(65537, 2048)
    write(name, key, certificate(key, **options), [] if options.get("own") else [ca])
short = rsa.generate_private_key(65537, 1024)
write("short-key", short, certificate(short), [ca])
curve = ec.generate_private_key(ec.SECP256R1())
write("sound-ec", curve, certificate(curve), [ca])
weak_curve = ec.generate_private_key(ec.SECP192R1())
write("weak-curve", weak_curve, certificate(weak_curve), [ca])
# Two devices of one batch: the same key in both.
batch = rsa.generate_private_key(65537, 2048)
write("batch-1", batch, certificate(batch), [ca])
write("batch-2", batch, certificate(batch, "camera2.office.example", names=("camera2.office.example",)), [ca])
# Two keys of a poor random generator: one prime in both.
common = prime(1024)
for i in (1, 2):
    key = rsa_of(common, prime(1024))
    write(f"prime-{i}", key, certificate(key), [ca])
# One serial number twice.
for i in (1, 2):
    key = rsa.generate_private_key(65537, 2048)
    write(f"serial-{i}", key, certificate(key, serial=0x5A5A5A5A5A5A5A), [ca])

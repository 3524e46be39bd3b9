#!/usr/bin/env python3
"""Converts the IEEE registry of MAC address blocks into signatures/oui/oui.bin.

Input: the CSV files of Debian's `ieee-data` package (MA-L 24 bit, MA-M 28 bit, MA-S and the older
IAB 36 bit). Output: a file that is searched where it lies, without being loaded:

    0     text header, padded with spaces to 512 bytes, ending in a newline
    512   four u32, least significant byte first: entries of 24, 28 and 36 bit, bytes of the pool
    528   24-bit entries, sorted: prefix (3 bytes, most significant first), pool offset (3 bytes)
          28-bit entries, sorted: prefix (4 bytes, left-justified),         pool offset (3 bytes)
          36-bit entries, sorted: prefix (5 bytes, left-justified),         pool offset (3 bytes)
          pool: vendor names in UTF-8, each ended by a newline

Offsets into the pool are least significant byte first. Beside it stands oui.sha256, its hash.

Usage: signatures/make-oui.py [FOLDER_OF_CSV_FILES]     (default /usr/share/ieee-data)
"""

import collections
import csv
import datetime
import hashlib
import pathlib
import re
import struct
import sys

SCHEMA = 1
NAME_CHARS_MAX = 30
# Blocks under these names tell nothing about who made a device.
SILENT = {"private", "ieee registration authority", ""}

# Legal forms at the end of a name, as whole words; compared without dots and commas.
LEGAL = {
    w.lower()
    for w in """
    Inc Incorporated Incorporation Co Company Ltd Limited Ltda LLC LLP LP GmbH mbH gGmbH KG KGaA oHG AG SE
    Corp Corporation SA SAS SASU SARL SpA Srl SL SLU SAU BV NV AB ApS Oy Oyj PLC Pty Pte Pvt
    KK Kft Zrt sro spol doo dd ooo zao oao ao jsc pjsc bhd sdn cv
    """.split()
}
# These are words or acronyms as well, so they count only as written.
LEGAL_AS_WRITTEN = {"A/S", "AS", "ASA", "S/A", "S.A", "e.K", "e.V", "Sp.", "z", "z.o.o", "o.o", "&", "and", "Private", "P", "S"}


def bare(word):
    return word.replace(".", "").replace(",", "").replace("(", "").replace(")", "").lower()


def shorten(name):
    """`HUAWEI TECHNOLOGIES CO.,LTD` -> `HUAWEI TECHNOLOGIES`."""
    name = re.sub(r"\s+", " ", name.replace("\u200b", "")).strip()
    # `Co.,Ltd.` and `CO.,LTD` are two words; `Sp. z o.o.` three.
    words = re.sub(r"[,;](?=\S)", ", ", re.sub(r"(?i)\bCo\.(?=Ltd)", "Co. ", name)).split(" ")
    kept = list(words)
    cut = False
    while len(kept) > 1:
        last = kept[-1]
        plain = bare(last)
        # Words that only go together with a legal form go only once one was cut, or end the name as one.
        soft = last.strip(",.") in LEGAL_AS_WRITTEN or last in LEGAL_AS_WRITTEN
        if plain in LEGAL or plain == "" or (soft and (cut or last.strip(",.") in {"A/S", "AS", "ASA", "S/A", "S.A", "e.K", "e.V", "o.o", "z.o.o"})):
            kept.pop()
            cut = True
        else:
            break
    if kept[-1].lower() == "de" and len(kept) > 1 and cut:
        kept.pop()
        while len(kept) > 1 and bare(kept[-1]) in LEGAL:
            kept.pop()
    # What follows a legal form in the middle is a department or a place.
    for at, word in enumerate(kept):
        if at > 0 and bare(word) in {"gmbh", "ag", "inc", "ltd", "llc", "corp", "corporation", "limited"}:
            return shorten(" ".join(kept[: at + 1]))
    # A long name is cut at a word: it stands in a column beside others.
    while len(" ".join(kept)) > NAME_CHARS_MAX and len(kept) > 1:
        kept.pop()
    while len(kept) > 1 and kept[-1].lower() in {"and", "und", "of", "&", "de", "et", "y", "for", "e", "-"}:
        kept.pop()
    short = " ".join(kept).strip(" ,;&-")
    if short.endswith(".") and not re.search(r"\b\w\.$", short):
        short = short.rstrip(".")
    return short or name


def read(folder, file, digits):
    out = {}
    with open(folder / file, encoding="utf-8", newline="") as f:
        for row in csv.DictReader(f):
            prefix, name = row["Assignment"].strip(), row["Organization Name"].strip()
            if len(prefix) != digits or name.lower() in SILENT:
                continue
            # A block that stands there twice: the name that sorts first, so that the result is one.
            name = shorten(name)
            out[prefix.upper()] = min(name, out.get(prefix.upper(), name))
    return out


def one_spelling(*tables):
    """Names that differ only in case, blanks or punctuation become one: the spelling used most."""
    uses = collections.Counter(name for table in tables for name in table.values())
    best = {}
    for name, count in uses.items():
        key = re.sub(r"[\W_]+", "", name).lower() or name
        # More uses first, then mixed case before capitals, then the name that sorts first.
        best[key] = min(best.get(key, (0, False, name)), (-count, name.isupper(), name))
    for table in tables:
        for prefix, name in table.items():
            table[prefix] = best[re.sub(r"[\W_]+", "", name).lower() or name][2]


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/ieee-data")
    here = pathlib.Path(__file__).resolve().parent / "oui"
    here.mkdir(exist_ok=True)
    large = read(folder, "oui.csv", 6)
    medium = read(folder, "mam.csv", 7)
    small = read(folder, "iab.csv", 9) | read(folder, "oui36.csv", 9)
    one_spelling(large, medium, small)

    pool, offsets = bytearray(), {}
    for name in sorted(set(large.values()) | set(medium.values()) | set(small.values())):
        offsets[name] = len(pool)
        pool += name.encode() + b"\n"
    assert len(pool) < 1 << 24

    def entries(table, width):
        rows = sorted((bytes.fromhex(p.ljust(width * 2, "0")), n) for p, n in table.items())
        return b"".join(p + struct.pack("<I", offsets[n])[:3] for p, n in rows)

    stamp = folder / ".lastupdate"
    date = "unknown"
    if stamp.exists():
        date = datetime.datetime.fromtimestamp(int(stamp.read_text()), datetime.timezone.utc).date().isoformat()
    header = (
        "overhear MAC address blocks\n"
        f"schema: {SCHEMA}\n"
        "source: IEEE Registration Authority, MA-L, MA-M, MA-S and IAB, from Debian's ieee-data\n"
        "licence: public listing; IEEE asserts no copyright in it and does not restrict distribution\n"
        f"date: {date}\n"
        "made by: signatures/make-oui.py\n"
    ).encode()
    assert len(header) < 512
    header = header + b" " * (511 - len(header)) + b"\n"
    counts = struct.pack("<4I", len(large), len(medium), len(small), len(pool))
    whole = header + counts + entries(large, 3) + entries(medium, 4) + entries(small, 5) + bytes(pool)
    (here / "oui.bin").write_bytes(whole)
    (here / "oui.sha256").write_text(hashlib.sha256(whole).hexdigest() + "\n")
    print(f"{len(large)} + {len(medium)} + {len(small)} blocks, {len(offsets)} vendors, {len(whole)} bytes")


if __name__ == "__main__":
    main()

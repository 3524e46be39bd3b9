"""Runs overhear and its peers in turn and prints a table: bench.py WORK RUNS CAPTURE..."""
import json
import os
import shutil
import statistics
import struct
import subprocess
import sys
import time
from pathlib import Path

BASE = "overhear -t2 --no-hash"
# tshark takes minutes for what the others do in seconds: only captures up to this size.
TSHARK_BYTES_MAX = 300 << 20


def programs(overhear, capture, out):
    """Name and command line of each program; those that are not installed are left out."""
    read = [overhear, "read", capture, "-o", out]
    found = [
        ("overhear -t2 --no-hash", [*read, "-t2", "--no-hash"]),
        ("overhear -t2", [*read, "-t2"]),
        ("overhear -t1 --no-hash", [*read, "-t1", "--no-hash"]),
        ("overhear -t1", [*read, "-t1"]),
        ("capinfos", ["capinfos", "-c", "-d", "-u", capture]),
        ("tcpdump -w", ["tcpdump", "-r", capture, "-w", "/dev/null"]),
        ("nfpcapd", ["nfpcapd", "-r", capture, "-w", out, "-t", "86400"]),
        ("argus", ["argus", "-r", capture, "-w", f"{out}/argus"]),
        ("ndpiReader", ["ndpiReader", "-m", "60", "-w", "/dev/null", "-i", capture]),
    ]
    if os.path.getsize(capture) <= TSHARK_BYTES_MAX:
        found.append(("tshark", ["tshark", "-r", capture, "-q"]))
    return [(name, command) for name, command in found if name.startswith("overhear") or shutil.which(command[0])]


def measure(command, out, wants_folder):
    """Wall seconds, CPU seconds and peak memory in MiB of one run; None where it failed."""
    shutil.rmtree(out, ignore_errors=True)
    if wants_folder:
        os.mkdir(out)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    shutil.rmtree(out, ignore_errors=True)
    # overhear: 4 is an analysis that was finished on a capture that is not whole.
    if process.returncode not in ((0, 4) if "overhear" in command[0] else (0,)):
        print(f"FAILED ({process.returncode}): {' '.join(command)}\n{errors.decode(errors='replace')[-500:]}", file=sys.stderr)
        return None
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def packets_of(capture):
    """Packets of a pcap, by hopping from header to header; None of another format."""
    with open(capture, "rb") as file:
        head = file.read(24)
        order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<"}.get(head[:4], ">")
        if head[:4] not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\xa1\xb2\x3c\x4d"):
            return None
        count, rest = 0, b""
        while block := file.read(16 << 20):
            data, at = rest + block, 0
            while at + 16 <= len(data):
                end = at + 16 + struct.unpack_from(order + "I", data, at + 8)[0]
                if end > len(data):
                    break
                at, count = end, count + 1
            rest = data[at:]
        return count


def handshakes_of(overhear, capture, out):
    """Rows of the tls table that overhear makes of a capture."""
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run([overhear, "read", capture, "-o", out, "--no-hash"], capture_output=True)
    tables = json.loads(Path(out, "run.json").read_text())["tables"]
    shutil.rmtree(out, ignore_errors=True)
    return tables["tls"]


def main():
    work, runs, captures = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    out = str(work / "out")
    overhear = os.environ["OVERHEAR"]
    print(f"{os.cpu_count()} cores, {runs} runs of each in turn, medians")
    for capture in captures:
        size, packets = os.path.getsize(capture), packets_of(capture)
        commands = programs(overhear, capture, out)
        results = {name: [] for name, _ in commands}
        for _ in range(runs):
            for name, command in commands:
                result = measure(command, out, command[0] in ("nfpcapd", "argus"))
                if result:
                    results[name].append(result)
        medians = {n: [statistics.median(v) for v in zip(*r)] for n, r in results.items() if r}
        many = f"{packets / 1e6:.2f} M packets" if packets else "packets not counted"
        shakes = handshakes_of(overhear, capture, out) if "handshakes" in os.path.basename(capture) else 0
        many += f", {shakes} TLS handshakes" if shakes else ""
        print(f"\n{os.path.basename(capture)}: {size / 1e6:.0f} MB, {many}")
        print(f"{'':24}{'wall s':>8}{'CPU s':>8}{'MiB':>7}{'Mpkt/s':>9}{'MB/s':>8}{'wall x':>9}{'CPU x':>8}{'k hs/s' if shakes else '':>9}")
        base = medians.get(BASE)
        for name, (wall, cpu, memory) in medians.items():
            rate = f"{packets / wall / 1e6:9.2f}" if packets else f"{'-':>9}"
            ratio = f"{wall / base[0]:9.2f}{cpu / base[1]:8.2f}" if base else ""
            shake_rate = f"{shakes / wall / 1e3:9.1f}" if shakes else ""
            print(f"{name:24}{wall:8.2f}{cpu:8.2f}{memory:7.0f}{rate}{size / wall / 1e6:8.0f}{ratio}{shake_rate}")
    print(f"\nwall x, CPU x: so many times what `{BASE}` takes")


if __name__ == "__main__":
    main()

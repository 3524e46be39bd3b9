#!/usr/bin/python3
"""typist.py COMMAND...: runs COMMAND on a terminal and plays the script on standard input, line by
line `text to wait for<TAB>what to type then`. Keys are typed one by one, as a person does, so that
a character-mode protocol shows one packet per key."""
import os
import pty
import select
import sys
import time

script = [line.rstrip("\n").split("\t", 1) for line in sys.stdin if line.strip()]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])

end = time.monotonic() + 30
seen = b""


def read_some(seconds):
    """Reads what the command prints within this time; False once it has ended."""
    global seen
    ready, _, _ = select.select([terminal], [], [], seconds)
    if ready:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:
            chunk = b""
        if not chunk:
            return False
        seen += chunk
    return True


for wanted, keys in script:
    while wanted.encode() not in seen:
        if time.monotonic() > end or not read_some(0.5):
            sys.exit(f"typist: never saw {wanted!r}, only {seen!r}")
    seen = seen.split(wanted.encode(), 1)[1]
    time.sleep(0.15)
    for key in keys + "\r":
        os.write(terminal, key.encode())
        time.sleep(0.03)
while time.monotonic() < end and read_some(0.5):
    pass
os.waitpid(pid, 0)

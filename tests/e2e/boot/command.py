#!/usr/bin/env python3
"""Has a machine with overlays/commands run a script, prints what it says, and ends with its exit status.

  command.py SOCKET SECONDS <SCRIPT      125: the machine did not answer in time
"""
import base64
import socket
import sys
import time


def main(path, seconds):
    end = time.monotonic() + float(seconds)
    script = sys.stdin.buffer.read()
    machine = socket.socket(socket.AF_UNIX)
    machine.settimeout(1)
    machine.connect(path)
    # What came before belongs to a command that nobody waited for.
    try:
        while machine.recv(65536):
            pass
    except TimeoutError:
        pass
    machine.sendall(b"\n" + base64.b64encode(script) + b"\n")
    said = b""
    while time.monotonic() < end:
        try:
            said += machine.recv(65536)
        except TimeoutError:
            continue
        *lines, said = said.split(b"\n")
        for line in (line.rstrip(b"\r") for line in lines):
            if line.startswith(b"|"):
                sys.stdout.buffer.write(line[1:] + b"\n")
            elif line.startswith(b"exit "):
                sys.stdout.flush()
                return int(line[5:])
    return 125


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

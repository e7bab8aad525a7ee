#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""terminal.py [--size WxH] [--raw] STEP... -- COMMAND...: runs it in a terminal, shows its screen.

Steps, in order: SECONDS waits; until:TEXT waits until the screen holds it (10 s); key:TEXT types;
size:WxH resizes; signal:NAME sends a signal; show prints what the screen holds now. At the end
come the exit status and whether the terminal has its settings back: "status 0, terminal as
before". --raw prints all bytes instead of screens.
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

SEQUENCE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>78MDEc]")
PART = re.compile(r"\x1b(\[[?\d;]*|[()])?$")


class Screen:
    """As much of a vt100 as ncurses asks of it."""

    def __init__(self, width, height):
        self.x = self.y = 0
        self.rest = ""  # of a sequence whose end has not come yet
        self.resize(width, height)

    def resize(self, width, height):
        self.width, self.height = width, height
        self.cells = [[" "] * width for _ in range(height)]

    def feed(self, text):
        text, at = self.rest + text, 0
        self.rest = ""
        while at < len(text):
            if PART.match(text, at):
                self.rest = text[at:]
                return
            match = SEQUENCE.match(text, at)
            if match:
                at = match.end()
                if match[2]:
                    self.control(match[2], [int(n or 0) for n in re.findall(r"\d+", match[1])])
                continue
            self.put(text[at])
            at += 1

    def put(self, char):
        if char == "\r":
            self.x = 0
        elif char == "\n":
            self.y = min(self.y + 1, self.height - 1)
        elif char == "\b":
            self.x = max(self.x - 1, 0)
        elif char == "\t":
            self.x = min(self.x // 8 * 8 + 8, self.width - 1)
        elif char >= " " and self.y < self.height and self.x < self.width:
            self.cells[self.y][self.x] = char
            self.x += 1

    def control(self, code, numbers):
        n = numbers[0] if numbers else 0
        if code == "H":
            self.y = max(n, 1) - 1
            self.x = max(numbers[1], 1) - 1 if len(numbers) > 1 else 0
        elif code in "ABCD":
            step = max(n, 1)
            self.y += {"A": -step, "B": step}.get(code, 0)
            self.x += {"D": -step, "C": step}.get(code, 0)
        elif code == "K":
            cells = range(self.x, self.width) if n == 0 else range(0, self.x + 1)
            for x in cells:
                self.cells[self.y][x] = " "
        elif code == "J":
            self.erase_below(0 if n == 2 else self.y, 0 if n == 2 else self.x)

    def erase_below(self, y, x):
        self.cells[y][x:] = [" "] * (self.width - x)
        for line in range(y + 1, self.height):
            self.cells[line] = [" "] * self.width

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.cells).rstrip()


class Terminal:
    def __init__(self, command, width, height):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self.fd = 0
            self.set_size(width, height)
            os.execvp(command[0], command)
        self.screen = Screen(width, height)
        self.bytes = b""
        self.before = termios.tcgetattr(self.fd)

    def set_size(self, width, height):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def read_for(self, seconds):
        """False: the program is gone."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            if not data:
                return False
            self.bytes += data
            self.screen.feed(data.decode("latin-1"))
        return True

    def read_until(self, text):
        until = time.monotonic() + 10
        while text not in self.screen.text() and time.monotonic() < until:
            if not self.read_for(0.05):
                break

    def step(self, step):
        kind, _, value = step.partition(":")
        if kind == "show":
            print(self.screen.text(), flush=True)
        elif kind == "until":
            self.read_until(value)
        elif kind == "key":
            os.write(self.fd, value.encode())
        elif kind == "signal":
            os.kill(self.pid, getattr(signal, "SIG" + value))
        elif kind == "size":
            width, height = map(int, value.split("x"))
            self.screen.resize(width, height)
            self.set_size(width, height)
        else:
            self.read_for(float(kind))

    def end(self):
        same = termios.tcgetattr(self.fd) == self.before
        gone = not self.read_for(3) or os.waitid(
            os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        same = same or termios.tcgetattr(self.fd) == self.before
        if not gone:
            os.kill(self.pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return status, "as before" if same else "changed"


def main():
    args = sys.argv[1:]
    command = args[args.index("--") + 1:]
    steps = args[:args.index("--")]
    size, raw = "120x24", "--raw" in steps
    if "--size" in steps:
        at = steps.index("--size")
        size = steps[at + 1]
        del steps[at:at + 2]
    terminal = Terminal(command, *map(int, size.split("x")))
    for step in steps:
        if step != "--raw":
            terminal.step(step)
    status, settings = terminal.end()
    if raw:
        sys.stdout.buffer.write(terminal.bytes)
    print(f"status {status}, terminal {settings}")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compares the transcripts of random sequences of OpenCL calls, natively and on a vGPU.

    compare.py --program build/tests/differential/sequences --guest 'tessera run a --'

Both sides run --chunk sequences a process. A line that differs is accepted where it carries
the id of a row of docs/opencl-differences.md and both sides answered as that row says.
Where the driver itself hangs and the vGPU agrees up to there, there is nothing to compare:
such sequences are counted apart.
The native side runs without Tessera's environment; --guest '' compares it with itself.
"""

import argparse
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TAG = re.compile(r"\[([a-z0-9-]+)\] = (\w[\w ]*)$")
HANGS = "*** no end within"
CONTEXT = 6  # lines before the first that differs


def listed(path):
    """id -> (native statuses, vGPU statuses), as the table of differences has them."""
    rows = {}
    if not path.exists():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 5 and re.fullmatch(r"`?[a-z0-9-]+`?", cells[0]):
            rows[cells[0].strip("`")] = [set(re.findall(r"CL_[A-Z_]+", c)) for c in cells[3:]]
    return rows


class Side:
    """One way to run the program."""

    def __init__(self, name, prefix, args):
        self.name = name
        self.prefix = shlex.split(prefix)
        self.args = args
        self.env = dict(os.environ)
        if not prefix:
            for variable in ("OCL_ICD_VENDORS", "TESSERA_VGPU"):
                self.env.pop(variable, None)
            # PoCL shows its device as often as it is named; on sub-devices images crash it.
            self.env["POCL_DEVICES"] = " ".join(["pthread"] * args.devices)

    def command(self, seed, count, extra=()):
        command = [self.args.program, "--seed", str(seed), "--count", str(count)]
        command += ["--devices", str(self.args.devices), "--ops", str(self.args.ops)]
        if self.args.only:
            command += ["--only", self.args.only]
        return self.prefix + command + list(extra)

    def start(self, seed, count, extra=()):
        self.out = tempfile.TemporaryFile()
        self.err = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command(seed, count, extra), stdin=subprocess.DEVNULL, stdout=self.out,
            stderr=self.err, env=self.env, start_new_session=True)

    def stop(self):
        """Ends what start() began, all of it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def finish(self, timeout):
        """seed -> lines; one that has no end has a last line that says why."""
        why = None
        try:
            status = self.process.wait(timeout)
            why = f"ended with status {status}"
        except subprocess.TimeoutExpired:
            why = f"no end within {timeout:.0f} s"
        self.stop()
        self.out.seek(0)
        found, seed = {}, None
        for line in self.out.read().decode(errors="replace").splitlines():
            word, _, number = line.partition(" ")
            if word == "sequence":
                seed = int(number)
                found[seed] = []
            elif word == "end" and seed is not None:
                seed = None
            elif seed is not None:
                found[seed].append(line)
        if seed is not None:
            found[seed].append(f"*** {why}: {self.complaint()}")
        self.why = why
        return found

    def complaint(self):
        self.err.seek(0)
        return self.err.read().decode(errors="replace")[-300:].strip().replace("\n", " | ")


class Comparison:
    def __init__(self, args):
        self.args = args
        self.rows = listed(pathlib.Path(args.differences))
        self.seen = {name: [0, 0] for name in self.rows}  # equal, as listed
        self.sides = [Side("native", "", args), Side("vGPU", args.guest, args)]
        self.done = 0
        self.differ = []
        self.hang = []  # where the driver does

    def same(self, native, guest):
        """Whether two lines agree, or differ as listed."""
        tags = [TAG.search(line) for line in (native, guest)]
        if not all(tags) or tags[0][1] != tags[1][1]:
            return native == guest
        row = self.rows.get(tags[0][1])
        if row is None or not self.args.guest:
            return native == guest
        if native == guest:
            self.seen[tags[0][1]][0] += 1
            return tags[1][2] in row[1]
        self.seen[tags[0][1]][1] += 1
        return tags[0][2] in row[0] and tags[1][2] in row[1]

    def first_difference(self, native, guest):
        for i in range(max(len(native), len(guest))):
            pair = [lines[i] if i < len(lines) else "(nothing)" for lines in (native, guest)]
            if not self.same(*pair):
                return i
        return None

    def driver_hangs(self, i, native, guest):
        """Whether the native side has no end at line i, and the vGPU agrees up to there."""
        last = len(native) - 1
        if last < 0 or not native[last].startswith(HANGS) or i is None or len(guest) <= i:
            return False
        # Of the call that does not end, the line is cut off.
        cut = native[last - 1] if last > 0 else ""
        if i == last - 1:
            return guest[i].startswith(cut) and not guest[i].startswith("***")
        return i == last and not guest[i].startswith("***")

    def run(self, seed, count, extra=()):
        """Both sides at once; their transcripts."""
        try:
            for side in self.sides:
                side.start(seed, count, extra)
            return [side.finish(self.args.timeout) for side in self.sides]
        finally:
            for side in self.sides:
                side.stop()

    def chunk(self, seed, count):
        """Compares as many sequences as both sides began; how many those are."""
        native, guest = self.run(seed, count)
        at = seed
        while at < seed + count and at in native and at in guest:
            i = self.first_difference(native[at], guest[at])
            if self.driver_hangs(i, native[at], guest[at]):
                self.hang.append(at)
            elif i is not None:
                self.tell(at, i, native[at], guest[at])
            at += 1
        if at < seed + count and not any(len(t) and at - 1 in t and t[at - 1] and
                                         t[at - 1][-1].startswith("***") for t in (native, guest)):
            self.tell(at, 0, *[[f"*** {s.why}: {s.complaint()}"] for s in self.sides])
            at += 1
        return at - seed

    def tell(self, seed, i, native, guest):
        self.differ.append(seed)
        progress("")
        print(f"\nseed {seed} differs:")
        for line in native[max(0, i - CONTEXT):i]:
            print(f"      {line}")
        for name, lines in (("native", native), ("vGPU", guest)):
            print(f"  {name:>6}: {lines[i] if i < len(lines) else '(nothing)'}")
        skip = self.minimise(seed) if self.args.minimise else []
        print("  again:")
        for side in self.sides:
            print("    " + shlex.join(side.command(seed, 1, skip)))
        sys.stdout.flush()

    def minimise(self, seed):
        """Leaves out steps for as long as the two still differ."""
        skip = []

        def differs(numbers):
            extra = ["--skip", ",".join(map(str, sorted(numbers)))]
            native, guest = (t.get(seed, []) for t in self.run(seed, 1, extra))
            return self.first_difference(native, guest) is not None

        size = self.args.ops // 2
        while size >= 2:
            for start in range(1, self.args.ops + 1, size):
                more = [n for n in range(start, min(start + size, self.args.ops + 1))]
                if set(more) - set(skip) and differs(set(skip + more)):
                    skip = sorted(set(skip + more))
            size //= 2
        return ["--skip", ",".join(map(str, skip))] if skip else []

    def all(self):
        seed, left = self.args.seed, self.args.count
        while left:
            done = self.chunk(seed, min(left, self.args.chunk))
            seed, left = seed + done, left - done
            self.done += done
            progress(f"{self.args.name}: {self.done} of {self.args.count}, "
                     f"{len(self.differ)} differ")
            if len(self.differ) >= self.args.most:
                break
        progress("")
        for name, (equal, as_listed) in self.seen.items():
            if equal and not as_listed:
                print(f"{self.args.name}: '{name}' no longer differs in {equal} steps")
        if self.hang:
            print(f"{self.args.name}: {len(self.hang)} where the driver itself hangs: seeds "
                  + ", ".join(map(str, self.hang)))
        print(f"{self.args.name}: {self.done} sequences, {len(self.differ)} differ")
        return 1 if self.differ else 0


def progress(text):
    if sys.stdout.isatty():
        print("\r\033[K" + text, end="", flush=True)


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default=str(ROOT / "build/tests/differential/sequences"))
    parser.add_argument("--guest", default="", help="what to put before the program")
    parser.add_argument("--name", default="sequences", help="of this comparison")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--chunk", type=int, default=25, help="sequences a process (25)")
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--ops", type=int, default=40)
    parser.add_argument("--only", default="", help="groups of steps")
    parser.add_argument("--timeout", type=float, default=120, help="of a process, in seconds")
    parser.add_argument("--most", type=int, default=10, help="end after so many that differ")
    parser.add_argument("--minimise", action="store_true", help="leave out needless steps")
    parser.add_argument("--differences", default=str(ROOT / "docs/opencl-differences.md"))
    return parser.parse_args()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return Comparison(options()).all()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

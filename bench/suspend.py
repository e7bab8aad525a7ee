#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What suspend, resume and clone of a vGPU take, next to what the disk and the memory do.

In each round, in turn: dd of random bytes to a file and back (direct, no compression); suspend and
resume of a vGPU with as many random bytes in buffers, to and from a file beside it; the same with
zeros; then the pause of a running vGPU that is cloned, next to memcpy of as many bytes. What is
read is not in the page cache. Medians, and ratios within each round: the reference's time over
ours.
"""

import argparse
import ctypes
import json
import mmap
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/suspend"))
import host as hosts  # noqa: E402  (a manager of its own)

MIB = 1 << 20
HANG_S = 600
# What, its time, the time that it is held against, what is asked of the ratio.
ROWS = [("suspend, random bytes", "suspend", "dd to the disk", 0.8),
        ("resume, random bytes", "resume", "dd from the disk", 0.8),
        ("suspend, zeros", "suspend zeros", "dd to the disk", 10),
        ("resume, zeros", "resume zeros", "dd from the disk", 10),
        ("pause of a clone", "clone pause", "memcpy", None),
        ("pause of a clone, against new memory", "clone pause", "memcpy to new", None),
        ("clone, as a whole", "clone", "memcpy", None)]


def timed(f):
    begin = time.monotonic()
    f()
    return time.monotonic() - begin


def uncached(path):
    """What is read next comes from the disk."""
    fd = os.open(path, os.O_RDONLY)
    os.fdatasync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def dd(*words):
    subprocess.run(["dd", "bs=16M", "status=none", *words], check=True)


def memcpy_times(size):
    """(to memory that is there, to memory that is new), seconds."""
    source, there = mmap.mmap(-1, size), mmap.mmap(-1, size)
    for memory in (source, there):
        for at in range(0, size, 4096):
            memory[at] = 1
    new = mmap.mmap(-1, size)

    def address(memory):
        return ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return tuple(timed(lambda to=to: ctypes.memmove(address(to), address(source), size))
                 for to in (there, new))


class Bench:
    def __init__(self, host, folder, mib, clone_mib):
        self.host, self.mib, self.clone_mib = host, mib, clone_mib
        self.snapshot, self.copied = folder / "suspend.tessera", folder / "suspend.dd"
        self.random = pathlib.Path(tempfile.mkstemp(prefix="tsr-suspend-", dir="/dev/shm")[1])
        with open(self.random, "wb") as f:
            for _ in range(mib):
                f.write(os.urandom(MIB))

    def end(self):
        for path in (self.random, self.snapshot, self.copied):
            path.unlink(missing_ok=True)

    def fill(self, mib, what):
        program = self.host.run("a", self.host.build / "bench/bench-fill", str(mib), what)
        hosts.until(lambda: "READY" in program.said() or not program.runs(),
                    "bench-fill is not ready", HANG_S)
        if not program.runs():
            raise hosts.Failed(f"bench-fill: {program.said()}")
        return program

    def disk(self, found):
        found["dd to the disk"] = timed(lambda: dd(f"if={self.random}", f"of={self.copied}",
                                                   "oflag=direct", "conv=fdatasync"))
        uncached(self.copied)
        found["dd from the disk"] = timed(lambda: dd(f"if={self.copied}", "of=/dev/null",
                                                     "iflag=direct"))
        self.copied.unlink()

    def away_and_back(self, found, what, suffix):
        program = self.fill(self.mib, what)
        found["suspend" + suffix] = timed(
            lambda: self.host.tessera("suspend", "a", "--to", self.snapshot))
        found["bytes" + suffix] = self.snapshot.stat().st_size
        uncached(self.snapshot)
        found["resume" + suffix] = timed(
            lambda: self.host.tessera("resume", "a", "--from", self.snapshot))
        self.snapshot.unlink()
        program.end("bench-fill after the resume")

    def clone(self, found):
        program = self.fill(self.clone_mib, "random")
        found["memcpy"], found["memcpy to new"] = memcpy_times(self.clone_mib * MIB)
        begin = time.monotonic()
        said = json.loads(self.host.tessera("clone", "a", "b", "-o", "json"))
        found["clone"] = time.monotonic() - begin
        found["clone pause"] = said["paused_ms"] / 1000
        self.host.tessera("delete", "b")
        program.end("bench-fill after the clone")

    def round(self):
        found = {}
        self.disk(found)
        self.away_and_back(found, "random", "")
        self.away_and_back(found, "zero", " zeros")
        self.clone(found)
        return found


def row_of(rounds, name, ours, reference, least):
    ratios = [r[reference] / max(r[ours], 1e-3) for r in rounds]
    return {"what": name, "seconds": statistics.median(r[ours] for r in rounds),
            "reference": reference,
            "reference_seconds": statistics.median(r[reference] for r in rounds),
            "ratio": statistics.median(ratios), "spread": [min(ratios), max(ratios)],
            "least": least}


def table(result):
    lines = [f"{result['mib']} MiB in buffers, cloned {result['clone_mib']} MiB; "
             f"{result['rounds']} rounds, medians. Snapshots: random bytes "
             f"{result['bytes'] / MIB:.0f} MiB, zeros {result['bytes_zeros'] / 1024:.0f} KiB.", "",
             "| WHAT | TIME | AGAINST | ITS TIME | RATIO | SPREAD | AT LEAST |",
             "|---|--:|---|--:|--:|--:|--:|"]
    for r in result["rows"]:
        low, high = r["spread"]
        lines.append(f"| {r['what']} | {r['seconds'] * 1e3:.0f} ms | {r['reference']} | "
                     f"{r['reference_seconds'] * 1e3:.0f} ms | {r['ratio']:.2f} | "
                     f"{low:.2f}-{high:.2f} | {r['least'] or '-'} |")
    return "\n".join(lines)


def measure(a, build, folder):
    host = hosts.Host(build, folder, options=("--software-memory", "8g"))
    bench = None
    try:
        host.start()
        host.tessera("create", "a", "--type", a.type, "--gpu", "gpu0")
        bench = Bench(host, a.folder or build / "bench", a.mib, a.clone_mib)
        rounds = []
        for i in range(a.rounds):
            print(f"\rround {i + 1} of {a.rounds}", end="", file=sys.stderr, flush=True)
            rounds.append(bench.round())
        print("\r" + " " * 30 + "\r", end="", file=sys.stderr)
        return rounds
    finally:
        if bench:
            bench.end()
        host.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build")
    parser.add_argument("--folder", type=pathlib.Path,
                        help="on the disk that is to be measured (build/bench)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=1024, help="in buffers (1024)")
    parser.add_argument("--clone-mib", type=int, default=512, help="of what is cloned (512)")
    parser.add_argument("--type", default="cpu-2g", help="of the vGPU (cpu-2g)")
    parser.add_argument("-o", choices=("table", "json"), default="table", help="how to print")
    a = parser.parse_args()
    build = a.build.resolve()
    hosts.HANG_S = HANG_S
    hosts.adopt_orphans()
    (build / "bench").mkdir(exist_ok=True)
    room = shutil.disk_usage(a.folder or build / "bench").free
    if room < 3 * a.mib * MIB:
        sys.exit("bench-suspend: too little room on the disk")
    with tempfile.TemporaryDirectory(prefix="tsr-suspend-") as folder:
        try:
            rounds = measure(a, build, folder)
        except hosts.Failed as why:
            sys.exit(f"bench-suspend: {why}")
    result = {"mib": a.mib, "clone_mib": a.clone_mib, "rounds": a.rounds,
              "bytes": rounds[0]["bytes"], "bytes_zeros": rounds[0]["bytes zeros"],
              "rows": [row_of(rounds, *row) for row in ROWS], "each": rounds}
    (build / "bench/suspend.json").write_text(json.dumps(result, indent=1) + "\n")
    (build / "bench/suspend.md").write_text(table(result) + "\n")
    print((build / f"bench/suspend.{'json' if a.o == 'json' else 'md'}").read_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Snapshots that are cut or altered: each is refused with words that name a section, by
`tessera snapshot`, which reads it whole, and each Nth of them by `tessera resume` as well, after
which there is no vGPU, no worker and no file that was not there before.

The snapshot is one of a program with an object of nearly every kind (tests/suspend/everything).
"""

import argparse
import collections
import itertools
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

import host as hosts

# src/snapshot/format.h
HEADER, SECTION, BLOCK = struct.Struct("<8sIIQ"), struct.Struct("<IIQQ"), struct.Struct("<IIQQQ")
MAGIC, SECTION_MAGIC, SECTION_END, BLOCK_END = b"TSRSNAP\n", 0x7e5ec710, 0, 0
LARGE = "zeros, and 32 MiB"  # left out: what is read a thousand times should be small

Part = collections.namedtuple("Part", "begin end kind")


def parts(data):
    """Headers, heads of sections and blocks, and what is stored, of all streams, in order."""
    at, found = 0, []

    def take(size, kind):
        nonlocal at
        if at + size > len(data):
            sys.exit(f"damage.py: byte {at}: {kind} is cut: not the format of format.h")
        found.append(Part(at, at + size, kind))
        at += size
        return data[at - size:at]

    while at < len(data):
        if HEADER.unpack(take(HEADER.size, "header"))[0] != MAGIC:
            sys.exit(f"damage.py: byte {at - HEADER.size}: no header of a stream")
        while True:
            magic, kind, *_ = SECTION.unpack(take(SECTION.size, "section"))
            if magic != SECTION_MAGIC:
                sys.exit(f"damage.py: byte {at - SECTION.size}: no section")
            if kind == SECTION_END:
                break
            while (block := BLOCK.unpack(take(BLOCK.size, "block")))[0] != BLOCK_END:
                if block[1] > 0:
                    take(block[1], "content")
    return found


def cuts(data, most, rng):
    """(what, bytes) cut at the beginning of each part and inside it; at most so many."""
    places = sorted({p.begin for p in parts(data)} |
                    {(p.begin + p.end) // 2 for p in parts(data)} | {len(data) - 1})
    if len(places) > most:
        places = sorted(rng.sample(places, most))
    for place in places:
        yield f"cut at byte {place}", data[:place]


def flips(data, count, rng):
    """One bit or byte each; every second among the heads, which are few of the bytes."""
    heads = [p for p in parts(data) if p.kind != "content"]
    for i in range(count):
        if i % 2:
            place = rng.randrange(len(data))
        else:
            part = rng.choice(heads)
            place = rng.randrange(part.begin, part.end)
        change = rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
        altered = bytearray(data)
        altered[place] ^= change
        yield f"byte {place} altered by {change:#04x}", bytes(altered)


class Damage:
    def __init__(self, host, a):
        self.host, self.resume_each = host, a.resume_each
        self.file = host.folder / "damaged.tessera"
        self.count = collections.Counter()
        self.want = host.paths()

    def refused(self, done, what):
        """With status 1 and words that say where; a crash has another status, or none."""
        words = done.stdout.strip()
        if done.returncode != 1:
            raise hosts.Failed(f"{what}: status {done.returncode}: {words}")
        named = re.search(r"section \d+|at its beginning|no snapshot|later version", words)
        if not named or "\n" in words:
            raise hosts.Failed(f"{what}: it does not say where: {words}")
        self.count["named a section" if "section" in words else "named a place"] += 1

    def check(self, number, what, data):
        self.file.write_bytes(data)
        self.refused(self.host.command("snapshot", self.file), f"snapshot, {what}")
        if number % self.resume_each:
            return
        self.refused(self.host.command("resume", "damaged", "--from", self.file),
                     f"resume, {what}")
        self.count["resumed"] += 1
        if self.host.names() != ["a"]:
            raise hosts.Failed(f"resume, {what}: vGPUs are {self.host.names()}")
        self.host.settled(self.want, f"resume, {what}")


def snapshot_of_everything(host):
    """Its bytes; the vGPU `a` then runs no more."""
    everything = host.build / "tests/suspend/everything"
    names = subprocess.run([everything, "--list"], text=True, check=True,
                           stdout=subprocess.PIPE).stdout
    only = [word for name in names.splitlines() if name != LARGE for word in ("--only", name)]
    program = host.run("a", everything, *only)
    hosts.until(lambda: "READY" in program.said(), "everything is not ready", 120)
    file = host.folder / "whole.tessera"
    host.tessera("suspend", "a", "--to", file)
    program.kill()
    host.tessera("snapshot", file)
    return file


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--compiled", type=pathlib.Path, help="a folder of PoCL's to share")
    parser.add_argument("--flips", type=int, default=200, help="altered bytes (200)")
    parser.add_argument("--cuts", type=int, default=200, help="cuts, at most (200)")
    parser.add_argument("--resume-each", type=int, default=10, metavar="N",
                        help="each Nth is resumed, too (10)")
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    rng = random.Random(a.seed)
    hosts.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="tsr-damage-") as folder:
        host = hosts.Host(a.build, folder, a.compiled)
        try:
            host.start()
            host.tessera("create", "a", "--type", hosts.TYPE, "--gpu", "gpu0")
            file = snapshot_of_everything(host)
            data = file.read_bytes()
            host.tessera("resume", "a", "--from", file)  # whole, it is taken
            hosts.until(lambda: not host.workers(), "its program is gone, its session is not")
            damage = Damage(host, a)
            every = [("empty", b""), *cuts(data, a.cuts, rng)]
            for number, damaged in enumerate(itertools.chain(every, flips(data, a.flips, rng))):
                damage.check(number, *damaged)
        except hosts.Failed as why:
            print(f"damage.py: seed {a.seed}: {why}\n{host.tail()}", file=sys.stderr)
            return 1
        finally:
            host.stop()
    print(f"{len(data)} bytes in {len(parts(data))} parts; {len(every)} cuts, {a.flips} altered "
          f"bytes, all refused: {dict(damage.count)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

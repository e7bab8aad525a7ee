#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""work.py MS VGPU=OPTIONS...: programs (bench-load) that work on vGPUs at the same time.

Each is started on its vGPU, has compiled, and then works for MS milliseconds from the same moment
on; "VGPU=idle" has its program open and does nothing. Prints a line for each that works:
VGPU LAUNCHES-A-SECOND LAUNCHED COMPLETED, or VGPU error WORDS.
"""

import json
import os
import subprocess
import sys
import time

LEAD_NS = 200 * 10**6
WARM_NS = 200 * 10**6


def start(vgpu, options):
    command = [os.environ["TESSERA"], "run", vgpu, "--",
               os.environ["BUILD"] + "/bench/bench-load", *options.split()]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(program):
    line = program.stdout.readline()
    return json.loads(line) if line else {"error": "it ended"}


def report(vgpu, program):
    work = answer(program)
    if "error" in work:
        print(vgpu, "error", work["error"], flush=True)
        return
    rest = answer(program)
    rate = work["work"] * 1e9 / work["span_ns"]
    print(vgpu, round(rate), rest.get("launched", -1), rest.get("completed", -2), flush=True)


def main():
    ns = int(sys.argv[1]) * 10**6
    programs = []
    for word in sys.argv[2:]:
        vgpu, _, options = word.partition("=")
        idle = options == "idle"
        programs.append((vgpu, start(vgpu, "" if idle else options), idle))
    for vgpu, program, _ in programs:
        ready = answer(program)
        if not ready.get("ready"):
            sys.exit(f"{vgpu}: {ready}")
    begin = time.monotonic_ns() + LEAD_NS
    for _, program, idle in programs:
        if not idle:
            program.stdin.write(f"go {begin} {begin + WARM_NS} {begin + WARM_NS + ns}\n")
            program.stdin.flush()
    print("working", flush=True)
    for vgpu, program, idle in programs:
        if not idle:
            report(vgpu, program)
    for _, program, _ in programs:
        program.stdin.close()
        program.wait()


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a virtual machine adds: the same OpenCL calls on the bare driver, by a process on a vGPU,
and in a machine on another vGPU of the same GPU, in turn.

A ratio is the machine's median over the process's, of each round. Kicks are the times that the
guest or its worker had to be woken, for each sample: an exit of the virtual machine or an
interrupt, which an emulated machine does not cost what a real one does. Copies are bytes moved, by
the guest or its worker, over the bytes asked for. Both are counted beyond what a run of the fewest
samples takes.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/vm"))
import host as hosts  # noqa: E402  (a manager of its own)
import machine  # noqa: E402

MIB = 1 << 20
# Benchmark of bench-calls, its series, bytes of a sample.
ROWS = [("null-kernel", "time", 0), ("enqueue-batch", "call", 0), ("enqueue-batch", "drain", 0),
        ("write-4", "time", 4), ("read-4", "time", 4), ("write-1m", "time", MIB),
        ("read-1m", "time", MIB), ("write-64m", "time", 64 * MIB), ("read-64m", "time", 64 * MIB),
        ("map-fill-64m", "time", 64 * MIB)]
PLACES = ("native", "process", "machine")


def words_of(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"


class Bench:
    def __init__(self, host, m, milliseconds):
        self.host, self.machine, self.ms = host, m, milliseconds

    def counters(self, name):
        stats = self.host.request("GET", "/v1/stats")
        found = [v for g in stats["gpus"] for v in g["vgpus"] if v["name"] == name]
        return {key: found[0][key] for key in ("kicks", "copied_bytes")}

    def program(self, place, name, milliseconds):
        """What bench-calls says, there."""
        words = ["bench-calls", "--time", str(milliseconds), name]
        if place == "machine":
            return self.machine.check(" ".join(words), 120)
        words[0] = str(self.host.build / "bench" / words[0])
        if place == "process":
            words = [str(self.host.build / "tessera"), "run", "process", "--", *words]
        return subprocess.run(words, env=self.host.env, text=True, check=True,
                              stdout=subprocess.PIPE).stdout

    def measure(self, place, name, milliseconds=None):
        """({series: median ns}, samples, what the vGPU's counters grew by)"""
        before = None if place == "native" else self.counters(place)
        said = json.loads(self.program(place, name, milliseconds or self.ms))
        if "error" in said:
            sys.exit(f"bench-vm: {place}: {said['error']}")
        medians = {s: statistics.median(v) for s, v in said["samples"].items()}
        grown = {}
        if before is not None:
            hosts.until(10, lambda: not self.host.vgpu(place)["sessions"])
            after = self.counters(place)
            grown = {key: after[key] - before[key] for key in after}
        return medians, len(next(iter(said["samples"].values()))), grown


def run_rounds(bench, rounds):
    """{benchmark: {place: [what measure() gave, of each round]}}, and the same of few samples."""
    found = {name: {place: [] for place in PLACES} for name, _, _ in ROWS}
    few = {name: {place: bench.measure(place, name, 1) for place in PLACES} for name in found}
    for i in range(rounds):
        for name in found:
            print(f"\rround {i + 1} of {rounds}: {name:20}", end="", file=sys.stderr, flush=True)
            for place in PLACES:
                found[name][place].append(bench.measure(place, name))
    print("\r" + " " * 50 + "\r", end="", file=sys.stderr)
    return found, few


def each(rounds, few, key):
    """What a sample adds to a counter; None where no round had more than the fewest samples."""
    samples = sum(r[1] - few[1] for r in rounds)
    return sum(r[2][key] - few[2][key] for r in rounds) / samples if samples > 0 else None


def row_of(found, few, name, series, size):
    rounds = {place: [r[0][series] for r in found[name][place]] for place in PLACES}
    ratios = [m / p for m, p in zip(rounds["machine"], rounds["process"])]
    row = {"benchmark": name, "series": series, "bytes": size,
           "ns": {place: statistics.median(rounds[place]) for place in PLACES},
           "ratio": statistics.median(ratios), "spread": [min(ratios), max(ratios)]}
    for place in PLACES[1:]:
        counted = [each(found[name][place], few[name][place], key)
                   for key in ("kicks", "copied_bytes")]
        row[place] = {"kicks": counted[0],
                      "copies": counted[1] / size if size and counted[1] is not None else None}
    return row


def count_words(n):
    return "-" if n is None else f"{max(n, 0):.2f}"


def table(rows, accel, rounds):
    how = {"kvm": "under KVM", "tcg": "emulated (TCG)"}[accel]
    lines = [f"The machine ran {how}; {rounds} rounds, medians.", "",
             "| WHAT | NATIVE | PROCESS | MACHINE | MACHINE/PROCESS | SPREAD | KICKS, PROCESS |"
             " KICKS, MACHINE | COPIES, PROCESS | COPIES, MACHINE |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for r in rows:
        copies = [count_words(r[p]["copies"]) for p in PLACES[1:]]
        lines.append(
            f"| {r['benchmark']}, {r['series']} | "
            + " | ".join(words_of(r["ns"][p]) for p in PLACES)
            + f" | {r['ratio']:.2f} | {r['spread'][0]:.2f}-{r['spread'][1]:.2f} | "
            + " | ".join(count_words(r[p]["kicks"]) for p in PLACES[1:])
            + " | " + " | ".join(copies) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--time", type=int, default=400, metavar="MS",
                        help="for the samples of each benchmark (400)")
    parser.add_argument("-o", choices=("table", "json"), default="table", help="how to print")
    a = parser.parse_args()
    build = a.build.resolve()
    with tempfile.TemporaryDirectory(prefix="tsr-vm-") as folder:
        host = hosts.Host(build, build / "vm", folder)
        try:
            host.start()
            for name in PLACES[1:]:
                host.tessera("create", "--type", hosts.TYPE, "--gpu", "gpu0", name)
            with host.machine("machine") as m:
                found, few = run_rounds(Bench(host, m, a.time), a.rounds)
        finally:
            host.stop()
    rows = [row_of(found, few, *row) for row in ROWS]
    accel = machine.accelerator(build / "vm")
    (build / "bench").mkdir(exist_ok=True)
    (build / "bench/vm.json").write_text(
        json.dumps({"machine": accel, "rounds": a.rounds, "rows": rows}, indent=1) + "\n")
    text = table(rows, accel, a.rounds)
    (build / "bench/vm.md").write_text(text + "\n")
    print(text if a.o == "table" else (build / "bench/vm.json").read_text())
    return 0


if __name__ == "__main__":
    sys.exit(main())

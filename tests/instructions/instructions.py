#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""instructions.py (compare | write | show) BUILD BASELINE

Counts by Callgrind what a call costs in the guest library and in the worker's dispatch.
compare: a count that is more than 10 % above the baseline's fails (25 % if the build's compiler
is another one than the baseline's). write: makes the baseline anew. show: only prints.
Exit status 77: it cannot be compared here, and why.
"""

import collections
import json
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

SKIP = 77
LIMIT_S = 150
TOLERANCE = 0.10
TOLERANCE_OTHER_COMPILER = 0.25
SMALLEST = 20  # of so few instructions a percentage says nothing
TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)
RENEW = "if the new count is meant, renew the baseline with: make instructions"

Answer = collections.namedtuple("Answer", "status lines")


class Unable(Exception):
    """There is nothing to compare, for a reason that is no failure."""


# Counting.


def callgrind(build, folder):
    """Runs the program: its compiler, its lines of words, and the counts of the parts."""
    valgrind = shutil.which("valgrind")
    if not valgrind:
        raise Unable("package valgrind is not installed")
    done = subprocess.run(
        [valgrind, "--tool=callgrind", "--toggle-collect=measured", "--dump-after=measured",
         f"--callgrind-out-file={folder}/out", f"--log-file={folder}/log",
         f"{build}/tests/instructions/instructions", f"{build}/libtessera-opencl.so"],
        stdout=subprocess.PIPE, text=True, timeout=LIMIT_S, check=True)
    compiler, *lines = done.stdout.splitlines()
    lines = [line.split() for line in lines]
    parts = [pathlib.Path(folder, f"out.{i + 1}").read_text() for i in range(len(lines))]
    return compiler.strip(), lines, [int(TOTALS.search(part).group(1)) for part in parts]


def per_operation(lines, totals):
    """{operation: {side: instructions of one}}; a worker without frames has no part in it."""
    counts = {}
    for (name, side, operations, frames), total in zip(lines, totals, strict=True):
        if side == "worker" and int(frames) == 0:
            continue
        counts.setdefault(name, {})[side] = round(total / int(operations))
    return counts


def circumstances(build):
    """What the counts depend on, beside the sources and the compiler."""
    done = subprocess.run(["meson", "introspect", "--buildoptions", str(build)],
                          stdout=subprocess.PIPE, text=True, check=True)
    options = {o["name"]: o["value"] for o in json.loads(done.stdout)}
    return {"architecture": platform.machine(), "optimization": options["optimization"],
            "sanitizer": options["b_sanitize"]}


def count(build):
    with tempfile.TemporaryDirectory(prefix="tessera-instructions-") as folder:
        compiler, lines, totals = callgrind(build, folder)
    return {**circumstances(build), "compiler": compiler,
            "instructions": per_operation(lines, totals)}


# Comparing.


def paths(counts):
    return {(name, side): n for name, sides in counts.items() for side, n in sides.items()}


def compare(new, old):
    """Holds new counts against old ones, both as count() returns them."""
    for key in ("architecture", "optimization", "sanitizer"):
        if new[key] != old[key]:
            raise Unable(f"the baseline is of another {key} ({old[key]}, here {new[key]})")
    same = new["compiler"] == old["compiler"]
    tolerance = TOLERANCE if same else TOLERANCE_OTHER_COMPILER
    lines, bad = [], False
    if not same:
        lines.append(f"the baseline is {old['compiler']}'s, this build {new['compiler']}'s: "
                     f"up to {tolerance:.0%} more is let pass")
    was, now = paths(old["instructions"]), paths(new["instructions"])
    for path in sorted(was.keys() | now.keys()):
        words = f"{path[0]}, {path[1]}"
        if path not in was or path not in now:
            lines.append(f"{words}: {'new' if path in now else 'gone'}; {RENEW}")
            bad = True
        elif now[path] > was[path] * (1 + tolerance) and now[path] > was[path] + SMALLEST:
            lines.append(f"{words}: {now[path]} instructions, {now[path] / was[path] - 1:+.0%} "
                         f"against {was[path]}; {RENEW}")
            bad = True
    return Answer(1 if bad else 0, lines)


def table(new, old):
    was = paths(old["instructions"]) if old else {}
    lines = [f"{'operation':16} {'side':8} {'instructions':>12} {'baseline':>10} {'change':>8}"]
    for path, n in paths(new["instructions"]).items():
        before = was.get(path)
        change = f"{n / before - 1:+.1%}" if before else "-"
        lines.append(f"{path[0]:16} {path[1]:8} {n:12} {before or '-':>10} {change:>8}")
    return lines


def read(baseline):
    return json.loads(baseline.read_text()) if baseline.exists() else None


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ("compare", "write", "show"):
        print(__doc__, file=sys.stderr)
        return 2
    verb, build, baseline = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    try:
        new, old = count(build), read(baseline)
        print("\n".join(table(new, old)))
        if verb == "write":
            baseline.write_text(json.dumps(new, indent=2) + "\n")
        if verb != "compare":
            return 0
        if not old:
            raise Unable(f"there is no {baseline}")
        answer = compare(new, old)
    except Unable as why:
        print(why)
        return SKIP
    print("\n".join(answer.lines))
    return answer.status


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""docs/opencl-calls.md: every entry, how it is served, and which tests exercise it.

usage: table.py write SERVED TABLE [CALLS]   writes TABLE; without CALLS its tests stay as they are
       table.py listed SERVED TABLE          TABLE has the entries of SERVED, served as there
       table.py tested SERVED TABLE CALLS    no entry lacks a test of its right or its wrong use

SERVED is opencl-served.tsv of api/generate_calllog.py. CALLS is a folder that a run of the
end-to-end tests filled: TEST/NUMBER/PROGRAM.PID.jsonl, where the interposing driver in front of
the guest's library noted the first success and the first error of each function (ONCE, calllog.h).
"""

import json
import re
import sys
from pathlib import Path

MOST_NAMES = 2
WORKING = ("shadow", "asynchronous", "waits")
# Entries that cannot go wrong, or not before the guest's library is called.
NO_WRONG_USE = {
    "clGetPlatformIDs": "the loader answers it, and asks the library in the right way",
    "clUnloadCompiler": "has no argument and no error",
    "clCreateProgramWithILKHR": "found only where the device has the extension",
}
# Entries that no test can use rightly on a software GPU.
NO_RIGHT_USE = {
    "clUnloadCompiler": "the loader answers it, and asks no library",
    "clSetCommandQueueProperty": "of OpenCL 1.0: refused since",
    "clSetDefaultDeviceCommandQueue": "refused: no queues on the device",
    "clGetKernelSubGroupInfo": "PoCL 3.1 has no sub-groups",
    "clGetKernelSubGroupInfoKHR": "PoCL 3.1 has no sub-groups",
    "clCreateProgramWithIL": "PoCL 3.1 has no IL here",
    "clCreateProgramWithILKHR": "PoCL 3.1 has no IL here",
    "clSetProgramSpecializationConstant": "PoCL 3.1 has no IL here",
    "clGetDeviceAndHostTimer": "PoCL 3.1 has no timers",
    "clGetHostTimer": "PoCL 3.1 has no timers",
}
# CL_MEM_OBJECT_ALLOCATION_FAILURE, CL_OUT_OF_RESOURCES, CL_OUT_OF_HOST_MEMORY: no fault of the use.
NO_RESOURCES = (-4, -5, -6)
ROW = re.compile(r"\| `(\w+)` \| [^|]* \| (\w+) \| ([^|]*) \| ([^|]*) \|")

HEAD = """# OpenCL 3.0, entry by entry

Each entry of the dispatch table: its section of the OpenCL 3.0 specification or its extension; how
it is served, from `api/opencl.toml`: *shadow* is answered in the guest library, *asynchronous* is a
message that nobody waits for, *waits* is one that is answered; *refused* as the specification
allows; *later* is not done yet; *absent* has no platform interface on Linux. Then which tests call
it rightly (it succeeds) and wrongly (it answers an error), as `test/program`: taken from logs of a
run of the end-to-end tests, not written by hand. A refused entry's test is that of its refusal.
Made by `tests/calllog/table.py`, held by `make check`.

| function | section | served | right use | wrong use |
|---|---|---|---|---|
"""


def read_served(path):
    """[(function, served)] in the order of the table."""
    rows = [line.split("\t") for line in Path(path).read_text().splitlines()]
    return [(row[0], row[1]) for row in rows]


def read_sections(path):
    """{function: section}, of the same file."""
    rows = [line.split("\t") for line in Path(path).read_text().splitlines()]
    return {row[0]: row[3] for row in rows}


def read_table(path):
    """{function: (served, right, wrong)}, right and wrong as they are written there."""
    text = Path(path).read_text() if Path(path).exists() else ""
    return {m[1]: (m[2], m[3], m[4]) for m in ROW.finditer(text)}


def read_calls(folder):
    """{function: (programs that it succeeded in, programs that it failed in)}"""
    found = {}
    for file in sorted(Path(folder).glob("*/*/*.jsonl")):
        test = f"{file.parts[-3]}/{file.name.split('.')[0]}"
        for line in file.read_text().splitlines():
            call = json.loads(line)
            right, wrong = found.setdefault(call["call"], (set(), set()))
            if call["status"] not in NO_RESOURCES:
                (right if call["status"] == 0 else wrong).add(test)
    return found


def names(tests):
    """The first few, the same program of two kinds of GPU once."""
    once = sorted({re.sub(r"-(discrete|fake)/", "/", t) for t in tests})
    more = f" +{len(once) - MOST_NAMES}" if len(once) > MOST_NAMES else ""
    return ", ".join(once[:MOST_NAMES]) + more if once else "–"


def cells(function, served, tests):
    right, wrong = tests.get(function, (set(), set()))
    if served in ("later", "absent"):
        return "", ""
    if served == "refused":
        # clSVMFree and its like answer nothing at all: called is refused.
        return "", names(right | wrong)
    right_use = names(right) if right else NO_RIGHT_USE.get(function, names(right))
    return right_use, NO_WRONG_USE.get(function) or names(wrong)


def gaps(function, served, right, wrong):
    """What an entry lacks, of its cells."""
    if served not in WORKING + ("refused",):
        return set()
    lack = {"right use"} if right == "–" else set()
    return {f"{function}: {w}" for w in lack | ({"wrong use"} if wrong == "–" else set())}


def all_gaps(rows):
    return set().union(*(gaps(f, *cells_) for f, cells_ in rows.items()))


def rows_of(served, tests, old):
    """{function: (served, right, wrong)}; tests None: as in the old table."""
    rows = {}
    for function, how in served:
        if tests is None and function in old and old[function][0] == how:
            rows[function] = old[function]
        else:
            rows[function] = (how, *cells(function, how, tests or {}))
    return rows


def write(served, table, calls=None):
    tests = read_calls(calls) if calls else None
    rows = rows_of(read_served(served), tests, read_table(table))
    sections = read_sections(served)
    text = HEAD + "".join(f"| `{f}` | {sections[f]} | {how} | {right} | {wrong} |\n"
                          for f, (how, right, wrong) in rows.items())
    lacking = len({g.split(":")[0] for g in all_gaps(rows)})
    kinds = ", ".join(f"{sum(r[0] == kind for r in rows.values())} {kind}"
                      for kind in dict.fromkeys(r[0] for r in rows.values()))
    Path(table).write_text(f"{text}\n{len(rows)} entries: {kinds}. {lacking} lack a test of their "
                           "right or their wrong use.\n")
    return []


def listed(served, table):
    old = [(f, row[0]) for f, row in read_table(table).items()]
    new = read_served(served)
    found = [f"{f}: served '{how}', and not so in {table}" for f, how in new if (f, how) not in old]
    found += [f"{f}: no such entry" for f, _ in old if f not in dict(new)]
    return found + ([f"run: tests/calllog/table.py write {served} {table}"] if found else [])


def tested(served, table, calls):
    new = rows_of(read_served(served), read_calls(calls), {})
    return [f"no test of {what}" for what in sorted(all_gaps(new))]


def main():
    commands = {"write": write, "listed": listed, "tested": tested}
    if len(sys.argv) < 4 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    try:
        found = commands[sys.argv[1]](*sys.argv[2:])
    except (OSError, ValueError, TypeError) as e:
        sys.exit(f"table.py: {e}")
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

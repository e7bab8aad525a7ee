#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: coverage.py DECODERS LCOV

Prints how many of each decoder's lines were reached, from what llvm-cov exports as lcov, and fails
where that is less than 90 per cent. Not counted: the functions that DECODERS names with a reason,
and lines that only a lack of memory reaches.
"""

import re
import sys
from pathlib import Path

LEAST = 90.0
NO_MEMORY = re.compile(r"ENOMEM|OUT_OF_HOST_MEMORY|no memory|out of memory|return NULL;$")


class Decoder:
    """One line of DECODERS and the indented ones below it: FUNCTION…: reason, or only: FUNCTION…"""

    def __init__(self, line):
        self.name, self.targets = line.split(maxsplit=1)
        self.without, self.only = set(), set()


def decoders_of(text):
    decoders = []
    for line in text.splitlines():
        if line.startswith(" only:"):
            decoders[-1].only |= set(line.partition(":")[2].split())
        elif line.startswith(" "):
            decoders[-1].without |= set(line.partition(":")[0].split())
        elif line and not line.startswith("#"):
            decoders.append(Decoder(line))
    return decoders


def files_of(lcov):
    """Path -> ({line: count}, {function: its first line})."""
    files, lines, functions = {}, {}, {}
    for row in lcov.splitlines():
        key, _, value = row.partition(":")
        if key == "SF":
            lines, functions = files.setdefault(value, ({}, {}))
        elif key == "FN":
            first, name = value.split(",")
            functions[name.rpartition(":")[2]] = int(first)
        elif key == "DA":
            line, count = map(int, value.split(",")[:2])
            lines[line] = max(count, lines.get(line, 0))
    return files


def lines_of(names, lines, functions):
    """The lines of these functions: up to where the next one begins."""
    starts = sorted(functions.values())
    theirs = set()
    for name in names:
        first = functions[name]
        end = next((s for s in starts if s > first), max(lines) + 1)
        theirs |= {n for n in lines if first <= n < end}
    return theirs


def reached(path, d, lines, functions):
    text = Path(path).read_text().splitlines()
    if d.only:
        wanted = lines_of(d.only, lines, functions)
    else:
        wanted = set(lines) - lines_of(d.without, lines, functions)
    counted = {n: c for n, c in lines.items()
               if n in wanted and (c or not NO_MEMORY.search(text[n - 1]))}
    return sum(c > 0 for c in counted.values()), len(counted)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    files, failed = files_of(Path(sys.argv[2]).read_text()), False
    for d in decoders_of(Path(sys.argv[1]).read_text()):
        path = next((p for p in files if p.endswith("/" + d.name)), None)
        unknown = (d.without | d.only) - set(files[path][1]) if path else {"the file"}
        if unknown:
            print(f"{d.name}: no {', '.join(sorted(unknown))} in the profile")
            failed = True
            continue
        hit, count = reached(path, d, *files[path])
        low = 100 * hit / count < LEAST
        failed |= low
        print(f"{100 * hit / count:6.1f}   {d.name} ({hit} of {count}): {d.targets}"
              + (f"  LESS THAN {LEAST:.0f}" if low else ""))
    sys.exit(failed)


if __name__ == "__main__":
    main()

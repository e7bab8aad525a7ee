#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check-source.py (columns | spdx) FILE...: no line past 100 columns; a licence line on top."""

import pathlib
import sys

COLUMNS = 100
SPDX = "SPDX-License-Identifier: MIT"
SPDX_LINES = 3  # an interpreter line may come first


def columns(path, lines):
    for number, line in enumerate(lines, 1):
        width = len(line.expandtabs(8))
        if width > COLUMNS:
            yield f"{path}:{number}: {width} columns, at most {COLUMNS}"


def spdx(path, lines):
    if not any(SPDX in line for line in lines[:SPDX_LINES]):
        yield f"{path}:1: no line '{SPDX}'"


CHECKS = {"columns": columns, "spdx": spdx}


def main():
    check = CHECKS[sys.argv[1]]
    found = []
    for name in sys.argv[2:]:
        text = pathlib.Path(name).read_text(encoding="utf-8", errors="replace")
        found += check(name, text.splitlines())
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: coverage.py DECODERS SUMMARY

Prints how many of each decoder's lines were reached, from the summary that llvm-cov exports, and
fails when one has less than its line in DECODERS says.
"""

import json
import sys
from pathlib import Path


def reached(summary):
    """File -> (lines, lines reached)."""
    files = json.loads(Path(summary).read_text())["data"][0]["files"]
    return {f["filename"]: (f["summary"]["lines"]["count"], f["summary"]["lines"]["covered"])
            for f in files}


def find(files, name):
    for path, lines in files.items():
        if path.endswith("/" + name):
            return lines
    return None


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    files, failed = reached(sys.argv[2]), False
    for line in Path(sys.argv[1]).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, least, targets = line.split(maxsplit=2)
        lines = find(files, name)
        if not lines:
            print(f"  none   {name}: not in the profile")
            failed = True
            continue
        percent = 100 * lines[1] / lines[0]
        low = percent < float(least)
        failed |= low
        print(f"{percent:6.1f}   {name} ({lines[1]} of {lines[0]}): {targets}"
              + (f"  LESS THAN {least}" if low else ""))
    sys.exit(failed)


if __name__ == "__main__":
    main()

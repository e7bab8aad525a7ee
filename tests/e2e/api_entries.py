#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: api_entries.py DESCRIPTION CASES

Holds what api_use printed against the dispatch table and the extension functions: each needs a
case of its right and one of its wrong use, or one of its refusal; an extension's function may be
skipped where the device has not the extension. Names those that lack one.
"""

import re
import sys
import tomllib
from pathlib import Path

SKIPPED = re.compile(r"skipped (cl\w+): ")
CASE = re.compile(r"(?:ok|FAILED|left out) (cl\w+) (right|wrong|refused): ")


def main():
    entries = {name: spec.get("args", ["unknown"]) for name, spec in
               tomllib.loads(Path(sys.argv[1]).read_text()).items()
               if isinstance(spec, dict) and name.startswith("cl")}
    # Without an argument there is nothing to do wrong.
    seen = {name: set() if args and args != ["void"] else {"wrong"}
            for name, args in entries.items()}
    skipped = set()
    for line in Path(sys.argv[2]).read_text().splitlines():
        m = CASE.match(line)
        if m and m[1] not in seen:
            sys.exit(f"{m[1]} is no entry of the table")
        if m:
            seen[m[1]].add(m[2])
        m = SKIPPED.match(line)
        if m:
            skipped.add(m[1])
    lacking = [f"{name}: {' and '.join(sorted({'right', 'wrong'} - kinds))}"
               for name, kinds in seen.items()
               if name not in skipped and "refused" not in kinds and
               not {"right", "wrong"} <= kinds]
    print(f"{len(entries)} entries, {len(lacking)} without a case, {len(skipped)} skipped")
    sys.exit("\n".join(lacking) if lacking or not entries else 0)


if __name__ == "__main__":
    main()

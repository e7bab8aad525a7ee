#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: api_differences.py DOCUMENT CASES

Each difference that `api_use --driver` met, by what it printed, must be a row of the document.
"""

import re
import sys
from pathlib import Path


def main():
    rows = set(re.findall(r"^\| `?([a-z0-9-]+)`? \|", Path(sys.argv[1]).read_text(), re.M))
    cases = Path(sys.argv[2]).read_text()
    met = set(re.findall(r"^ok .* \(([a-z0-9-]+)\)$", cases, re.M))
    met |= set(re.findall(r"^left out .* \(([a-z0-9-]+): ", cases, re.M))
    missing = sorted(met - rows)
    print(f"{len(met)} differences met, {len(missing)} not documented")
    sys.exit("not documented: " + ", ".join(missing) if missing else 0)


if __name__ == "__main__":
    main()

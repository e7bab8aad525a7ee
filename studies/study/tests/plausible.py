#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""plausible.py FOLDER: is what a study left there whole? Times are not looked at, but for being
positive and finite."""

import html.parser
import json
import math
import pathlib
import sys


def numbers(value):
    if isinstance(value, bool):
        return
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from numbers(part)
    elif isinstance(value, list):
        for part in value:
            yield from numbers(part)


def complaints(folder):
    data = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    if not data["samples"]:
        yield "no samples"
    if not data["gpus"] and any("value" in s for s in data["samples"].values()):
        yield "no GPU is told of"
    for key, sample in data["samples"].items():
        if "error" in sample:
            yield f"{key} failed: {sample['error']}"
        elif not sample["value"]:
            yield f"{key} has nothing"
        elif not all(math.isfinite(n) for n in numbers(sample["value"])):
            yield f"{key} has a number that is none"
        elif sample["seconds"] < 0:
            yield f"{key} took less than no time"
    page = (folder / "report.html").read_text(encoding="utf-8")
    html.parser.HTMLParser().feed(page)
    text = (folder / "report.md").read_text(encoding="utf-8")
    if not text.startswith("# ") or "## How it was measured" not in text:
        yield "report.md is not whole"
    if "<svg" not in page or not list(folder.glob("plot-*.svg")):
        yield "report.html has no plot (is gnuplot installed?)"
    if "nan" in text.lower().split():
        yield "report.md has a number that is none"


def main():
    found = list(complaints(pathlib.Path(sys.argv[1])))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""count.py (tap | meson) FILE: prints "PASSED FAILED SKIPPED" of one run.

tap: output of bats. meson: meson-logs/testlog.json. A test that the plan promised and that
never reported counts as failed. With CI=true a skip for a missing package is a failure: its
reason says "package" or "not installed".
"""

import json
import os
import pathlib
import re
import sys

LACKING = re.compile(r"package|not installed", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)")
RESULT = re.compile(r"^(ok|not ok) \d+\b(.*)$")
SKIP = re.compile(r"# skip\b(.*)$", re.IGNORECASE)
PASSES = {"OK", "EXPECTEDFAIL"}


class Count:
    def __init__(self, strict):
        self.passed = self.failed = self.skipped = 0
        self.strict = strict

    def skip(self, name, reason):
        if self.strict and LACKING.search(reason):
            print(f"skipped for a missing package: {name} {reason}".strip(), file=sys.stderr)
            self.failed += 1
        else:
            self.skipped += 1

    def total(self):
        return self.passed + self.failed + self.skipped


def count_tap(text, count):
    planned = 0
    for line in text.splitlines():
        plan, result = PLAN.match(line), RESULT.match(line)
        if plan:
            planned = int(plan.group(1))
        if not result:
            continue
        skip = SKIP.search(result.group(2))
        if result.group(1) == "not ok":
            count.failed += 1
        elif skip:
            count.skip(result.group(2)[: skip.start()], skip.group(1))
        else:
            count.passed += 1
    count.failed += max(0, planned - count.total())


def count_meson(text, count):
    for line in filter(None, map(str.strip, text.splitlines())):
        test = json.loads(line)
        if test["result"] in PASSES:
            count.passed += 1
        elif test["result"] == "SKIP":
            count.skip(test["name"], test.get("stdout", "") + test.get("stderr", ""))
        else:
            count.failed += 1


def main():
    kind, path = sys.argv[1:]
    count = Count(strict=os.environ.get("CI") == "true")
    text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    {"tap": count_tap, "meson": count_meson}[kind](text, count)
    print(count.passed, count.failed, count.skipped)


if __name__ == "__main__":
    main()

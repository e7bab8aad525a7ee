#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reads metrics from stdin and ends with status 1, saying where, at the first thing that is wrong.

openmetrics.py [--open]   Prometheus' text format 0.0.4, or (--open) OpenMetrics 1.0
Then prints each sample as NAME{LABELS} VALUE, so that scripts can look for one.

Stricter than the formats: each family has HELP and TYPE, in this order and before its samples, and
samples of a family stand together, as OpenMetrics wants it.
"""

import argparse
import math
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
COMMENT = re.compile(rf"# (HELP|TYPE|UNIT) ({NAME}) (.*)")
TYPES = {"gauge", "counter", "untyped", "summary", "histogram"}
OPEN_TYPES = {"gauge", "counter", "unknown", "summary", "histogram", "info", "stateset"}
OPEN_SUFFIX = {"counter": "_total", "info": "_info"}
# Base units of the conventions; others are multiples of one.
BAD_UNITS = re.compile(
    r"_(ms|us|ns|milliseconds|microseconds|nanoseconds|kib|mib|kilobytes|megabytes|percent)(_|$)"
)


class Wrong(Exception):
    """What is wrong with a line."""


class Reader:
    """One exposition, line by line."""

    def __init__(self, openmetrics):
        self.openmetrics = openmetrics
        self.help, self.type = {}, {}
        self.family, self.done = None, set()
        self.samples = {}

    def comment(self, line):
        m = COMMENT.fullmatch(line)
        if not m:
            raise Wrong("a comment that is neither HELP, TYPE nor UNIT")
        kind, name, text = m.groups()
        if kind == "HELP":
            if name in self.help:
                raise Wrong(f"a second HELP of {name}")
            self.help[name] = text
            return
        if kind == "TYPE":
            if name in self.type or name not in self.help:
                raise Wrong(f"TYPE of {name} twice, or before its HELP")
            if text not in (OPEN_TYPES if self.openmetrics else TYPES):
                raise Wrong(f"no such type: {text}")
            self.begin_family(name, text)

    def begin_family(self, name, kind):
        if BAD_UNITS.search(name):
            raise Wrong(f"{name} is not in base units")
        if not self.openmetrics and (kind == "counter") != name.endswith("_total"):
            raise Wrong(f"{name}: counters, and they alone, end with _total")
        if self.openmetrics and name.endswith(("_total", "_info")):
            raise Wrong(f"{name}: a family is named without its samples' suffix")
        if self.family:
            self.done.add(self.family)
        self.type[name] = kind
        self.family = name

    def sample(self, line):
        m = SAMPLE.fullmatch(line)
        if not m:
            raise Wrong("not a sample")
        name, labels, value = m.group(1), m.group(2) or "", m.group(m.lastindex)
        if not self.family:
            raise Wrong("a sample before any TYPE")
        kind = self.type[self.family]
        suffix = OPEN_SUFFIX.get(kind, "") if self.openmetrics else ""
        if name != self.family + suffix:
            raise Wrong(f"a sample of {name} among those of {self.family}")
        names = [pair[0] for pair in re.findall(LABEL, labels)]
        if len(names) != len(set(names)):
            raise Wrong("a label twice")
        self.number(kind, value)
        key = f"{name}{{{labels}}}"
        if key in self.samples:
            raise Wrong(f"{key} twice")
        self.samples[key] = value

    @staticmethod
    def number(kind, text):
        try:
            value = float(text)
        except ValueError:
            raise Wrong(f"no number: {text}") from None
        if math.isnan(value) or (kind == "counter" and (value < 0 or math.isinf(value))):
            raise Wrong(f"{text} of a {kind}")
        if kind == "info" and value != 1:
            raise Wrong("an info that is not 1")

    def read(self, text):
        if not text.endswith("\n"):
            raise Wrong("the last line does not end")
        lines = text[:-1].split("\n")
        if self.openmetrics and lines.pop() != "# EOF":
            raise Wrong("no # EOF at the end")
        for number, line in enumerate(lines, 1):
            try:
                self.comment(line) if line.startswith("#") else self.sample(line)
            except Wrong as e:
                raise Wrong(f"line {number}: {e}: {line!r}") from None
        if not self.samples:
            raise Wrong("no samples at all")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--open", action="store_true")
    reader = Reader(parser.parse_args().open)
    try:
        reader.read(sys.stdin.read())
    except Wrong as e:
        sys.exit(str(e))
    for key, value in reader.samples.items():
        print(key, value)


if __name__ == "__main__":
    main()

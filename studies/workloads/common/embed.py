#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes text files as one C string: embed.py IN... OUT NAME HEADER."""
import sys


def main():
    *sources, target, name, header = sys.argv[1:]
    lines = []
    for source in sources:
        with open(source, encoding="ascii") as file:
            lines += file.read().splitlines()
    with open(target, "w", encoding="ascii") as file:
        file.write(f'#include "{header}"\n\nconst char {name}[] =\n')
        for line in lines:
            quoted = line.replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
            file.write(f'    "{quoted}\\n"\n')
        file.write("    ;\n")


main()

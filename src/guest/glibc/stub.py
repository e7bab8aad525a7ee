#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""stub.py LIMIT FOLDER CC...: a libc.so to link with that ends at glibc LIMIT.

Writes FOLDER/libc.so, a linker script as the system's own, but for a shared library without code:
FOLDER/old-libc.so, which has libc's name and of each of its functions and variables the newest
version that is not beyond LIMIT. What is linked with it runs with LIMIT and everything later.
"""

import pathlib
import re
import subprocess
import sys

# 1234: 00000000000a1b2c   456 FUNC    GLOBAL DEFAULT   15 pthread_create@@GLIBC_2.34
SYMBOL = re.compile(
    r"^\s*\d+: (?P<value>[0-9a-f]+)\s+(?P<size>\S+) (?P<kind>FUNC|IFUNC|OBJECT)\s+\S+\s+DEFAULT\s+"
    r"\d+ (?P<name>\w+)@@?GLIBC_(?P<version>[0-9.]+)$"
)


def version_of(text):
    return tuple(int(part) for part in text.split("."))


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def newest(lines, limit):
    """Of each name the match with the newest version up to the limit."""
    found = {}
    for match in filter(None, map(SYMBOL.match, lines)):
        version = version_of(match["version"])
        other = found.get(match["name"])
        if version <= limit and (not other or version_of(other["version"]) < version):
            found[match["name"]] = match
    return found


def assembly(symbols):
    """Variables that share a place go on doing so: a program's copy of one is then of all."""
    places = {}
    for name, match in symbols.items():
        if match["kind"] == "OBJECT":
            places.setdefault(match["value"], []).append(name)
        else:
            yield f".text\n.globl {name}\n.type {name}, @function\n{name}: .byte 0\n"
    for names in places.values():
        size = max(int(symbols[name]["size"], 0) for name in names)
        yield ".data\n.balign 32\n"
        for name in names:
            yield f".globl {name}\n.type {name}, @object\n"
            yield f".size {name}, {int(symbols[name]['size'], 0)}\n{name}:\n"
        yield f".zero {max(size, 1)}\n"
    yield '.section .note.GNU-stack, "", @progbits\n'


def version_script(symbols):
    nodes = {}
    for name, match in symbols.items():
        nodes.setdefault(version_of(match["version"]), []).append(name)
    for version in sorted(nodes):
        names = "".join(f" {name};" for name in sorted(nodes[version]))
        yield f"GLIBC_{'.'.join(map(str, version))} {{ global:{names} }};\n"


def main():
    limit, folder, cc = version_of(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]
    script = pathlib.Path(output_of(*cc, "-print-file-name=libc.so").strip()).read_text()
    library = re.search(r"\S+/libc\.so\.6", script)
    if not library:
        sys.exit("stub.py: libc.so is not glibc's linker script: set -Dguest_glibc= (empty)")
    symbols = newest(
        output_of("readelf", "-W", "--dyn-syms", library[0]).splitlines(), limit
    )
    stub, source, versions = (folder / f"old-libc.{end}" for end in ("so", "s", "map"))
    source.write_text("".join(assembly(symbols)))
    versions.write_text("".join(version_script(symbols)))
    options = ["-shared", "-nostdlib", "-Wl,-soname,libc.so.6", f"-Wl,--version-script={versions}"]
    subprocess.run([*cc, *options, "-o", stub, source], check=True)
    (folder / "libc.so").write_text(script.replace(library[0], str(stub.resolve())))


if __name__ == "__main__":
    main()

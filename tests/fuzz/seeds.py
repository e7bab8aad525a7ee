#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: seeds.py DESCRIPTION SEEDS OUTPUT_DIR

Writes the seeds of fuzz_frame as they travel. A seed names its calls and their fields as the API
description does, one message a line (further lines are indented): `clCreateBuffer buffer=3
context=1 size=4096`; `tag=1` where an answer is wanted. The first line may be switches: `switches
shared gate=1,2,20 compile`, each if wanted. shared: storage is shared with the guest; gate: bytes 1
to 3 of fuzz_frame.c, how turns are given; compile: a first launch is compiled; save: the session is
saved in the end. Each seed is written without and with it. A field left out is 0 or empty; `root`
is the whole device, `packed:"..."` a byte string inside a blob. So a seed means the same after the
description has changed, or is refused here.
"""

import json
import re
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "api"))
sys.dont_write_bytecode = True
import generate  # noqa: E402

EXTENT = re.compile(r"\d\w*:\d\w*")
WORD = re.compile(r'(\w+)=((?:packed:)?"(?:[^"\\]|\\.)*"|\[[^]]*\]|\S+)')
NONE = 2**64 - 1
SWITCHES = {"shared": 1, "gate": 2, "compile": 4, "save": 8}


def numbers(*values):
    return struct.pack(f"<{len(values)}Q", *(v & NONE for v in values))


def number(text):
    return NONE if text == "root" else int(text, 0)


def listed(text):
    return [number(v) for v in text.strip("[]").split(",") if v.strip()]


def data_of(text):
    if text.startswith("hex:"):
        return bytes.fromhex(text[4:])
    if text.startswith("packed:"):
        return sized(data_of(text[7:]))
    return json.loads(text).encode()


def sized(data):
    return numbers(len(data)) + data + bytes(-len(data) % 8)


def extent(text):
    return numbers(NONE, 0) if text == "none" else numbers(*(int(v, 0) for v in text.split(":")))


def encode(f, text):
    """One field, as the encoders of opencl_send.h write it."""
    if f.type in ("id", "new") and f.array or f.type in ("waits", "syncs"):
        values = listed(text or "[]")
        return numbers(len(values), *values)
    if f.type in ("u64", "i64") and f.array:
        values = listed(text or "[]")
        return numbers(*values, *[0] * (f.count - len(values)))
    if f.type in ("u64", "i64", "id", "new", "event"):
        return numbers(number(text or "0"))
    if f.type == "string":
        return sized(data_of(text or '""') + b"\0")
    if f.type == "bytes":
        return sized(data_of(text or '""'))
    if f.type == "blob" and not EXTENT.fullmatch(text or ""):
        return numbers(NONE, 0) + sized(data_of(text or '""'))
    return extent(text or "none")


def message(calls, line):
    name, _, rest = line.partition(" ")
    call = calls.get(name)
    if not call:
        raise ValueError(f"{name} is no message")
    given = dict(WORD.findall(rest))
    tag = int(given.pop("tag", "0"), 0)
    unknown = given.keys() - {f.name for f in call.wire}
    if unknown or WORD.sub("", rest).strip():
        raise ValueError(f"{name} has no field {', '.join(unknown) or rest!r}")
    body = b"".join(encode(f, given.get(f.name)) for f in call.wire)
    return struct.pack("<IHHQ", 16 + len(body), call.op, 0, tag) + body


def switches(words):
    flags, gate = 0, []
    for word in words:
        name, _, value = word.partition("=")
        if name not in SWITCHES:
            raise ValueError(f"{word} is no switch")
        flags |= SWITCHES[name]
        gate = listed(value) if name == "gate" else gate
    return bytes([flags, *gate]).ljust(8, b"\0")


def seed(calls, text):
    lines = [s for s in text.replace("\n    ", " ").splitlines() if s and s[0] != "#"]
    head = lines[0].split() if lines[:1] and lines[0].startswith("switches ") else []
    return switches(head[1:]) + b"".join(message(calls, s) for s in lines[bool(head):])


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    calls = {c.name: c for c in generate.load(sys.argv[1])[0] if c.on_wire}
    out = Path(sys.argv[3])
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(Path(sys.argv[2]).iterdir()):
        try:
            data = seed(calls, path.read_text())
            (out / path.name).write_bytes(data)
            saved = bytes([data[0] | SWITCHES["save"]]) + data[1:]
            (out / f"{path.name}-saved").write_bytes(saved)
        except (ValueError, struct.error) as e:
            sys.exit(f"{path}: {e}")


if __name__ == "__main__":
    main()

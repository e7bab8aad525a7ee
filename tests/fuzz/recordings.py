#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: recordings.py DESCRIPTION OUTPUT_DIR RECORDING...

Makes seeds of fuzz_frame from what recorder.c wrote: the beginning of each session, and windows of
its later frames behind those that made the objects. Extents are moved into the fuzzer's small heap,
sizes cut to what it has, blobs put into their frames.
"""

import hashlib
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "api"))
sys.dont_write_bytecode = True
import generate  # noqa: E402

NONE = 2**64 - 1
HEAP = 1 << 20  # as in fuzz_frame.c
FRAMES = 48     # of one seed
BLOB = 2048     # bytes of a source; what is cut off is cut off


def frames_of(data):
    """(frame, blob) of each message."""
    at = 8
    while at + 8 <= len(data):
        n, blob = struct.unpack_from("<II", data, at)
        at += 8
        yield data[at:at + n], data[at + n:at + n + blob]
        at += n + blob


def word(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def padded(data):
    return data + bytes(-len(data) % 8)


def field(f, body, at, blob):
    """(bytes of the field as the fuzzer's session takes it, its length in the frame)."""
    if f.type in ("id", "new") and f.array or f.type in ("waits", "syncs"):
        n = 8 + 8 * word(body, at)
        return body[at:at + n], n
    if f.type in ("u64", "i64", "id", "new", "event"):
        n = 8 * (f.count or 1)
        return body[at:at + n], n
    if f.type in ("string", "bytes"):
        n = 8 + (word(body, at) + 7) // 8 * 8
        return body[at:at + n], n
    off, length = word(body, at), word(body, at + 8)
    if f.type == "blob":
        n = 24 + (word(body, at + 16) + 7) // 8 * 8 if off == NONE else 16
        text = (body[at + 24:at + 24 + word(body, at + 16)] if off == NONE else blob)[:BLOB]
        return struct.pack("<QQQ", NONE, 0, len(text)) + padded(text), n
    if off != NONE:
        off, length = off % (HEAP // 2) // 128 * 128, min(length, HEAP // 2)
    return struct.pack("<QQ", off, length), 16


def translated(calls, frame, blob):
    _, op, _, tag = struct.unpack_from("<IHHQ", frame)
    body, out, at = frame[16:], b"", 0
    for f in calls[op].wire:
        piece, n = field(f, body, at, blob)
        if f.name == "size" or f.type == "u64" and f.array:
            piece = b"".join(struct.pack("<Q", min(word(piece, i), HEAP // 4))
                             for i in range(0, len(piece), 8))
        out, at = out + piece, at + n
    return struct.pack("<IHHQ", 16 + len(out), op, 0, bool(tag)) + out


def makes(calls, frame):
    """Does it make or shape an object? Windows need these before them."""
    op = struct.unpack_from("<IHHQ", frame)[1]
    name = calls[op].name
    return name.startswith(("clCreate", "clBuild", "clSetKernelArg", "clLink", "clCompile",
                            "clClone"))


def seeds(calls, data):
    frames = [translated(calls, f, b) for f, b in frames_of(data)]
    head = data[:8]
    yield head + b"".join(frames[:FRAMES])
    for start in range(FRAMES, len(frames), FRAMES):
        made = [f for f in frames[:start] if makes(calls, f)][-FRAMES:]
        yield head + b"".join(made + frames[start:start + FRAMES // 2])


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    calls = {c.op: c for c in generate.load(sys.argv[1])[0] if c.on_wire}
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for path in sys.argv[3:]:
        for data in seeds(calls, Path(path).read_bytes()):
            (out / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


if __name__ == "__main__":
    main()

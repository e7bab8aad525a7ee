#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""usage: frames.py DESCRIPTION OUTPUT

Writes frames.h: what each message is made of, for the mutator and the recorder of frames.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "api"))
sys.dont_write_bytecode = True
import generate  # noqa: E402

FAMILIES = ("lifecycle", "memory", "images", "programs", "events", "command_buffers")


def family(name):
    """The first that fits; what is left over is the session's own."""
    if "CommandBuffer" in name or name.startswith("clCommand") or "command_buffer" in name:
        return "command_buffers"
    if "Image" in name or "Sampler" in name:
        return "images"
    if "Buffer" in name or "MemObject" in name or "credit" in name:
        return "memory"
    if "Program" in name or "Kernel" in name or "program" in name or "argument" in name:
        return "programs"
    if "Event" in name or "WithWaitList" in name or "event" in name or "Finish" in name:
        return "events"
    return "lifecycle"


def field_row(f):
    kind = f"KIND_{f.kind}" if f.kind in (*generate.KINDS, "any") else "KIND_any"
    name = {"id": "IDS" if f.array else "ID", "new": "NEWS" if f.array else "NEW",
            "event": "NEW", "waits": "IDS", "syncs": "SYNCS", "string": "STRING",
            "bytes": "BYTES", "blob": "BLOB", "extent": "EXTENT", "out": "EXTENT"}
    kind = "KIND_event" if f.type in ("event", "waits") else kind
    none = int(f.optional or f.type == "event")
    return f"{{FIELD_{name.get(f.type, 'NUMBER')}, {kind}, {none}, {f.count or 1}}}"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    calls = [c for c in generate.load(sys.argv[1])[0] if c.on_wire]
    longest = max(len(c.wire) for c in calls)
    out = ["/* Generated from api/opencl.toml by tests/fuzz/frames.py: do not edit. */",
           f"#define MESSAGE_FIELDS {longest}", "enum family {"]
    out += [f"    FAMILY_{f}," for f in FAMILIES]
    out += ["};", "static const struct message {", "    enum family family;",
            "    bool reply;", "    unsigned n;", "    struct field fields[MESSAGE_FIELDS];",
            "} messages[OPENCL_OPS] = {"]
    for c in calls:
        fields = ", ".join(field_row(f) for f in c.wire)
        reply = int(bool(c.spec.get("reply")))
        out.append(f"    [OP_{c.name}] = {{FAMILY_{family(c.name)}, {reply}, {len(c.wire)}, "
                   f"{{{fields}}}}},")
    Path(sys.argv[2]).write_text("\n".join(out + ["};", ""]))


if __name__ == "__main__":
    main()

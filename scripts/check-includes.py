#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""check-includes.py [ROOT]: every #include keeps to the layers of docs/architecture.md.

A folder of src/ may include itself, base, and what MAY names; the layers below the worker
and the manager include no library but libc and the OpenCL headers. Workloads are ordinary
programs and see nothing of Tessera. Generated headers are included as "api/...".
"""

import pathlib
import re
import sys

MAY = {
    "base": set(),
    "wire": {"base"},
    "link": {"base"},
    "policy": {"base"},
    "snapshot": {"base"},
    "client": {"base"},
    "gate": {"base", "link"},
    "guest": {"base", "wire", "link", "gate", "api"},
    "worker": {"base", "wire", "gate", "link", "policy", "snapshot", "api"},
    "manager": {"base", "link", "policy", "snapshot", "wire"},
    "vm": {"base", "client"},
    "container": {"base"},
    "guestcli": {"base", "wire", "guest", "container"},
    "cli": {"base", "vm", "container", "policy", "client", "snapshot"},
    "api": {"base", "wire", "guest", "worker"},
    "studies": set(),
    "bench": {"base", "api"},
}
ANYTHING = {"tests"}  # tests look into every layer
LIBC_ONLY = {"base", "wire", "link", "policy", "gate", "guest"}
LIBRARIES = re.compile(
    r"^(uv|jansson|microhttpd|libsmartcols/|clblast|zlib|zstd|xxhash|seccomp"
    r"|sys/capability|libvirt/|libxml/)"
)
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def layer_of(path):
    """The layer that a path below the root belongs to; None if it has no rule."""
    parts = path.parts
    if parts[0] == "src":
        return parts[1] if len(parts) > 2 else None
    return parts[0] if parts[0] in MAY or parts[0] in ANYTHING else None


def target_of(name):
    """The layer an #include "name" points to; None for a file of the same folder."""
    parts = name.split("/")
    if parts[0] == "src":
        parts = parts[1:]
    return parts[0] if len(parts) > 1 and parts[0] in MAY else None


def complaint(layer, quote, name):
    if quote == "<":
        if layer in LIBC_ONLY and LIBRARIES.match(name):
            return f"{layer} uses libc alone, not <{name}>"
        return None
    if ".." in name.split("/"):
        return f'"{name}": name the folder, not the way to it'
    target = target_of(name)
    if target is None or target == layer or target in MAY[layer]:
        return None
    allowed = ", ".join(sorted(MAY[layer])) or "nothing"
    return f'{layer} may not include "{name}" (it may include: {allowed})'


def check_file(root, path):
    layer = layer_of(path)
    if layer is None:
        return [f"{path}: no rule for this folder; add one to scripts/check-includes.py"]
    if layer in ANYTHING:
        return []
    if layer not in MAY:
        return [f"{path}: no rule for {layer}; add one to scripts/check-includes.py"]
    found = []
    text = (root / path).read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        wrong = complaint(layer, *match.groups()) if match else None
        if wrong:
            found.append(f"{path}:{number}: {wrong}")
    return found


def sources(root):
    for top in ("src", "api", "bench", "studies", "tests"):
        for path in sorted((root / top).rglob("*.[ch]")):
            yield path.relative_to(root)


def main():
    here = pathlib.Path(__file__).resolve().parent.parent
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here
    found = [line for path in sources(root) for line in check_file(root, path)]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

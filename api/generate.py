#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reads opencl.toml and writes what both sides derive from it.

usage: generate.py DESCRIPTION OUTPUT_DIR

  opencl_wire.h      ops, their names, the description's fingerprint     (both sides)
  opencl_send.h      guest: one encoder per message, prototypes by hand
  opencl_stubs.c     guest: generated functions and the dispatch tables
  opencl_multi.h     guest: prototypes of the calls on objects of several vGPUs
  opencl_request.h   worker: one struct per message, handlers by hand
  opencl_extensions.h  worker: the driver's extension functions, found by name
  opencl_dispatch.c  worker: decode, validate, dispatch; generated handlers
  opencl.dict        fuzz dictionary (libFuzzer's form)
  opencl-missing.md  what is refused and what is still missing
"""

import hashlib
import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

GENERATED = "/* Generated from api/opencl.toml by api/generate.py: do not edit. */\n"
KINDS = {"context": "cl_context", "queue": "cl_command_queue", "mem": "cl_mem",
         "program": "cl_program", "kernel": "cl_kernel", "event": "cl_event",
         "device": "cl_device_id", "command_buffer": "cl_command_buffer_khr",
         "sampler": "cl_sampler", "image": "cl_mem"}
# Which check of submit.h a generated function makes of its memory objects.
MEM_CHECKS = {"mem": "check_buffers", "image": "check_images", "any": "check_mems"}
GUESTS = ("hand", "enqueue", "record", "alias", "refuse", "later", "absent", "message")
WORKERS = ("driver", "hand")
SECTION = re.compile(r"(extensions )?(\d+(?:\.\d+)+)|(cl_\w+)")


@dataclass
class Field:
    """One field of a message: type (u64, id, new, …), kind of object, count, name."""

    type: str
    name: str
    kind: str = ""
    optional: bool = False
    array: bool = False
    count: int = 0
    length_arg: str = ""


@dataclass
class Call:
    """One entry of the description."""

    name: str
    guest: str
    returns: str = ""
    args: list = field(default_factory=list)
    wire: list = field(default_factory=list)
    spec: dict = field(default_factory=dict)
    op: int = 0

    @property
    def on_wire(self):
        return bool(self.wire)

    @property
    def extension(self):
        """The extension that the function belongs to; empty for the core's."""
        return self.spec.get("extension", "")

    @property
    def section(self):
        """Where the function is specified, as the description says it; messages: nowhere."""
        return self.spec.get("section", self.extension)

    @property
    def section_comment(self):
        """The same as a C comment, for the line before the function."""
        in_extensions, number, name = SECTION.fullmatch(self.section).groups()
        if name:
            return f"/* {name} */"
        book = "OpenCL 3.0 Extension Specification" if in_extensions else "OpenCL 3.0"
        return f"/* {book}, section {number} */"


class DescriptionError(Exception):
    """The description says something that cannot be generated."""


def parse_field(call, text):
    """'id:mem[]:num_mem_objects mem_objects' -> Field."""
    spec, _, name = text.partition(" ")
    if not name.isidentifier():
        raise DescriptionError(f"{call}: field {text!r} needs a type and a name")
    m = re.fullmatch(r"(u64|i64|id|new|bytes|string|blob|extent|out|waits|syncs|event)(\?)?"
                     r"(?::(\w+))?(\[(\d*)\])?(?::(\w+))?", spec)
    if not m:
        raise DescriptionError(f"{call}: unknown field type {spec!r}")
    kind = m[3] or ""
    f = Field(m[1], name, kind, bool(m[2]), m[4] is not None, int(m[5] or 0), m[6] or "")
    if f.type == "bytes":
        f.length_arg, f.kind = kind, ""
    if f.type == "event":
        f.kind = "event"
    if f.type in ("id", "new") and kind not in KINDS and kind != "any":
        raise DescriptionError(f"{call}: {name} names no kind of object")
    return f


def load(path):
    """Reads the description; ops are numbered in the order of the file, from 1."""
    raw = Path(path).read_bytes()
    description = tomllib.loads(raw.decode())
    calls, op = [], 0
    if description["kinds"] != list(KINDS):
        raise DescriptionError("kinds differ from the generator's")
    for name, spec in description.items():
        if not isinstance(spec, dict):
            continue
        c = Call(name, spec["guest"], spec.get("returns", ""), spec.get("args", []), spec=spec)
        if c.guest not in GUESTS:
            raise DescriptionError(f"{name}: guest {c.guest!r} is none of {', '.join(GUESTS)}")
        c.wire = [parse_field(name, f) for f in spec.get("wire", [])]
        if c.guest in ("record", "alias") and not c.extension:
            raise DescriptionError(f"{name}: guest {c.guest!r} is for extension functions")
        if c.wire and spec.get("worker") not in WORKERS:
            raise DescriptionError(f"{name}: worker {spec.get('worker')!r} is none of "
                                   f"{', '.join(WORKERS)}")
        if c.on_wire:
            op += 1
            c.op = op
        calls.append(c)
    shape = [(c.name, c.op, [vars(f) for f in c.wire]) for c in calls if c.on_wire]
    digest = hashlib.sha256(repr((description["version"], shape)).encode()).hexdigest()
    return calls, digest[:16]


def check_sections(calls):
    """Every function names its place; what needs no comments (calllog) does without."""
    for c in calls:
        if c.guest != "message" and not SECTION.fullmatch(c.section):
            raise DescriptionError(f"{c.name}: section {c.section!r} is no place in a "
                                   "specification")


def arg_name(arg):
    m = re.search(r"\(CL_CALLBACK ?\* ?(\w+)\)", arg) or re.search(r"(\w+)(\[\])?$", arg)
    return m[1]


def arg_type(arg):
    return re.sub(r"\s*\w+$", "", arg).strip()


# ---- both sides ------------------------------------------------------------------------------


def wire_header(calls, fingerprint):
    out = ["/* SPDX-License-Identifier: MIT */", GENERATED, "#ifndef TESSERA_API_OPENCL_WIRE_H",
           "#define TESSERA_API_OPENCL_WIRE_H", "",
           f"#define OPENCL_FINGERPRINT 0x{fingerprint}ull", "", "enum opencl_op {"]
    wired = [c for c in calls if c.on_wire]
    out += [f"    OP_{c.name} = {c.op}," for c in wired]
    out += [f"    OPENCL_OPS = {len(wired) + 1},", "};", "",
            "/* Values of struct object's kind. */",
            "enum object_kind {", "    KIND_any = 0,"]
    out += [f"    KIND_{k} = {i}," for i, k in enumerate(KINDS, 1)]
    out += [f"    OBJECT_KINDS = {len(KINDS) + 1},", "};", "", "static inline const char *",
            "opencl_op_name(unsigned op)", "{",
            "    static const char *const names[OPENCL_OPS] = {"]
    out += [f'        [OP_{c.name}] = "{c.name}",' for c in wired]
    out += ["    };", "", '    return op < OPENCL_OPS && names[op] ? names[op] : "unknown call";',
            "}", "", "#endif", ""]
    return "\n".join(out)


# ---- guest -----------------------------------------------------------------------------------


def send_params(f):
    """C parameters of an encoder for one field."""
    if f.type == "id" and f.array:
        return [f"uint32_t n_{f.name}", f"const {KINDS.get(f.kind, 'cl_mem')} *{f.name}"]
    if f.type == "waits":
        return [f"uint32_t n_{f.name}", f"const cl_event *{f.name}"]
    if f.type == "syncs":
        return [f"uint32_t n_{f.name}", f"const cl_sync_point_khr *{f.name}"]
    if f.type == "new" and f.array:
        return [f"uint32_t n_{f.name}", f"const struct guest_id *{f.name}"]
    if f.type in ("id", "new", "event"):
        return [f"struct guest_id {f.name}"]
    if f.type in ("u64", "i64"):
        base = "uint64_t" if f.type == "u64" else "int64_t"
        return [f"const {base} *{f.name}"] if f.array else [f"{base} {f.name}"]
    if f.type == "string":
        return [f"const char *{f.name}"]
    if f.type == "bytes":
        return [f"const void *{f.name}", f"uint64_t {f.name}_len"]
    if f.type == "blob":
        return [f"struct blob {f.name}"]
    return [f"struct extent {f.name}"]


def send_size(f):
    if f.type in ("id", "new") and f.array or f.type in ("waits", "syncs"):
        return f"8 + 8ull * n_{f.name}"
    if f.type in ("u64", "i64") and f.array:
        return str(8 * f.count)
    if f.type == "string":
        return f"enc_bytes_size(strlen({f.name}) + 1)"
    if f.type == "bytes":
        return f"enc_bytes_size({f.name}_len)"
    if f.type == "blob":
        return f"enc_blob_size(&{f.name})"
    if f.type in ("extent", "out"):
        return "16"
    return "8"


def send_code(f):
    if f.type == "id" and f.array or f.type == "waits":
        return f"enc_objects(&e, n_{f.name}, (void *const *){f.name});"
    if f.type == "syncs":
        return f"enc_syncs(&e, n_{f.name}, {f.name});"
    if f.type == "new" and f.array:
        return f"enc_ids(&e, n_{f.name}, {f.name});"
    if f.type in ("id", "new", "event"):
        return f"enc_u64(&e, {f.name}.v);"
    if f.type in ("u64", "i64") and f.array:
        return f"enc_u64s(&e, {f.name}, {f.count});"
    if f.type in ("u64", "i64"):
        return f"enc_u64(&e, (uint64_t){f.name});"
    if f.type == "string":
        return f"enc_bytes(&e, {f.name}, strlen({f.name}) + 1);"
    if f.type == "bytes":
        return f"enc_bytes(&e, {f.name}, {f.name}_len);"
    if f.type == "blob":
        return f"enc_blob(&e, &{f.name});"
    return f"enc_u64(&e, {f.name}.off);\n    enc_u64(&e, {f.name}.len);"


def send_header(calls):
    out = ["/* SPDX-License-Identifier: MIT */", GENERATED, "#ifndef TESSERA_API_OPENCL_SEND_H",
           "#define TESSERA_API_OPENCL_SEND_H", "", '#include "guest/opencl/submit.h"', "",
           "/*",
           " * send_NAME(session, pending, fields): 0 or an OpenCL error. pending NULL: nobody",
           " * waits for the answer (asynchronous).", " */", ""]
    for c in calls:
        if not c.on_wire:
            continue
        params = ["struct session *s", "struct pending *p"]
        for f in c.wire:
            params += send_params(f)
        sizes = " + ".join(["sizeof(struct frame_header)"] + [send_size(f) for f in c.wire])
        out += ["static inline cl_int", f"send_{c.name}({', '.join(params)})", "{",
                "    struct enc e;",
                f"    cl_int rc = submit_begin(s, &e, OP_{c.name}, {sizes}, p);", "",
                "    if (rc != CL_SUCCESS)", "        return rc;"]
        out += [f"    {send_code(f)}" for f in c.wire]
        out += ["    return submit_end(s, &e, p);", "}", ""]
    for c in calls:
        if c.guest == "hand":
            args = ", ".join(c.args) or "void"
            out += [c.section_comment,
                    f"CL_API_ENTRY {c.returns} CL_API_CALL tsr_{c.name}({args});"]
        if c.spec.get("check") is True:
            params = ["const struct enqueue *q"] + stub_own_args(c)
            out += [f"cl_int check_{c.name}({', '.join(params)});"]
    out += ["", "#endif", ""]
    return "\n".join(out)


def stub_own_args(call):
    """The arguments of an enqueue or recording function without those that all have."""
    skip = {"command_queue", "num_events_in_wait_list", "event_wait_list", "event",
            "command_buffer", "num_sync_points_in_wait_list", "sync_point_wait_list",
            "sync_point", "mutable_handle"}
    return [a for a in call.args if arg_name(a) not in skip]


def stub_field(call, f):
    """How a generated stub passes one wire field, from arguments of the same names."""
    names = {arg_name(a): arg_type(a) for a in call.args}
    if f.type == "waits":
        return "num_events_in_wait_list, event_wait_list"
    if f.type == "syncs":
        return "num_sync_points_in_wait_list, sync_point_wait_list"
    if f.type == "event":
        return "q.event_id"
    if f.name not in names:
        raise DescriptionError(f"{call.name}: no argument named {f.name}")
    if f.type == "id" and f.array:
        return f"{f.length_arg}, {f.name}"
    if f.type == "id":
        return f"object_id({f.name})"
    if f.type == "u64" and f.array:
        return f"q_{f.name}"
    if f.type == "bytes":
        return f"{f.name}, {f.length_arg}"
    return f.name


def stub_checks(c, q):
    """The checks of memory objects, and the hand-written one: a call's own, or another's."""
    body = []
    for f in c.wire:
        if f.type == "id" and f.kind in MEM_CHECKS:
            many = f"{f.length_arg}, {f.name}" if f.array else f"1, &{f.name}"
            body += ["    if (rc == CL_SUCCESS)",
                     f"        rc = {MEM_CHECKS[f.kind]}({q}, {many});"]
    check = c.spec.get("check")
    if check:
        name = c.name if check is True else check
        passed = ", ".join([q] + [arg_name(a) for a in stub_own_args(c)])
        body += ["    if (rc == CL_SUCCESS)", f"        rc = check_{name}({passed});"]
    return body


def stub_send(c, sent):
    """Sends the message once all is checked."""
    arrays = [f for f in c.wire if f.type == "u64" and f.array]
    body = ["    if (rc == CL_SUCCESS) {"]
    for f in arrays:
        body += [f"        const uint64_t q_{f.name}[{f.count}] = "
                 "{" + ", ".join(f"{f.name}[{i}]" for i in range(f.count)) + "};"]
    if arrays:
        body += [""]
    sent = sent + [stub_field(c, f) for f in c.wire]
    return body + [f"        rc = send_{c.name}({', '.join(sent)});", "    }"]


def enqueue_stub(c):
    body = ["    struct enqueue q;", f"    cl_int rc = enqueue_begin(&q, command_queue, "
            f"{c.spec['command']}, num_events_in_wait_list, event_wait_list, event);", "",
            "    if (rc != CL_SUCCESS)", "        return rc;"]
    return (body + stub_checks(c, "&q") + stub_send(c, ["q.session", "NULL"]) +
            ["    return enqueue_end(&q, rc, event);"])


def record_stub(c):
    body = ["    struct recording r;", "    cl_int rc = record_begin(&r, command_buffer, "
            "command_queue, num_sync_points_in_wait_list, sync_point_wait_list, "
            "mutable_handle);", "", "    if (rc != CL_SUCCESS)", "        return rc;"]
    arrays = [f.name for f in c.wire if f.type == "u64" and f.array]
    if arrays:
        body += [f"    if ({' || '.join('!' + a for a in arrays)})",
                 "        rc = CL_INVALID_VALUE;"]
    uses = []
    for f in c.wire:
        if f.type == "id" and f.kind in MEM_CHECKS:
            uses += ["    if (rc == CL_SUCCESS)",
                     f"        rc = record_uses(&r, (struct object *){f.name});"]
    return (body + stub_checks(c, "&r.q") + uses + stub_send(c, ["r.q.session", "&r.pending"]) +
            ["    return record_end(&r, rc, sync_point);"])


def refused_handle(c):
    """What is refused still knows a wrong handle: (name, kind, error) of the first, or None."""
    if not c.args or c.returns != "cl_int" or c.guest != "refuse":
        return None
    for kind, ctype in KINDS.items():
        if arg_type(c.args[0]) == ctype and kind in ("queue", "kernel"):
            return arg_name(c.args[0]), kind, f"CL_INVALID_{ctype[3:].upper()}"
    return None


def refusal(c):
    """A function that answers an error, by the form of its return."""
    names = [arg_name(a) for a in c.args]
    body = [f"    (void){n};" for n in names if n != "errcode_ret"]
    error = c.spec["error"]
    handle = refused_handle(c)
    if handle:
        name, kind, invalid = handle
        body += [f"    if (!object_is({name}, KIND_{kind}) &&",
                 f"        !object_is({name}, KIND_multi_{kind}))",
                 f"        return {invalid};"]
    if "errcode_ret" in names:
        return body + ["    if (errcode_ret)", f"        *errcode_ret = {error};",
                       "    return NULL;"]
    if c.returns == "cl_int":
        return body + [f"    return {error};"]
    return body + ([] if c.returns == "void" else ["    return NULL;"])


STUBS = {"enqueue": enqueue_stub, "record": record_stub, "refuse": refusal, "later": refusal}


def stubs_source(calls):
    out = ["/* SPDX-License-Identifier: MIT */", GENERATED, '#include "api/opencl_send.h"',
           '#include "api/opencl_multi.h"', '#include "guest/opencl/command_buffer.h"', ""]
    for c in calls:
        if c.guest not in STUBS:
            continue
        body = STUBS[c.guest](c)
        out += [c.section_comment, f"static CL_API_ENTRY {c.returns} CL_API_CALL",
                f"tsr_{c.name}({', '.join(c.args) or 'void'})", "{"] + body + ["}", ""]
    out += ["const struct _cl_icd_dispatch opencl_dispatch = {"]
    for c in calls:
        if c.guest == "message" or c.extension:
            continue
        value = "NULL" if c.guest == "absent" else f"tsr_{c.name}"
        out.append(f"    .{c.name} = {value},")
    out += ["};", ""]
    return "\n".join(out + multi_tables(calls))


# ---- guest: objects of a context over several vGPUs ------------------------------------------

OBJECT_ARG = re.compile(r"\bcl_(context|command_queue|mem|sampler|program|kernel|event)\b")


def routed_by(call):
    """The argument whose dispatch table serves the call; None when it takes no such object."""
    for a in call.args:
        if OBJECT_ARG.search(a) and "CL_CALLBACK" not in a:
            return a
    return None


def is_multi(call):
    """Has the call a version of its own in src/guest/opencl/multi?"""
    wanted = call.guest in ("hand", "enqueue", "later") and call.spec.get("multi", True)
    return bool(wanted and not call.extension and routed_by(call))


def multi_header(calls):
    out = ["/* SPDX-License-Identifier: MIT */", GENERATED, "#ifndef TESSERA_API_OPENCL_MULTI_H",
           "#define TESSERA_API_OPENCL_MULTI_H", "", "#include <CL/cl_icd.h>", ""]
    for c in calls:
        if is_multi(c):
            out += [c.section_comment,
                    f"CL_API_ENTRY {c.returns} CL_API_CALL multi_{c.name}({', '.join(c.args)});"]
    return "\n".join(out + ["", "#endif", ""])


def route(c):
    """Found by name, a call comes without the loader: it looks at its object by itself."""
    arg = routed_by(c)
    name = arg_name(arg)
    handle = f"{name} ? *{name} : NULL" if "*" in arg else name
    return [f"static CL_API_ENTRY {c.returns} CL_API_CALL",
            f"route_{c.name}({', '.join(c.args)})", "{",
            f"    return object_table({handle})->{c.name}("
            f"{', '.join(arg_name(a) for a in c.args)});", "}", ""]


def multi_tables(calls):
    out = ["const struct _cl_icd_dispatch multi_dispatch = {"]
    for c in calls:
        if c.guest not in ("message", "absent") and not c.extension:
            out.append(f"    .{c.name} = {'multi' if is_multi(c) else 'tsr'}_{c.name},")
    out += ["};", ""]
    for c in calls:
        if c.guest in ("hand", "enqueue") and is_multi(c):
            out += route(c)
    out += ["const struct opencl_function opencl_functions[] = {"]
    calls_by_name = {c.name: c for c in calls}
    for c in calls:
        if c.guest in ("hand", "enqueue", "record", "alias"):
            extension = f'"{c.extension}"' if c.extension else "NULL"
            called = calls_by_name[c.spec["alias"]] if c.guest == "alias" else c
            routed = is_multi(called) and called.guest in ("hand", "enqueue")
            address = f"{'route' if routed else 'tsr'}_{called.name}"
            out.append(f'    {{"{c.name}", (void *){address}, {extension}}},')
    return out + ["    {NULL, NULL, NULL},", "};", ""]


# ---- worker ----------------------------------------------------------------------------------


def request_members(f):
    if f.type == "id" and f.array or f.type == "waits":
        return [f"uint64_t n_{f.name};", f"struct object **{f.name};"]
    if f.type == "syncs":
        return [f"uint64_t n_{f.name};", f"const uint64_t *{f.name};"]
    if f.type == "new" and f.array:
        return [f"uint64_t n_{f.name};", f"const struct guest_id *{f.name};"]
    if f.type == "id":
        return [f"struct object *{f.name};"]
    if f.type in ("new", "event"):
        return [f"struct guest_id {f.name};"]
    if f.type in ("u64", "i64"):
        base = "uint64_t" if f.type == "u64" else "int64_t"
        if f.array:
            return [f"const {base} *{f.name}; /* [{f.count}] */"]
        return [f"{base} {f.name};"]
    if f.type == "string":
        return [f"const char *{f.name};"]
    if f.type in ("bytes", "blob"):
        return [f"const uint8_t *{f.name};", f"uint64_t {f.name}_len;"]
    return [f"struct extent {f.name};"]


def request_header(calls):
    out = ["/* SPDX-License-Identifier: MIT */", GENERATED, "#ifndef TESSERA_API_OPENCL_REQUEST_H",
           "#define TESSERA_API_OPENCL_REQUEST_H", "", '#include "worker/request.h"', "",
           "/* Pointers live as long as the handler runs. Objects are live, of their kind. */", ""]
    for c in calls:
        if not c.on_wire:
            continue
        out += [f"struct req_{c.name} {{", "    uint64_t tag; /* 0: no answer wanted */"]
        for f in c.wire:
            out += ["    " + m for m in request_members(f)]
        out += ["};", ""]
    for c in calls:
        if c.on_wire and "cost" in c.spec.get("hooks", []):
            out += [f"void cost_{c.name}(struct session *s, const struct req_{c.name} *r, "
                    "struct held_spec *spec);"]
        if c.on_wire and "held" in c.spec.get("hooks", []):
            out += [f"int held_{c.name}(struct session *s, struct held *h, "
                    f"struct req_{c.name} *r);"]
    out += ["/*",
            " * Handlers, by hand or generated: 0, or a negative errno that ends the session.",
            " */"]
    out += [f"int op_{c.name}(struct session *s, const struct req_{c.name} *r);"
            for c in calls if c.on_wire and c.spec["worker"] == "hand"]
    out += ["", "/*",
            " * Decodes and runs one frame (copied out of shared memory, 8-aligned). 0, or a",
            " * negative errno that ends the session with words in session_fail().", " */",
            "int opencl_dispatch_frame(struct session *s, const void *frame, size_t len);", "",
            "#endif", ""]
    return "\n".join(out)


def extensions_header(calls):
    """The functions that the worker asks the driver for; an alias is the core's function."""
    found = [c for c in calls if c.extension and c.guest != "alias"]
    out = ["/* SPDX-License-Identifier: MIT */", GENERATED,
           "#ifndef TESSERA_API_OPENCL_EXTENSIONS_H", "#define TESSERA_API_OPENCL_EXTENSIONS_H",
           "", "#include <CL/cl_icd.h>", "#include <stddef.h>", "",
           "/* NULL: the device has no such extension, or the driver no such function. */",
           "struct extension_functions {"]
    out += [f"    __typeof__({c.name}) *{c.name};" for c in found]
    out += ["};", "", "static const struct {", "    const char *extension, *name;",
            "    size_t at; /* in struct extension_functions */",
            "} extension_functions[] = {"]
    out += [f'    {{"{c.extension}", "{c.name}", offsetof(struct extension_functions, {c.name})}},'
            for c in found]
    out += ["    {NULL, NULL, 0},", "};", "", "#endif", ""]
    return "\n".join(out)


def decode_code(f):
    name = f'"{f.name}"'
    if f.type == "id" and f.array or f.type == "waits":
        kind = f.kind or "event"
        return f"r.{f.name} = dec_objects(s, &d, {name}, KIND_{kind}, &r.n_{f.name});"
    if f.type == "syncs":
        return f"r.{f.name} = dec_array(&d, {name}, &r.n_{f.name});"
    if f.type == "id":
        fn = "dec_object_or_none" if f.optional else "dec_object"
        return f"r.{f.name} = {fn}(s, &d, {name}, KIND_{f.kind});"
    if f.type == "new" and f.array:
        return f"r.{f.name} = dec_news(s, &d, {name}, &r.n_{f.name});"
    if f.type in ("new", "event"):
        fn = "dec_new_or_none" if f.type == "event" or f.optional else "dec_new"
        return f"r.{f.name} = {fn}(s, &d, {name});"
    if f.type in ("u64", "i64") and f.array:
        return f"r.{f.name} = dec_u64s(&d, {name}, {f.count});"
    if f.type == "u64":
        return f"r.{f.name} = dec_u64(&d, {name});"
    if f.type == "i64":
        return f"r.{f.name} = (int64_t)dec_u64(&d, {name});"
    if f.type == "string":
        return f"r.{f.name} = dec_string(&d, {name});"
    if f.type == "bytes":
        return f"r.{f.name} = dec_bytes(&d, {name}, &r.{f.name}_len);"
    if f.type == "blob":
        return f"r.{f.name} = dec_blob(s, &d, {name}, &r.{f.name}_len);"
    fn = "dec_extent" if f.type == "extent" and not f.optional else "dec_extent_or_none"
    return f"r.{f.name} = {fn}(s, &d, {name});"


def driver_argument(call, arg):
    name, ctype = arg_name(arg), arg_type(arg)
    fields = {f.name: f for f in call.wire}
    if name == "num_events_in_wait_list":
        return "sub.n_waits"
    if name == "event_wait_list":
        return "sub.waits"
    if name == "event":
        return "&sub.event"
    if name == "num_sync_points_in_wait_list":
        return "rec.n_syncs"
    if name == "sync_point_wait_list":
        return "rec.syncs"
    if name == "sync_point":
        return "&rec.sync_point"
    if call.guest == "record" and name in ("command_queue", "mutable_handle"):
        return "NULL"
    for f in call.wire:
        if f.length_arg == name:
            return f"({ctype})r->n_{f.name}" if f.array else f"r->{f.name}_len"
    f = fields.get(name)
    if f is None:
        raise DescriptionError(f"{call.name}: no field for argument {name}")
    if f.type == "id" and f.array:
        return f"handles_of_{f.kind}(s, r->n_{name}, r->{name})"
    if f.type == "id":
        return f"r->{name}->h.{f.kind}"
    if f.type == "u64" and f.array:
        return f"(const size_t *)r->{name}"
    return f"({ctype})r->{name}" if f.type in ("u64", "i64") else f"r->{name}"


def bounds_checks(c):
    """A range or a rectangle outside its buffer ends the session: the guest library checks them."""
    out = []
    for words in map(str.split, c.spec.get("bounds", [])):
        check = {3: "buffer_check_range", 5: "buffer_check_rect"}.get(len(words))
        if not check or not set(words) <= {f.name for f in c.wire}:
            raise DescriptionError(f"{c.name}: bounds {' '.join(words)!r} name no fields")
        passed = ", ".join(f"r->{w}" for w in words)
        out += [f"    if ({check}(s, {passed}) < 0)", "        return -EPROTO;"]
    return out


def record_handler(c):
    passed = ", ".join(driver_argument(c, a) for a in c.args)
    mems = [f for f in c.wire if f.type == "id" and f.kind in MEM_CHECKS]
    names = ", ".join(f"r->{f.name}" for f in mems)
    out = ["static int", f"op_{c.name}(struct session *s, const struct req_{c.name} *r)", "{",
           "    struct recording rec;"]
    if mems:
        out += [f"    struct object *const used[] = {{{names}}};"]
    used = f"used, {len(mems)}" if mems else "NULL, 0"
    return out + ["    int bad;", ""] + bounds_checks(c) + [
        "    bad = recording_begin(s, &rec, r->command_buffer, r->sync_point_wait_list, "
        "r->n_sync_point_wait_list);", "    if (bad < 0)", "        return bad;",
        f"    if (rec.rc == CL_SUCCESS && !s->device.ext.{c.name})",
        "        rec.rc = CL_INVALID_OPERATION;", "    if (rec.rc == CL_SUCCESS)",
        f"        rec.rc = s->device.ext.{c.name}({passed});",
        f"    return recording_end(s, &rec, {used}, r->tag);", "}", ""]


def driver_handler(c):
    if c.guest == "record":
        return record_handler(c)
    passed = ", ".join(driver_argument(c, a) for a in c.args)
    sync = "_sync" if c.spec.get("command") in ("CL_COMMAND_MARKER", "CL_COMMAND_BARRIER") else ""
    return [f"static int", f"op_{c.name}(struct session *s, const struct req_{c.name} *r)", "{",
            "    struct submission sub;", "    cl_int rc;", ""] + bounds_checks(c) + [
            f"    rc = submission_begin{sync}(s, &sub, r->command_queue, r->n_event_wait_list, "
            "r->event_wait_list, r->event);", "    if (rc == CL_SUCCESS)",
            f"        rc = s->cl->{c.name}({passed});",
            "    return submission_end(s, &sub, rc, r->tag);", "}", ""]


# ---- worker: commands that may be held back (src/worker/held.h) ------------------------------


def is_command(c):
    return any(f.type == "waits" for f in c.wire)


def cost_bytes(c):
    """What a copy or a fill moves, as far as its message tells: for the table of costs."""
    fields = {f.name: f for f in c.wire}
    if "size" in fields:
        return "r->size"
    if "region" in fields:
        return "r->region[0] * r->region[1] * r->region[2]"
    return "0"


def held_uses(c):
    """The objects that a command names besides its queue and its wait list."""
    return [f for f in c.wire if f.type == "id" and f.name != "command_queue"]


def spec_source(c):
    takes, hooks = c.spec.get("takes", "copy"), c.spec.get("hooks", [])
    command = c.spec.get("command")
    members = [".queue = r->command_queue", ".n_waits = r->n_event_wait_list",
               ".waits = r->event_wait_list", ".event = r->event",
               f".request_bytes = sizeof(struct req_{c.name})"]
    uses = held_uses(c)
    alone = sum(not f.array for f in uses)
    lists = "".join(f" + (unsigned)r->n_{f.name}" for f in uses if f.array)
    members.append(f".n_uses = {alone}{lists}")
    if takes != "none":
        members.append(".ticket = {.counted = true"
                       + (", .kernel = true}" if takes == "kernel" else "}"))
    if c.spec.get("answers") == "end of data":
        members.append(".answers_now = r->data.off == EXTENT_NONE")
    elif not c.spec.get("reply") and c.spec.get("answers") != "end":
        members.append(".answers_now = true")
    if command in ("CL_COMMAND_MARKER", "CL_COMMAND_BARRIER"):
        members.append(".sync = true")
    if command == "CL_COMMAND_BARRIER":
        members.append(".barrier = true")
    if takes == "copy":
        members.append(f".keys.cost = cost_key_copy(OP_{c.name}, {cost_bytes(c)})")
    out = ["static struct held_spec", f"spec_{c.name}(struct session *s, "
           f"const struct req_{c.name} *r)", "{",
           f"    struct held_spec spec = {{{', '.join(members)}}};", ""]
    out += [f"    cost_{c.name}(s, r, &spec);"] if "cost" in hooks else ["    (void)s;"]
    return out + ["    return spec;", "}", ""]


def hold_source(c):
    """Keeps a request: its message and what it points to, with all objects counted."""
    out = ["static int", f"again_{c.name}(struct session *s, struct held *h)", "{",
           f"    return op_{c.name}(s, h->request);", "}", "", "static int",
           f"hold_{c.name}(struct session *s, const struct req_{c.name} *r, "
           "const struct held_spec *spec)", "{",
           "    struct held *h = held_new(s, spec);", f"    struct req_{c.name} *kept;", "",
           "    if (!h)", f"        return s->reason[0] ? -ENOMEM : op_{c.name}(s, r);",
           "    kept = h->request;", "    *kept = *r;",
           "    kept->event_wait_list = held_use_all(h, r->event_wait_list, "
           "r->n_event_wait_list);"]
    for f in c.wire:
        if f.type == "id" and f.array:
            out.append(f"    kept->{f.name} = held_use_all(h, r->{f.name}, r->n_{f.name});")
        elif f.type == "id" and f.name != "command_queue":
            out.append(f"    held_use(h, r->{f.name});")
        elif f.array and f.type in ("u64", "i64") or f.type == "bytes":
            out.append(f"    kept->{f.name} = held_moved(s, h, r->{f.name});")
        elif f.type not in ("id", "u64", "i64", "waits", "event", "extent", "out"):
            raise DescriptionError(f"{c.name}: a command with a {f.type} cannot be held back")
    if "held" in c.spec.get("hooks", []):
        out += [f"    if (held_{c.name}(s, h, kept) < 0)", "        return -EPROTO;"]
    return out + [f"    return held_done(s, h, spec, again_{c.name});", "}", ""]


def command_source(c):
    return spec_source(c) + hold_source(c)


def run_end(c):
    if not is_command(c):
        return [f"    return op_{c.name}(s, &r);", "}", ""]
    return [f"    spec = spec_{c.name}(s, &r);", "    if (held_must(s, &spec))",
            f"        return hold_{c.name}(s, &r, &spec);",
            f"    return op_{c.name}(s, &r);", "}", ""]


def dispatch_source(calls):
    wired = [c for c in calls if c.on_wire]
    out = ["/* SPDX-License-Identifier: MIT */", GENERATED, '#include "api/opencl_request.h"',
           '#include "worker/bounds.h"', '#include "worker/command_buffer.h"',
           '#include "gate/cost.h"', '#include "worker/held.h"', "",
           "#include <errno.h>", ""]
    for c in wired:
        if c.spec["worker"] == "driver":
            out += driver_handler(c)
        if is_command(c):
            out += command_source(c)
        out += ["static int",
                f"run_{c.name}(struct session *s, struct frame_header h, struct dec d)",
                "{", f"    struct req_{c.name} r = {{.tag = h.tag}};"]
        out += ["    struct held_spec spec;", ""] if is_command(c) else [""]
        out += ["    " + decode_code(f) for f in c.wire]
        out += ["    dec_end(&d);", "    if (d.bad)",
                f"        return request_bad(s, h.op, d.bad);"]
        if c.spec.get("reply"):
            out += ["    if (r.tag == 0 && !s->restoring.active)",
                    '        return request_bad(s, h.op, "tag");']
        out += run_end(c)
    out += ["static const struct {",
            "    int (*run)(struct session *s, struct frame_header h, struct dec d);",
            "    bool recipe;", "} calls[OPENCL_OPS] = {"]
    out += [f"    [OP_{c.name}] = {{run_{c.name}, {'true' if c.spec.get('recipe') else 'false'}}},"
            for c in wired]
    out += ["};", "", "int",
            "opencl_dispatch_frame(struct session *s, const void *frame, size_t len)", "{",
            "    struct frame_header h;", "    struct dec d;", "",
            "    memcpy(&h, frame, sizeof h);",
            "    if (h.op >= OPENCL_OPS || !calls[h.op].run || h.reserved != 0)",
            '        return request_bad(s, h.op, "header");',
            "    dec_init(&d, (const uint8_t *)frame + sizeof h, len - sizeof h);",
            "    request_started(s, frame, len, calls[h.op].recipe);",
            "    return calls[h.op].run(s, h, d);", "}", ""]
    return "\n".join(out)


# ---- fuzzing and docs ------------------------------------------------------------------------


def fuzz_dictionary(calls):
    out = ["# Generated from api/opencl.toml: a header's op and its flags, per call."]
    for c in calls:
        if c.on_wire:
            out.append(f'{c.name}="\\x{c.op & 255:02x}\\x{c.op >> 8:02x}\\x00\\x00"')
    return "\n".join(out + [""])


def missing_list(calls):
    groups = {"later": "## Not done yet", "refuse": "## Refused, as the specification allows"}
    out = ["# OpenCL 3.0: what a vGPU does not do", "",
           "Every other entry of the dispatch table works. Generated from `api/opencl.toml`.", ""]
    core = [c for c in calls if c.guest != "message" and not c.extension]
    for guest, title in groups.items():
        if not any(c.guest == guest for c in core):
            continue
        out += [title, "", "| function | answers | why |", "|---|---|---|"]
        out += [f"| `{c.name}` | `{c.spec['error']}` | {c.spec.get('why', '')} |"
                for c in core if c.guest == guest]
        out.append("")
    done = sum(c.guest in ("hand", "enqueue") for c in core)
    out += [f"{done} of {len(core)} entries work; 16 more exist on Windows alone.", "",
            "## Extension functions", "",
            "Found by `clGetExtensionFunctionAddressForPlatform` when a device has the extension.",
            "", "| function | extension |", "|---|---|"]
    out += [f"| `{c.name}` | `{c.extension}` |" for c in calls if c.extension]
    return "\n".join(out + [""])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        calls, fingerprint = load(sys.argv[1])
        check_sections(calls)
        files = {
            "opencl_wire.h": wire_header(calls, fingerprint),
            "opencl_send.h": send_header(calls),
            "opencl_stubs.c": stubs_source(calls),
            "opencl_multi.h": multi_header(calls),
            "opencl_request.h": request_header(calls),
            "opencl_extensions.h": extensions_header(calls),
            "opencl_dispatch.c": dispatch_source(calls),
            "opencl.dict": fuzz_dictionary(calls),
            "opencl-missing.md": missing_list(calls),
        }
    except (OSError, KeyError, tomllib.TOMLDecodeError, DescriptionError) as e:
        sys.exit(f"generate.py: {sys.argv[1]}: {e}")
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text)


if __name__ == "__main__":
    main()

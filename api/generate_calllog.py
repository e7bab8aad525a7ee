#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes what tests/calllog needs from opencl.toml.

usage: generate_calllog.py DESCRIPTION OUTPUT_DIR

  opencl_calllog.c   one wrapper per entry: writes its line, calls the driver's
  opencl-served.tsv  entry, how it is served (see served()), why or with what it is refused
"""

import re
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

from generate import GENERATED, DescriptionError, arg_name, load, routed_by

OBJECTS = {"cl_platform_id": "platform", "cl_device_id": "device", "cl_context": "context",
           "cl_command_queue": "queue", "cl_mem": "mem", "cl_sampler": "sampler",
           "cl_program": "program", "cl_kernel": "kernel", "cl_event": "event",
           "cl_command_buffer_khr": "command_buffer"}
SCALARS = {"cl_uint", "cl_int", "size_t", "cl_bool", "cl_mem_flags", "cl_map_flags", "cl_GLenum",
           "cl_GLint", "cl_GLuint"}
HANDLES = {"CLeglDisplayKHR", "CLeglImageKHR", "CLeglSyncKHR", "cl_GLsync"}
PROPERTIES = re.compile(r"const cl_(\w*propert(?:y|ies)\w*)\*$")

# Arguments that need more than their type says: (function or *, argument) -> statement.
SPECIAL = {
    ("clCreateProgramWithSource", "strings"): 'line_source(&l, "source", count, strings, lengths);',
    ("clCreateProgramWithSource", "count"): "",
    ("clCreateProgramWithSource", "lengths"): "",
    ("clCreateProgramWithBinary", "binaries"):
        'line_binaries(&l, "binaries", num_devices, binaries, lengths);',
    ("clCreateProgramWithBinary", "lengths"): "",
    ("clSetKernelArg", "arg_value"): 'line_arg(&l, "arg_value", arg_size, arg_value);',
    ("clCreateSubBuffer", "buffer_create_info"):
        'line_sizes(&l, "region", 2, (const size_t *)buffer_create_info);',
    ("clEnqueueWriteBuffer", "ptr"): 'line_bytes(&l, "data", ptr, size);',
    ("clCreateBuffer", "host_ptr"): 'line_initial(&l, flags, host_ptr, size);',
    ("clCreateBufferWithProperties", "host_ptr"): 'line_initial(&l, flags, host_ptr, size);',
    ("*", "pattern"): 'line_bytes(&l, "pattern", pattern, pattern_size);',
    ("*", "il"): 'line_bytes(&l, "il", il, length);',
    ("*", "spec_value"): 'line_bytes(&l, "spec_value", spec_value, spec_size);',
    ("*", "fill_color"): 'line_bytes(&l, "fill_color", fill_color, 16);',
    ("*", "image_format"): "line_image_format(&l, image_format);",
    ("*", "sync_point_wait_list"): 'line_sync_points(&l, "sync_point_wait_list", '
                                   "num_sync_points_in_wait_list, sync_point_wait_list);",
    ("*", "image_desc"): "line_image_desc(&l, image_desc);",
    ("clEnqueueCommandBufferKHR", "queues"):
        'line_objects(&l, "queues", num_queues, (void *const *)queues);',
    ("*", "user_data"): "",
    ("*", "param_value_size_ret"): "",
}


def arg_ctype(arg):
    """'const cl_event * waits' -> 'const cl_event*'; an array is a pointer."""
    name = arg_name(arg)
    ctype = re.sub(rf"\b{name}\b(\[\])?$", lambda m: "*" if m[1] else "", arg)
    return re.sub(r"\s*\*\s*", "*", ctype).strip()


def is_callback(arg):
    return "CL_CALLBACK" in arg


def in_table(call):
    """Entries of extensions are outside the dispatch table: found by name."""
    return not call.spec.get("extension")


def wrapped(calls):
    """What programs can call; an alias with the arguments of the function that it stands for."""
    by_name = {c.name: c for c in calls}

    def whole(call):
        if call.guest != "alias":
            return call
        target = by_name[call.spec["alias"]]
        return replace(call, args=target.args, returns=target.returns)

    return [whole(c) for c in calls if c.guest not in ("absent", "message")]


def before(names, name):
    """The count argument of a list: the nearest num_… (or work_dim) before it."""
    earlier = names[: names.index(name)]
    counts = [n for n in earlier if n.startswith("num_") or n == "work_dim"]
    return counts[-1] if counts else None


class Wrapper:
    """The text of one wrapper function."""

    def __init__(self, call):
        self.call, self.locals, self.first, self.then = call, [], [], []
        self.names = [arg_name(a) for a in call.args]
        self.result = re.sub(r"CL_API_PREFIX__\w+ ", "", call.returns)
        self.passed = [self.argument(a, arg_name(a)) for a in call.args]

    def argument(self, arg, name):
        """Notes what to log of one argument; returns what the driver is given for it."""
        key = (self.call.name, name)
        special = SPECIAL.get(key, SPECIAL.get(("*", name)))
        ctype = arg_ctype(arg)
        if name == "errcode_ret":
            self.locals += ["cl_int rc = CL_SUCCESS;"]
            self.then += ["if (errcode_ret)", "    *errcode_ret = rc;"]
            return "&rc"
        if name == "param_value_size_ret":
            self.locals += ["size_t answer_size = 0;"]
            self.then += ["if (param_value_size_ret && rc == CL_SUCCESS)",
                          "    *param_value_size_ret = answer_size;"]
            return "&answer_size"
        if special is not None:
            self.first += [special] if special else []
        elif name == "sync_point":
            self.then += ["if (rc == CL_SUCCESS && sync_point)",
                          '    line_sync_points(&l, "sync_point", 1, sync_point);']
        elif name == "param_value" and "const" not in ctype:
            self.then += ["if (rc == CL_SUCCESS)", "    line_answer(&l, param_name, param_value, "
                          "answer_size);"]
        elif is_callback(arg) or ctype in HANDLES:
            self.first += [f'line_pointer(&l, "{name}", (const void *){name});']
        elif ctype.endswith("*"):
            return self.pointer(ctype, name)
        elif ctype in OBJECTS:
            self.first += [f'line_object(&l, "{name}", (const void *){name});']
        elif ctype in SCALARS or ctype.startswith("cl_"):
            cast = "int64_t" if ctype in ("cl_int", "cl_GLint") else "uint64_t"
            self.first += [f'line_number(&l, "{name}", (int64_t)({cast}){name});']
        else:
            raise DescriptionError(f"{self.call.name}: no way to log {name} of type {ctype}")
        return name

    def pointer(self, ctype, name):
        target = ctype[:-1].removeprefix("const ").strip()
        count = before(self.names, name)
        if target in OBJECTS and ctype.startswith("const "):
            self.first += [f'line_objects(&l, "{name}", {count}, (void *const *){name});']
        elif target == "cl_event":
            self.then += [f'line_new(&l, "{name}", OBJECT_event, '
                          f"rc == CL_SUCCESS && {name} ? *{name} : NULL);"]
        elif target in OBJECTS:
            return self.new_objects(target, name, count)
        elif ctype == "const char*":
            self.first += [f'line_string(&l, "{name}", {name});']
        elif PROPERTIES.match(ctype) and "image_pr" not in ctype:
            self.first += [f'line_properties(&l, "{name}", (const intptr_t *){name});']
        elif ctype == "const size_t*":
            n = count if count and ("work" in name or name == "sizes") else 3
            self.first += [f'line_sizes(&l, "{name}", {n}, {name});']
        elif ctype == "const char**":
            self.first += [f'line_strings(&l, "{name}", {count}, {name});']
        elif target == "cl_uint" and self.counts_new(name):
            listed = self.names[self.names.index(name) - 1]
            return f"{name} || !{listed} ? {name} : &found"
        else:
            self.first += [f'line_pointer(&l, "{name}", (const void *){name});']
        return name

    def counts_new(self, name):
        """Is this where the driver tells how many objects it gave in the list before?"""
        i = self.names.index(name)
        listed = arg_ctype(self.call.args[i - 1]) if i > 0 else ""
        return listed.removesuffix("*") in OBJECTS and "const" not in listed

    def new_objects(self, target, name, count):
        ret = self.names[self.names.index(name) + 1]
        self.locals += ["cl_uint found = 0;"]
        known = "line_known" if target in ("cl_platform_id", "cl_device_id") else "line_news"
        self.then += [f"if (rc == CL_SUCCESS && {name})",
                      f'    {known}(&l, "{name}", OBJECT_{OBJECTS[target]}, '
                      f"min_u32({count}, {ret} ? *{ret} : found), (void **){name});"]
        return name

    def ending(self):
        """The line's status and the return, by the form of the result."""
        name = self.call.name
        if self.result == "void":
            return ["line_end(&l, 0);"]
        if self.result == "cl_int":
            return ["line_end(&l, rc);", "return rc;"]
        status = "rc" if "errcode_ret" in self.names else "ret ? 0 : LINE_NULL"
        end = [f"line_end(&l, {status});"]
        if name.startswith("clGetExtensionFunctionAddress"):
            return end + ["return calllog_function(func_name, ret);"]
        if self.result in OBJECTS:
            kind = OBJECTS[self.result]
            end.insert(0, f'line_new(&l, "ret", OBJECT_{kind}, (void *)ret);')
        else:
            end.insert(0, 'line_pointer(&l, "ret", ret);')
        return end + ["return ret;"]

    def table(self):
        """Where the driver's function is, as the loader finds it."""
        arg = routed_by(self.call)
        if not arg:
            return "calllog_real"
        name = arg_name(arg)
        return f"calllog_table_of({f'{name} ? *{name} : NULL' if '*' in arg else name})"

    def text(self):
        c, result = self.call, self.result
        out = [f"static CL_API_ENTRY {result} CL_API_CALL",
               f"log_{c.name}({', '.join(c.args) or 'void'})", "{", "    struct line l;"]
        out += [f"    {line}" for line in dict.fromkeys(self.locals)]
        variable = {"cl_int": "cl_int rc;", "void": ""}.get(result, f"{result} ret;")
        out += [f"    {variable}"] if variable else []
        out += ["", f"    line_begin(&l, CALL_{c.name});"]
        out += [f"    {line}" for line in self.first]
        assign = {"cl_int": "rc = ", "void": ""}.get(result, "ret = ")
        table = f"{self.table()}->" if in_table(c) else "extension_real."
        out += [f"    {assign}{table}{c.name}({', '.join(self.passed)});"]
        out += [f"    {line}" for line in self.then + self.ending()]
        return out + ["}", ""]


def extension_members(calls):
    """Declares the driver's functions that are outside its table, and how to find them."""
    members = [f"    {re.sub('CL_API_PREFIX__[A-Z0-9_]+ ', '', c.returns)} (CL_API_CALL *{c.name})"
               f"({', '.join(c.args)});" for c in wrapped(calls) if not in_table(c)]
    return ["static struct {"] + members + ["} extension_real;", ""] if members else []


def calllog_source(calls):
    entries = wrapped(calls)
    out = ["/* SPDX-License-Identifier: MIT */", GENERATED, '#include "tests/calllog/calllog.h"',
           "", '#pragma GCC diagnostic ignored "-Wdeprecated-declarations"',
           '#pragma GCC diagnostic ignored "-Wunused-but-set-variable"', "", "enum {"]
    out += [f"    CALL_{c.name}," for c in entries] + ["};", ""]
    out += ["const char *const calllog_names[] = {"]
    out += [f'    "{c.name}",' for c in entries] + ["};", ""]
    out += extension_members(calls)
    for c in entries:
        out += Wrapper(c).text()
    out += ["const struct _cl_icd_dispatch calllog_table = {"]
    out += [f"    .{c.name} = log_{c.name}," for c in entries if in_table(c)]
    out += ["};", "", "const struct calllog_function calllog_functions[] = {"]
    out += [f'    {{"{c.name}", (void *)log_{c.name}, '
            + ("NULL" if in_table(c) else f"(void **)&extension_real.{c.name}") + "},"
            for c in entries]
    out += ["    {NULL, NULL, NULL},", "};", ""]
    return "\n".join(out)


# ---- how an entry is served --------------------------------------------------------------------


SERVED = ("shadow", "asynchronous", "waits")


def served(call):
    """`served` where the description says so, else from who writes it and its message.

    shadow        answered from the guest library's own state; asynchronous: a message that is not
    answered; waits: one that is; refused: as the specification lets a device; later: not done yet;
    absent: no such platform interface on Linux.
    """
    if call.guest == "record":
        return "waits"
    if call.guest in ("refuse", "later", "absent"):
        return {"refuse": "refused"}.get(call.guest, call.guest)
    if "served" in call.spec:
        if call.spec["served"] not in SERVED:
            raise DescriptionError(f"{call.name}: served {call.spec['served']!r} is none of "
                                   f"{', '.join(SERVED)}")
        return call.spec["served"]
    if not call.on_wire:
        return "shadow"
    return "waits" if call.spec.get("reply") else "asynchronous"


def served_list(calls):
    by_name = {c.name: c for c in calls}
    rows = [f"{c.name}\t{served(by_name[c.spec.get('alias', c.name)])}\t{c.spec.get('error', '')}"
            f"\t{c.spec.get('section', c.extension)}" for c in calls if c.guest != "message"]
    return "\n".join(rows + [""])


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        calls, _ = load(sys.argv[1])
        files = {"opencl_calllog.c": calllog_source(calls),
                 "opencl-served.tsv": served_list(calls)}
    except (OSError, KeyError, tomllib.TOMLDecodeError, DescriptionError) as e:
        sys.exit(f"generate_calllog.py: {sys.argv[1]}: {e}")
    out = Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text)


if __name__ == "__main__":
    main()

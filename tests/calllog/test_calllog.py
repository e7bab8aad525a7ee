#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The generated wrappers, how entries are served, and the interposing driver without a driver."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

API = Path(__file__).resolve().parents[2] / "api"
sys.path.insert(0, str(API))
from generate import KINDS  # noqa: E402

SMALL = f"""
version = 1
kinds = {json.dumps(list(KINDS))}
""" + """
[clReleaseEvent]
returns = "cl_int"
args = ["cl_event event"]
guest = "hand"

[clCreateKernelsInProgram]
returns = "cl_int"
args = ["cl_program program", "cl_uint num_kernels", "cl_kernel * kernels",
        "cl_uint * num_kernels_ret"]
guest = "hand"
served = "asynchronous"

[clEnqueueTask]
returns = "cl_int"
args = ["cl_command_queue command_queue", "cl_uint num_events_in_wait_list",
        "const cl_event * event_wait_list", "cl_event * event"]
guest = "hand"
wire = ["id:queue command_queue"]
worker = "hand"

[clFinish]
returns = "cl_int"
args = ["cl_command_queue command_queue"]
guest = "hand"
wire = ["id:queue command_queue"]
worker = "hand"
reply = true

[clCreatePipe]
returns = "cl_mem"
args = ["cl_context context", "cl_int * errcode_ret"]
guest = "refuse"
error = "CL_INVALID_OPERATION"

[clDoExtraKHR]
returns = "cl_int"
args = ["cl_context context"]
guest = "hand"
extension = "cl_khr_extra"

[clGetDXThings]
returns = "cl_int"
args = []
guest = "absent"
"""


def generate(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "small.toml"
        path.write_text(text)
        run = subprocess.run([sys.executable, str(API / "generate_calllog.py"), str(path), folder],
                             capture_output=True, text=True, check=False)
        files = {f.name: f.read_text() for f in Path(folder).iterdir()}
    return run, files


class Generated(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        run, cls.files = generate(SMALL)
        assert run.returncode == 0, run.stderr
        cls.source = cls.files["opencl_calllog.c"]

    def test_arguments_are_told_before_the_call_and_new_objects_after_it(self):
        self.assertIn("""\
    line_begin(&l, CALL_clEnqueueTask);
    line_object(&l, "command_queue", (const void *)command_queue);
    line_number(&l, "num_events_in_wait_list", (int64_t)(uint64_t)num_events_in_wait_list);
    line_objects(&l, "event_wait_list", num_events_in_wait_list, (void *const *)event_wait_list);
    rc = calllog_table_of(command_queue)->clEnqueueTask(command_queue, num_events_in_wait_list, \
event_wait_list, event);
    line_new(&l, "event", OBJECT_event, rc == CL_SUCCESS && event ? *event : NULL);
    line_end(&l, rc);
    return rc;
""", self.source)

    def test_a_list_of_new_objects_is_as_long_as_the_driver_says(self):
        self.assertIn("num_kernels_ret || !kernels ? num_kernels_ret : &found", self.source)
        self.assertIn("min_u32(num_kernels, num_kernels_ret ? *num_kernels_ret : found)",
                      self.source)

    def test_the_error_code_is_seen_also_where_the_program_does_not_ask(self):
        self.assertIn("ret = calllog_table_of(context)->clCreatePipe(context, &rc);", self.source)
        self.assertIn("    if (errcode_ret)\n        *errcode_ret = rc;\n", self.source)

    def test_a_function_outside_the_table_is_found_by_its_name(self):
        self.assertIn("rc = extension_real.clDoExtraKHR(context);", self.source)
        self.assertIn('{"clDoExtraKHR", (void *)log_clDoExtraKHR, '
                      "(void **)&extension_real.clDoExtraKHR},", self.source)
        self.assertNotIn(".clDoExtraKHR = log_clDoExtraKHR", self.source)

    def test_how_entries_are_served(self):
        rows = [r.split("\t")[:2] for r in self.files["opencl-served.tsv"].splitlines()]
        self.assertEqual(rows, [["clReleaseEvent", "shadow"],
                                ["clCreateKernelsInProgram", "asynchronous"],
                                ["clEnqueueTask", "asynchronous"], ["clFinish", "waits"],
                                ["clCreatePipe", "refused"], ["clDoExtraKHR", "shadow"],
                                ["clGetDXThings", "absent"]])

    def test_an_argument_that_cannot_be_told_is_refused(self):
        run, _ = generate(SMALL.replace("cl_event event", "struct foo event", 1))
        self.assertEqual(run.returncode, 1)
        self.assertIn("clReleaseEvent: no way to log event", run.stderr)

    def test_another_way_to_serve_is_refused(self):
        run, _ = generate(SMALL.replace('served = "asynchronous"', 'served = "later"'))
        self.assertEqual(run.returncode, 1)
        self.assertIn("clCreateKernelsInProgram: served 'later' is none of", run.stderr)


class Description(unittest.TestCase):
    def test_the_first_entry_is_the_one_that_the_loader_asks_for(self):
        run = (API / "opencl.toml").read_text()
        self.assertEqual(re.search(r"^\[(\w+)\]$", run, re.M)[1], "clGetPlatformIDs")


class Library(unittest.TestCase):
    def test_without_a_driver_there_is_no_platform(self):
        code = ("import ctypes, os; l = ctypes.CDLL(os.environ['CALLLOG_LIBRARY']); "
                "print(l.clIcdGetPlatformIDsKHR(0, None, None))")
        library = os.environ.get("CALLLOG_LIBRARY")
        if not library:
            self.skipTest("CALLLOG_LIBRARY names no library: run by meson")
        if re.search("lib[at]san", subprocess.run(["ldd", library], capture_output=True, text=True,
                                              check=True).stdout):
            self.skipTest("a library with a sanitizer cannot be loaded into python3")
        env = {k: v for k, v in os.environ.items() if not k.startswith("TESSERA_")}
        out = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True,
                             check=True).stdout
        self.assertEqual(out, "-1001\n")


if __name__ == "__main__":
    unittest.main()

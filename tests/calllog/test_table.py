#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""table.py: what it writes, and what it refuses."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import table  # noqa: E402

SERVED = """\
clFinish\twaits\t\t5.15
clFlush\tasynchronous\t\t5.15
clUnloadCompiler\tshadow\t\t5.8.8
clSVMAlloc\trefused\tCL_INVALID_OPERATION\t5.6.1
clSVMFree\trefused\tCL_INVALID_OPERATION\t5.6.1
clCloneKernel\tlater\tCL_INVALID_OPERATION\t5.9.3
clGetDXThings\tabsent\t\tcl_khr_dx
"""


class Table(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.served, self.table = self.path("served.tsv"), self.path("table.md")
        Path(self.served).write_text(SERVED)
        self.calls = self.path("calls")
        self.note("guest/1/api.7", "clFinish", 0)
        self.note("guest/1/api.7", "clFinish", -36)
        self.note("guest-discrete/1/api.8", "clFlush", 0)
        self.note("guest-discrete/1/api.8", "clFlush", -5)
        self.note("guest/2/api.9", "clSVMAlloc", 1)
        self.note("guest/2/other.9", "clUnloadCompiler", 0)

    def path(self, name):
        return str(Path(self.folder.name) / name)

    def note(self, log, call, status):
        file = Path(self.calls) / (log + ".jsonl")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as f:
            f.write(f'{{"call":"{call}","args":{{}},"status":{status}}}\n')

    def write(self):
        table.write(self.served, self.table, self.calls)
        return Path(self.table).read_text()

    def test_a_row_tells_the_tests_of_both_uses(self):
        text = self.write()
        self.assertIn("| `clFinish` | 5.15 | waits | guest/api | guest/api |\n", text)
        self.assertIn("| `clFlush` | 5.15 | asynchronous | guest/api | – |\n", text)
        self.assertIn("| `clSVMAlloc` | 5.6.1 | refused |  | guest/api |\n", text)
        self.assertIn("| `clCloneKernel` | 5.9.3 | later |  |  |\n", text)
        self.assertIn("2 lack a test", text)

    def test_many_tests_are_the_first_three(self):
        for name in "bcde":
            self.note(f"guest/3/{name}.1", "clFlush", 0)
        self.assertIn("guest/api, guest/b +3", self.write())

    def test_what_is_written_is_listed(self):
        self.write()
        self.assertEqual(table.listed(self.served, self.table), [])

    def test_an_entry_that_is_served_in_another_way_or_is_new_or_gone(self):
        self.write()
        Path(self.served).write_text(SERVED.replace("clFlush\tasync", "clPush\tasync")
                                     .replace("clFinish\twaits", "clFinish\tshadow"))
        found = "\n".join(table.listed(self.served, self.table))
        for words in ("clFinish: served 'shadow'", "clPush: served 'asynchronous'",
                      "clFlush: no such entry"):
            self.assertIn(words, found)

    def test_without_logs_the_tests_stay(self):
        before = self.write()
        table.write(self.served, self.table)
        self.assertEqual(Path(self.table).read_text(), before)

    def test_what_no_test_uses_is_missed(self):
        self.note("guest/4/api.1", "clFlush", -36)
        self.note("guest/4/api.1", "clSVMFree", 1)
        self.assertEqual(table.tested(self.served, self.table, self.calls), [])
        Path(self.calls, "guest/1/api.7.jsonl").unlink()
        self.assertEqual(table.tested(self.served, self.table, self.calls),
                         ["no test of clFinish: right use", "no test of clFinish: wrong use"])


if __name__ == "__main__":
    unittest.main()

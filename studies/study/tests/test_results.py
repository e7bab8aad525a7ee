#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What docs/results tells of the studies is made of the raw samples beside it."""

import pathlib
import re
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(TOP / "studies"))
from study import cli, report  # noqa: E402
from study.record import Record  # noqa: E402


def folders():
    return sorted(path.parent for path in (TOP / "docs" / "results").glob("*/*/results.json"))


class Results(unittest.TestCase):
    def test_there_are_some(self):
        self.assertTrue(folders())

    def test_each_report_is_made_of_its_samples(self):
        for folder in folders():
            with self.subTest(folder.name):
                record = Record.load(folder / "results.json")
                page = cli.module(record.data["study"]).report(record.data, record.values())
                text = (folder / "report.md").read_text(encoding="utf-8")
                self.assertEqual(report.text_of(page, record.data), text)

    def test_no_path_of_the_machine_that_measured(self):
        for folder in folders():
            text = (folder / "results.json").read_text(encoding="utf-8")
            paths = set(re.findall(r'"(/[^"]*)"', text))
            packaged = ("/usr/share/", "/etc/OpenCL/vendors/")
            self.assertEqual({p for p in paths if not p.startswith(packaged)}, set(), folder.name)

    def test_no_sample_failed(self):
        for folder in folders():
            self.assertEqual(Record.load(folder / "results.json").failures(), {}, folder.name)


if __name__ == "__main__":
    unittest.main()

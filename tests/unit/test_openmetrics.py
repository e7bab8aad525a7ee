#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The metrics' reader (tests/e2e/openmetrics.py) takes what is right and refuses what is not."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
sys.dont_write_bytecode = True
import openmetrics  # noqa: E402

OLD = '# HELP a_total X.\n# TYPE a_total counter\na_total{b="c",d="e"} 1\n'
NEW = '# HELP a X.\n# TYPE a counter\na_total{b="c"} 1\n# EOF\n'


def read(text, is_open):
    reader = openmetrics.Reader(is_open)
    reader.read(text)
    return reader.samples


class Metrics(unittest.TestCase):
    def test_what_is_right_is_read(self):
        self.assertEqual(read(OLD, False), {'a_total{b="c",d="e"}': "1"})
        self.assertEqual(read(NEW, True), {'a_total{b="c"}': "1"})

    def test_each_mistake_is_found(self):
        for text, is_open in (
            (NEW, False),
            (OLD, True),
            (NEW.replace("# EOF\n", ""), True),
            (OLD[:-1], False),
            (OLD.replace(" 1\n", " x\n"), False),
            (OLD.replace(" 1\n", " -1\n"), False),
            (OLD.replace(" 1\n", " NaN\n"), False),
            (OLD.replace('"c"', '"c'), False),
            (OLD.replace("d=", "b="), False),
            (OLD + 'a_total{b="c",d="e"} 1\n', False),
            (OLD + "b 1\n", False),
            (OLD.replace("counter", "gauge"), False),
            (OLD.replace("# HELP a_total X.\n", ""), False),
            (OLD.replace("a_total", "a_ms_total"), False),
            (OLD + OLD, False),
            ("", False),
        ):
            with self.subTest(text=text), self.assertRaises(openmetrics.Wrong):
                read(text, is_open)


if __name__ == "__main__":
    unittest.main()

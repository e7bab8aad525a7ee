#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The comparison of instruction counts: what passes, what fails, what cannot be told."""

import copy
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import instructions  # noqa: E402

BASE = {
    "architecture": "x86_64", "compiler": "gcc 12.2.0", "optimization": "2", "sanitizer": "none",
    "instructions": {"launch": {"guest": 1000, "worker": 2000}, "direct-read": {"guest": 30}},
}


def changed(name, side, n, **others):
    new = {**copy.deepcopy(BASE), **others}
    new["instructions"].setdefault(name, {})[side] = n
    return new


class Compare(unittest.TestCase):
    def test_the_same_counts_pass(self):
        self.assertEqual(instructions.compare(BASE, BASE), (0, []))

    def test_a_tenth_more_passes_and_fewer_too(self):
        for n in (1100, 100):
            self.assertEqual(instructions.compare(changed("launch", "guest", n), BASE).status, 0)

    def test_more_fails_and_says_where_and_what_to_do(self):
        answer = instructions.compare(changed("launch", "worker", 2201), BASE)
        self.assertEqual(answer.status, 1)
        self.assertIn("launch, worker: 2201 instructions, +10% against 2000", answer.lines[0])
        self.assertIn("make instructions", answer.lines[0])

    def test_a_handful_of_instructions_is_no_regression(self):
        self.assertEqual(instructions.compare(changed("direct-read", "guest", 45), BASE).status, 0)

    def test_another_compiler_is_given_more_room_and_named(self):
        clang = {"compiler": "clang 14.0.6"}
        answer = instructions.compare(changed("launch", "guest", 1240, **clang), BASE)
        self.assertEqual(answer.status, 0)
        self.assertIn("clang 14.0.6", answer.lines[0])
        answer = instructions.compare(changed("launch", "guest", 1260, **clang), BASE)
        self.assertEqual(answer.status, 1)

    def test_another_machine_or_optimization_is_not_compared(self):
        for key in ("architecture", "optimization", "sanitizer"):
            with self.assertRaisesRegex(instructions.Unable, key):
                instructions.compare({**BASE, key: "other"}, BASE)

    def test_a_path_that_has_no_baseline_or_is_gone_fails(self):
        self.assertEqual(instructions.compare(changed("new", "guest", 1), BASE).status, 1)
        self.assertEqual(instructions.compare(BASE, changed("new", "guest", 1)).status, 1)


class Counting(unittest.TestCase):
    LINES = [["launch", "guest", "500", "0"], ["launch", "worker", "500", "1000"],
             ["direct-read", "guest", "500", "0"], ["direct-read", "worker", "500", "0"]]

    def test_totals_become_counts_of_one_operation(self):
        counts = instructions.per_operation(self.LINES, [5000, 10249, 300, 500])
        self.assertEqual(counts["launch"], {"guest": 10, "worker": 20})
        self.assertEqual(counts["direct-read"], {"guest": 1})

    def test_a_part_too_few_is_an_error(self):
        with self.assertRaises(ValueError):
            instructions.per_operation(self.LINES, [5000])


if __name__ == "__main__":
    unittest.main()

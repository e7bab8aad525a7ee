#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The simulator beside measurements: made-up samples."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from study import report, simulate  # noqa: E402
from study.plan import Options  # noqa: E402


def sample(factor, waits):
    """Simulated rates are so much larger than measured ones."""
    rates = [300.0, 300.0, 99.0] if waits else [250.0] * 4
    kernels = [1000.0, 1000.0, 1200.0] if waits else [1000.0] * 4
    return {"kernel_us": kernels,
            "measured": {"idle": 0.1, "guests": [{"rate": r, "p50": 2e6, "p99": 5e6}
                                                 for r in rates]},
            "simulated": {"idle": 0.1, "guests": [{"rate": r * factor, "wait_p50": 1e6,
                                                   "wait_p99": 4e6} for r in rates]}}


def fleet():
    vgpu = {"name": "train", "share_got": 0.125, "share_got_least": 0.12, "wait_p50_ns": 1e6,
            "wait_p99_ns": 2e6, "wait_p99_worst_ns": 3e6}
    return {policy: {"idle": 0.0, "jain_least": 0.99, "vgpus": [vgpu] * 8}
            for policy in simulate.POLICIES}


class Simulated(unittest.TestCase):
    def test_plan(self):
        for options in (Options(quick=True), Options(), Options(full=True)):
            keys = [step.key for step in simulate.plan(options)]
            self.assertEqual(len(set(keys)), len(keys))
            self.assertTrue(all(len(key.split("/")) == 4 for key in keys))

    def test_guests_in_the_simulators_words(self):
        self.assertEqual(simulate.words_of(0, simulate.BUSY, 987.6), "name=g0,kernel=987600ns")
        self.assertEqual(simulate.words_of(3, simulate.WAITING, 1200),
                         "name=g3,kernel=1200000ns,arrival=closed:8800000ns")
        self.assertIn("open:1h", simulate.words_of(1, simulate.IDLE, 0))

    def test_agreement(self):
        for factor, holds in ((1.05, True), (0.8, False)):
            values = {f"{r}/{load}/{policy}/2": sample(factor, "waits" in load)
                      for r in range(3) for load in simulate.LOADS for policy in simulate.POLICIES}
            values["fleet/eight trainings/all/2"] = fleet()
            page = simulate.report({}, values)
            self.assertEqual(page.blocks[0].holds, holds)
            tables = [b for b in page.blocks if isinstance(b, report.Table)]
            self.assertEqual(tables[0].rows[0][3], f"{factor:.3f}")
            # Only where a guest waits is there something to say of waiting.
            self.assertEqual({row[4] for row in tables[0].rows}, {"-", "2.00"})
            for table in tables:
                for row in table.rows:
                    self.assertEqual(len(row), len(table.head))

    def test_nothing_measured(self):
        self.assertIsNone(simulate.report({}, {}).blocks[0].holds)


if __name__ == "__main__":
    unittest.main()

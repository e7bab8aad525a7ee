#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The plan of scale-gpus, and its report of made-up samples."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from study import report, scale_gpus  # noqa: E402
from study.plan import Options  # noqa: E402

DATA = {"machine": {"cores": 4}, "gpus": [{}, {}, {}, {}]}


def window(steps, seconds, wall_s):
    return {"programs": [[seconds] * 5] * (steps // 5), "wall_s": wall_s,
            "guest_cpu_s": 0.5 * wall_s, "host_cpu_s": 2.0 * wall_s}


def samples():
    """Of a machine with more GPUs than this one may have; it becomes slower meanwhile."""
    return {f"0/small/{count}": [
        {"single": window(5, 0.1 * slower, 0.5 * slower),
         "one guest": window(5, 0.125 * slower, 0.5 / 0.8 * slower),
         "a guest each": window(5 * count, 0.1 * slower, 0.5 / 0.95 * slower)}
        for slower in (1.0, 1.5)] for count in (2, 4)}


class ScaleGpus(unittest.TestCase):
    def test_keys_differ(self):
        for options in (Options(quick=True), Options(), Options(full=True), Options(rounds=3)):
            keys = [step.key for step in scale_gpus.plan(options)]
            self.assertEqual(len(set(keys)), len(keys))
            self.assertIn(f"0/small/{scale_gpus.COUNTS[-1]}", keys)

    def test_speeds_are_over_those_of_one_in_the_same_round(self):
        found = scale_gpus.Samples(DATA, samples(), "small")
        self.assertEqual(found.counts, [1, 2, 4])
        for guests, ratio in ((scale_gpus.ONE, 3.2), (scale_gpus.MANY, 3.8)):
            r = found.over((guests, 4), (scale_gpus.ONE, 1))
            for figure in ("ratio", "low", "high"):
                self.assertAlmostEqual(r[figure], ratio)
        self.assertIsNone(found.over((scale_gpus.ONE, 8), (scale_gpus.ONE, 1)))

    def test_report(self):
        text = report.markdown(scale_gpus.report(DATA, samples()))
        self.assertIn("4 guests with a GPU each do at least 3.6 times the work of one (measured "
                      "3.800 (3.800-3.800)): **yes**", text)
        self.assertIn("| 4 GPUs, one guest | 1333 | 3.200 (3.200-3.200) | 156.2 | 187.5 | 12 % | "
                      "50 % | 2 |", text)
        self.assertIn("4: 1.188 (1.188-1.188)", text)

    def test_one_core_has_one_gpu_and_nothing_is_claimed(self):
        page = scale_gpus.report(DATA, {"0/small/1": [
            {who: window(5, 0.1, 0.5) for who in ("single", "one guest", "a guest each")}]})
        claims = [b for b in page.blocks if isinstance(b, report.Claim)]
        self.assertEqual([c.holds for c in claims], [None])
        self.assertIn("Nothing was measured", report.markdown(scale_gpus.report(DATA, {})))


if __name__ == "__main__":
    unittest.main()

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


def sample(speeds):
    return {"programs": [{"images_per_s": speed, "step_median_s": 0.1, "step_p99_s": 0.2,
                          "steps": 10, "devices": 1} for speed in speeds],
            "wall_s": 2.0, "guest_cpu_s": 1.0, "host_cpu_s": 4.0}


def samples():
    """Of a machine with more GPUs than this one may have; it becomes slower meanwhile."""
    values = {"warm/small/one guest/4": sample([1.0])}
    for r, speed in enumerate((100.0, 80.0)):
        values[f"{r}/small/one guest/1"] = sample([speed])
        for count in (2, 4):
            values[f"{r}/small/one guest/{count}"] = sample([0.8 * count * speed])
            values[f"{r}/small/a guest each/{count}"] = sample(count * [0.95 * speed])
    return values


class ScaleGpus(unittest.TestCase):
    def test_each_count_has_both_kinds_of_guests(self):
        for options in (Options(quick=True), Options(), Options(full=True)):
            keys = [step.key for step in scale_gpus.plan(options)]
            self.assertEqual(len(set(keys)), len(keys))
            for count in scale_gpus.COUNTS[1:]:
                for guests in (scale_gpus.ONE, scale_gpus.MANY):
                    self.assertIn(f"0/small/{guests}/{count}", keys)

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
        self.assertIn("| 4 GPUs, one guest | 288 | 3.200 (3.200-3.200) | 100.0 | 200.0 | 12 % | "
                      "50 % | 2 |", text)
        self.assertIn("4: 1.188 (1.188-1.188)", text)

    def test_one_core_has_one_gpu_and_nothing_is_claimed(self):
        page = scale_gpus.report(DATA, {"0/small/one guest/1": sample([1.0])})
        claims = [b for b in page.blocks if isinstance(b, report.Claim)]
        self.assertEqual([c.holds for c in claims], [None])
        self.assertIn("Nothing was measured", report.markdown(scale_gpus.report(DATA, {})))


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is said of many vGPUs on one GPU, of made-up samples."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from study import plot, report, scale_vms  # noqa: E402
from study.plan import Options  # noqa: E402
from study.workload import cores_of  # noqa: E402


def sample(steps, train_s=10.0, step_s=0.01):
    return {"programs": [{"steps": n, "train_s": train_s, "step_median_s": step_s,
                          "step_p99_s": step_s * 2} for n in steps],
            "guest_cpu_s": 1.0, "host_cpu_s": 4.0}


def rounds(values, count=3):
    return {f"{r}/{key}": value for r in range(count) for key, value in values.items()}


def of_kind(page, kind):
    return [b for b in page.blocks if isinstance(b, kind)]


class Plan(unittest.TestCase):
    def test_what_is_claimed_to_a_percent_is_in_each_round(self):
        keys = [s.key for s in scale_vms.plan(Options())]
        self.assertEqual(len(set(keys)), len(keys))
        for r in range(10):
            self.assertIn(f"{r}/1", keys)
            self.assertIn(f"{r}/8", keys)
        self.assertIn("0/24", keys)
        self.assertNotIn("1/24", keys)

    def test_rounds_go_up_and_down(self):
        keys = [s.key for s in scale_vms.plan(Options())]
        self.assertLess(keys.index("0/1"), keys.index("0/24"))
        self.assertLess(keys.index("3/24"), keys.index("3/1"))

    def test_the_first_round_has_all_counts(self):
        keys = [s.key for s in scale_vms.plan(Options())]
        self.assertEqual(keys[:7], ["warm/1", *(f"0/{count}" for count in scale_vms.COUNTS)])
        keys = [s.key for s in scale_vms.plan(Options(quick=True))]
        self.assertEqual(keys, ["warm/1", *(f"0/{count}" for count in scale_vms.QUICK)])


class Report(unittest.TestCase):
    def test_lost_work_is_told(self):
        values = rounds({"1": sample([1000]), "8": sample([115] * 8, step_s=0.087)})
        claim = of_kind(scale_vms.report({}, values), report.Claim)[0]
        self.assertFalse(claim.holds)
        self.assertIn("0.920", claim.text)

    def test_work_counts_until_the_last_has_ended(self):
        both = sample([50, 50])
        both["programs"][1]["train_s"] = 20.0
        self.assertEqual(scale_vms.work(both), 5)

    def test_an_unfair_split_is_told(self):
        values = rounds({"1": sample([1000]), "2": sample([900, 100])})
        table = of_kind(scale_vms.report({}, values), report.Table)[1]
        self.assertEqual(table.rows[1][:3], [2, "0.6098", "0.111"])

    def test_p99_is_over_a_fair_part(self):
        values = rounds({"1": sample([1000]), "4": sample([250] * 4, step_s=0.04)})
        table = of_kind(scale_vms.report({}, values), report.Table)[1]
        self.assertTrue(table.rows[1][3].startswith("1.000 "))
        self.assertTrue(table.rows[1][4].startswith("2.000 "))

    def test_24_that_failed_are_told(self):
        values = {"0/1": sample([1000]), "0/24": sample([40] * 24)}
        data = {"samples": {key: {"value": value} for key, value in values.items()}}
        self.assertTrue(of_kind(scale_vms.report(data, values), report.Claim)[1].holds)
        data["samples"]["1/24"] = {"error": "out of memory"}
        self.assertFalse(of_kind(scale_vms.report(data, values), report.Claim)[1].holds)

    def test_without_samples_nothing_is_claimed(self):
        page = scale_vms.report({}, {})
        self.assertEqual({c.holds for c in of_kind(page, report.Claim)}, {None})
        for p in of_kind(page, plot.Plot):
            self.assertFalse(any(s.points for s in p.series))

    def test_pages_can_be_made(self):
        values = rounds({"1": sample([1000]), "8": sample([120] * 8)})
        page = scale_vms.report({}, values)
        self.assertIn("0.960 (0.960-0.960)", report.markdown(page))
        if plot.can_plot():
            self.assertEqual(report.page_html(page).count("<svg"), 3)


class Cores(unittest.TestCase):
    def test_lists_and_ranges(self):
        self.assertEqual(cores_of("0-2,8"), {0, 1, 2, 8})
        self.assertEqual(cores_of(""), set())


if __name__ == "__main__":
    unittest.main()

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


def window(programs, wall_s=1.0):
    """programs: the seconds of each one's steps."""
    return {"programs": programs, "wall_s": wall_s, "guest_cpu_s": 0.1, "host_cpu_s": 0.4}


def windows(one, many, slower=(1.0, 1.5, 0.9)):
    """Of a machine that is slower in one round and faster in another."""
    def at(factor, programs, wall_s):
        return window([[s * factor for s in steps] for steps in programs], wall_s * factor)
    return [{"one": at(f, *one), "many": at(f, *many)} for f in slower]


def alike(count, steps, seconds, wall_s=None):
    return [[seconds] * steps] * count, wall_s or steps * seconds


def of_kind(page, kind):
    return [b for b in page.blocks if isinstance(b, kind)]


class Plan(unittest.TestCase):
    def test_each_count_is_against_one(self):
        for options, counts in ((Options(), scale_vms.COUNTS),
                                (Options(quick=True), scale_vms.QUICK)):
            self.assertEqual([s.key for s in scale_vms.plan(options)],
                             [f"0/{count}" for count in counts])
        keys = [s.key for s in scale_vms.plan(Options(rounds=2))]
        self.assertIn("1/24", keys)
        self.assertEqual(len(set(keys)), len(keys))


class Report(unittest.TestCase):
    def test_lost_work_is_told_though_the_machine_slows_down(self):
        values = {"0/8": windows(alike(1, 64, 0.01), alike(8, 8, 0.08, 0.64 / 0.92))}
        claim = of_kind(scale_vms.report({}, values), report.Claim)[0]
        self.assertFalse(claim.holds)
        self.assertIn("0.920 (0.920-0.920)", claim.text)

    def test_work_counts_until_the_last_has_ended(self):
        self.assertEqual(scale_vms.work(window([[1.0] * 5, [2.0] * 5], 10.0)), 1)

    def test_an_unfair_split_is_told(self):
        values = {"0/2": windows(alike(1, 10, 0.1), ([[0.1] * 9, [0.9]], 1.0))}
        table = of_kind(scale_vms.report({}, values), report.Table)[1]
        self.assertEqual(table.rows[1][:3], [2, "0.6098", "0.111"])

    def test_steps_are_over_a_fair_part(self):
        many = [[0.04] * 9 + [0.08]] * 4
        values = {"0/4": windows(alike(1, 40, 0.01), (many, 0.44))}
        table = of_kind(scale_vms.report({}, values), report.Table)[1]
        self.assertTrue(table.rows[1][3].startswith("1.000 "))
        self.assertTrue(table.rows[1][4].startswith("2.000 "))

    def test_24_that_failed_are_told(self):
        values = {"0/24": windows(alike(1, 48, 0.01), alike(24, 2, 0.24))}
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
        values = {"0/8": windows(alike(1, 64, 0.01), alike(8, 8, 0.08))}
        page = scale_vms.report({}, values)
        self.assertIn("1.000 (1.000-1.000)", report.markdown(page))
        if plot.can_plot():
            self.assertEqual(report.page_html(page).count("<svg"), 3)


class Cores(unittest.TestCase):
    def test_lists_and_ranges(self):
        self.assertEqual(cores_of("0-2,8"), {0, 1, 2, 8})
        self.assertEqual(cores_of(""), set())


if __name__ == "__main__":
    unittest.main()

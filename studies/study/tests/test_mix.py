#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The mix's plan, and its report of made-up samples."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from study import mix, report  # noqa: E402
from study.plan import Options  # noqa: E402


def sample(slower, workers):
    parts = {"train": {"step_mean_s": 0.1 * slower},
             "cad": {"frame_median_s": 0.02 * slower, "frame_p99_s": 0.05, "frames": 90,
                     "missed": 10},
             "office": {"all": {"p50_s": 0.004 * slower, "p95_s": 0.01}}}
    if not workers:
        del parts["office"]
    return {"results": parts, "wall_s": 2.0, "guest_cpu_s": 1.0, "host_cpu_s": 2.0}


def samples(slower_with):
    """One policy, two rounds; slower_with: by how much with so many workers."""
    values = {}
    for number in range(2):
        for who in ("ml", "cad", "8kw"):
            values[mix.key_of(number, "all cores", "best-effort", who)] = sample(1.0, 8)
        for count, slower in slower_with.items():
            key = mix.key_of(number, "all cores", "best-effort", mix.who_of(True, True, count))
            values[key] = sample(slower, count)
    return values


class Mixes(unittest.TestCase):
    def test_each_is_alone_in_every_round_and_keys_differ(self):
        for options in (Options(quick=True), Options(), Options(full=True)):
            keys = [step.key for step in mix.plan(options)]
            self.assertEqual(len(set(keys)), len(keys))
            settings = {key.rsplit("/", 1)[0] for key in keys}
            for setting in settings:
                self.assertIn(f"{setting}/ml", keys)
                self.assertIn(f"{setting}/cad", keys)
                self.assertIn(f"{setting}/ml+cad", keys)

    def test_what_it_costs_is_over_that_alone(self):
        found = mix.Samples(samples({0: 1.1, 8: 1.5}))
        self.assertEqual(found.counts("all cores", "best-effort"), [0, 8])
        for part, count, ratio in (("train", 0, 1.1), ("train", 8, 1.5), ("cad", 8, 1.5),
                                   ("office", 8, 1.5)):
            r = found.over_alone("all cores", "best-effort", part, count)
            self.assertAlmostEqual(r["ratio"], ratio)
        r = found.over_no_workers("all cores", "best-effort", "train", 8)
        self.assertAlmostEqual(r["ratio"], 1.5 / 1.1)
        self.assertIsNone(found.over_alone("all cores", "best-effort", "office", 0))

    def test_report(self):
        page = mix.report({}, samples({0: 1.1, 8: 1.5}))
        tables = [b for b in page.blocks if isinstance(b, report.Table)]
        self.assertEqual(len(tables), 2)
        self.assertEqual(tables[1].rows, [["all cores, best-effort, 8 workers",
                                           "+50.0 % (+50...+50)"]])
        self.assertEqual(tables[0].rows[0][0], "best-effort, 0 workers")
        self.assertIn("+50.0 %", tables[0].rows[1][1])
        self.assertEqual(tables[0].rows[1][3], "10 %")
        self.assertEqual(tables[0].rows[1][7], "1.50")
        for row in tables[0].rows:
            self.assertEqual(len(row), len(tables[0].head))

    def test_report_of_few_samples(self):
        values = samples({0: 1.1})
        values = {key: value for key, value in values.items() if not key.endswith("/ml")}
        page = mix.report({}, values)
        table = [b for b in page.blocks if isinstance(b, report.Table)][0]
        self.assertEqual(table.rows[0][1], "-")
        self.assertTrue(mix.report({}, {}).blocks)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the study of profiles says of samples that are made up."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from study import profiles, report  # noqa: E402
from study.plan import Options  # noqa: E402
from study.site import Failed  # noqa: E402

NO_ROOM = {"fits": False, "why": profiles.NO_ROOM[0]}


def ran(step_s, steps=10):
    return {"fits": True, "wall_s": 1, "guest_cpu_s": 1, "host_cpu_s": 1,
            "result": {"step_median_s": step_s, "steps": steps, "train_s": step_s * steps}}


def said(vgpu_type="cpu-128m", held=True):
    return {"measured": {"peak_bytes": 100 << 20, "duty": 0.9, "kernel_p99_ns": None,
                         "kernels_per_second": 100.0},
            "advice": {"type": vgpu_type, "policy": "best-effort", "guests": 1, "slowdown": 1.0},
            "verified": {"guests": 1, "worst": 1.02, "held": held}}


def made_up():
    """A job that needs 100 MiB, and a little longer on small types in the second round."""
    values = {}
    for r, slow in ((0, 1.0), (1, 2.0)):
        for t, (mib, _) in profiles.TYPES.items():
            values[f"alone/{r}/small/{t}"] = ran(0.1 * slow) if mib >= 102 else NO_ROOM
    values["alone/1/small/cpu-102m"] = ran(0.204)
    results = [ran(0.8, 5)["result"]] * 8
    values["together/0/small/cpu-256m"] = {"fits": True, "guests": 8, "results": results}
    values["advice/0/small/cpu-2g"] = said()
    return values


class Read(unittest.TestCase):
    def test_the_smallest_type_is_the_last_that_fits(self):
        values = made_up()
        self.assertEqual(profiles.smallest(values, "small"), "cpu-102m")
        values["alone/1/small/cpu-102m"] = NO_ROOM
        self.assertEqual(profiles.smallest(values, "small"), "cpu-128m")
        self.assertIsNone(profiles.smallest({"alone/0/small/cpu-2g": NO_ROOM}, "small"))

    def test_ratios_are_within_rounds(self):
        r = profiles.over_largest(made_up(), "small", "cpu-102m")
        self.assertAlmostEqual(r["ratio"], 1.01)
        self.assertAlmostEqual(r["most"], 1.02)
        self.assertIsNone(profiles.over_largest(made_up(), "small", "cpu-64m"))

    def test_work_is_measured_or_not_told(self):
        values = made_up()
        guests, work = profiles.work_filled(values, "small", "cpu-256m")
        self.assertEqual(guests, 8)
        # 8 / 0.8 s against the median of 1 / 0.1 s and 1 / 0.2 s
        self.assertAlmostEqual(work, 10 / 7.5)
        self.assertIsNone(profiles.work_filled(values, "small", "cpu-128m"))
        self.assertEqual(profiles.work_filled(values, "small", "cpu-2g"), (1, 1.0))

    def test_no_room_is_a_result_and_else_a_failure(self):
        def fail(words):
            def run():
                raise Failed(words)
            return run
        for word in profiles.NO_ROOM:
            found = profiles.fitting(fail(f"clCreateBuffer: {word}"))
            self.assertEqual(found, {"fits": False, "why": word})
        with self.assertRaises(Failed):
            profiles.fitting(fail("no data set"))
        self.assertTrue(profiles.fitting(dict)["fits"])


class Claims(unittest.TestCase):
    def holds(self, values):
        return [c.holds for c in profiles.claims(values, ["small"])]

    def test_advice_may_be_one_larger_not_two_and_not_smaller(self):
        values = made_up()
        self.assertEqual(self.holds(values), [True, True, True])
        for vgpu_type, near in (("cpu-102m", True), ("cpu-170m", False), ("cpu-85m", False)):
            values["advice/0/small/cpu-2g"] = said(vgpu_type)
            self.assertEqual(self.holds(values)[1], near, vgpu_type)

    def test_advice_that_does_not_hold_is_told(self):
        values = made_up()
        values["advice/0/small/cpu-2g"] = said(held=False)
        self.assertEqual(self.holds(values), [True, True, False])

    def test_a_step_that_is_longer_on_small_types_is_told(self):
        values = made_up()
        for r in (0, 1):
            values[f"alone/{r}/small/cpu-102m"] = ran(0.25 * (r + 1))
        self.assertFalse(self.holds(values)[0])

    def test_what_is_spread_too_far_is_not_told(self):
        values = made_up()
        values["alone/1/small/cpu-102m"] = ran(0.3)
        self.assertEqual(self.holds(values), [None, True, True])

    def test_one_round_tells_nothing_of_percents(self):
        values = {key: v for key, v in made_up().items() if not key.startswith("alone/1/")}
        self.assertEqual(self.holds(values), [None, True, True])

    def test_without_samples_nothing_is_claimed(self):
        self.assertEqual(self.holds({}), [None, None])


class Whole(unittest.TestCase):
    def test_report_has_a_row_for_each_type(self):
        page = profiles.report({}, made_up())
        text = report.markdown(page)
        self.assertIn("| small, cpu-85m | 85 | no |", text)
        self.assertIn("| small, cpu-256m | 256 | yes | 150.0 | 1.000 (1.000-1.000) | 8 | "
                      "1.33 with 8 |", text)
        self.assertEqual(text.count("| small, cpu-"), len(profiles.TYPES))

    def test_report_of_nothing(self):
        self.assertIn("Profiles", report.page_html(profiles.report({}, {})))

    def test_plan_has_each_key_once_and_what_is_read(self):
        for options in (Options(quick=True), Options(), Options(full=True)):
            keys = [step.key for step in profiles.plan(options)]
            self.assertEqual(len(keys), len(set(keys)))
            self.assertTrue(all(len(key.split("/")) == 4 for key in keys))
            self.assertTrue(all(key.rsplit("/", 1)[1] in profiles.TYPES for key in keys))

    def test_quick_fills_with_two(self):
        whats = [s.what for s in profiles.plan(Options(quick=True)) if "at once" in s.what]
        self.assertTrue(whats)
        self.assertTrue(all(" 2 at once" in what for what in whats))


if __name__ == "__main__":
    unittest.main()

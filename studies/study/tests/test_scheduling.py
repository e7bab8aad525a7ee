#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is said of policies and slices, of made-up samples."""

import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from study import crew, plot, report, scheduling  # noqa: E402
from study.plan import Options  # noqa: E402
from study.site import Failed  # noqa: E402


def guest(rate, p99_ms=5.0):
    return {"rate": rate, "n": 100, "p50": 2e6, "p99": p99_ms * 1e6, "max": p99_ms * 1e6}


def under(*guests, idle=0.0):
    return {"guests": guests, "idle": idle, "used": [0.25] * len(guests)}


def sample(of_policy):
    return {"alone": 1000.0, "policies": {policy: of_policy(policy)
                                          for policy in scheduling.POLICIES}}


def samples(promised=250.0, even=(250, 250, 250, 250), p99_ms=5.0):
    """Of all loads and slices, in three rounds."""
    def lone(policy):
        got = 1000.0 if policy == "best-effort" else promised
        return under(guest(got), idle=1 - got / 1000)
    values = {}
    for r in range(3):
        values[f"{r}/calm"] = guest(100, 1.5)
        for ms in scheduling.SLICES_MS:
            values[f"{r}/even/{ms}"] = sample(lambda _: under(*map(guest, even)))
            values[f"{r}/crowd/{ms}"] = sample(lambda _: under(
                guest(300), guest(300), guest(300), guest(100, p99_ms * ms)))
            values[f"{r}/bully/{ms}"] = sample(lambda _: under(guest(400), guest(50, 22.0)))
        for load in ("idle", "stopped"):
            values[f"{r}/{load}/2"] = sample(lone)
    return values


def of_kind(page, kind):
    return [b for b in page.blocks if isinstance(b, kind)]


class Plan(unittest.TestCase):
    def test_each_round_has_all_loads_and_slices(self):
        keys = [s.key for s in scheduling.plan(Options())]
        self.assertEqual(len(set(keys)), len(keys))
        for r in range(scheduling.ROUNDS[1]):
            self.assertEqual([k for k in keys if k.startswith(f"{r}/even/")],
                             [f"{r}/even/{ms}" for ms in (1, 2, 8, 30)])
            self.assertIn(f"{r}/stopped/2", keys)

    def test_a_quick_one_is_short(self):
        keys = [s.key for s in scheduling.plan(Options(quick=True))]
        self.assertEqual({key.split("/")[2] for key in keys if key.count("/") == 2}, {"2"})


class Report(unittest.TestCase):
    def test_what_is_promised_and_given_is_told(self):
        page = scheduling.report({}, samples())
        self.assertEqual([c.holds for c in of_kind(page, report.Claim)], [True] * 5)

    def test_a_share_that_is_too_small_is_told(self):
        page = scheduling.report({}, samples(promised=230.0))
        self.assertEqual([c.holds for c in of_kind(page, report.Claim)],
                         [True, False, False, False, True])
        self.assertIn("measured 23.0 %", of_kind(page, report.Claim)[1].text)

    def test_uneven_parts_are_told(self):
        page = scheduling.report({}, samples(even=(300, 250, 250, 200)))
        self.assertFalse(of_kind(page, report.Claim)[4].holds)

    def test_latency_is_that_of_the_one_that_waits(self):
        page = scheduling.report({}, samples(p99_ms=3.0))
        crowd = of_kind(page, report.Table)[1]
        self.assertEqual(crowd.rows[1][:4], ["best-effort, 1 ms", "2.00", "3.00", "90.0 %"])
        drawn = next(p for p in of_kind(page, plot.Plot) if "three busy" in p.title)
        self.assertEqual([point[1] for point in drawn.series[0].points], [3, 6, 24, 90])

    def test_a_guest_that_never_had_an_answer_has_no_latency(self):
        values = {"0/bully/2": sample(lambda _: under(guest(200), {"rate": 0, "n": 0}))}
        rows = of_kind(scheduling.report({}, values), report.Table)[2].rows
        row = next(row for row in rows if row[0] == "fixed-share, 2 ms")
        self.assertEqual(row[1:4], ["-", "-", "20.0 %"])

    def test_without_samples_nothing_is_claimed(self):
        page = scheduling.report({}, {})
        self.assertEqual({c.holds for c in of_kind(page, report.Claim)}, {None})

    def test_pages_can_be_made(self):
        for values, plots in (({}, 0), (samples(), 6)):
            page = scheduling.report({}, values)
            report.markdown(page)
            if plot.can_plot():
                self.assertEqual(report.page_html(page).count("<svg"), plots)


class Talker:
    """In place of a program: what it said, and whether it has ended."""

    def __init__(self, said, status=None):
        self.text, self.status = said, status

    def said(self):
        return self.text

    def poll(self):
        return self.status

    def wait(self, _seconds):
        raise Failed("it ended")

    def complaint(self):
        return "nothing"


class Guests(unittest.TestCase):
    def test_a_line_that_is_not_whole_waits(self):
        self.assertEqual(crew.lines(Talker('{"ready":true}\n{"wo')), ['{"ready":true}'])

    def test_answers_are_read_as_they_came(self):
        said = [{"ready": True}, {"work": 2}]
        talker = Talker("".join(json.dumps(line) + "\n" for line in said))
        self.assertEqual(crew.answers(talker, 2), said)

    def test_one_that_ended_is_a_failure(self):
        with self.assertRaisesRegex(Failed, "it ended"):
            crew.answers(Talker("", status=1), 1)

    def test_one_that_thinks_has_a_kernel_at_a_time(self):
        words = scheduling.WAITING.words(100)
        self.assertEqual(words[:4], ["--iterations", 120000, "--depth", 0])
        self.assertEqual(words[4:], ["--on", 1, "--off", 9])


class Drawn(unittest.TestCase):
    def test_no_range_is_below_the_axis(self):
        high, low = plot.Series("a", [(1, 0.99)]), plot.Series("b", [(1, 0.9, 0.6, 1.0)])
        self.assertEqual(plot.low_end([high], 0.8), 0.8)
        self.assertLess(plot.low_end([high, low], 0.8), 0.6)
        self.assertEqual(plot.low_end([], 0.8), 0.8)

    def test_a_name_of_two_lines(self):
        if not plot.can_plot():
            self.skipTest("gnuplot is not installed")
        bars = plot.Plot("t", "", "y", [plot.Series("a", [(0, 1.0)])], names=["one,\ntwo"])
        self.assertIn(">two</text>", plot.svg(bars))


if __name__ == "__main__":
    unittest.main()

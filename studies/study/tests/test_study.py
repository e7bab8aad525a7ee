#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is said of samples, how they are kept, and the pages made of them."""

import contextlib
import html.parser
import io
import json
import os
import pathlib
import random
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from study import cli, figures, overhead, places, plot, report, site  # noqa: E402
from study import turns as turns_of  # noqa: E402
from study.plan import Options, Progress, Step, run_steps  # noqa: E402
from study.record import Mismatch, Record  # noqa: E402
from study.site import Failed  # noqa: E402


class Figures(unittest.TestCase):
    def test_percentile_is_the_nearest_rank(self):
        values = list(range(1, 101))
        self.assertEqual(figures.percentile(values, 0.99), 99)
        self.assertEqual(figures.percentile(values, 0.5), 50)
        self.assertEqual(figures.percentile([7], 0.99), 7)

    def test_mad(self):
        self.assertEqual(figures.mad([1, 2, 3, 4, 100]), 1)

    def test_confidence_holds_the_true_median_nearly_always(self):
        draw = random.Random(3)
        inside = 0
        for _ in range(40):
            values = [draw.gauss(10, 2) for _ in range(30)]
            low, high = figures.confidence_of_median(values)
            self.assertLessEqual(low, figures.median(values))
            self.assertGreaterEqual(high, figures.median(values))
            inside += low <= 10 <= high
        self.assertGreaterEqual(inside, 34)

    def test_confidence_is_the_same_for_the_same_values(self):
        self.assertEqual(figures.confidence_of_median([1, 2, 5]),
                         figures.confidence_of_median([1, 2, 5]))

    def test_ratio_is_within_rounds(self):
        # A machine that became twice as slow half way: no round has another ratio than 1.1.
        r = figures.ratio([(1, 1.1), (1, 1.1), (2, 2.2), (2, 2.2)])
        self.assertAlmostEqual(r["ratio"], 1.1)
        self.assertAlmostEqual(r["most"], 1.1)

    def test_jain(self):
        self.assertEqual(figures.jain([2, 2, 2]), 1)
        self.assertAlmostEqual(figures.jain([1, 0, 0, 0]), 0.25)


class Kept(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.path = pathlib.Path(holder.name) / "x" / "results.json"

    def record(self, **options):
        return Record(self.path, "overhead", options, {"tessera": "1"})

    def test_what_is_there_is_not_taken_again_and_what_failed_is(self):
        taken = []

        def take(key, good=True):
            def run(_site):
                taken.append(key)
                if not good:
                    raise Failed("no room")
                return {"n": len(taken)}
            return Step(key, key, run)
        first = self.record()
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(run_steps(lambda _gpus: None, first, [take("a"), take("b", False)],
                                       Progress(2, True)), 1)
        self.assertEqual(first.failures(), {"b": "no room"})
        again = self.record()
        again.go_on()
        self.assertEqual(run_steps(lambda _gpus: None, again, [take("a"), take("b"), take("c")],
                                   Progress(3, True)), 0)
        self.assertEqual(taken, ["a", "b", "b", "c"])
        self.assertEqual(Record.load(self.path).failures(), {})
        self.assertEqual(list(Record.load(self.path).values()), ["a", "b", "c"])

    def test_an_interrupted_step_leaves_those_before(self):
        def stop(_site):
            raise KeyboardInterrupt
        record = self.record()
        with self.assertRaises(KeyboardInterrupt):
            run_steps(lambda _gpus: None, record,
                      [Step("a", "a", lambda _: 1), Step("b", "b", stop)], Progress(2, True))
        self.assertEqual(Record.load(self.path).values(), {"a": 1})

    def test_results_of_other_options_are_refused(self):
        self.record(rounds=2).write()
        with self.assertRaisesRegex(Mismatch, "other options.*--again"):
            self.record(rounds=3).go_on()

    def test_what_is_no_record_is_refused(self):
        self.path.parent.mkdir()
        for text in ("", "[]", "{}", '{"format": 99}', "\x00"):
            self.path.write_text(text)
            with self.assertRaises(Mismatch):
                Record.load(self.path)


class Balanced(html.parser.HTMLParser):
    """Complains of a tag that is closed and was not open."""

    def __init__(self):
        super().__init__()
        self.open, self.bad = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(tag)


class Pages(unittest.TestCase):
    blocks = [report.Claim("it <holds>", True), report.Claim("it does not", False),
              report.Claim("nobody looked", None), report.Heading("A | B"),
              report.Table(["what", "n"], [["a | b <c>", 1]]), report.Text("words & more"),
              plot.Plot('"quoted" \\ title', "n", "s",
                        [plot.Series("a", [(1, 2.0), (2, 3.0, 2.5, 3.5)])],
                        [plot.Level("limit", 1.5)], log_x=True),
              plot.Plot("bars", "", "speed", [plot.Series("a", [(0, 1.0)]),
                                              plot.Series("b", [(0, 2.0), (1, 3.0)])],
                        names=["x", "y"])]

    def test_html_is_whole_and_escaped(self):
        text = report.page_html(report.Page("T <1>", "Why?", self.blocks))
        checker = Balanced()
        checker.feed(text)
        self.assertEqual((checker.bad, checker.open), ([], []))
        self.assertIn("a | b &lt;c&gt;", text)
        self.assertIn("T &lt;1&gt;", text)
        if plot.can_plot():
            self.assertEqual(text.count("<svg"), 2)
            self.assertNotIn("<?xml", text)

    def test_markdown_keeps_its_columns(self):
        text = report.markdown(report.Page("T", "Why?", self.blocks))
        self.assertIn("| a \\| b <c> | 1 |", text)
        self.assertIn("- it does not: **NO**", text)


def sample(seconds):
    return {"result": {"device_bytes": 1 << 20}, "step_s": seconds, "guest_cpu_s": 0.5,
            "host_cpu_s": 0.25}


PLAYER = """
import json, sys
for number, _ in enumerate(sys.stdin, 1):
    print(json.dumps({"event": "turn", "step_s": [number / 8]}), flush=True)
    if number == int(sys.argv[1]):
        sys.exit("had enough")
print(json.dumps({"event": "result", "steps": number}))
"""


class Nowhere:
    """A site, as far as turns need one."""

    def __init__(self, folder):
        self.folder, self.files, self.running = pathlib.Path(folder), 0, []
        self.env = dict(os.environ)

    new_file, run = site.Site.new_file, site.Site.run

    def cpu_so_far_s(self):
        return 1.0


class Here(places.Place):
    name = "here"
    begun = 0

    def begin(self):
        Here.begun += 1

    def end(self):
        Here.begun -= 1

    def command(self, words):
        return [sys.executable, "-c", PLAYER, *words[:1]], {}


class Turns(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.site = Nowhere(folder.name)

    def taken(self, turns, enough):
        there = {name: Here(self.site, None, None) for name in ("a", "b", "c")}
        return turns_of.take_turns(there, [enough], turns)

    def test_each_takes_its_steps_after_a_first_one(self):
        found = self.taken(4, 99)
        self.assertEqual(list(found), ["a", "b", "c"])
        for sample_of in found.values():
            self.assertEqual(sample_of["step_s"], [0.25, 0.375, 0.5, 0.625])
            self.assertEqual(sample_of["result"]["steps"], 5)
            self.assertGreaterEqual(sample_of["guest_cpu_s"], 0)
        self.assertEqual(Here.begun, 0)

    def test_who_ends_before_its_turn_fails_all_and_nobody_is_left(self):
        with self.assertRaises(site.Failed) as caught:
            self.taken(4, 2)
        self.assertIn("had enough", str(caught.exception))
        self.assertEqual(Here.begun, 0)
        self.assertTrue(all(p.poll() is not None for p in self.site.running))


class Overhead(unittest.TestCase):
    def test_places_take_turns_and_keys_differ(self):
        steps = overhead.plan(Options(quick=True))
        self.assertEqual(len({s.key for s in steps}), len(steps))
        first = [s.key.split("/")[2] for s in steps if s.key.startswith("0/calls")]
        self.assertEqual(tuple(first), overhead.PLACES)

    def test_a_slower_vgpu_is_told_though_the_machine_slows_down(self):
        slower = [1.0, 1.2, 3.0]
        values = {f"{r}/mnist-deep/turns": {
            at: sample([0.1 * s * (1.05 if at == "vgpu" else 1.0) for s in slower])
            for at in overhead.PLACES} for r in range(3)}
        values |= {f"{r}/calls/{at}": {name: {"time": 1000.0, "call": 10.0}
                                       for name, _ in overhead.CALLS}
                   for r in range(3) for at in overhead.PLACES}
        page = overhead.report({}, values)
        claim = page.blocks[0]
        self.assertFalse(claim.holds)
        self.assertIn("1.050 (1.050-1.050)", claim.text)

    def test_without_samples_nothing_is_claimed(self):
        page = overhead.report({}, {})
        self.assertFalse([b for b in page.blocks
                          if isinstance(b, report.Claim) and b.holds is not None])


class CommandLine(unittest.TestCase):
    def status(self, *words):
        old, sys.argv = sys.argv, ["study", *words]
        try:
            with contextlib.redirect_stderr(io.StringIO()) as err, \
                    contextlib.redirect_stdout(io.StringIO()) as out:
                try:
                    return cli.main(), out.getvalue(), err.getvalue()
                except SystemExit as end:
                    return end.code, out.getvalue(), err.getvalue()
        finally:
            sys.argv = old

    def test_misuse(self):
        for words, said in (((), "name a study"), (("nonesuch",), "no study is named 'nonesuch'"),
                            (("overhead", "--quick", "--full"), "exclude each other"),
                            (("overhead", "--rounds", "0"), "at least 1"),
                            (("report",), "name a folder")):
            status, _, err = self.status(*words)
            self.assertEqual(status, os.EX_USAGE, words)
            self.assertIn(said, err)

    def test_list(self):
        status, out, _ = self.status("list", "-o", "json")
        self.assertEqual(status, 0)
        self.assertEqual(set(json.loads(out)), set(cli.STUDIES))

    def test_report_of_what_is_not_there(self):
        status, _, err = self.status("report", "/nonexistent")
        self.assertEqual(status, 1)
        self.assertIn("/nonexistent", err)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Containers and machines: which can be had, how programs get there, and what is said of them."""

import os
import pathlib
import signal
import sys
import tempfile
import types
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from study import (bundle, cli, containers, guest, inside, overhead, places, plot,  # noqa: E402
                   report, site)
from study.plan import Options, Step, possible  # noqa: E402
from study.record import Record  # noqa: E402

STEADY = [0.099, 0.1, 0.101]


def sample(steps, **more):
    return {"result": {"steps_s": steps, "model": "small"}, "wall_s": 1.0, "guest_cpu_s": 0.5,
            "host_cpu_s": 0.25, **more}


def in_turns(steps):
    return {"result": {"model": "small"}, "step_s": steps, "guest_cpu_s": 0.5,
            "host_cpu_s": 0.25}


def in_machine(steps, emulated):
    return sample(steps, emulated=emulated, machine_cpu_s=2.0)


def made_up(slower=1.0, emulated=True, rounds=3):
    """Containers take so much longer in all their steps."""
    longer = [s * slower for s in STEADY]
    values = {f"{r}/host": {"vgpu": in_turns(STEADY), "container": in_turns(longer)}
              for r in range(rounds)}
    values |= {f"{r}/vm": in_machine(STEADY, emulated) for r in range(rounds)}
    return values | {f"{r}/vm-container": in_machine(longer, emulated) for r in range(rounds)}


class Planned(unittest.TestCase):
    def record(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        return Record(pathlib.Path(holder.name) / "results.json", "containers", {}, {})

    def test_places_take_turns_and_keys_differ(self):
        steps = containers.plan(Options(quick=True))
        self.assertEqual(len({s.key for s in steps}), len(steps))
        first = [s.key for s in steps if s.key.startswith("0/")]
        self.assertEqual(first, ["0/host", "0/vm", "0/vm-container"])

    def test_a_place_that_cannot_be_had_is_left_out_and_noted(self):
        steps = [Step("a", "a", None), Step("b", "b", None, place="container"),
                 Step("c", "c", None, place="container")]
        record = self.record()
        with unittest.mock.patch.dict(places.PROBLEMS, container=lambda _: "no crun"):
            left = possible(steps, None, record)
        self.assertEqual([s.key for s in left], ["a"])
        self.assertEqual(record.data["notes"], ["Not measured: container: no crun."])

    def test_a_place_that_came_later_is_no_longer_noted(self):
        record = self.record()
        record.note("something else")
        steps = [Step("b", "b", None, place="container")]
        for problem in ("no crun", None):
            with unittest.mock.patch.dict(places.PROBLEMS, container=lambda _, p=problem: p):
                left = possible(steps, None, record)
        self.assertEqual((left, record.data["notes"]), (steps, ["something else"]))

    def test_a_machine_without_image_says_how_to_make_one(self):
        programs = types.SimpleNamespace(build=pathlib.Path("/nonexistent"))
        with unittest.mock.patch.object(guest.shutil, "which", lambda _: "/usr/bin/qemu"), \
                unittest.mock.patch.object(guest.platform, "machine", lambda: "x86_64"):
            self.assertIn("make vm-image", guest.problem(programs))
            with unittest.mock.patch.object(guest, "TESTS", pathlib.Path("/nonexistent")):
                self.assertIn("source tree", guest.problem(programs))

    def test_overhead_plans_a_machine_after_all_that_needs_the_whole_gpu(self):
        steps = overhead.plan(Options(quick=True))
        needs = [s.place in ("vm", "vm-container") for s in steps]
        self.assertEqual(needs, sorted(needs))
        self.assertTrue(needs[-1])


class Commands(unittest.TestCase):
    def test_a_bundle_has_the_program_and_no_control_groups(self):
        spec = {"process": {"terminal": True, "args": ["sh"], "cwd": "/"}, "root": {},
                "mounts": [{"destination": "/proc"}, {"destination": "/sys/fs/cgroup"}]}
        config = bundle.configure(spec, "/image", ["train", "--steps", 3])
        self.assertEqual(config["process"],
                         {"terminal": False, "args": ["train", "--steps", "3"], "cwd": "/"})
        self.assertEqual(config["root"], {"path": "/image", "readonly": True})
        self.assertNotIn("/sys/fs/cgroup", [m["destination"] for m in config["mounts"]])

    def test_a_program_has_its_name_alone_in_a_machine(self):
        self.assertEqual(guest.process([pathlib.Path("/x/train"), "--steps", 3, "a b"]),
                         "train --steps 3 'a b'")

    def test_times_are_parted_from_what_a_script_said(self):
        self.assertEqual(inside.parted("one\ntwo\n0m0.00s 0m0.01s\n1m1.50s 0m0.25s\n"),
                         ("one\ntwo\n", 61.75))
        self.assertEqual(inside.parted("sh: no such thing\n"), ("sh: no such thing\n", 0.0))
        self.assertEqual(inside.parted(""), ("", 0.0))

    def test_a_machine_that_was_left_at_work_is_started_anew(self):
        with tempfile.TemporaryDirectory() as folder:
            signals, starts = [], []
            process = types.SimpleNamespace(send_signal=signals.append)
            g = guest.Guest.__new__(guest.Guest)
            g.folder = pathlib.Path(folder)
            g.machine = types.SimpleNamespace(runs=lambda: True, process=process)
            g.start = lambda: starts.append(1)
            g.begin()
            self.assertEqual((len(signals), len(starts)), (1, 0))
            (g.folder / "busy").touch()
            g.begin()
            self.assertEqual((len(signals), len(starts)), (1, 1))


class Interrupted(unittest.TestCase):
    def setUp(self):
        for number in site.ENDS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def test_what_was_begun_is_taken_away_whoever_interrupts_that(self):
        signal.signal(signal.SIGTERM, cli.ended)
        closed = []

        class Thing:
            def close(self):
                os.kill(os.getpid(), signal.SIGTERM)
                closed.append(self)
        s = site.Site(None)
        s.once("a", Thing)
        s.once("b", Thing)
        s.__exit__()
        self.assertEqual((len(closed), s.folder.exists()), (2, False))
        self.assertEqual(signal.getsignal(signal.SIGTERM), cli.ended)

    def test_a_second_signal_is_not_heard(self):
        for number in site.ENDS:
            signal.signal(number, cli.ended)
        with self.assertRaises(cli.Ended):
            os.kill(os.getpid(), signal.SIGTERM)
        for number in site.ENDS:
            os.kill(os.getpid(), number)


def claims_of(page):
    return {b.text.split(":")[0]: b for b in page.blocks if isinstance(b, report.Claim)}


def texts_of(page):
    return " ".join(b.text for b in page.blocks if isinstance(b, report.Text))


class Reported(unittest.TestCase):
    def test_a_slower_container_is_told(self):
        found = claims_of(containers.report({}, made_up(slower=1.05, emulated=False)))
        self.assertEqual([c.holds for c in found.values()], [False, False])
        self.assertIn("1.050", found["host"].text)

    def test_no_percents_of_an_emulated_machine(self):
        values = made_up(slower=1.0)
        page = containers.report({}, values)
        found = claims_of(page)
        self.assertEqual((found["host"].holds, found["VM"].holds), (True, None))
        self.assertIn("no claim of percents", texts_of(page))
        self.assertEqual(containers.comparable(containers.spread_out(values)),
                         [("container", "vgpu"), ("vm-container", "vm")])

    def test_a_real_machine_is_compared_with_the_host(self):
        values = made_up(emulated=False)
        self.assertIn(("vm-container", "vgpu"),
                      containers.comparable(containers.spread_out(values)))
        self.assertNotIn("no claim of percents", texts_of(containers.report({}, values)))

    def test_three_times_the_spread_is_three(self):
        values = {f"{r}/vgpu": sample(STEADY) for r in range(3)}
        values |= {f"{r}/container": sample([0.097, 0.1, 0.103]) for r in range(3)}
        r = containers.ratio(values, "container", "vgpu", containers.figures.mad)
        self.assertAlmostEqual(r["ratio"], 3)

    def test_a_machine_that_slows_down_between_rounds_is_no_spread(self):
        values = {f"{r}/{at}": sample([s * (1 + r) for s in STEADY])
                  for r in range(4) for at in ("vgpu", "container")}
        found = containers.relative(values, "container", "vgpu")
        self.assertLess(max(found) / min(found), 1.03)

    def test_steps_without_any_spread_have_no_ratio_of_it(self):
        values = {f"0/{at}": sample([0.1, 0.1]) for at in ("vgpu", "container")}
        self.assertIsNone(containers.ratio(values, "container", "vgpu", containers.figures.mad))
        containers.report({}, values)

    def test_without_containers_nothing_is_claimed_or_drawn(self):
        for values in ({}, {"0/vgpu": sample(STEADY)}):
            page = containers.report({}, values)
            self.assertEqual({c.holds for c in claims_of(page).values()}, {None})
            self.assertFalse([b for b in page.blocks if isinstance(b, plot.Plot)])

    def test_plots_are_whole(self):
        if not plot.can_plot():
            self.skipTest("gnuplot is not installed")
        page = containers.report({}, made_up(slower=1.02))
        drawn = [plot.svg(b) for b in page.blocks if isinstance(b, plot.Plot)]
        self.assertEqual(len(drawn), 3)
        self.assertTrue(all("</svg>" in text for text in drawn))


def overhead_values(emulated):
    step = {"step_median_s": 0.1, "step_p99_s": 0.2, "step_mad_s": 0.001, "steps": 10,
            "model": "small", "device_bytes": 1 << 20}
    calls = {name: {"time": 1000.0, "call": 10.0} for name, _ in overhead.CALLS}
    values = {}
    for at in overhead.MACHINE_PLACES:
        values[f"machine0/train/{at}"] = {"result": step, "emulated": emulated}
        values[f"machine0/calls/{at}"] = calls
    return values


class OverheadInAMachine(unittest.TestCase):
    def test_an_emulated_one_has_a_table_of_its_own_without_intervals(self):
        _, text, table = overhead.machine_blocks(overhead_values(True))
        self.assertEqual(table.rows[0],
                         ["small, a step", "100 ms", "100 ms", "100 ms", "1", "1"])
        self.assertIn("no claim of percents", text.text)

    def test_a_real_one_has_intervals(self):
        table = overhead.machine_blocks(overhead_values(False))[-1]
        self.assertEqual(table.rows[0][-1], "1.000 (1.000-1.000)")

    def test_it_is_not_among_the_rounds_with_native(self):
        values = overhead_values(True)
        self.assertEqual(overhead.rounds_of(values, "train", "vgpu"), {})
        self.assertEqual(list(overhead.rounds_of(values, "train", "vgpu", overhead.MACHINE)), [0])

    def test_without_one_nothing_is_said(self):
        self.assertEqual(overhead.machine_blocks({}), [])


if __name__ == "__main__":
    unittest.main()

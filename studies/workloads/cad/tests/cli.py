#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program as its user meets it: cli.py PATH-TO-TESSERA-CAD. Exit 77: skipped."""
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = sys.argv.pop(1)
SMALL = ("--size", "64x48")
FIELDS = {"mesh", "triangles", "width", "height", "seed", "frames", "missed", "late",
          "last_frame", "rate", "rate_reached", "compile_s", "draw_s", "device_bytes",
          "checksum", "device", "platform", "frame_median_s", "frame_p99_s",
          "frame_mean_s", "frame_mad_s", "due_median_s"}


def run(*args, **environment):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


class Misuse(unittest.TestCase):
    def refused(self, status, text, *args, **environment):
        done = run(*args, **environment)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_help(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("--wait-for=FILE", done.stdout)

    def test_numbers_out_of_range(self):
        for args in (["--frames", "0"], ["--rate", "0"], ["--rate", "nan"], ["--seed", "x"],
                     ["--duration", "-1"], ["--report", ""]):
            self.refused(64, args[0], *args)

    def test_sizes_that_are_none(self):
        for size in ("", "64", "64x", "x64", "15x64", "64x4097", "64x64x64", "-64x64",
                     "64x 64", "64X64", "99999999999999999999x64"):
            self.refused(64, "WxH is needed", "--size", size)

    def test_frames_and_duration(self):
        self.refused(64, "exclude", "--frames", "5", "--duration", "1")

    def test_stray_word(self):
        self.refused(64, '"gears"', "gears")

    def test_no_mesh(self):
        self.refused(1, "/nonexistent.obj: No such file", "--mesh", "/nonexistent.obj")
        self.refused(1, "/dev/zero: not a file", "--mesh", "/dev/zero")

    def test_mesh_that_is_none(self):
        with tempfile.NamedTemporaryFile("w", suffix=".obj") as file:
            file.write("v 0 0 0\nf 1 2 3\n")
            file.flush()
            self.refused(1, f"{file.name}: line 2: an index", "--mesh", file.name)

    def test_device_that_is_not_there(self):
        self.refused(1, 'no device "99"', "--device", "99")

    def test_no_platform(self):
        self.refused(1, "no OpenCL platform", "--list-devices",
                     OCL_ICD_VENDORS="/nonexistent")

    def test_picture_that_cannot_be_written(self):
        self.refused(1, "/nonexistent/a.png: No such file", *SMALL, "--frames", "1",
                     "--png", "/nonexistent/a.png")


class Drawing(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def draw(self, *args):
        done = run(*SMALL, "--json", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_events(self):
        *frames, result = self.draw("--frames", "7", "--rate", "5", "--report", "3")
        self.assertEqual(result["event"], "result")
        self.assertLessEqual(FIELDS, result.keys())
        self.assertEqual(result["frames"] + result["missed"], 7)
        self.assertEqual([e["event"] for e in frames], ["frame"] * (result["frames"] // 3))
        self.assertGreaterEqual(result["due_median_s"], result["frame_median_s"])
        self.assertLess(result["rate_reached"], 5.01)
        self.assertGreater(result["triangles"], 20000)

    def test_same_seed_same_checksum(self):
        one, two, other = (self.draw("--frames", "4", "--rate", "100", "--seed", seed)[-1]
                           for seed in ("3", "3", "4"))
        self.assertEqual(one["last_frame"], 3)
        self.assertEqual(one["checksum"], two["checksum"])
        self.assertNotEqual(one["checksum"], other["checksum"])

    def test_too_slow_a_device_misses_frames_and_ends(self):
        began = time.monotonic()
        result = self.draw("--frames", "2000", "--rate", "100000")[-1]
        self.assertGreater(result["missed"], 0)
        self.assertGreater(result["late"], 0)
        self.assertEqual(result["frames"] + result["missed"], 2000)
        self.assertLess(result["rate_reached"], 100000)
        self.assertLess(time.monotonic() - began, 20)

    def test_duration_and_rate_file(self):
        rates = f"{self.directory}/rates"
        result = self.draw("--duration", "2.2", "--rate", "10", "--rate-file", rates)[-1]
        self.assertEqual(result["frames"] + result["missed"], 22)
        self.assertTrue(2.1 <= result["draw_s"] < 5)
        with open(rates, encoding="ascii") as file:
            rows = [line.split() for line in file]
        self.assertIn(len(rows), (1, 2))
        self.assertEqual({len(row) for row in rows}, {3})

    def test_mesh_of_a_file_and_its_picture(self):
        mesh, png = f"{self.directory}/a.obj", f"{self.directory}/a.png"
        with open(mesh, "w", encoding="ascii") as file:
            file.write("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n")
        result = self.draw("--frames", "1", "--mesh", mesh, "--png", png)[-1]
        self.assertEqual((result["mesh"], result["triangles"]), (mesh, 2))
        with open(png, "rb") as file:
            head = file.read(24)
        self.assertEqual(head[:16], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
        self.assertEqual(struct.unpack(">II", head[16:]), (64, 48))

    def test_picture_of_each_frame(self):
        result = self.draw("--frames", "3", "--rate", "2",
                           "--png", f"{self.directory}/%d.png")[-1]
        self.assertEqual(len(os.listdir(self.directory)), result["frames"])
        self.assertIn("00002.png", os.listdir(self.directory))

    def start(self, *args):
        return subprocess.Popen([PROGRAM, *SMALL, *args], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def test_waits_for_the_others(self):
        go = f"{self.directory}/go"
        with self.start("--frames", "1", "--quiet", "--wait-for", go) as process:
            ready = f"{go}.{process.pid}.ready"
            deadline = time.monotonic() + 60
            while not os.path.exists(ready) and time.monotonic() < deadline:
                time.sleep(0.01)
            self.assertIsNone(process.poll())
            with open(go, "w", encoding="ascii"):
                pass
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, 0)
            self.assertFalse(os.path.exists(ready))

    def test_interrupt_ends_it(self):
        for rate in ("0.1", "1000"):
            with self.start("--duration", "60", "--rate", rate, "--report", "1") as process:
                process.stdout.readline()
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=30)
                self.assertEqual((process.returncode, errors),
                                 (130, b"tessera-cad: interrupted\n"))


if run("--list-devices").returncode:
    print("skipped: no OpenCL device")
    sys.exit(77)
unittest.main()

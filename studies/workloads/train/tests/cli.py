#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program as its user meets it: cli.py PATH-TO-TESSERA-TRAIN. Exit 77: skipped."""
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = sys.argv.pop(1)


def bar(row):
    return bytes(28 * row) + b"\xff" * 56 + bytes(28 * (26 - row))


def write_data(directory, count=120):
    """Images with a bright bar whose height tells the label: easy to learn."""
    rng = random.Random(1)
    for name in ("train", "t10k"):
        labels = [rng.randrange(10) for _ in range(count)]
        pixels = b"".join(bar(2 * label + 4) for label in labels)
        with open(f"{directory}/{name}-images-idx3-ubyte", "wb") as file:
            file.write(struct.pack(">IIII", 0x803, count, 28, 28) + pixels)
        with open(f"{directory}/{name}-labels-idx1-ubyte", "wb") as file:
            file.write(struct.pack(">II", 0x801, count) + bytes(labels))


def write_cifar(directory):
    """Six batches of black images of class 0: files without blocks."""
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        with open(f"{directory}/{name}.bin", "wb") as file:
            file.truncate(10000 * 3073)


def run(*args, **environment):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


class Misuse(unittest.TestCase):
    def refused(self, status, text, *args, **environment):
        done = run(*args, **environment)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_unknown_model(self):
        self.refused(64, 'unknown model "large": there are small, mnist-deep and cifar10',
                     "--model", "large")

    def test_numbers_out_of_range(self):
        for args in (["--steps", "0"], ["--batch", "-1"], ["--seed", "x"],
                     ["--duration", "nan"], ["--batch", "1001"], ["--report", ""]):
            self.refused(64, args[0], *args)

    def test_steps_and_duration(self):
        self.refused(64, "exclude", "--steps", "5", "--duration", "1")

    def test_stray_word(self):
        self.refused(64, '"small"', "small")

    def test_no_data(self):
        self.refused(1, "/nonexistent", "--data", "/nonexistent")

    def test_device_that_is_not_there(self):
        for device in ("99", "nobody:0", "0:99"):
            self.refused(1, f'no device "{device}"', "--device", device)
        for device in ("", "x", "0:", "-1", "1x", "0,", ",0", "0,x"):
            self.refused(1, "N or PLATFORM:N", "--device", device)

    def test_too_many_devices(self):
        self.refused(1, "16 together at most", "--device", ",".join(17 * ["0"]))

    def test_no_platform(self):
        self.refused(1, "no OpenCL platform", "--list-devices",
                     OCL_ICD_VENDORS="/nonexistent")

    def test_full_disk(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([PROGRAM, "--list-devices"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr),
                         (1, "tessera-train: cannot write the output\n"))

    def test_truncated_data(self):
        with tempfile.TemporaryDirectory() as directory:
            write_data(directory)
            os.truncate(f"{directory}/train-images-idx3-ubyte", 1000)
            self.refused(1, "truncated", "--data", directory)

    def test_data_of_another_model(self):
        with tempfile.TemporaryDirectory() as directory:
            write_data(directory)
            self.refused(1, "no data_batch_1.bin", "--model", "cifar10", "--data", directory)

    def test_cifar_with_a_wrong_label(self):
        with tempfile.TemporaryDirectory() as directory:
            write_cifar(directory)
            with open(f"{directory}/data_batch_5.bin", "r+b") as file:
                file.seek(9999 * 3073)
                file.write(b"\x0a")
            self.refused(1, "data_batch_5.bin: label 10 of image 9999", "--model", "cifar10",
                         "--data", directory)

    def test_batch_larger_than_data(self):
        with tempfile.TemporaryDirectory() as directory:
            write_data(directory)
            self.refused(1, "only 120", "--data", directory, "--batch", "121")
            self.refused(1, "batch of 122, but only 120", "--data", directory, "--batch", "61",
                         "--device", "0,0")


class Training(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        write_data(self.directory.name)

    def train(self, *args):
        done = run("--data", self.directory.name, "--json", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_events(self):
        *steps, result = self.train("--steps", "7", "--batch", "32", "--report", "3")
        self.assertEqual([e["step"] for e in steps], [3, 6])
        self.assertEqual((result["event"], result["model"], result["steps"]),
                         ("result", "small", 7))
        self.assertEqual(result["data"], self.directory.name)
        self.assertGreater(result["step_p99_s"], result["step_median_s"] * 0.99)
        self.assertTrue(0 <= result["accuracy"] <= 1)

    def test_same_seed_same_result(self):
        one, two, other = (self.train("--steps", "5", "--batch", "10", "--quiet", "--seed",
                                      seed)[-1]
                           for seed in ("3", "3", "4"))
        self.assertEqual((one["loss"], one["accuracy"]), (two["loss"], two["accuracy"]))
        self.assertNotEqual(one["loss"], other["loss"])

    def test_two_devices_learn_together(self):
        one, two = (self.train("--steps", "5", "--batch", "10", "--quiet", "--device", "0,0")[-1]
                    for _ in range(2))
        self.assertEqual((one["loss"], one["accuracy"]), (two["loss"], two["accuracy"]))
        self.assertEqual((one["devices"], one["batch"]), (2, 10))
        self.assertAlmostEqual(one["images_per_s"] * one["train_s"], 5 * 2 * 10, delta=1)
        done = run("--data", self.directory.name, "--steps", "1", "--no-eval", "--device", "0,0")
        self.assertIn(" and 1 more", done.stdout)

    def test_it_learns(self):
        *steps, result = self.train("--steps", "60", "--batch", "10", "--report", "1")
        self.assertLess(result["loss"], steps[0]["loss"] / 2)
        self.assertGreater(result["accuracy"], 0.9)

    def test_mnist_deep_has_its_parameters(self):
        result = self.train("--model", "mnist-deep", "--steps", "1", "--batch", "2",
                            "--no-eval")[-1]
        self.assertEqual(result["parameters"], 3274634)
        self.assertIsNone(result["accuracy"])

    def test_cifar10_on_generated_images(self):
        done = run("--model", "cifar10", "--steps", "1", "--batch", "2", "--no-eval", "--json")
        result = json.loads(done.stdout)
        self.assertEqual((result["parameters"], result["data"]), (1068298, "generated"))
        done = run("--model", "cifar10", "--steps", "1", "--batch", "2", "--no-eval")
        self.assertIn("\ndata       generated\n", done.stdout)

    def test_cifar10_on_its_own_images(self):
        with tempfile.TemporaryDirectory() as directory:
            write_cifar(directory)
            result = self.train("--model", "cifar10", "--data", directory, "--steps", "8",
                                "--batch", "4", "--no-eval", "--report", "0")[-1]
        self.assertEqual(result["data"], "cifar-10")
        self.assertLess(result["loss"], 1)

    def test_duration_and_rate_file(self):
        rates = f"{self.directory.name}/rates"
        result = self.train("--duration", "2.5", "--no-eval", "--rate-file", rates)[-1]
        self.assertEqual(result["batch"], 50)
        self.assertTrue(2.5 <= result["train_s"] < 5)
        with open(rates, encoding="ascii") as file:
            self.assertIn(len(file.readlines()), (1, 2))

    def start(self, *args, stdin=None):
        return subprocess.Popen([PROGRAM, "--data", self.directory.name, *args], stdin=stdin,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_takes_a_step_for_each_line(self):
        with self.start("--turns", "--json", "--no-eval", stdin=subprocess.PIPE) as process:
            for step in (1, 2):
                process.stdin.write(b"\n")
                process.stdin.flush()
                event = json.loads(process.stdout.readline())
                self.assertEqual((event["event"], event["step"], event["steps"]),
                                 ("turn", step, 1))
                self.assertGreater(event["seconds"], 0)
            process.stdin.write(b"3\n")
            process.stdin.flush()
            event = json.loads(process.stdout.readline())
            self.assertEqual((event["step"], event["steps"], len(event["step_s"])), (5, 3, 3))
            self.assertAlmostEqual(sum(event["step_s"]), event["seconds"])
            out, errors = process.communicate(timeout=60)
            self.assertEqual((process.returncode, errors), (0, b""))
            self.assertEqual(json.loads(out)["steps"], 5)

    def test_an_interrupt_ends_the_wait_for_a_turn(self):
        with self.start("--turns", "--quiet", stdin=subprocess.PIPE) as process:
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()
            process.send_signal(signal.SIGINT)  # while its input is still open
            self.assertEqual(process.wait(timeout=30), 130)
            self.assertEqual(process.stderr.read(), b"tessera-train: interrupted\n")

    def test_turns_have_no_end_of_their_own(self):
        with self.start("--turns", "--json", "--no-eval", "--batch", "1",
                        stdin=subprocess.PIPE) as process:
            out, errors = process.communicate(b"400\n", timeout=120)
            self.assertEqual((process.returncode, errors), (0, b""))
            self.assertEqual(json.loads(out.splitlines()[-1])["steps"], 400)

    def test_waits_for_the_others(self):
        go = f"{self.directory.name}/go"
        with self.start("--steps", "1", "--quiet", "--wait-for", go) as process:
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
        with self.start("--duration", "60", "--report", "1") as process:
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
            self.assertEqual((process.returncode, errors),
                             (130, b"tessera-train: interrupted\n"))


if run("--list-devices").returncode:
    print("skipped: no OpenCL device")
    sys.exit(77)
unittest.main()

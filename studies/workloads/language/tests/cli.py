#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program as its user meets it: cli.py PATH-TO-TESSERA-LANGUAGE. Exit 77: skipped."""
import gzip
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = sys.argv.pop(1)
SENTENCES = ("The cat sat on the mat.", "A dog doesn't sit on 2 mats!", "Who sat on the dog?")


def text(sentences):
    """Sentences in an order that can be learned: which comes next follows from the last two."""
    order = [0, 1]
    while len(order) < sentences:
        order.append((order[-1] + 2 * order[-2] + 1) % 3)
    return "\n".join(SENTENCES[i] for i in order)


def run(*args, **environment):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **environment})


class WithText(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.text = self.write(text(600).encode())

    def write(self, content, name="text"):
        with open(f"{self.directory}/{name}", "wb") as file:
            file.write(content)
        return file.name


class Misuse(WithText):
    def refused(self, status, reason, *args, **environment):
        done = run(*args, **environment)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(reason, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_unknown_model(self):
        self.refused(64, 'unknown model "huge"', "--model", "huge")

    def test_numbers_out_of_range(self):
        for args in (["--steps", "0"], ["--seed", "x"], ["--duration", "nan"],
                     ["--report", ""]):
            self.refused(64, args[0], *args)

    def test_steps_and_duration(self):
        self.refused(64, "exclude", "--steps", "5", "--duration", "1")

    def test_stray_word(self):
        self.refused(64, '"small"', "small")

    def test_text_that_is_not_there(self):
        self.refused(1, "/nonexistent: No such file", "--text", "/nonexistent")
        if not os.path.exists("/usr/share/doc/jargon-text/jargon.txt.gz"):
            self.refused(1, "install the package jargon-text")

    def test_text_that_is_none(self):
        self.refused(1, "no words in it", "--text", "/dev/null")
        self.refused(1, "a zero byte at 1", "--text", self.write(b"a\0b"))
        self.refused(1, "truncated or damaged", "--text", self.directory)

    def test_text_that_is_too_short(self):
        self.refused(1, "3 words are too few", "--text", self.write(b"one two three"))

    def test_device_that_is_not_there(self):
        self.refused(1, 'no device "99"', "--device", "99")

    def test_no_platform(self):
        self.refused(1, "no OpenCL platform", OCL_ICD_VENDORS="/nonexistent")


class Help(unittest.TestCase):
    def test_it_names_options_and_package(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ("--text=FILE", "jargon-text", "--model=NAME", "--wait-for=FILE"):
            self.assertIn(word, done.stdout)


class Training(WithText):
    def train(self, *args):
        done = run("--model", "tiny", "--text", self.text, "--json", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_events(self):
        *steps, result = self.train("--steps", "7", "--report", "3", "--no-eval")
        self.assertEqual([e["step"] for e in steps], [3, 6])
        self.assertEqual((result["event"], result["model"], result["steps"], result["batch"]),
                         ("result", "tiny", 7, 20))
        self.assertIsNone(result["perplexity"])
        for name in ("loss", "step_median_s", "step_p99_s", "step_mean_s", "step_mad_s",
                     "words_per_s", "compile_s", "train_s", "device_bytes", "parameters"):
            self.assertGreater(result[name], 0)

    def test_same_seed_same_result(self):
        one, two, other = (self.train("--steps", "5", "--quiet", "--seed", seed)[-1]
                           for seed in ("3", "3", "4"))
        self.assertEqual((one["loss"], one["perplexity"]), (two["loss"], two["perplexity"]))
        self.assertNotEqual(one["loss"], other["loss"])

    def test_perplexity_falls_in_training(self):
        early, late = (self.train("--steps", steps, "--quiet")[-1]["perplexity"]
                       for steps in ("1", "300"))
        self.assertGreater(early, 8)
        self.assertLess(late, 2)

    def test_packed_text_is_the_same_text(self):
        with open(self.text, "rb") as file:
            packed = self.write(gzip.compress(file.read()), "text.gz")
        one, two = (self.train("--steps", "2", "--quiet", "--text", name)[-1]
                    for name in (self.text, packed))
        self.assertEqual(one["perplexity"], two["perplexity"])

    def start(self, *args):
        return subprocess.Popen([PROGRAM, "--model", "tiny", "--text", self.text, *args],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_waits_for_the_others(self):
        go = f"{self.directory}/go"
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
                             (130, b"tessera-language: interrupted\n"))


if run("--list-devices").returncode:
    print("skipped: no OpenCL device")
    sys.exit(77)
unittest.main()

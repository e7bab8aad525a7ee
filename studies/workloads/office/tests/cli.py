#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The program as its user meets it: cli.py PATH-TO-TESSERA-OFFICE."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

PROGRAM = sys.argv.pop(1)


def run(*args, **environment):
    return subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})


def children(pid):
    """The processes whose parent is that one."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


def gone(pid):
    """Whether that process has ended, though perhaps nobody has waited for it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def wait_until(true):
    deadline = time.monotonic() + 30
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


class Misuse(unittest.TestCase):
    def refused(self, status, text, *args, **environment):
        done = run(*args, **environment)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_numbers_out_of_range(self):
        for args in (["--workers", "0"], ["--workers", "1001"], ["--seed", "x"],
                     ["--duration", "0"], ["--duration", "nan"], ["--operations", "0"],
                     ["--think", "-1"], ["--think", "3601"], ["--report", ""]):
            self.refused(64, args[0], *args)

    def test_operations_and_duration(self):
        self.refused(64, "exclude", "--operations", "5", "--duration", "1")

    def test_stray_word(self):
        self.refused(64, '"sheet"', "sheet")

    def test_help(self):
        done = run("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for option in ("workers", "think", "folder", "wait-for", "json", "seed"):
            self.assertIn(f"--{option}=" if option != "json" else "--json", done.stdout)

    def test_folder_that_is_not_there(self):
        self.refused(1, "cannot make a folder in /nonexistent: No such",
                     "--folder", "/nonexistent")
        self.refused(1, "cannot make a folder in /nonexistent", TMPDIR="/nonexistent")

    def test_folder_that_cannot_be_written(self):
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o555)
            # Root may write anywhere but there.
            folder = "/proc" if os.access(directory, os.W_OK) else directory
            self.refused(1, f"cannot make a folder in {folder}: ", "--folder", folder)

    def test_text_that_cannot_be_searched(self):
        self.refused(64, "/nonexistent: No such file", "--text", "/nonexistent")
        with tempfile.TemporaryDirectory() as directory:
            self.refused(1, "worker 0: /: not a file", "--text", "/", TMPDIR=directory)
            self.assertEqual(os.listdir(directory), [])

    def test_full_disk(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([PROGRAM, "--operations", "1", "--think", "0"],
                                  stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr),
                         (1, "tessera-office: cannot write the output\n"))


class Office(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.folder = pathlib.Path(self.directory.name, "work")
        self.folder.mkdir()

    def work(self, *args):
        done = run("--folder", str(self.folder), "--json", *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.nothing_is_left()
        return [json.loads(line) for line in done.stdout.splitlines()]

    def nothing_is_left(self):
        self.assertEqual(list(self.folder.iterdir()), [])

    def start(self, *args):
        """In a process group of its own, as a shell starts it."""
        process = subprocess.Popen(
            [PROGRAM, "--folder", str(self.folder), "--json", *args], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def start_working(self, workers):
        """Returns when at least one operation is over."""
        process = self.start("--workers", str(workers), "--think", "0.01",
                             "--duration", "60", "--report", "1")
        process.stdout.readline()
        self.assertEqual(len(found := children(process.pid)), workers)
        return process, found

    def ended(self, process, pids):
        _, errors = process.communicate(timeout=30)
        for pid in pids:
            self.assertTrue(wait_until(lambda pid=pid: gone(pid)))
        return process.returncode, errors

    def test_events(self):
        *events, result = self.work("--operations", "6", "--think", "0.01", "--report", "2",
                                    "--workers", "2")
        self.assertEqual(sorted((e["worker"], e["operation"]) for e in events),
                         [(w, n) for w in (0, 1) for n in (2, 4, 6)])
        self.assertTrue(all(e["latency_s"] > 0 and e["wake_s"] >= 0 for e in events))
        self.assertEqual((result["event"], result["workers"], result["operations"],
                          result["failed"], result["seed"]), ("result", 2, 12, 0, 1))
        self.assertEqual(sum(k["count"] for k in result["kinds"].values()), 12)
        self.assertEqual(result["all"]["count"], 12)
        self.assertLessEqual(result["all"]["p50_s"], result["all"]["p95_s"])
        self.assertLessEqual(result["all"]["p95_s"], result["all"]["p99_s"])
        self.assertGreaterEqual(result["wake_p95_s"], 0)
        self.assertTrue(0 < result["busy_share"] <= 1)

    def test_same_seed_same_work(self):
        def answers(seed):
            events = self.work("--workers", "2", "--operations", "10", "--think", "0",
                               "--report", "1", "--seed", seed)[:-1]
            return sorted((e["worker"], e["operation"], e["kind"], e["answer"])
                          for e in events)

        one, two, other = answers("3"), answers("3"), answers("4")
        self.assertEqual(one, two)
        self.assertNotEqual(one, other)
        self.assertNotEqual([e[2:] for e in one if e[0] == 0],
                            [e[2:] for e in one if e[0] == 1])

    def test_eight_workers_leave_nothing(self):
        result, = self.work("--workers", "8", "--think", "0", "--duration", "1")
        self.assertGreaterEqual(result["operations"], 8)
        self.assertTrue(1 <= result["run_s"] < 30)
        self.assertIsNone(result["wake_p95_s"])

    def test_given_text(self):
        text = pathlib.Path(self.directory.name, "text")
        text.write_text("one two three\n" * 1000, encoding="ascii")
        done = run("--folder", str(self.folder), "--text", os.path.relpath(text),
                   "--operations", "20", "--think", "0")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("search", done.stdout)
        self.assertTrue(text.exists())

    def test_waits_for_the_others(self):
        go = f"{self.directory.name}/go"
        process = self.start("--workers", "2", "--operations", "1", "--think", "0",
                             "--wait-for", go)
        ready = pathlib.Path(f"{go}.{process.pid}.ready")
        self.assertTrue(wait_until(ready.exists))
        self.assertEqual(len(list(self.folder.glob("*/*/sheet.db"))), 2)
        self.assertIsNone(process.poll())
        pathlib.Path(go).touch()
        self.assertEqual(self.ended(process, []), (0, ""))
        self.assertFalse(ready.exists())
        self.nothing_is_left()

    def test_interrupt_ends_it(self):
        process, pids = self.start_working(4)
        os.killpg(process.pid, signal.SIGINT)
        self.assertEqual(self.ended(process, pids), (130, "tessera-office: interrupted\n"))
        self.nothing_is_left()

    def test_interrupt_ends_workers_that_are_stopped(self):
        process, pids = self.start_working(2)
        os.kill(pids[0], signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.ended(process, pids), (130, "tessera-office: interrupted\n"))
        self.nothing_is_left()

    def test_interrupt_while_it_waits(self):
        go = f"{self.directory.name}/go"
        process = self.start("--wait-for", go)
        ready = pathlib.Path(f"{go}.{process.pid}.ready")
        self.assertTrue(wait_until(ready.exists))
        pids = children(process.pid)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.ended(process, pids)[0], 130)
        self.assertFalse(ready.exists())
        self.nothing_is_left()

    def test_killed_worker_is_told(self):
        process, pids = self.start_working(3)
        os.kill(pids[1], signal.SIGKILL)
        status, errors = self.ended(process, pids)
        self.assertEqual(status, 1)
        self.assertRegex(errors, rf"worker \d \(process {pids[1]}\) was killed by signal 9")
        self.nothing_is_left()

    def test_workers_do_not_outlive_it(self):
        go = f"{self.directory.name}/go"
        process = self.start("--workers", "3", "--think", "1000", "--duration", "60",
                             "--wait-for", go)
        ready = pathlib.Path(f"{go}.{process.pid}.ready")
        self.assertTrue(wait_until(ready.exists))
        self.assertEqual(len(pids := children(process.pid)), 3)
        process.kill()
        self.assertEqual(self.ended(process, pids)[0], -signal.SIGKILL)

    def test_damaged_files_are_told(self):
        go = f"{self.directory.name}/go"
        process = self.start("--operations", "60", "--think", "0", "--report", "1",
                             "--wait-for", go)
        ready = pathlib.Path(f"{go}.{process.pid}.ready")
        self.assertTrue(wait_until(ready.exists))
        for name in ("sheet.db", "text.txt", "letter.txt"):
            file, = self.folder.glob(f"*/0/{name}")
            file.write_bytes(b"damaged" * 1000)
        pathlib.Path(go).touch()
        output, errors = process.communicate(timeout=30)
        *events, result = [json.loads(line) for line in output.splitlines()]
        failed = {e["kind"]: e["error"] for e in events if "error" in e}
        self.assertEqual(sorted(failed), sorted(set(result["kinds"]) - {"scroll"}))
        self.assertEqual(failed["sheet-sort"], "sheet.db: file is not a database")
        self.assertEqual(failed["search"], "text.txt: damaged: 7000 bytes, not the 524288"
                                           " that were written")
        self.assertEqual((process.returncode, result["operations"]), (1, 60))
        self.assertEqual(result["failed"] + result["kinds"]["scroll"]["count"], 60)
        self.assertRegex(errors, r"^tessera-office: worker 0: .*: .*operations failed\)\n$")
        self.nothing_is_left()

    def test_no_opencl(self):
        process, pids = self.start_working(1)
        for pid in (process.pid, *pids):
            maps = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
            self.assertIn("libsqlite3", maps)
            self.assertNotIn("OpenCL", maps)
        process.terminate()
        self.ended(process, pids)


unittest.main()

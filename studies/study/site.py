# SPDX-License-Identifier: MIT
"""A manager of the study's own, its vGPUs, and the programs that run on them and beside them."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

START_S = 60  # a manager's start, with the probe of its GPUs
COMMAND_S = 120
LEAVE_S = 20
TICKS = os.sysconf("SC_CLK_TCK")
ENDS = (signal.SIGINT, signal.SIGTERM)


class Failed(Exception):
    """In words for who runs the study."""


def until(holds, seconds, what):
    """Waits for something to come true, and returns it."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return value


def processes():
    """(number, its parent's, CPU ticks of it and of its children that have ended)"""
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        except OSError:
            continue  # it has just ended
        yield int(path.parent.name), int(fields[1]), sum(map(int, fields[11:15]))


def cpu_of_tree(root):
    """CPU time of a process and its children, those that have ended among them."""
    while True:
        found = {pid: ticks for pid, parent, ticks in processes() if root in (pid, parent)}
        # Nobody ended meanwhile, who would count twice or not at all.
        if set(found) == {pid for pid, parent, _ in processes() if root in (pid, parent)}:
            return sum(found.values()) / TICKS


class Program:
    """A program that runs; what it prints goes to files."""

    def __init__(self, site, words, env, stdin=subprocess.DEVNULL, stdout=None):
        self.words = [str(word) for word in words]
        self.out, self.err = site.new_file("out"), site.new_file("err")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(self.words, env=env, stdin=stdin,
                                            stdout=out if stdout is None else stdout, stderr=err,
                                            start_new_session=True)
        self.cpu_s = 0.0
        self.status = None

    def say(self, line):
        """To one that was started with a pipe."""
        try:
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failed(f"{' '.join(self.words)} ended: {self.complaint()}") from None

    def cpu_so_far_s(self):
        """Of it and its children, while they run."""
        return cpu_of_tree(self.process.pid)

    def said(self):
        return self.out.read_text(encoding="utf-8", errors="replace")

    def complaint(self):
        text = self.err.read_text(encoding="utf-8", errors="replace") or self.said()
        return text.strip()[-600:]

    def poll(self):
        """None while it runs; of one that ended, the CPU time of it and its children is known."""
        if self.status is None:
            pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.status = self.process.returncode = os.waitstatus_to_exitcode(status)
                self.cpu_s = usage.ru_utime + usage.ru_stime
        return self.status

    def wait(self, seconds):
        until(lambda: self.poll() is not None, seconds,
              lambda: f"{' '.join(self.words)} does not end: {self.complaint()}")
        if self.status != 0:
            raise Failed(f"{' '.join(self.words)} ended with {self.status}: {self.complaint()}")

    def end(self):
        """With all that it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.poll() is not None:
                return
            try:
                os.killpg(self.process.pid, number)
                until(lambda: self.poll() is not None, LEAVE_S, "it does not end")
            except (ProcessLookupError, Failed):
                continue


class Site:
    """Use it in a with statement: nothing is left of it."""

    def __init__(self, programs, gpus=1, memory="4g", options=()):
        """programs: where tessera, tesserad and the workloads are (programs.Programs)."""
        self.programs, self.options = programs, options
        self.gpus, self.memory = gpus, memory
        self.holder = tempfile.TemporaryDirectory(prefix="tessera-study-")
        self.folder = pathlib.Path(self.holder.name)
        self.running, self.files, self.manager = [], 0, None
        self.lasting = {}
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith(("TESSERA", "OCL_ICD"))}
        self.env |= {"TESSERA_RUNTIME_DIR": str(self.folder / "run"), "TESSERA_NO_START": "1",
                     "TESSERA_STATE_DIR": str(self.folder / "state"),
                     "POCL_CACHE_DIR": str(self.folder / "compiled")}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """Whoever interrupts this must wait: it takes no longer than programs may to leave."""
        before = {number: signal.signal(number, lambda *_: None) for number in ENDS}
        try:
            self.close()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def close(self):
        for program in self.running:
            program.end()
        self.close_lasting()
        if self.manager and self.manager.poll() is None:
            self.manager.terminate()
            try:
                self.manager.wait(LEAVE_S)
            except subprocess.TimeoutExpired:
                self.manager.kill()
                self.manager.wait()
        self.holder.cleanup()

    def share_compiled(self, compiled):
        """Compiled once is compiled for all that use this folder, natively and on vGPUs: what a
        first run takes means nothing then."""
        cache = self.folder / "run" / "cache"
        cache.mkdir(mode=0o700, parents=True)
        (self.folder / "run").chmod(0o700)
        pathlib.Path(compiled).mkdir(parents=True, exist_ok=True)
        for number in range(self.gpus):
            (cache / f".gpu{number}").symlink_to(pathlib.Path(compiled).resolve())
        self.env["POCL_CACHE_DIR"] = str(compiled)

    def start(self):
        if os.environ.get("TESSERA_STUDY_CACHE"):
            self.share_compiled(os.environ["TESSERA_STUDY_CACHE"])
        log = self.folder / "tesserad.log"
        with open(log, "ab") as to:
            self.manager = subprocess.Popen(
                [self.programs.tesserad, "--software-gpus", str(self.gpus), "--software-memory",
                 self.memory, "--share-cache", *self.options], env=self.env, stdout=to, stderr=to,
                stdin=subprocess.DEVNULL, start_new_session=True)

        def serves():
            if self.manager.poll() is not None:
                raise Failed(f"the manager ended: {log.read_text()[-600:]}")
            return self.command("gpus").returncode == 0
        until(serves, START_S, lambda: f"the manager does not serve: {log.read_text()[-600:]}")

    def once(self, name, make):
        """What make() gave when it was first asked for; it is closed before the manager ends."""
        if name not in self.lasting:
            self.lasting[name] = make()
        return self.lasting[name]

    def close_lasting(self):
        for thing in self.lasting.values():
            try:
                thing.close()
            except (Failed, OSError, subprocess.SubprocessError) as why:
                print(f"tessera study: {why}", file=sys.stderr)

    def new_file(self, suffix):
        self.files += 1
        return self.folder / f"{self.files}.{suffix}"

    def command(self, *words):
        return subprocess.run([self.programs.tessera, *map(str, words)], env=self.env, text=True,
                              check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=COMMAND_S)

    def tessera(self, *words):
        done = self.command(*words)
        if done.returncode != 0:
            raise Failed(f"tessera {' '.join(map(str, words))}: {done.stdout.strip()}")
        return done.stdout

    def gpu_list(self):
        return json.loads(self.tessera("gpus", "-o", "json"))["gpus"]

    def create(self, name, vgpu_type, gpu="gpu0", *words):
        self.tessera("create", name, "--type", vgpu_type, "--gpu", gpu, *words)

    def delete(self, *names):
        if names:
            self.tessera("delete", *names)

    def run(self, words, env=None, stdin=subprocess.DEVNULL, kind=Program, **more):
        program = kind(self, words, {**self.env, **(env or {})}, stdin, **more)
        self.running.append(program)
        return program

    def cpu_s(self):
        """Of the manager and of all workers that have ended."""
        text = pathlib.Path(f"/proc/{self.manager.pid}/stat").read_text(encoding="utf-8")
        return sum(map(int, text.rsplit(")", 1)[1].split()[11:15])) / TICKS

    def cpu_so_far_s(self):
        """And of those that run."""
        return cpu_of_tree(self.manager.pid)

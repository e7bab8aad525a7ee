# SPDX-License-Identifier: MIT
"""A manager with folders of its own, programs on its vGPUs, and what must not be left of them."""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

TYPE = "cpu-512m"
START_S = 30  # a manager's start, with the probe of its GPUs
HANG_S = 20  # nothing takes so long: what does, hangs
PR_SET_CHILD_SUBREAPER = 36


class Failed(Exception):
    """Something that must be so is not."""


def adopt_orphans():
    """What outlives its parent becomes this process's child: so it is found, and is ours."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def until(holds, what, seconds=HANG_S):
    """Waits for something to come true, and returns it."""
    end = time.monotonic() + seconds
    while not (value := holds()):
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return value


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child, *descendants(child)]
    return found


def name_of(pid):
    """None when it is gone, or dead and not yet waited for."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, rest = text[text.index("(") + 1:].rsplit(")", 1)
    return None if rest.split()[0] == "Z" else name


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Program:
    """One on a vGPU, that ends when it is told to."""

    def __init__(self, host, vgpu, *words):
        self.log = pathlib.Path(tempfile.mkstemp(prefix="program-", dir=host.folder)[1])
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [host.build / "tessera", "run", vgpu, "--", *words], env=host.env, stdout=log,
                stderr=log, stdin=subprocess.PIPE, start_new_session=True)

    def said(self):
        return self.log.read_text(errors="replace")

    def rounds(self):
        """Of churn: how many it has verified."""
        found = [line for line in self.said().splitlines() if line.startswith("verified ")]
        return int(found[-1].split()[1]) if found else 0

    def guest(self):
        """The program itself: `tessera run` waits for it."""
        return next(iter(children(self.process.pid)), None)

    def runs(self):
        return self.process.poll() is None

    def goes_on(self, what):
        had = self.rounds()

        def more():
            if not self.runs():
                raise Failed(f"{what}: it ended with {self.process.poll()}: {self.said()[-800:]}")
            return self.rounds() > had
        until(more, f"{what}: it computes nothing any more: {self.said()[-400:]}")

    def end(self, what):
        """Told to, it ends well."""
        try:
            self.process.stdin.write(b"\n")
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        if self.wait(what) != 0:
            raise Failed(f"{what}: it ended with {self.process.poll()}: {self.said()[-800:]}")

    def wait(self, what):
        try:
            return self.process.wait(HANG_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{what}: it does not end: {self.said()[-400:]}") from None

    def kill(self):
        for pid in (*descendants(self.process.pid), self.process.pid):
            kill(pid)
        self.process.wait(HANG_S)


class Host:
    def __init__(self, build, folder, compiled=None, options=()):
        self.build, self.folder = pathlib.Path(build).resolve(), pathlib.Path(folder)
        self.options = options
        self.log = self.folder / "tesserad.log"
        self.runtime, self.state = self.folder / "run", self.folder / "state"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("TESSERA", "OCL_ICD"))}
        self.env |= {"TESSERA_RUNTIME_DIR": str(self.runtime), "TESSERA_NO_START": "1",
                     "TESSERA_STATE_DIR": str(self.state), "TESSERA_SHARE_CACHE": "1"}
        if os.environ.get("TESSERA_SOFTWARE_DISCRETE"):
            self.env["TESSERA_SOFTWARE_DISCRETE"] = os.environ["TESSERA_SOFTWARE_DISCRETE"]
        if os.environ.get("TESSERA_JAIL"):
            self.env["TESSERA_JAIL"] = os.environ["TESSERA_JAIL"]
        cache = self.runtime / "cache"
        for path in (self.runtime, cache, self.state):
            path.mkdir(mode=0o700)
        compiled = pathlib.Path(compiled or self.folder / "compiled")
        compiled.mkdir(parents=True, exist_ok=True)
        for gpu in ("gpu0", "gpu1"):
            (cache / f".{gpu}").symlink_to(compiled.resolve())
        self.manager = None
        self.program = self.build / "tests/suspend/churn"

    def start(self):
        with open(self.log, "ab") as log:
            self.manager = subprocess.Popen(
                [self.build / "tesserad", "--software-gpus", "2", *self.options], env=self.env,
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)

        def serves():
            if self.manager.poll() is not None:
                raise Failed(f"the manager ended with {self.manager.poll()}: {self.tail()}")
            return self.command("gpus").returncode == 0
        until(serves, lambda: f"the manager does not serve: {self.tail()}", START_S)

    def tail(self):
        return self.log.read_text(errors="replace")[-1500:]

    def kill(self):
        self.manager.kill()
        self.manager.wait()

    def stop(self):
        if self.manager and self.manager.poll() is None:
            self.command("delete", "all")
            self.command("shutdown", "--end")
            try:
                self.manager.wait(HANG_S)
            except subprocess.TimeoutExpired:
                self.kill()
        for pid in descendants(os.getpid()):
            kill(pid)

    def start_command(self, *words):
        return subprocess.Popen([self.build / "tessera", *words], env=self.env, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def command(self, *words):
        """Its output and errors together."""
        try:
            return subprocess.run(
                [self.build / "tessera", *words], env=self.env, text=True, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=HANG_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"tessera {' '.join(map(str, words))} hangs: {self.tail()}") from None

    def tessera(self, *words):
        done = self.command(*words)
        if done.returncode != 0:
            raise Failed(f"tessera {' '.join(map(str, words))}: {done.stdout.strip()}\n"
                         f"{self.tail()}")
        return done.stdout

    def vgpu(self, name):
        """None where there is no such vGPU."""
        done = self.command("show", name, "-o", "json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def names(self):
        return sorted(v["name"] for v in json.loads(self.tessera("list", "-o", "json"))["vgpus"])

    def run(self, vgpu, *words):
        return Program(self, vgpu, *words)

    def churn(self, vgpu, *words):
        program = self.run(vgpu, self.program, "--pace", "5", *words)
        program.goes_on(f"churn on {vgpu}")
        return program

    def workers(self):
        """All that there are, of this manager and of those before it."""
        return [pid for pid in descendants(os.getpid()) if name_of(pid) == "tessera-worker"]

    def paths(self):
        """Files, sockets and folders; without what the compiler keeps and programs have said."""
        found = set()
        for top in (self.runtime, self.state):
            for folder, folders, files in os.walk(top):
                folder = pathlib.Path(folder)
                if folder == self.runtime:
                    folders.remove("cache")
                found |= {str((folder / name).relative_to(self.folder)) for name in folders + files}
        return found

    def settled(self, want, what):
        """Nothing is left but these paths, and no worker."""
        until(lambda: not self.workers(), lambda: f"{what}: workers are left: {self.workers()}")
        until(lambda: self.paths() == want,
              lambda: f"{what}: left behind {sorted(self.paths() - want)}, "
                      f"missing {sorted(want - self.paths())}")

# SPDX-License-Identifier: MIT
"""A manager with folders of its own, and what /proc tells of processes."""

import json
import os
import pathlib
import signal
import subprocess
import time

START_S = 60
COMMAND_S = 60
FOREIGN = ("OCL_ICD_VENDORS", "OCL_ICD_FILENAMES", "TESSERA_VGPU", "TESSERA_WORKER",
           "TESSERA_BACKEND", "TESSERA_LOG", "POCL_AFFINITY", "POCL_MAX_PTHREAD_COUNT")


class Failed(Exception):
    """Something that must work does not: the soak ends."""


def children(pid):
    """Processes whose parent it is, whichever of its threads started them."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


def rollup(pid):
    """Rss, Pss and what of it is private memory (no file, not shared), in bytes."""
    values = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, value, *_ = line.split()
        values[key] = int(value) * 1024
    return values["Rss:"], values["Pss:"], values["Anonymous:"]


def usage(pid):
    """What is sampled of a process; None when it is gone."""
    try:
        rss, pss, private = rollup(pid)
        return {"rss": rss, "pss": pss, "private": private,
                "fds": len(os.listdir(f"/proc/{pid}/fd")),
                "threads": len(os.listdir(f"/proc/{pid}/task"))}
    except (OSError, KeyError):
        return None


class Manager:
    """tesserad on one kind of software GPU; its vGPUs are made and deleted by name."""

    def __init__(self, kind, build, folder, cache):
        self.kind, self.build = kind, build
        self.folder = pathlib.Path(folder, kind)
        self.temporary = self.folder / "tmp"
        self.log = self.folder / "tesserad.log"
        for name in ("run", "state", "tmp"):
            (self.folder / name).mkdir(mode=0o700, parents=True)
        self.env = {k: v for k, v in os.environ.items() if k not in FOREIGN}
        self.env.update(
            TESSERA_RUNTIME_DIR=str(self.folder / "run"), TMPDIR=str(self.temporary),
            TESSERA_STATE_DIR=str(self.folder / "state"), TESSERA_NO_START="1",
            PYOPENCL_NO_CACHE="1", TESSERA_SOFTWARE_DISCRETE=str(int(kind == "discrete")))
        if cache:  # one compiler cache for all: a compilation takes seconds
            (self.folder / "run/cache").mkdir(mode=0o700)
            (self.folder / "run/cache/gpu0").symlink_to(cache)
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [self.build / "tesserad", "--software-gpus", "1"], env=self.env, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + START_S
        while self.command("gpus").returncode != 0:
            if time.monotonic() > end or self.process.poll() is not None:
                raise Failed(f"the {self.kind} manager does not start: {self.log.read_text()}")
            time.sleep(0.1)

    def command(self, *words):
        return subprocess.run([self.build / "tessera", *words], env=self.env, text=True,
                              capture_output=True, timeout=COMMAND_S, stdin=subprocess.DEVNULL)

    def ask(self, *words):
        done = self.command(*words, "-o", "json")
        if done.returncode != 0:
            raise Failed(f"tessera {' '.join(words)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def create(self, name, vgpu_type):
        done = self.command("create", name, "--type", vgpu_type)
        if done.returncode != 0:
            raise Failed(f"cannot create {self.kind} {name}: {done.stderr.strip()}")

    def sessions(self, name):
        """[] also when there is no such vGPU (any more)."""
        done = self.command("show", name, "-o", "json")
        return json.loads(done.stdout)["sessions"] if done.returncode == 0 else []

    def sample(self):
        now = usage(self.pid)
        if now is None:
            raise Failed(f"the {self.kind} manager has ended: {self.log.read_text()[-2000:]}")
        return {**now, "workers": len(children(self.pid))}

    def stop(self):
        if not self.process:
            return
        try:
            self.command("shutdown", "--end")
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

# SPDX-License-Identifier: MIT
"""Guests that load a GPU in a given way: a vGPU each, and bench-load on it, which works in the
windows of time that it is told."""

import dataclasses
import json
import subprocess
import time

from study.site import until
from study.workload import beside

ANSWER_S = 120
ALONE_S = 0.4
WARM_S = 0.2
LEAD_S = 0.03  # so that all have read their line by then


@dataclasses.dataclass
class Guest:
    """kernel_us: how long its kernels are; queued: how many it has in flight, 0: it launches and
    waits. One that thinks launches when 10 ms begin, one kernel where that is longer than 1 ms."""
    kernel_us: int = 1000
    queued: int = 8
    thinks: bool = False
    idles: bool = False  # it has its program, and nothing to do

    def words(self, iterations_per_us):
        words = ["--iterations", round(self.kernel_us * iterations_per_us), "--depth", self.queued]
        return [*words, "--on", 1, "--off", 9] if self.thinks else words


class Device:
    """How fast it is: asked of an idle one, once."""

    def __init__(self):
        self.per_us = None

    def iterations_per_us(self, site, command):
        if self.per_us is None:
            program = site.run([*command, "--calibrate"])
            program.wait(ANSWER_S)
            self.per_us = json.loads(program.said())["iterations_per_us"]
        return self.per_us


class Crew:
    """So many vGPUs on the first GPU, and a program for each guest on the first of them."""

    def __init__(self, site, device, guests, vgpu_type, instances):
        self.site, self.device, self.guests = site, device, guests
        self.type, self.instances = vgpu_type, instances
        self.gpu = site.gpu_list()[0]
        self.vgpus, self.programs = [], []

    def __enter__(self):
        try:
            self.policy("best-effort", 2)
            for i in range(self.instances):
                self.site.create(f"study-{i}", self.type, self.gpu["name"])
                self.vgpus.append(f"study-{i}")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.end()
            program.process.stdin.close()
        self.site.delete(*self.vgpus)

    def command(self, vgpu):
        return [*beside(self.gpu), self.site.programs.tessera, "run", vgpu, "--",
                self.site.programs.find("bench-load"), "--device", "Tessera:0"]

    def start(self):
        speed = self.device.iterations_per_us(self.site, self.command(self.vgpus[0]))
        for vgpu, guest in zip(self.vgpus, self.guests):
            self.programs.append(self.site.run([*self.command(vgpu), *guest.words(speed)],
                                               stdin=subprocess.PIPE))
        for program in self.programs:
            answers(program, 1)

    def policy(self, policy, slice_ms):
        self.site.tessera("gpu", "set", self.gpu["name"], "--policy", policy,
                          "--slice", f"{slice_ms}ms")

    def accounts(self):
        stats = json.loads(self.site.tessera("stats", "-o", "json"))
        gpu = next(g for g in stats["gpus"] if g["name"] == self.gpu["name"])
        return {"time": stats["time_ns"], "idle": gpu["idle_ns"],
                **{v["name"]: v["used_ns"] for v in gpu["vgpus"]}}

    def alone(self):
        """Launches a second of the first, while the others have nothing to do."""
        said, _ = self.work(self.programs[:1], ALONE_S)
        return rate(said[0])

    def work(self, programs, seconds):
        """They work, all in the same window: what each says of it, and by how much the manager's
        accounts rose."""
        start = time.monotonic_ns() + ns(LEAD_S)
        begin, end = start + ns(WARM_S), start + ns(WARM_S + seconds)
        there = [len(lines(program)) for program in programs]
        for program in programs:
            program.say(f"go {start} {begin} {end}")
        sleep_until(begin)
        before = self.accounts()
        sleep_until(end)
        after = self.accounts()
        # The second answer of each is that its queue is empty.
        said = [answers(program, n + 2)[n] for program, n in zip(programs, there)]
        return said, {key: after[key] - before[key] for key in after}


def ns(seconds):
    return int(seconds * 1e9)


def sleep_until(at_ns):
    time.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)


def lines(program):
    """Whole ones."""
    return program.said().split("\n")[:-1]


def answers(program, count):
    def enough():
        if program.poll() is not None:
            program.wait(0)
        return len(lines(program)) >= count
    until(enough, ANSWER_S, lambda: f"no answer: {program.complaint()}")
    return [json.loads(line) for line in lines(program)]


def rate(said):
    """Launches a second."""
    return said["work"] * 1e9 / said["span_ns"]

# SPDX-License-Identifier: MIT
"""Guests: the programs, the slots that run and kill them, and one that stays all the time.

A guest runs in a process group of its own. Left alone it must end well; killed, or with its
worker killed or its vGPU deleted, it must end in time, and a program that looks at errors must
say so by its status.
"""

import collections
import os
import random
import signal
import subprocess
import threading
import time

ALONE_S = 900  # eight guests on few cores, and each vGPU compiles its kernels for itself
AFTER_KILL_S = 60  # to notice the end, and to leave
GRACE_S = 5  # who ends so soon after the kill may have been done with its vGPU
LOOK_S = 0.02
TAIL = 600

CALLS = ("null-kernel", "buffers", "kernels", "events", "write-64k", "read-1m", "threads-4",
         "build-cold")

# seconds: about how long it takes, to kill it in between. strict: ends with an error when its
# worker is gone.
Program = collections.namedtuple("Program", "name argv seconds strict quick")
Outcome = collections.namedtuple("Outcome", "slot vgpu program kill status seconds bad output")


def programs(build, source, have, quick):
    """Those that are installed; quick: only what takes a second or two."""
    tests = build / "tests/e2e/programs"
    train = [build / "studies/workloads/tessera-train", "--no-eval", "--report", "0"]
    every = [
        Program("clinfo", ["clinfo"], 0.3, False, True),
        Program("train", [*train, "--steps", "10"], 3, True, True),
        Program("train-long", [*train, "--steps", "80"], 15, True, False),
        Program("clpeak", ["clpeak", "--kernel-latency", "--transfer-bandwidth"], 10, False, False),
        Program("pyopencl", ["/usr/bin/python3", source / "tests/e2e/arrays.py"], 3, False, False),
        Program("clblast", [tests / "clblast_levels"], 5, True, False),
        Program("calls", [build / "bench/bench-calls", "--time", "100", *CALLS], 3, True, True),
    ]
    for name in ("callbacks", "command_buffer", "events", "images", "image_kernels", "kernel",
                 "program", "subdevices", "threads", "transfer"):
        every.append(Program(f"guest_{name}", [tests / f"guest_{name}"], 1, True, True))
    return [p for p in every if have(p.argv[0]) and (p.quick or not quick)]


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Guest:
    """One run of a program on a vGPU."""

    def __init__(self, manager, vgpu, argv, output):
        self.manager, self.vgpu = manager, vgpu
        self.begin = time.monotonic()
        self.process = subprocess.Popen(
            [manager.build / "tessera", "run", vgpu, "--", *argv], env=manager.env,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)

    def wait(self, seconds):
        """Its status; None when it still runs."""
        try:
            return self.process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        end_group(self.process)

    def kill_worker(self):
        """True when it had one."""
        for session in self.manager.sessions(self.vgpu):
            try:
                if os.getpgid(session["guest_pid"]) == self.process.pid:
                    os.kill(session["worker_pid"], signal.SIGKILL)
                    return True
            except (ProcessLookupError, KeyError):
                continue
        return False


class Slot(threading.Thread):
    """Runs one program after the other on its vGPU, and kills some of them."""

    def __init__(self, soak, number, manager, vgpu):
        super().__init__(name=f"slot {number}", daemon=True)
        self.soak, self.number, self.manager, self.vgpu = soak, number, manager, vgpu
        self.random = random.Random(f"{soak.seed}/{number}")
        self.output = soak.folder / f"slot-{number}.log"
        self.guest = None

    def run(self):
        try:
            while not self.soak.over.is_set():
                self.once()
        except Exception as why:  # reported by the main thread, which ends the soak
            self.soak.crashed(self, why)

    def once(self):
        program = self.random.choice(self.soak.programs)
        kill = self.random.choices(("none", "guest", "worker", "vgpu"), (60, 18, 18, 4))[0]
        after = self.random.uniform(0, program.seconds * 1.2)
        with open(self.output, "wb") as output:
            self.guest = Guest(self.manager, self.vgpu, program.argv, output)
        status, killed = self.disturb(kill, after)
        if status is None:
            status = self.guest.wait(AFTER_KILL_S if killed else ALONE_S)
        self.tell(program, kill if killed else "none", status, killed)
        self.guest.kill()  # what hung, and what its own children are
        self.guest.wait(AFTER_KILL_S)

    def disturb(self, kill, after):
        """Its status if it ended before, and when it was disturbed (None: it was not)."""
        if kill == "none":
            return None, None
        status = self.guest.wait(after)
        if status is not None:
            return status, None
        when = time.monotonic()
        if kill == "guest":
            self.guest.kill()
        elif kill == "vgpu":
            self.renew_vgpu()
        elif not self.guest.kill_worker():
            return None, None
        return None, when

    def renew_vgpu(self):
        self.manager.command("delete", self.vgpu)
        self.manager.create(self.vgpu, self.soak.vgpu_type)

    def tell(self, program, kill, status, killed):
        seconds = time.monotonic() - self.guest.begin
        late = time.monotonic() - killed if killed else 0
        bad = None
        if status is None:
            bad = f"did not end in {AFTER_KILL_S if killed else ALONE_S} s"
        elif kill == "none" and status != 0:
            bad = f"left alone it ended with status {status}"
        elif kill in ("worker", "vgpu") and program.strict and status == 0 and late > GRACE_S:
            bad = "went on and ended well without its worker"
        output = self.output.read_bytes()[-TAIL:].decode(errors="replace") if bad else ""
        self.soak.tell(Outcome(self.number, f"{self.manager.kind} {self.vgpu}", program.name, kill,
                               status, round(seconds, 2), bad, output))


class Steady(threading.Thread):
    """A guest for the whole time, and the same program natively: only one has a worker of ours."""

    LINES = ("null-kernel 20", "buffers 20", "kernels 20", "events 20", "write-64k 20",
             "read-1m 20", "build-warm 20", "map-fill-64m 20", "threads-4 20")

    def __init__(self, soak, manager, vgpu):
        super().__init__(name=f"steady {manager.kind if manager else 'native'}", daemon=True)
        self.soak, self.manager, self.vgpu = soak, manager, vgpu
        calls = soak.build / "bench/bench-calls"
        argv = [soak.build / "tessera", "run", vgpu, "--", calls] if manager else [calls]
        env = manager.env if manager else {**soak.managers[0].env, **soak.native_env}
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, start_new_session=True)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line or '"error"' in line:
            raise RuntimeError(f"the steady guest ended or failed: {line.strip()}")

    def run(self):
        try:
            while not self.soak.over.is_set():
                for line in self.LINES:
                    self.process.stdin.write(line + "\n")
                    self.process.stdin.flush()
                    self.answer()
                self.soak.over.wait(0.5)
        except Exception as why:
            self.soak.crashed(self, why)

    @property
    def watched(self):
        """The process whose growth counts: the worker, or natively the program itself."""
        if not self.manager:
            return self.process.pid
        sessions = self.manager.sessions(self.vgpu)
        return sessions[0]["worker_pid"] if sessions else None

    def stop(self):
        """Its status when it is told that there is no more to do."""
        self.join(ALONE_S)
        self.process.stdin.close()
        try:
            return self.process.wait(AFTER_KILL_S)
        except subprocess.TimeoutExpired:
            end_group(self.process)
            return None

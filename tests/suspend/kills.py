#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Random kills while a vGPU is suspended and resumed, again and again, under load: of the
manager, of a worker, of the command, of the program, with SIGKILL, at any moment of it.

After each: the vGPU is there, suspended or running; what was told to have succeeded has; a
suspended one can be resumed; a program whose processes were left alone computes on, and never
wrongly; another vGPU's program has noticed nothing; nothing hangs, and nothing is left behind.
"""

import argparse
import collections
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import host as hosts

VICTIMS = ("manager", "worker", "command", "program", "nobody")
COMMON = 3  # of the tries this many go without a kill at first, to learn how long things take


class Kills:
    def __init__(self, host, rng):
        self.host, self.rng = host, rng
        self.count = collections.Counter()
        self.slowest = collections.defaultdict(float)
        self.typical = {"suspend": 0.2, "resume": 0.2}
        self.program = None
        host.tessera("create", "a", "--type", hosts.TYPE, "--gpu", "gpu0")
        host.tessera("create", "b", "--type", hosts.TYPE, "--gpu", "gpu0")
        self.idle = host.paths()
        self.bystander = host.churn("b", "--threads", "1", "--seed", "99")
        self.busy = host.paths()

    # ---- what is there -----------------------------------------------------------------------

    def state(self):
        """Of `a`: it is there, whatever was killed; an operation whose caller is gone is undone."""
        hosts.until(lambda: (self.host.vgpu("a") or {}).get("state")
                    not in ("suspending", "resuming"),
                    lambda: f"an operation does not end: {self.host.tail()}")
        vgpu = self.host.vgpu("a")
        if vgpu is None or vgpu["state"] not in ("suspended", "running", "idle", "free"):
            raise hosts.Failed(f"vGPU 'a' is {vgpu and vgpu['state']}: {self.host.tail()}")
        return "suspended" if vgpu["state"] == "suspended" else "running"

    def timed(self, name, begin):
        self.slowest[name] = max(self.slowest[name], time.monotonic() - begin)

    # ---- killing -----------------------------------------------------------------------------

    def victim_pid(self, victim, command, workers):
        """None when there is no such process now."""
        if victim == "manager":
            return self.host.manager.pid
        if victim == "command":
            return command.pid
        if victim == "program":
            return self.program.guest()
        found = [p for p in self.host.workers() if p not in workers]  # not the bystander's
        return self.rng.choice(found) if found else None

    def disturbed(self, operation, victim):
        """(its status, its words, was the victim killed?)"""
        keep = [s["worker_pid"] for s in self.host.vgpu("b")["sessions"]]
        begin = time.monotonic()
        command = self.host.start_command(operation, "a")
        killed = False
        if victim != "nobody":
            time.sleep(self.rng.uniform(0, self.typical[operation] * 1.2))
            pid = self.victim_pid(victim, command, keep)
            if pid:
                hosts.kill(pid)
                killed = True
        try:
            words, _ = command.communicate(timeout=hosts.HANG_S)
        except subprocess.TimeoutExpired:
            command.kill()
            raise hosts.Failed(f"{operation} hangs after the kill of {victim}") from None
        took = time.monotonic() - begin
        self.timed(operation, begin)
        if victim == "nobody":
            self.typical[operation] = 0.7 * self.typical[operation] + 0.3 * took
        if command.returncode > 0 and not words.strip():
            raise hosts.Failed(f"{operation} fails without words (kill of {victim})")
        return command.returncode, words.strip(), killed

    def manager_is_back(self):
        begin = time.monotonic()
        self.host.manager.wait()
        self.host.start()
        self.timed("start", begin)

    # ---- judging -----------------------------------------------------------------------------

    def judge_status(self, operation, victim, killed, status, words):
        if not killed and status != 0:
            raise hosts.Failed(f"nobody was killed, but {operation} says: {words}")
        if victim == "worker" or status != 0:
            return
        want = {"suspend": "suspended", "resume": "running"}[operation]
        if self.state() != want:
            raise hosts.Failed(f"{operation} succeeded, but the vGPU is {self.state()}")

    def resume_if_suspended(self):
        if self.state() == "suspended":
            self.count["suspended after"] += 1
            begin = time.monotonic()
            self.host.tessera("resume", "a")
            self.timed("resume", begin)
        else:
            self.count["running after"] += 1
        if self.state() != "running":
            raise hosts.Failed("it was resumed, and is not running")

    def judge_program(self, victim, killed):
        """Left alone it computes on; without its worker it ends, with an error."""
        if victim == "program" and killed:
            self.program.wait("a program that was killed")
            self.count["sessions lost"] += 1
            self.program = None
        elif victim == "worker" and killed and self.lost_its_worker():
            if self.program.wait("a program without its worker") == 0:
                raise hosts.Failed("a program whose worker was killed ended well")
            self.never_wrong(self.program)
            self.count["sessions lost"] += 1
            self.program = None
        else:
            self.program.goes_on(f"the program on 'a' (kill of {victim})")

    def lost_its_worker(self):
        """Either the session is gone, or the program computes on."""
        had = self.program.rounds()
        hosts.until(lambda: not self.program.runs() or self.program.rounds() > had + 1,
                    lambda: "a program whose worker may have been killed hangs: "
                    f"{self.program.said()[-400:]}")
        return not self.program.runs()

    @staticmethod
    def never_wrong(program):
        if ", not " in program.said():
            raise hosts.Failed(f"it computed wrongly: {program.said()[-800:]}")

    def nothing_is_left(self):
        """Sessions have a worker each, and all other processes and files are gone."""
        def sessions():
            return [s["worker_pid"] for name in ("a", "b")
                    for s in self.host.vgpu(name)["sessions"] if s["worker_pid"]]
        hosts.until(lambda: sorted(sessions()) == sorted(self.host.workers()),
                    lambda: f"sessions' workers {sorted(sessions())}, there are "
                            f"{sorted(self.host.workers())}")
        if not self.program:
            hosts.until(lambda: self.host.paths() == self.busy,
                        lambda: f"left behind {sorted(self.host.paths() - self.busy)}, "
                                f"missing {sorted(self.busy - self.host.paths())}")
            if self.host.vgpu("a")["used_bytes"] != 0:
                raise hosts.Failed("memory of a session that is gone is still charged")

    def round(self, victim, operation):
        if not self.program:
            self.program = self.host.churn("a", "--threads", "2",
                                           "--seed", str(self.rng.randrange(1000)))
        if operation == "resume":
            self.host.tessera("suspend", "a")
        status, words, killed = self.disturbed(operation, victim)
        if victim == "manager" and killed:
            self.manager_is_back()
        self.judge_status(operation, victim, killed, status, words)
        self.count[f"{victim} in {operation}" if killed else f"nobody in {operation}"] += 1
        self.resume_if_suspended()
        self.judge_program(victim, killed)
        self.bystander.goes_on("another vGPU's program")
        self.nothing_is_left()

    def end(self):
        for program, what in ((self.program, "the program on 'a'"),
                              (self.bystander, "another vGPU's program")):
            if program:
                program.end(what)
        self.host.settled(self.idle, "at the end")


def rounds(kills, a, rng):
    for i in range(COMMON):
        kills.round("nobody", ("suspend", "resume")[i % 2])
    for i in range(a.rounds):
        victim, operation = rng.choice(VICTIMS[:4]), rng.choice(("suspend", "resume"))
        if a.verbose:
            print(f"round {i}: {victim} in {operation}", flush=True)
        try:
            kills.round(victim, operation)
        except hosts.Failed as why:
            raise hosts.Failed(f"round {i}, {victim} in {operation}: {why}") from None
    kills.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"))
    parser.add_argument("--compiled", type=pathlib.Path, help="a folder of PoCL's to share")
    parser.add_argument("--rounds", type=int, default=30, help="kills (30)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true", help="tell each round")
    a = parser.parse_args()
    rng = random.Random(a.seed)
    hosts.adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="tsr-kills-") as folder:
        host = hosts.Host(a.build, folder, a.compiled)
        try:
            host.start()
            kills = Kills(host, rng)
            rounds(kills, a, rng)
        except hosts.Failed as why:
            print(f"kills.py: seed {a.seed}: {why}\n{host.tail()}", file=sys.stderr)
            return 1
        finally:
            host.stop()
    print(f"{a.rounds} kills, seed {a.seed}: {dict(kills.count)}; slowest: "
          + ", ".join(f"{name} {s:.2f} s" for name, s in sorted(kills.slowest.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())

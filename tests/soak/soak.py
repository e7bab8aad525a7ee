#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs guests for long, kills some of them, and looks whether anything grows.

Two managers, one per kind of software GPU; four slots on each run real programs on their vGPUs,
and a guest stays for the whole time. Ends with status 0 when all ended as they should and
nothing grew (growth.py says what that means), else 1; Ctrl-C cleans up and gives 130.
"""

import argparse
import os
import pathlib
import platform
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import growth  # noqa: E402
import guests  # noqa: E402
import host  # noqa: E402
import report  # noqa: E402

KINDS = ("shared", "discrete")
SLOTS_EACH = 4
VGPU_TYPE = "cpu-256m"
# A shorter run has no time for programs that compile for a minute, and a guest that stays still
# warms up when it is over: its worker is not judged then.
SHORT_MINUTES = 2.5
REST_S = 30  # within which the last worker is gone


class Soak:
    def __init__(self, options):
        self.build = pathlib.Path(options.build).resolve()
        self.source = pathlib.Path(__file__).resolve().parents[2]
        self.seed, self.minutes = options.seed, options.minutes
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tessera-soak-"))
        cache = pathlib.Path(options.cache or self.folder / "pocl").resolve()
        cache.mkdir(exist_ok=True)
        self.native_env = {"POCL_CACHE_DIR": str(cache)}
        self.vgpu_type = VGPU_TYPE
        self.short = self.minutes < SHORT_MINUTES
        self.programs = guests.programs(self.build, self.source, shutil.which, self.short)
        self.managers = [host.Manager(kind, self.build, self.folder, cache) for kind in KINDS]
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.outcomes, self.crashes, self.samples = [], [], []
        self.slots, self.steady = [], []
        self.cleaning = False

    # Told by the threads.

    def tell(self, outcome):
        if self.cleaning:
            return
        with self.lock:
            self.outcomes.append(outcome)
        if outcome.bad:
            say(f"BAD: {outcome.vgpu}, {outcome.program}, kill {outcome.kill}: {outcome.bad}\n"
                f"{outcome.output}")

    def crashed(self, thread, why):
        if self.cleaning:
            return
        with self.lock:
            self.crashes.append(f"{thread.name}: {type(why).__name__}: {why}")

    # Beginning, middle, end.

    def begin(self):
        for manager in self.managers:
            manager.start()
            for n in range(SLOTS_EACH):
                manager.create(f"v{n}", VGPU_TYPE)
            manager.create("steady", VGPU_TYPE)
        if not self.short:
            self.warm_up(self.managers[0])
        rest = {m.kind: m.sample() for m in self.managers}
        self.steady = [guests.Steady(self, None, None)]
        self.steady += [guests.Steady(self, m, "steady") for m in self.managers]
        for n in range(SLOTS_EACH * len(KINDS)):
            manager = self.managers[n % len(KINDS)]
            self.slots.append(guests.Slot(self, n, manager, f"v{n // len(KINDS)}"))
        for thread in self.steady + self.slots:
            thread.start()
        return rest

    def warm_up(self, manager):
        """Each program once: some compile for a minute, eight times that if all do at once."""
        for program in self.programs:
            say(f"once alone: {program.name}")
            with open(self.folder / "warm-up.log", "wb") as output:
                guest = guests.Guest(manager, "v0", program.argv, output)
            status = guest.wait(guests.ALONE_S)
            guest.kill()
            if status != 0:
                words = (self.folder / "warm-up.log").read_text(errors="replace")
                raise host.Failed(f"{program.name} ends with status {status}: {words[-600:]}")

    def sample(self, t):
        now = {"t": round(t, 1), "guests": len(self.outcomes)}
        for manager in self.managers:
            now[f"manager {manager.kind}"] = manager.sample()
        for steady in self.steady:
            kind = f"worker {steady.manager.kind}" if steady.manager else "native"
            pid = steady.watched
            now[kind] = host.usage(pid) if pid else None
        self.samples.append(now)

    def run(self):
        start, seconds = time.monotonic(), self.minutes * 60
        every = min(5.0, max(0.5, seconds / 200))
        while (t := time.monotonic() - start) < seconds and not self.crashes:
            self.sample(t)
            if len(self.samples) % 12 == 1:
                self.progress(t)
            self.over.wait(every)

    def progress(self, t):
        last = self.samples[-1]
        managers = ", ".join(
            f"{k} {last[f'manager {k}']['rss'] / growth.MIB:.1f} MiB "
            f"{last[f'manager {k}']['fds']} fds" for k in KINDS)
        kills = sum(o.kill != "none" for o in self.outcomes)
        say(f"{t / 60:5.1f} of {self.minutes:g} min: {len(self.outcomes)} guests, {kills} "
            f"disturbed, {sum(bool(o.bad) for o in self.outcomes)} bad; {managers}")

    def end(self):
        """Everybody leaves; what is wrong with what they leave behind."""
        self.over.set()
        for slot in self.slots:
            slot.join(guests.ALONE_S + guests.AFTER_KILL_S)
        wrong = list(self.crashes)
        for steady in self.steady:
            status = steady.stop()
            if status != 0:
                wrong.append(f"{steady.name}: ended with status {status}")
        for manager in self.managers:
            wrong += self.wrong_at_rest(manager)
        return wrong

    @staticmethod
    def wrong_at_rest(manager):
        limit = time.monotonic() + REST_S
        while host.children(manager.pid) and time.monotonic() < limit:
            time.sleep(0.2)
        wrong = [f"{manager.kind}: worker {pid} is left" for pid in host.children(manager.pid)]
        for vgpu in manager.ask("list")["vgpus"]:
            if vgpu["sessions"] or vgpu["used_bytes"] or vgpu["reserved_bytes"]:
                wrong.append(f"{manager.kind} {vgpu['name']}: {len(vgpu['sessions'])} sessions, "
                             f"{vgpu['used_bytes']} bytes used, {vgpu['reserved_bytes']} reserved")
        return wrong

    def clean(self):
        self.cleaning = True  # what is killed from here on says nothing
        self.over.set()
        for slot in self.slots:
            if slot.guest:
                slot.guest.kill()
        for steady in self.steady:
            guests.end_group(steady.process)
        for manager in self.managers:
            manager.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # The verdict.

    def judge(self, before):
        verdicts = []
        for manager in self.managers:
            who = f"manager {manager.kind}"
            verdicts += growth.judge_process(self.samples, who, growth.MANAGER)
            verdicts += growth.judge_rest(who, before[manager.kind], manager.sample())
            if not self.short:
                verdicts += growth.judge_process(self.samples, f"worker {manager.kind}",
                                                 growth.WORKER, "native")
        return verdicts

    def facts(self, wrong):
        kills = {k: sum(o.kill == k for o in self.outcomes)
                 for k in ("none", "guest", "worker", "vgpu")}
        left = {m.kind: sum(1 for p in m.temporary.rglob("*") if p.is_file())
                for m in self.managers}
        return {"seed": self.seed, "minutes": self.minutes, "cores": os.cpu_count(),
                "kernel": platform.release(), "guests": len(self.outcomes), "kills": kills,
                "temporary_files_left": left, "wrong": wrong}


def say(text):
    print(text, flush=True)


def write(soak, output, facts, verdicts):
    output.mkdir(parents=True, exist_ok=True)
    kills = facts["kills"]
    lines = report.tally(soak.outcomes) + [""] + report.table(verdicts) + [
        "", f"{facts['guests']} guests in {soak.minutes:g} minutes, seed {soak.seed}: "
        f"{kills['guest']} killed, {kills['worker']} lost their worker, {kills['vgpu']} their "
        f"vGPU; temporary files left: {facts['temporary_files_left']}"]
    if soak.short:
        lines.append(f"under {SHORT_MINUTES:g} minutes the workers' growth is not judged")
    lines += [f"WRONG: {w}" for w in facts["wrong"]]
    say("\n".join([""] + lines))
    (output / "soak.txt").write_text("\n".join(lines) + "\n")
    report.write_json(output / "soak.json", facts, verdicts, soak.samples, soak.outcomes)
    if not report.plot(output / "soak.svg", soak.samples,
                       f"{facts['guests']} guests in {soak.minutes:g} minutes"):
        say("no plot: gnuplot is missing")


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", default="build", help="the build tree (build)")
    p.add_argument("--minutes", type=float, default=float(os.environ.get("SOAK_MINUTES", 20)))
    p.add_argument("--seed", type=int, default=int(os.environ.get("SOAK_SEED", 0)),
                   help="of all that is random (0: another one each time)")
    p.add_argument("--cache", help="folder of compiled kernels that is kept")
    p.add_argument("--output", help="for soak.txt, .json and .svg (BUILD/soak)")
    options = p.parse_args()
    options.seed = options.seed or random.SystemRandom().randrange(1, 1 << 31)
    return options


def main():
    options = parse()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell ignores the first
        signal.signal(number, signal.default_int_handler)
    soak = Soak(options)
    say(f"soak: seed {soak.seed}, {soak.minutes:g} minutes, "
        f"programs: {', '.join(p.name for p in soak.programs)}")
    try:
        before = soak.begin()
        soak.run()
        wrong = soak.end()
        verdicts = soak.judge(before)
        facts = soak.facts(wrong)
        write(soak, pathlib.Path(options.output or soak.build / "soak"), facts, verdicts)
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except host.Failed as why:
        say(f"soak: FAILED: {why}")
        return 1
    finally:
        soak.clean()
    bad = any(o.bad for o in soak.outcomes) or wrong or not all(v.good for v in verdicts)
    say("soak: FAILED" if bad else "soak: passed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

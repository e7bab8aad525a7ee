# SPDX-License-Identifier: MIT
"""mix: a training, a CAD guest and knowledge workers on one machine, under each scheduler."""

import os

from study import figures
from study.plan import Step
from study.plot import Level, Plot, Series
from study.report import Heading, Page, Table, Text
from study.workload import beside, run_together

NAME = "mix"
QUESTION = ("What do a training, a CAD guest and knowledge workers cost each other on one server?")
MEMORY = "2g"
TYPE = "cpu-512m"
RATE_HZ = 30
POLICIES = ("best-effort", "equal-share", "fixed-share")
# Published, in per cent, with 32 and with 96 knowledge workers.
PUBLISHED_TRAINING = (2, 18)
PUBLISHED_CAD = (3, 9)
PUBLISHED_OFFICE = 0.5
# Where the software GPU is: on all cores with everybody else, or alone on one. (Its name, the GPUs
# that the manager makes of the cores.)
CORES = (("all cores", 1), ("a core of its own", 2))


def pinned_possible():
    return (os.cpu_count() or 1) >= 2


class Mix:
    """One sample: who is there, under which policy, where the GPU is."""

    def __init__(self, seconds, train, cad, workers, policy, pinned):
        self.seconds, self.train, self.cad, self.workers = seconds, train, cad, workers
        self.policy, self.pinned = policy, pinned

    def guest(self, site, name, words):
        site.create(name, TYPE, "gpu0")
        return [site.programs.tessera, "run", name, "--", *words, "--device", "Tessera:0",
                "--duration", self.seconds, "--json", "--quiet"], {}

    def commands(self, site):
        """By name: what runs, and its environment."""
        found = {}
        if self.train:
            found["train"] = self.guest(site, "ml", [site.programs.find("tessera-train"),
                                                     "--no-eval", "--seed", 1])
        if self.cad:
            found["cad"] = self.guest(site, "cad", [site.programs.find("tessera-cad"), "--rate",
                                                    RATE_HZ, "--size", "640x360", "--seed", 1])
        if self.workers:
            words = [site.programs.find("tessera-office"), "--workers", self.workers,
                     "--duration", self.seconds, "--json", "--quiet", "--seed", 1]
            if self.pinned:
                words = [*beside(site.gpu_list()[0]), *words]
            found["office"] = words, {}
        return found

    def take(self, site):
        site.tessera("gpu", "set", "gpu0", "--policy", self.policy)
        host = site.cpu_s()
        commands = self.commands(site)
        try:
            done = run_together(site, list(commands.values()), 120 + 4 * self.seconds)
        finally:
            site.delete(*[name for name, key in (("ml", "train"), ("cad", "cad"))
                          if key in commands])
        results = dict(zip(commands, done["results"]))
        return {"results": results, "wall_s": done["wall_s"],
                "guest_cpu_s": done["guest_cpu_s"], "host_cpu_s": site.cpu_s() - host}


def key_of(number, where, policy, who):
    return f"{number}/{where}/{policy}/{who}"


def who_of(train, cad, workers):
    names = [name for name, there in (("ml", train), ("cad", cad)) if there]
    return "+".join([*names, *([f"{workers}kw"] if workers else [])])


def crowds(options):
    """(training, CAD, knowledge workers): each alone, then together with more and more workers."""
    counts = options.choose((4,), (32, 96), (16, 32, 48, 64, 80, 96))
    return [(True, False, 0), (False, True, 0), (False, False, counts[-1]),
            *((True, True, n) for n in (0, *counts))]


def plan(options):
    seconds = options.choose(1, 3, 20)
    rounds = options.rounds or options.choose(1, 3, 10)
    steps = []
    for number in range(rounds):
        for where, gpus in CORES if pinned_possible() else CORES[:1]:
            for policy in POLICIES[:1] if options.quick or gpus > 1 else POLICIES:
                for train, cad, workers in crowds(options):
                    who = who_of(train, cad, workers)
                    mix = Mix(seconds, train, cad, workers, policy, gpus > 1)
                    steps.append(Step(key_of(number, where, policy, who),
                                      f"{who}, {policy}, {where}, round {number + 1}", mix.take,
                                      gpus))
    return steps


# ---- the report ----------------------------------------------------------------------------


def train_step(sample):
    return sample["results"]["train"]["step_mean_s"]


def cad_frame(sample):
    return sample["results"]["cad"]["frame_median_s"]


def cad(sample):
    return sample["results"]["cad"]


def office(sample):
    return sample["results"]["office"]["all"]


def office_p50(sample):
    return office(sample)["p50_s"]


FIGURES = {"train": train_step, "cad": cad_frame, "office": office_p50}
ALONE = {"train": "ml", "cad": "cad"}


class Samples:
    def __init__(self, values):
        self.values = {}
        for key, value in values.items():
            number, where, policy, who = key.split("/")
            self.values.setdefault((where, policy, who), {})[int(number)] = value

    def settings(self):
        """(where, policy) in order, those that have samples."""
        return list(dict.fromkeys((where, policy) for where, policy, _ in self.values))

    def of(self, where, policy, who):
        return self.values.get((where, policy, who), {})

    def counts(self, where, policy):
        found = [who for w, p, who in self.values if (w, p) == (where, policy)]
        return sorted({int(who[len("ml+cad+"):-len("kw")]) if who != "ml+cad" else 0
                       for who in found if who.startswith("ml+cad")})

    def most_alone(self, where, policy):
        """Who the knowledge workers are when they are alone; None when they never are."""
        found = [who for w, p, who in self.values if (w, p) == (where, policy) and
                 who.endswith("kw") and "+" not in who]
        return found[0] if found else None

    def over_alone(self, where, policy, part, count):
        """What a part's time is over that of it alone; None where it was not measured."""
        return self.over(where, policy, part, count,
                         ALONE.get(part) or self.most_alone(where, policy))

    def over_no_workers(self, where, policy, part, count):
        """Over that with the other guest, but without knowledge workers."""
        return self.over(where, policy, part, count, who_of(True, True, 0))

    def over(self, where, policy, part, count, base):
        ours = self.of(where, policy, who_of(True, True, count))
        base = self.of(where, policy, base)
        figure = FIGURES[part]
        pairs = [(figure(base[r]), figure(ours[r])) for r in sorted(base)
                 if r in ours and part in ours[r]["results"]]
        return figures.ratio(pairs) if pairs else None


def percent(r):
    return f"{(r['ratio'] - 1) * 100:+.1f} % ({(r['low'] - 1) * 100:+.0f}..." \
           f"{(r['high'] - 1) * 100:+.0f})" if r else "-"


def middle(samples, part, of, *keys):
    found = [of(s) for s in samples.values() if part in s["results"]]
    return [figures.median([f[key] for f in found]) if found else None for key in keys]


def ms(seconds):
    return f"{seconds * 1e3:.1f}" if seconds is not None else "-"


def row(samples, where, policy, count):
    there = samples.of(where, policy, who_of(True, True, count))
    frames, missed, p99 = middle(there, "cad", cad, "frames", "missed", "frame_p99_s")
    p50, p95 = middle(there, "office", office, "p50_s", "p95_s")
    due = (frames or 0) + (missed or 0)
    cpu = figures.median([(s["guest_cpu_s"] + s["host_cpu_s"]) / s["wall_s"]
                          for s in there.values()])
    return [f"{policy}, {count} workers",
            percent(samples.over_alone(where, policy, "train", count)),
            percent(samples.over_alone(where, policy, "cad", count)),
            f"{100 * missed / due:.0f} %" if due else "-", ms(p99), ms(p50), ms(p95),
            f"{cpu:.2f}"]


def table(samples, where):
    head = ["policy, knowledge workers", "training step over alone (95 %)",
            "CAD frame over alone (95 %)", "frames missed", "frame p99 ms", "worker p50 ms",
            "worker p95 ms", "cores busy"]
    return Table(head, [row(samples, where, policy, count)
                        for w, policy in samples.settings() if w == where
                        for count in samples.counts(where, policy)])


def office_table(samples):
    """The most that were measured, beside training and CAD, over them alone."""
    rows = []
    for where, policy in samples.settings():
        counts = samples.counts(where, policy)
        r = samples.over_alone(where, policy, "office", counts[-1]) if counts else None
        if r:
            rows.append([f"{where}, {policy}, {counts[-1]} workers", percent(r)])
    return Table(["the GPU, policy, knowledge workers", "p50 with training and CAD, over alone "
                  f"(95 %; published: under {PUBLISHED_OFFICE} %)"], rows)


def cost_plot(samples, where, part, title, published):
    series = []
    for w, policy in samples.settings():
        points = []
        for count in samples.counts(w, policy) if w == where else ():
            r = samples.over_no_workers(w, policy, part, count)
            if r:
                points.append((count, *((x - 1) * 100 for x in (r["ratio"], r["low"], r["high"]))))
        if points:
            series.append(Series(policy, points))
    levels = [Level(f"published, {n} workers: {p:+} %", p)
              for p, n in zip(published, (32, 96))]
    return Plot(f"{title}: what knowledge workers add", "knowledge workers",
                "longer than without them, %", series, levels) \
        if series else Text(f"{title}: not measured.")


def report(_data, values):
    samples = Samples(values)
    blocks = [Text(
        f"A training (tessera-train), a CAD guest (tessera-cad, {RATE_HZ} frames a second asked "
        "for) on one software GPU, and knowledge workers (tessera-office, no GPU) beside them. "
        "The published figures are of a server with a real GPU and some tens of cores; on a "
        "software GPU the guests compete for the very cores that the GPU is made of. Equal and "
        "fixed share keep a guest's part of the time free for it, also while it does nothing; "
        "cores are idle then.")]
    for where in dict.fromkeys(w for w, _ in samples.settings()):
        blocks += [Heading(f"The software GPU has {where}"),
                   cost_plot(samples, where, "train", "Training step", PUBLISHED_TRAINING),
                   cost_plot(samples, where, "cad", "CAD frame", PUBLISHED_CAD),
                   table(samples, where)]
    blocks += [Heading("What knowledge workers notice"), office_table(samples)]
    return Page("Mixed load: training, CAD and knowledge workers", QUESTION, blocks)

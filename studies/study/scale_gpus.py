# SPDX-License-Identifier: MIT
"""scale-gpus: one guest with 1, 2, ... GPUs, and as many guests with one GPU each."""

import contextlib
import os

from study import figures
from study.plan import Step
from study.plot import Plot, Series
from study.report import Claim, Heading, Page, Table, Text
from study.scale_vms import images
from study.turns import begin, window

NAME = "scale-gpus"
QUESTION = ("How much faster does one guest train with more GPUs, and what do as many guests with "
            "one GPU each get done?")
CORES = len(os.sched_getaffinity(0))
MOST = 8
COUNTS = [n for n in (1, 2, 4, MOST) if n <= CORES] or [1]
GPUS = COUNTS[-1]  # each has its part of the cores, whatever number of them is in use
MEMORY = f"{2 * GPUS}g"
TYPE = "cpu-512m"
MODELS = {"small": ("small", 50), "mnist-deep": ("mnist-deep", 50)}  # --model, --batch of each GPU
ONE, MANY = "one guest", "a guest each"
STEPS = 5  # of a window
WINDOWS = (2, 12, 30)  # of each kind, of a count: quick, normal, full
ASKED = 0.9  # of n times the speed, by n guests with a GPU each
PUBLISHED = [(1, 1.0), (2, 2.01), (4, 3.77)]  # images/s of one machine, passthrough
PUBLISHED_CPU = "23, 41 and 73 %"
PUBLISHED_APART = (0.96, 0.94)  # 4 machines with a GPU each over one with all: passthrough, vGPU


def words_of(site, model, devices):
    name, batch = MODELS[model]
    return [site.programs.find("tessera-train"), "--model", name, "--batch", batch, "--data",
            images(site), "--seed", 1, "--json", "--no-eval", "--report", 0, "--turns",
            "--device", ",".join(f"Tessera:{i}" for i in range(devices))]


def guest(site, stack, model, gpus, name):
    """A program that has a vGPU on each of these GPUs."""
    names = [f"{name}-{gpu}" for gpu in gpus]
    for vgpu, gpu in zip(names, gpus):
        site.create(vgpu, TYPE, gpu)
        stack.callback(site.delete, vgpu)
    return begin(site, stack, [site.programs.tessera, "run", ",".join(names), "--",
                               *words_of(site, model, len(gpus))])


def against_one(model, count, windows):
    """A guest with one GPU, one with all, and as many guests as GPUs, by turns."""
    def take(site):
        gpus = [gpu["name"] for gpu in site.gpu_list()[:count]]
        with contextlib.ExitStack() as stack:
            there = {"single": [guest(site, stack, model, gpus[:1], "single")],
                     ONE: [guest(site, stack, model, gpus, "all")],
                     MANY: [guest(site, stack, model, [gpu], f"own{i}")
                            for i, gpu in enumerate(gpus)]}
            for players in there.values():
                for player in players:
                    player.turn()  # by when all are there
            order, found = list(there), []
            for _ in range(windows):
                found.append({who: window(site, there[who], STEPS) for who in order})
                order.append(order.pop(0))
            for players in there.values():
                for player in players:
                    player.finish()
        return found
    return take


def gpus_words(count):
    return "1 GPU" if count == 1 else f"{count} GPUs"


def plan(options):
    rounds = options.rounds or 1
    models = list(MODELS)[:options.choose(1, 1, len(MODELS))]
    return [Step(f"{r}/{model}/{count}", f"{model}, {gpus_words(count)}, round {r + 1}",
                 against_one(model, count, options.choose(*WINDOWS)))
            for r in range(rounds) for model in models for count in COUNTS[1:] or COUNTS]


# ---- the report ----------------------------------------------------------------------------


class Samples:
    """Those of one model. All that is said is of the machine that they were taken on."""

    def __init__(self, data, values, model):
        self.model, self.cores, self.batch = model, data["machine"]["cores"], MODELS[model][1]
        self.found = {}  # (guests, GPUs): windows by round
        for key, windows in values.items():
            _, name, count = key.split("/")
            for number, window_of in enumerate(windows if name == model else ()):
                for guests, sample in window_of.items():
                    case = (ONE, 1) if guests == "single" else (guests, int(count))
                    if case != (MANY, 1):
                        self.found.setdefault(case, {}).setdefault(f"{key}:{number}", sample)
        self.counts = sorted({count for _, count in self.found})

    def cases(self):
        return sorted(self.found, key=lambda case: (case[1], case[0] == MANY))

    def of(self, guests, count):
        """By round. One GPU is one guest's either way."""
        return self.found.get((ONE if count == 1 else guests, count), {})

    def speed(self, sample, devices):
        """Images a second of all guests."""
        steps = sum(map(len, sample["programs"]))
        return steps * self.batch * devices / sample["wall_s"]

    def speeds(self, guests, count):
        devices = count if guests == ONE else 1
        return {r: self.speed(sample, devices) for r, sample in self.of(guests, count).items()}

    def over(self, ours, reference):
        """Speed of ours over that of the reference, both (guests, count), in windows beside each
        other."""
        base, found = self.speeds(*reference), self.speeds(*ours)
        pairs = [(base[r], found[r]) for r in base if r in found]
        return figures.ratio(pairs) if pairs else None

    def busy(self, sample, side):
        """Of all cores, in per cent."""
        return 100 * sample[side] / sample["wall_s"] / self.cores


def steps_of(sample):
    return [seconds for program in sample["programs"] for seconds in program]


def words(r):
    return f"{r['ratio']:.3f} ({r['low']:.3f}-{r['high']:.3f})" if r else "-"


def row(samples, guests, count):
    found = list(samples.of(guests, count).values())
    steps = [seconds for sample in found for seconds in steps_of(sample)]
    speed = figures.median(list(samples.speeds(guests, count).values()))
    return [f"{gpus_words(count)}, {guests}", f"{speed:.0f}",
            words(samples.over((guests, count), (ONE, 1))), f"{figures.median(steps) * 1e3:.1f}",
            f"{figures.percentile(steps, 0.99) * 1e3:.1f}",
            *(f"{figures.median([samples.busy(s, side) for s in found]):.0f} %"
              for side in ("guest_cpu_s", "host_cpu_s")), len(found)]


def scale_plot(samples):
    series = []
    for guests, title in ((ONE, "one guest with all"), (MANY, "a guest for each")):
        points = []
        for count in samples.counts:
            r = samples.over((guests, count), (ONE, 1))
            if r:
                points.append((count, r["ratio"], r["low"], r["high"]))
        series.append(Series(title, points))
    top = max(samples.counts[-1], 2)
    series += [Series("published, passthrough",
                      [point for point in PUBLISHED if point[0] <= top]),
               Series("n times as fast", [(n, n) for n in samples.counts])]
    return Plot(f"Images a second over those of one GPU: {samples.model}", "GPUs",
                "speed over one GPU", series, bounds=(0, None), log_x=True)


def claims(samples):
    for count in samples.counts[1:] or [2]:
        r = samples.over((MANY, count), (ONE, 1))
        yield Claim(f"{samples.model}: {count} guests with a GPU each do at least "
                    f"{ASKED * count:.1f} times the work of one (measured {words(r)})",
                    r["ratio"] >= ASKED * count if r else None)


def apart(samples):
    found = [f"{count}: {words(samples.over((MANY, count), (ONE, count)))}"
             for count in samples.counts[1:]]
    passthrough, vgpu = PUBLISHED_APART
    return ("So many guests with a GPU each, over one guest with all: "
            f"{'; '.join(found) or 'not measured'}. Published, of four virtual machines: "
            f"{passthrough} passthrough, {vgpu} vGPU.")


def report(data, values):
    blocks = []
    for model in dict.fromkeys(key.split("/")[1] for key in values):
        samples = Samples(data, values, model)
        if samples.found:
            rows = [row(samples, guests, count) for guests, count in samples.cases()]
            blocks += [*claims(samples), Heading(model), scale_plot(samples),
                       Table(["GPUs", "images/s", "over one GPU (95 %)", "step ms", "p99 ms",
                              "guest CPU", "host CPU", "windows"], rows), Text(apart(samples))]
    return Page("Scale: one guest with several GPUs", QUESTION,
                [*blocks, Text(about(data))] if blocks else [Text("Nothing was measured.")])


def about(data):
    return (f"{len(data['gpus'])} software GPUs of {data['machine']['cores']} cores, each with "
            f"cores of its own; guests have vGPUs ({TYPE}) on them, and take turns: one "
            f"with one GPU, one with all, as many as GPUs, {STEPS} steps each; a ratio is of those "
            "beside each other. One guest with several trains data-parallel, `tessera-train "
            "--device Tessera:0,Tessera:1`: each GPU has a batch of "
            "its own, and each step takes the mean of all gradients, which travel through the "
            "program's own memory. The programs run on the GPUs' cores, as there are no others: "
            "what a guest computes itself, its GPU does not. CPU is in per cent of all cores; host "
            "is the manager and its workers, and with them all that a software GPU computes. "
            f"Published CPU for 1, 2 and 4 GPUs: {PUBLISHED_CPU}.")

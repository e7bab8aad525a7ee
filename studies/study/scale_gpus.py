# SPDX-License-Identifier: MIT
"""scale-gpus: one guest with 1, 2, ... GPUs, and as many guests with one GPU each."""

import os

from study import figures
from study.plan import Step
from study.plot import Plot, Series
from study.report import Claim, Heading, Page, Table, Text
from study.scale_vms import images
from study.workload import run_together

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
SECONDS = (1, 8, 20)  # quick, normal, full
ASKED = 0.9  # of n times the speed, by n guests with a GPU each
PUBLISHED = [(1, 1.0), (2, 2.01), (4, 3.77)]  # images/s of one machine, passthrough
PUBLISHED_CPU = "23, 41 and 73 %"
PUBLISHED_APART = (0.96, 0.94)  # 4 machines with a GPU each over one with all: passthrough, vGPU


def words_of(site, model, seconds, devices):
    name, batch = MODELS[model]
    return [site.programs.find("tessera-train"), "--model", name, "--batch", batch, "--data",
            images(site), "--duration", seconds, "--seed", 1, "--json", "--no-eval", "--report", 0,
            "--device", ",".join(f"Tessera:{i}" for i in range(devices))]


def take(model, guests, count, seconds):
    """count GPUs, each with one vGPU: all one guest's, or each one's own."""
    def sample(site):
        gpus = [gpu["name"] for gpu in site.gpu_list()[:count]]
        names = [f"study-{i}" for i in range(count)]
        holders = [",".join(names)] if guests == ONE else names
        words = words_of(site, model, seconds, count // len(holders))
        made = []
        try:
            for name, gpu in zip(names, gpus):
                site.create(name, TYPE, gpu)
                made.append(name)
            found = run_together(site, [([site.programs.tessera, "run", holder, "--", *words], {})
                                        for holder in holders])
        finally:
            site.delete(*made)
        keys = ("images_per_s", "step_median_s", "step_p99_s", "steps", "devices")
        return {"programs": [{key: result[key] for key in keys} for result in found["results"]],
                "wall_s": found["wall_s"], "guest_cpu_s": found["guest_cpu_s"],
                "host_cpu_s": found["host_cpu_s"]}
    return sample


def cases():
    """One GPU is one guest's either way."""
    yield ONE, 1
    for count in COUNTS[1:]:
        yield ONE, count
        yield MANY, count


def gpus_words(count):
    return "1 GPU" if count == 1 else f"{count} GPUs"


def plan(options):
    rounds = options.rounds or options.choose(1, 7, 10)
    seconds = options.choose(*SECONDS)
    models = list(MODELS)[:options.choose(1, 1, len(MODELS))]
    steps = [Step(f"warm/{model}/{ONE}/{GPUS}", f"{model}, first run",
                  take(model, ONE, GPUS, 1)) for model in models]
    for r in range(rounds):
        order = list(cases())[::-1] if r % 2 else list(cases())
        for model in models:
            steps += [Step(f"{r}/{model}/{guests}/{count}",
                           f"{model}, {gpus_words(count)}, {guests}, round {r + 1}",
                           take(model, guests, count, seconds)) for guests, count in order]
    return steps


# ---- the report ----------------------------------------------------------------------------


class Samples:
    """Those of one model. All that is said is of the machine that they were taken on."""

    def __init__(self, data, values, model):
        self.model, self.cores = model, data["machine"]["cores"]
        self.found = {}
        for key, value in values.items():
            number, name, guests, count = key.split("/")
            if name == model and number != "warm":
                self.found.setdefault((guests, int(count)), {})[int(number)] = value
        self.counts = sorted({count for _, count in self.found})

    def of(self, guests, count):
        """By round. One GPU is one guest's either way."""
        return self.found.get((ONE if count == 1 else guests, count), {})

    def over(self, ours, reference):
        """Speed of ours over that of the reference, both (guests, count), in the same round."""
        base, found = self.of(*reference), self.of(*ours)
        pairs = [(speed(base[r]), speed(found[r])) for r in sorted(base) if r in found]
        return figures.ratio(pairs) if pairs else None

    def busy(self, sample, side):
        """Of all cores, in per cent."""
        return 100 * sample[side] / sample["wall_s"] / self.cores


def speed(sample):
    """Images a second of all guests."""
    return sum(p["images_per_s"] for p in sample["programs"])


def step_median(sample):
    return figures.median([p["step_median_s"] for p in sample["programs"]])


def step_p99(sample):
    return max(p["step_p99_s"] for p in sample["programs"])


def words(r):
    return f"{r['ratio']:.3f} ({r['low']:.3f}-{r['high']:.3f})" if r else "-"


def row(samples, guests, count):
    found = samples.of(guests, count).values()

    def middle(figure):
        return figures.median([figure(sample) for sample in found])
    return [f"{gpus_words(count)}, {guests}", f"{middle(speed):.0f}",
            words(samples.over((guests, count), (ONE, 1))), f"{middle(step_median) * 1e3:.1f}",
            f"{middle(step_p99) * 1e3:.1f}",
            *(f"{middle(lambda s: samples.busy(s, side)):.0f} %"
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
    series += [Series("published: one machine with all, passthrough",
                      [point for point in PUBLISHED if point[0] <= top]),
               Series("n times as fast", [(n, n) for n in samples.counts])]
    return Plot(f"Images a second over those of one GPU: {samples.model}", "GPUs",
                "speed over one GPU", series, bounds=(0, None))


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
            rows = [row(samples, guests, count) for guests, count in samples.found]
            blocks += [*claims(samples), Heading(model), scale_plot(samples),
                       Table(["GPUs", "images/s", "over one GPU (95 %)", "step ms", "p99 ms",
                              "guest CPU", "host CPU", "rounds"], rows), Text(apart(samples))]
    return Page("Scale: one guest with several GPUs", QUESTION,
                [*blocks, Text(about(data))] if blocks else [Text("Nothing was measured.")])


def about(data):
    return (f"{len(data['gpus'])} software GPUs of {data['machine']['cores']} cores, each with "
            f"cores of its own; each has one vGPU ({TYPE}). One guest with several trains "
            "data-parallel, `tessera-train --device Tessera:0,Tessera:1`: each GPU has a batch of "
            "its own, and each step takes the mean of all gradients, which travel through the "
            "program's own memory. The programs run on the GPUs' cores, as there are no others: "
            "what a guest computes itself, its GPU does not. CPU is in per cent of all cores; host "
            "is the manager and its workers, and with them all that a software GPU computes. "
            f"Published CPU for 1, 2 and 4 GPUs: {PUBLISHED_CPU}.")

# SPDX-License-Identifier: MIT
"""scale-vms: 1 to 24 vGPUs on one GPU, a training on each, against one after another."""

import gzip
import pathlib

from study import figures
from study.plan import Step
from study.plot import Level, Plot, Series, low_end
from study.report import Claim, Heading, Page, Table, Text
from study.workload import beside, run_together

NAME = "scale-vms"
QUESTION = ("How much work do 1 to 24 vGPUs on one GPU get done together, and does each get its "
            "part?")
GPUS = 2  # the first has half of the cores, programs the others
MEMORY = "6g"
TYPE = "cpu-256m"
MOST = 24
COUNTS = (1, 2, 4, 8, 16, MOST)
QUICK = (1, 2, 8)
OFTEN = (1, 8)  # what is claimed to a percent: each round; the others in each third
BATCH = 4  # images: a step of 10 to 30 ms, so that many fit into a window even for 24
SECONDS = (1, 3, 6)  # quick, normal, full; and for each vGPU MORE_S more
MORE_S = 0.125
ASKED = 0.97  # of the work of one, by eight
PUBLISHED_PASSTHROUGH, PUBLISHED_VGPU = 0.96, 0.94
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")


def images(site):
    """Where they lie unpacked: 24 programs would spend most of their start on that."""
    folder = site.folder / "images"
    if not folder.exists() and DATA.exists():
        folder.mkdir()
        for packed in DATA.glob("*.gz"):
            (folder / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return folder if folder.exists() else DATA


def together(count, seconds):
    """So many vGPUs at once, each with a program; all in processes."""
    def take(site):
        gpu = site.gpu_list()[0]
        words = [site.programs.find("tessera-train"), "--model", "small", "--batch", BATCH,
                 "--data", images(site), "--duration", seconds, "--device", "Tessera:0",
                 "--seed", 1, "--json", "--no-eval", "--report", 0]
        made = []
        try:
            for i in range(count):
                site.create(f"study-{i}", TYPE, gpu["name"])
                made.append(f"study-{i}")
            found = run_together(site, [([*beside(gpu), site.programs.tessera, "run", name, "--",
                                          *words], {}) for name in made])
        finally:
            site.delete(*made)
        return kept(found)
    return take


def kept(found):
    keys = ("steps", "train_s", "step_median_s", "step_p99_s")
    return {"programs": [{key: result[key] for key in keys} for result in found["results"]],
            "guest_cpu_s": found["guest_cpu_s"], "host_cpu_s": found["host_cpu_s"]}


def counts_of(round_number, options):
    """Up and down in turn, so that a machine that becomes slower favours neither."""
    often = options.choose(QUICK, COUNTS, COUNTS)
    if round_number % 3 and not options.full:
        often = OFTEN
    return often if round_number % 2 == 0 else often[::-1]


def vgpus(count):
    return "1 vGPU" if count == 1 else f"{count} vGPUs"


def plan(options):
    rounds = options.rounds or options.choose(1, 10, 10)
    seconds = options.choose(*SECONDS)
    steps = [Step("warm/1", "1 vGPU, first run", together(1, seconds))]
    for r in range(rounds):
        for count in counts_of(r, options):
            steps.append(Step(f"{r}/{count}", f"{vgpus(count)}, round {r + 1}",
                              together(count, seconds + MORE_S * count)))
    return steps


# ---- the report ----------------------------------------------------------------------------


def rounds_of(values, count):
    """Samples with so many vGPUs, by round."""
    return {int(key.split("/")[0]): value for key, value in values.items()
            if not key.startswith("warm/") and int(key.split("/")[1]) == count}


def work(sample):
    """Steps a second of all, until the last had ended: nothing that was begun is left out."""
    return (sum(p["steps"] for p in sample["programs"]) /
            max(p["train_s"] for p in sample["programs"]))


def speeds(sample):
    return [p["steps"] / p["train_s"] for p in sample["programs"]]


def lone_step(sample):
    return sample["programs"][0]["step_median_s"]


def step_median(sample):
    return figures.median([p["step_median_s"] for p in sample["programs"]])


def step_p99(sample):
    """Of the program in the middle."""
    return figures.median([p["step_p99_s"] for p in sample["programs"]])


def fairness(sample):
    return figures.jain(speeds(sample))


def slowest(sample):
    return min(speeds(sample)) / max(speeds(sample))


def cpu_per_step(sample, side):
    return sample[side] / sum(p["steps"] for p in sample["programs"])


def over_one(values, count, figure, of_one):
    """figure with so many over of_one of the same round's lone one; None where no round has
    both."""
    one, many = rounds_of(values, 1), rounds_of(values, count)
    pairs = [(of_one(one[r]), figure(many[r])) for r in sorted(one) if r in many]
    return figures.ratio(pairs) if pairs else None


def step_over_fair(values, count, figure):
    """A step's time over that of a fair part: as many times the lone step as there are vGPUs."""
    return over_one(values, count, figure, lambda one: lone_step(one) * count)


def ratio_words(r):
    return f"{r['ratio']:.3f} ({r['low']:.3f}-{r['high']:.3f})" if r else "-"


def median_of(values, count, figure):
    return figures.median([figure(s) for s in rounds_of(values, count).values()])


def measured(values):
    return [count for count in COUNTS if rounds_of(values, count)]


def work_row(values, count):
    total = median_of(values, count, work)
    return [count, f"{total / count:.2f}", f"{total:.2f}",
            ratio_words(over_one(values, count, work, work)),
            f"{median_of(values, count, step_median) * 1e3:.1f}", len(rounds_of(values, count))]


def even_row(values, count):
    return [count, f"{median_of(values, count, fairness):.4f}",
            f"{median_of(values, count, slowest):.3f}",
            ratio_words(step_over_fair(values, count, step_median)),
            ratio_words(step_over_fair(values, count, step_p99))]


def cpu_row(values, count):
    return [count, *(f"{median_of(values, count, lambda s: cpu_per_step(s, side)) * 1e3:.2f}"
                     for side in ("guest_cpu_s", "host_cpu_s"))]


def points(values, figure):
    """(vGPUs, median, its confidence) for a plot."""
    for count in measured(values):
        found = [figure(s) for s in rounds_of(values, count).values()]
        yield count, figures.median(found), *figures.confidence_of_median(found)


def ratio_points(values, ratio):
    for count in measured(values):
        r = ratio(count)
        if r:
            yield count, r["ratio"], r["low"], r["high"]


def work_plot(values):
    series = [Series("measured", list(ratio_points(
        values, lambda count: over_one(values, count, work, work))))]
    return Plot("Work of all vGPUs together, that of one alone = 1", "vGPUs on the GPU",
                "work in all over one alone", series,
                [Level("one after another", 1.0),
                 Level(f"published, passthrough, {PUBLISHED_PASSTHROUGH}", PUBLISHED_PASSTHROUGH),
                 Level(f"published, vGPU, {PUBLISHED_VGPU}", PUBLISHED_VGPU)],
                bounds=(low_end(series, 0.8), None), log_x=True)


def even_plot(values):
    return Plot("How even the parts are", "vGPUs on the GPU", "1: all alike",
                [Series("Jain's index", list(points(values, fairness))),
                 Series("slowest / fastest", list(points(values, slowest)))],
                bounds=(0, 1.05), log_x=True)


def step_plot(values):
    series = [Series(title, list(ratio_points(
        values, lambda count: step_over_fair(values, count, figure))))
        for title, figure in (("p99", step_p99), ("median", step_median))]
    return Plot("A step's time, over N times that of one alone", "vGPUs on the GPU (N)",
                "step time over N lone steps", series, [Level("a fair part of the GPU", 1.0)],
                bounds=(0, None), log_x=True)


def claims(data, values):
    r = over_one(values, 8, work, work)
    yield Claim(f"8 vGPUs together get at least {ASKED:.0%} of the work done that one after "
                f"another would (measured {ratio_words(r)})", r["ratio"] >= ASKED if r else None)
    tried = [s for key, s in data.get("samples", {}).items()
             if key.endswith(f"/{MOST}") and not key.startswith("warm/")]
    ended = all("value" in s for s in tried)
    yield Claim(f"{MOST} vGPUs on one GPU run to the end (runs: {len(tried)})",
                ended if tried else None)


def report(data, values):
    found = measured(values)
    tables = [Heading("Work"),
              Table(["vGPUs", "steps/s each", "steps/s in all", "in all over one (95 %)",
                     "step ms", "rounds"], [work_row(values, count) for count in found]),
              Heading("How even"), even_plot(values), step_plot(values),
              Text("Jain's index of the vGPUs' speeds is 1 where all are alike, 1/N where one has "
                   "all. With N vGPUs a fair step takes N lone ones; p99 is that of the program "
                   "in the middle."),
              Table(["vGPUs", "Jain", "slowest / fastest", "median step over N lone (95 %)",
                     "p99 over N lone (95 %)"], [even_row(values, count) for count in found]),
              Heading("CPU"),
              Text("From when all have begun until the last has left. Guest: the programs; host: "
                   "the manager and its workers, and as the GPU is made of cores, all that it "
                   "computes."),
              Table(["vGPUs", "guest CPU ms/step", "host CPU ms/step"],
                    [cpu_row(values, count) for count in found])]
    return Page("Scale: 1 to 24 vGPUs on one GPU", QUESTION,
                [*claims(data, values), work_plot(values), Text(ABOUT), *tables])


ABOUT = (f"Each vGPU ({TYPE}, policy best effort) has a training of its own, `tessera-train "
         f"--model small --batch {BATCH}`; all begin at once. Work in all is the steps of all, "
         "over the time until the last has ended; one after another gets done what one alone "
         "does, in the same round. The programs are processes; machines and containers are "
         "compared in `containers`. The GPU has half of the cores to itself, the programs have "
         "the others. What was published is of other work and several GPUs: four machines with a "
         "GPU each, over one machine with all four.")

# SPDX-License-Identifier: MIT
"""scale-vms: 1 to 24 vGPUs on one GPU, a training on each, against one after another."""

import contextlib
import gzip
import pathlib

from study import figures
from study.plan import Step
from study.plot import Level, Plot, Series, low_end
from study.report import Claim, Heading, Page, Table, Text
from study.turns import begin, window
from study.workload import beside

NAME = "scale-vms"
QUESTION = ("How much work do 1 to 24 vGPUs on one GPU get done together, and does each get its "
            "part?")
GPUS = 2  # the first has half of the cores, programs the others
MEMORY = "8g"
TYPE = "cpu-256m"
MOST = 24
COUNTS = (2, 4, 8, 16, MOST)
QUICK = (2, 8)
CLAIMED = 8
BATCH = 4  # images: a step of 10 to 30 ms
STEPS = 64  # of all together, in a window: about a second
WINDOWS = (1, 8, 20)  # of each kind, of a count: quick, normal, full;
MORE = 3  # and as many times more of what is claimed to a percent
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


def against_one(count, windows):
    """So many vGPUs, each with a program, and one more, all in processes; by turns the one alone,
    and the many at once."""
    def take(site):
        gpu = site.gpu_list()[0]
        words = [site.programs.find("tessera-train"), "--model", "small", "--batch", BATCH,
                 "--data", images(site), "--device", "Tessera:0", "--seed", 1, "--json",
                 "--no-eval", "--report", 0, "--turns"]
        with contextlib.ExitStack() as stack:
            players = [guest(site, stack, gpu, f"study-{i}", words) for i in range(count + 1)]
            for player in players:
                player.turn()  # by when all are there
            one, *many = players
            found = []
            for number in range(windows):
                both = {"one": ([one], STEPS // count * count), "many": (many, STEPS // count)}
                for who in list(both)[::-1 if number % 2 else 1]:
                    both[who] = window(site, *both[who])
                found.append(both)
            for player in players:
                player.finish()
        return found
    return take


def guest(site, stack, gpu, name, words):
    site.create(name, TYPE, gpu["name"])
    stack.callback(site.delete, name)
    return begin(site, stack, [*beside(gpu), site.programs.tessera, "run", name, "--", *words])


def vgpus(count):
    return "1 vGPU" if count == 1 else f"{count} vGPUs"


def plan(options):
    rounds = options.rounds or 1
    windows = options.choose(*WINDOWS)
    steps = []
    for r in range(rounds):
        for count in options.choose(QUICK, COUNTS, COUNTS):
            more = MORE if count == CLAIMED and not options.quick else 1
            steps.append(Step(f"{r}/{count}", f"{vgpus(count)}, round {r + 1}",
                              against_one(count, windows * more)))
    return steps


# ---- the report ----------------------------------------------------------------------------


def spread_out(values):
    """By "(which window)/(how many)": the two windows beside each other are one round."""
    found = {}
    for key, windows in values.items():
        for number, both in enumerate(windows):
            found[f"{key}:{number}/1"] = both["one"]
            found[f"{key}:{number}/{key.split('/')[1]}"] = both["many"]
    return found


def rounds_of(values, count):
    """Windows with so many vGPUs, by round."""
    return {key.rpartition("/")[0]: value for key, value in values.items()
            if int(key.rpartition("/")[2]) == count}


def steps_of(sample):
    return [seconds for program in sample["programs"] for seconds in program]


def work(sample):
    """Steps a second of all, until the last had ended: nothing that was begun is left out."""
    return len(steps_of(sample)) / sample["wall_s"]


def speeds(sample):
    return [len(program) / sum(program) for program in sample["programs"]]


def step_median(sample):
    return figures.median(steps_of(sample))


def step_p99(sample):
    """Of all programs' steps."""
    return figures.percentile(steps_of(sample), 0.99)


def fairness(sample):
    return figures.jain(speeds(sample))


def slowest(sample):
    return min(speeds(sample)) / max(speeds(sample))


def cpu_per_step(sample, side):
    return sample[side] / len(steps_of(sample))


def over_one(values, count, figure, of_one):
    """figure with so many over of_one of the same round's lone one; None where no round has
    both."""
    one, many = rounds_of(values, 1), rounds_of(values, count)
    pairs = [(of_one(one[r]), figure(many[r])) for r in sorted(one) if r in many]
    return figures.ratio(pairs) if pairs else None


def step_over_fair(values, count, figure):
    """A step's time over that of a fair part: as many times the lone step as there are vGPUs."""
    return over_one(values, count, figure, lambda one: step_median(one) * count)


def ratio_words(r):
    return f"{r['ratio']:.3f} ({r['low']:.3f}-{r['high']:.3f})" if r else "-"


def median_of(values, count, figure):
    return figures.median([figure(s) for s in rounds_of(values, count).values()])


def measured(values):
    return [count for count in (1, *COUNTS) if rounds_of(values, count)]


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
    r = over_one(values, CLAIMED, work, work)
    yield Claim(f"{CLAIMED} vGPUs together get at least {ASKED:.0%} of the work done that one "
                f"after another would (measured {ratio_words(r)})",
                r["ratio"] >= ASKED if r else None)
    tried = [s for key, s in data.get("samples", {}).items() if key.endswith(f"/{MOST}")]
    ended = all("value" in s for s in tried)
    yield Claim(f"{MOST} vGPUs on one GPU run to the end (runs: {len(tried)})",
                ended if tried else None)


def report(data, values):
    values = spread_out(values)
    found = measured(values)
    tables = [Heading("Work"),
              Table(["vGPUs", "steps/s each", "steps/s in all", "in all over one (95 %)",
                     "step ms", "windows"], [work_row(values, count) for count in found]),
              Heading("How even"), even_plot(values), step_plot(values),
              Text("Jain's index of the vGPUs' speeds is 1 where all are alike, 1/N where one has "
                   "all. With N vGPUs a fair step takes N lone ones. p99 is of all steps of a "
                   f"window, about {STEPS}."),
              Table(["vGPUs", "Jain", "slowest / fastest", "median step over N lone (95 %)",
                     "p99 over N lone (95 %)"], [even_row(values, count) for count in found]),
              Heading("CPU"),
              Text("In these windows. Guest: the programs; host: the manager and its workers, and "
                   "as the GPU is made of cores, all that it computes."),
              Table(["vGPUs", "guest CPU ms/step", "host CPU ms/step"],
                    [cpu_row(values, count) for count in found])]
    return Page("Scale: 1 to 24 vGPUs on one GPU", QUESTION,
                [*claims(data, values), work_plot(values), Text(ABOUT), *tables])


ABOUT = (f"Each vGPU ({TYPE}, policy best effort) has a training of its own, `tessera-train "
         f"--model small --batch {BATCH}`. N of them are there, and one more; by turns, about a "
         "second each, the one has the GPU alone, and the N have it together, for as many steps in "
         "all. A ratio is of the two windows beside each other: its median, and the 95 % "
         "confidence interval of that. "
         "Work is steps over the time until the last has ended. The programs are "
         "processes; machines and containers are compared in `containers`. The GPU has half of the "
         "cores to itself, the programs have the others. What was published is of other work and "
         "several GPUs: four machines with a GPU each, over one machine with all four.")

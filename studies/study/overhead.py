# SPDX-License-Identifier: MIT
"""overhead: the same job natively, passed through, on a vGPU, in a container, in a machine."""

import json
import statistics

from study import figures
from study.plan import Step
from study.places import TITLES, place
from study.plot import Level, Plot, Series
from study.report import Claim, Heading, Page, Table, Text
from study.site import Failed
from study.workload import run_alone

NAME = "overhead"
QUESTION = ("How much slower is a job on a vGPU, passed through, or in a container, than on the "
            "bare GPU?")
PLACES = ("native", "passthrough", "vgpu")
TYPE = "cpu-2g"
MEMORY = "4g"
ASKED = 1.01  # a vGPU's step over the native one, at most
PUBLISHED = 0.96  # of native speed: language model, passthrough and vGPU alike
PUBLISHED_CIFAR = 0.83  # CIFAR-10 on one vGPU, of passthrough

# Name, program, its options, steps of a sample (quick, normal, full).
TRAININGS = (("mnist-deep", "tessera-train", ("--model", "mnist-deep"), (3, 20, 60)),)
# Benchmark of bench-calls, what it is; a sample's time in ms (quick, normal, full).
CALLS = (("null-kernel", "a null kernel, waited for"),
         ("enqueue-batch", "2,000 launches, as they are queued"),
         ("write-1m", "write of 1 MiB"), ("read-1m", "read of 1 MiB"),
         ("write-64m", "write of 64 MiB"), ("read-64m", "read of 64 MiB"))
CALLS_MS = (30, 150, 400)


def train(options, place_name, program, words, steps):
    def take(site):
        gpu = site.gpu_list()[0]
        command = [site.programs.find(program), *words, "--steps", steps, "--seed", 1, "--json",
                   "--no-eval", "--report", 0]
        return run_alone(site, place(place_name, site, gpu, TYPE), command)
    return take


def bench_calls(place_name, milliseconds):
    """Medians of each benchmark, in ns; one process for all of them."""
    def take(site):
        at = place(place_name, site, site.gpu_list()[0], TYPE)
        at.begin()
        try:
            command, env = at.command([site.programs.find("bench-calls"), "--time", milliseconds,
                                       *(name for name, _ in CALLS)])
            program = site.run(command, env)
            program.wait(600)
        finally:
            at.end()
        found = {}
        for line in program.said().splitlines():
            said = json.loads(line)
            found[said["benchmark"]] = {key: statistics.median(values)
                                        for key, values in said["samples"].items()}
        if set(found) != {name for name, _ in CALLS}:
            raise Failed(f"bench-calls told of {', '.join(found) or 'nothing'} alone")
        return found
    return take


def plan(options):
    rounds = options.rounds or options.choose(2, 10, 20)
    steps = []
    # Compiles what the rounds find compiled; its own figures are told apart.
    for name, program, words, count in TRAININGS:
        for at in PLACES:
            steps.append(Step(f"warm/{name}/{at}", f"{name}, {TITLES[at]}, first run",
                              train(options, at, program, words, 1)))
    for r in range(rounds):
        for name, program, words, count in TRAININGS:
            for at in PLACES:
                steps.append(Step(f"{r}/{name}/{at}", f"{name}, {TITLES[at]}, round {r + 1}",
                                  train(options, at, program, words, options.choose(*count))))
        for at in PLACES:
            steps.append(Step(f"{r}/calls/{at}", f"calls, {TITLES[at]}, round {r + 1}",
                              bench_calls(at, options.choose(*CALLS_MS))))
    return steps


# ---- the report ----------------------------------------------------------------------------


def rounds_of(values, job, at):
    """Samples of a job at a place, by round."""
    found = {}
    for key, value in values.items():
        number, name, where = key.split("/")
        if number != "warm" and (name, where) == (job, at):
            found[int(number)] = value
    return found


def ratio_to_native(values, job, at, figure):
    """None where no round has both."""
    native, ours = rounds_of(values, job, "native"), rounds_of(values, job, at)
    pairs = [(figure(native[r]), figure(ours[r])) for r in sorted(native) if r in ours]
    return figures.ratio(pairs) if pairs else None


def step_median(sample):
    return sample["result"]["step_median_s"]


def step_p99(sample):
    return sample["result"]["step_p99_s"]


def ratio_words(r):
    return f"{r['ratio']:.3f} ({r['low']:.3f}-{r['high']:.3f})" if r else "-"


def training_row(values, job, at):
    samples = list(rounds_of(values, job, at).values())
    median = figures.median([step_median(s) for s in samples])
    steps = sum(s["result"]["steps"] for s in samples)
    spread = figures.median([s["result"]["step_mad_s"] for s in samples])
    return [f"{job}, {TITLES[at]}", f"{median * 1e3:.2f}",
            ratio_words(ratio_to_native(values, job, at, step_median)),
            ratio_words(ratio_to_native(values, job, at, step_p99)), f"{spread * 1e3:.2f}",
            f"{sum(s['guest_cpu_s'] for s in samples) / steps * 1e3:.1f}",
            f"{sum(s['host_cpu_s'] for s in samples) / steps * 1e3:.1f}",
            f"{samples[0]['result']['device_bytes'] / 2**20:.0f}", len(samples)]


def training_table(values, jobs):
    rows = [training_row(values, job, at) for job in jobs for at in PLACES
            if rounds_of(values, job, at)]
    return Table(["job, place", "step ms", "over native (95 %)", "p99 over native (95 %)",
                  "MAD ms", "guest CPU ms/step", "host CPU ms/step", "device MiB", "rounds"], rows)


def speed_plot(values, jobs):
    """Speed relative to native, so that longer bars are better."""
    series = []
    for at in PLACES[1:]:
        points = []
        for x, job in enumerate(jobs):
            r = ratio_to_native(values, job, at, step_median)
            if r:
                points.append((x, 1 / r["ratio"], 1 / r["high"], 1 / r["low"]))
        series.append(Series(TITLES[at], points))
    return Plot("Training speed, native = 1", "", "speed relative to native", series,
                [Level("native", 1.0), Level(f"published, {PUBLISHED}", PUBLISHED),
                 Level(f"published, CIFAR-10, {PUBLISHED_CIFAR}", PUBLISHED_CIFAR)],
                names=list(jobs), bounds=(0, None))


def call_figure(name):
    series = "call" if name == "enqueue-batch" else "time"
    return lambda sample: sample[name][series]


def ns_words(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"


def call_row(values, name, what):
    native = [call_figure(name)(s) for s in rounds_of(values, "calls", "native").values()]
    row = [what, ns_words(figures.median(native)) if native else "-"]
    for at in PLACES[1:]:
        row.append(ratio_words(ratio_to_native(values, "calls", at, call_figure(name))))
    return row


def call_table(values):
    return Table(["call", "native", *(f"{TITLES[at]} over native (95 %)" for at in PLACES[1:])],
                 [call_row(values, name, what) for name, what in CALLS])


def claims(values, jobs):
    for job in jobs:
        r = ratio_to_native(values, job, "vgpu", step_median)
        yield Claim(f"{job}: a step on a vGPU takes at most 1 % longer than natively"
                    f" (measured {ratio_words(r)})", r["ratio"] <= ASKED if r else None)


def report(data, values):
    jobs = [name for name, *_ in TRAININGS if rounds_of(values, name, "native")]
    blocks = [*claims(values, jobs), speed_plot(values, jobs), Heading("Training"),
              Text("A step's time, warm; ratios are of rounds in which all places took turns: "
                   "their median, and its 95 % confidence interval. CPU time is of whole runs, "
                   "with start and compilation: guest, the program; host, the manager and its "
                   "workers."),
              training_table(values, jobs), Heading("Calls and copies"),
              Text("A software GPU computes slowly, which hides what calls cost. Here the device "
                   "does next to nothing."),
              call_table(values)]
    return Page("Overhead: native, passthrough, vGPU", QUESTION, blocks)

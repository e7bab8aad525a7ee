# SPDX-License-Identifier: MIT
"""overhead: the same job natively, passed through, on a vGPU, in a container, in a machine."""

import json
import statistics

from study import figures, guest
from study.plan import Step
from study.places import TITLES, place, problem
from study.plot import Level, Plot, Series
from study.report import Claim, Heading, Page, Table, Text
from study.site import Failed, Site
from study.turns import take_turns
from study.workload import run_alone

NAME = "overhead"
QUESTION = ("How much slower is a job on a vGPU, passed through, or in a container, than on the "
            "bare GPU?")
PLACES = ("native", "passthrough", "vgpu", "container")
# In rounds of their own, at the end: while a machine has its vGPU, nothing is passed through.
MACHINE_PLACES = ("vgpu", "vm", "vm-container")
MACHINE = "machine"  # before the numbers of those rounds
TYPE = "cpu-2g"
MEMORY = "4g"
ASKED = 1.01  # a vGPU's step over the native one, at most
PUBLISHED = 0.96  # of native speed: language model, passthrough and vGPU alike
PUBLISHED_CIFAR = 0.83  # CIFAR-10 on one vGPU, of passthrough

# Name, program, its options, steps of a round (quick, normal, full); 0: it is left out.
TRAININGS = (("mnist-deep", "tessera-train", ("--model", "mnist-deep"), (3, 15, 40)),
             ("lstm-small", "tessera-language", ("--model", "small"), (0, 15, 40)),
             ("cifar10", "tessera-train", ("--model", "cifar10"), (0, 8, 20)),
             ("lstm-medium", "tessera-language", ("--model", "medium"), (0, 0, 6)),
             ("lstm-large", "tessera-language", ("--model", "large"), (0, 0, 3)))
TURNS = "turns"  # in place of a place: all of them, step by step
MACHINE_STEPS = (3, 10, 30)
MODEL, MODEL_EMULATED = "mnist-deep", "small"
# Benchmark of bench-calls, what it is; a sample's time in ms (quick, normal, full).
CALLS = (("null-kernel", "a null kernel, waited for"),
         ("enqueue-batch", "2,000 launches, as they are queued"),
         ("write-1m", "write of 1 MiB"), ("read-1m", "read of 1 MiB"),
         ("write-64m", "write of 64 MiB"), ("read-64m", "read of 64 MiB"))
CALLS_MS = (30, 150, 400)


def whole(site):
    """A manager more, whose GPU nobody else is on: what is passed through must be idle."""
    other = Site(site.programs, 1, MEMORY)
    other.__enter__()
    return other


def at_place(name, site):
    if name == "passthrough":
        site = site.once("whole", lambda: whole(site))
    return place(name, site, site.gpu_list()[0], TYPE)


def training(site, program, words):
    return [site.programs.find(program), *words, "--seed", 1, "--json", "--no-eval", "--report", 0]


def train(place_name, program, words):
    """A step, so that what follows finds its kernels compiled."""
    def take(site):
        at = at_place(place_name, site)
        return run_alone(at.site, at, [*training(site, program, words), "--steps", 1])
    return take


def train_in_turns(program, words, steps):
    def take(site):
        there = [name for name in PLACES if not problem(name, site.programs)]
        return take_turns({name: at_place(name, site) for name in there},
                          training(site, program, words), steps)
    return take


def train_beside_machine(place_name, steps):
    """A smaller job where the machine is emulated, in and outside of it."""
    def take(site):
        model = MODEL_EMULATED if guest.emulated(site.programs) else MODEL
        at = place(place_name, site, site.gpu_list()[0], TYPE)
        command = [site.programs.find("tessera-train"), "--model", model, "--steps", steps,
                   "--seed", 1, "--json", "--no-eval", "--report", 0]
        return run_alone(site, at, command + (["--data", at.data] if at.data else []))
    return take


def bench_calls(place_name, milliseconds):
    """Medians of each benchmark, in ns; one process for all of them."""
    def take(site):
        command = [site.programs.find("bench-calls"), "--time", milliseconds,
                   *(name for name, _ in CALLS)]
        at = at_place(place_name, site)
        return run_alone(at.site, at, command, read=calls_of)["result"]
    return take


def calls_of(program):
    found = {}
    for line in program.said().splitlines():
        said = json.loads(line)
        found[said["benchmark"]] = {key: statistics.median(values)
                                    for key, values in said["samples"].items()}
    if set(found) != {name for name, _ in CALLS}:
        raise Failed(f"bench-calls told of {', '.join(found) or 'nothing'} alone")
    return found


def plan(options):
    rounds = options.rounds or options.choose(1, 10, 20)
    sessions = options.rounds or options.choose(1, 4, 6)
    steps = []
    trainings = [(name, program, words, options.choose(*count))
                 for name, program, words, count in TRAININGS if options.choose(*count)]
    # Compiles what the rounds find compiled; its own figures are told apart.
    for name, program, words, _ in trainings:
        for at in PLACES:
            steps.append(Step(f"warm/{name}/{at}", f"{name}, {TITLES[at]}, first run",
                              train(at, program, words), place=at))
    for r in range(rounds):
        for name, program, words, count in trainings if r < sessions else ():
            steps.append(Step(f"{r}/{name}/{TURNS}", f"{name}, in turns, round {r + 1}",
                              train_in_turns(program, words, count)))
        for at in PLACES:
            steps.append(Step(f"{r}/calls/{at}", f"calls, {TITLES[at]}, round {r + 1}",
                              bench_calls(at, options.choose(*CALLS_MS)), place=at))
    return steps + plan_machine(options)


def plan_machine(options):
    """What is measured beside a machine is of use with it alone."""
    steps = []
    for r in range(options.choose(1, 3, 5)):
        for at in MACHINE_PLACES:
            steps.append(Step(f"{MACHINE}{r}/train/{at}", f"training, {TITLES[at]}, round {r + 1}",
                              train_beside_machine(at, options.choose(*MACHINE_STEPS)),
                              place="vm" if at == "vgpu" else at))
        for at in MACHINE_PLACES:
            steps.append(Step(f"{MACHINE}{r}/calls/{at}", f"calls, {TITLES[at]}, round {r + 1}",
                              bench_calls(at, options.choose(*CALLS_MS)),
                              place="vm" if at == "vgpu" else at))
    return steps


# ---- the report ----------------------------------------------------------------------------


def spread_out(values):
    """A sample of all places is one of each."""
    found = {}
    for key, value in values.items():
        number, name, where = key.split("/")
        if where == TURNS:
            found |= {f"{number}/{name}/{at}": sample for at, sample in value.items()}
        else:
            found[key] = value
    return found


def rounds_of(values, job, at, part=""):
    """Samples of a job at a place, by round; part is MACHINE for those beside a machine."""
    found = {}
    for key, value in values.items():
        number, name, where = key.split("/")
        digits = number.removeprefix(part)
        if number == part + digits and digits.isdigit() and (name, where) == (job, at):
            found[int(digits)] = value
    return found


def ratio(values, job, at, to, figure, part=""):
    """None where no round has both."""
    reference, ours = rounds_of(values, job, to, part), rounds_of(values, job, at, part)
    pairs = [(figure(reference[r]), figure(ours[r])) for r in sorted(reference) if r in ours]
    return figures.ratio(pairs) if pairs else None


def ratio_to_native(values, job, at, figure):
    return ratio(values, job, at, "native", figure)


def step_ratio(values, job, at):
    """Of each step over the native one beside it."""
    native, ours = rounds_of(values, job, "native"), rounds_of(values, job, at)
    pairs = [pair for r in sorted(native) if r in ours
             for pair in zip(native[r]["step_s"], ours[r]["step_s"])]
    return figures.ratio(pairs) if pairs else None


def step_median(sample):
    return sample["result"]["step_median_s"]


def step_p99(sample):
    return figures.percentile(sample["step_s"], 0.99)


def ratio_words(r):
    return f"{r['ratio']:.3f} ({r['low']:.3f}-{r['high']:.3f})" if r else "-"


def training_row(values, job, at):
    samples = list(rounds_of(values, job, at).values())
    steps = [seconds for s in samples for seconds in s["step_s"]]
    return [f"{job}, {TITLES[at]}", f"{figures.median(steps) * 1e3:.2f}",
            ratio_words(step_ratio(values, job, at)),
            ratio_words(ratio_to_native(values, job, at, step_p99)),
            f"{figures.mad(steps) * 1e3:.2f}",
            *(f"{sum(s[side] for s in samples) / len(steps) * 1e3:.1f}"
              for side in ("guest_cpu_s", "host_cpu_s")),
            f"{samples[0]['result']['device_bytes'] / 2**20:.0f}", len(steps)]


def training_table(values, jobs):
    rows = [training_row(values, job, at) for job in jobs for at in PLACES
            if rounds_of(values, job, at)]
    return Table(["job, place", "step ms", "over native (95 %)", "p99 over native (95 %)",
                  "MAD ms", "guest CPU ms/step", "host CPU ms/step", "device MiB", "steps"], rows)


def speed_plot(values, jobs):
    """Speed relative to native, so that longer bars are better."""
    series = []
    for at in PLACES[1:]:
        points = []
        for x, job in enumerate(jobs):
            r = step_ratio(values, job, at)
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


def factor_words(r, emulated):
    """Of an emulated machine only how large it is."""
    return f"{r['ratio']:.2g}" if r and emulated else ratio_words(r)


def machine_row(values, what, job, figure, emulated):
    """The medians (ns) at each place, and what the machine and its container take more."""
    row = [what]
    for at in MACHINE_PLACES:
        found = [figure(s) for s in rounds_of(values, job, at, MACHINE).values()]
        row.append(ns_words(figures.median(found)) if found else "-")
    return row + [factor_words(ratio(values, job, at, to, figure, MACHINE), emulated)
                  for at, to in (("vm", "vgpu"), ("vm-container", "vm"))]


def machine_blocks(values):
    trained = rounds_of(values, "train", "vm", MACHINE)
    if not trained:
        return []
    sample = next(iter(trained.values()))
    emulated, model = sample["emulated"], sample["result"]["model"]
    rows = [machine_row(values, f"{model}, a step", "train", lambda s: step_median(s) * 1e9,
                        emulated)]
    rows += [machine_row(values, what, "calls", call_figure(name), emulated)
             for name, what in CALLS]
    how = ("The machine was emulated (there is no KVM here): no claim of percents, and none of it "
           "is in the plot. All that the guest does is slow, what the GPU does is not."
           if emulated else "The machine ran under KVM.")
    return [Heading("In a virtual machine"),
            Text(f"{how} It had rounds of its own ({len(trained)}), with a vGPU beside the "
                 "machine's to compare with."),
            Table(["what", *(TITLES[at] for at in MACHINE_PLACES), "VM over vGPU",
                   "container in a VM over VM"], rows)]


def claims(values, jobs):
    for job in jobs:
        r = step_ratio(values, job, "vgpu")
        yield Claim(f"{job}: a step on a vGPU takes at most 1 % longer than natively"
                    f" (measured {ratio_words(r)})", r["ratio"] <= ASKED if r else None)


def report(_data, values):
    values = spread_out(values)
    jobs = [name for name, *_ in TRAININGS if rounds_of(values, name, "native")]
    blocks = [*claims(values, jobs), speed_plot(values, jobs), Heading("Training"),
              Text("A step's time. The programs of all places are there together and take turns, "
                   "a step each; the ratio is of the steps beside each other: its median, and the "
                   "95 % confidence interval of that. CPU time is of these steps: guest, the "
                   "program; host, the manager and its workers."),
              training_table(values, jobs), Heading("Calls and copies"),
              Text("A software GPU computes slowly, which hides what calls cost. Here the device "
                   "does next to nothing."),
              call_table(values), *machine_blocks(values)]
    return Page("Overhead: native, passthrough, vGPU, container", QUESTION, blocks)

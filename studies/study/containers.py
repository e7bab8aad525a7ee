# SPDX-License-Identifier: MIT
"""containers: the CNN in a process and in a container, on the host and in a virtual machine."""

import json

from study import figures
from study.places import place
from study.plan import VMS, Step
from study.plot import Level, Plot, Series
from study.report import Claim, Heading, Page, Table, Text
from study.turns import take_turns
from study.workload import result_of, run_alone

NAME = "containers"
QUESTION = ("What does a container cost a program that uses a vGPU, on the host and in a virtual "
            "machine: in mean, tail and spread?")
TYPE = "cpu-1g"
MEMORY = "4g"
TITLES = {"vgpu": "host, process", "container": "host, container",
          "vm": "VM, process", "vm-container": "VM, container"}
HOST = "host"  # in place of a place: both on the host, step by step
SITES = (("host", "vgpu", "container"), ("VM", "vm", "vm-container"))
STEPS = (3, 20, 60)  # of a run: quick, normal, full
# Without KVM a machine is too slow for the deep one.
MODEL, MODEL_SLOW = "mnist-deep", "small"
ASKED = 1.01  # a container's mean step over the process's, at most
PUBLISHED_SPREAD = (3, 4)  # of a container in a machine over bare metal, measured elsewhere
QUANTILES = (0, 1, 5, *range(10, 91, 10), 95, 99, 100)


def with_steps(program):
    """The result, and the time of each step."""
    said = [json.loads(line) for line in program.said().splitlines() if line.startswith("{")]
    return result_of(program) | {"steps_s": [event["step_s"] for event in said
                                             if event.get("event") == "step"]}


def train(at_name, steps):
    def take(site):
        at = place(at_name, site, site.gpu_list()[0], TYPE)
        command = [site.programs.find("tessera-train"), "--model",
                   MODEL_SLOW if at.slow else MODEL, "--steps", steps, "--seed", 1, "--json",
                   "--no-eval", "--report", 1, *(["--data", at.data] if at.data else [])]
        return run_alone(site, at, command, read=with_steps)
    return take


def train_in_turns(steps):
    """On the host: a step in the process, a step in the container, and so on."""
    def take(site):
        there = {at: place(at, site, site.gpu_list()[0], TYPE) for at in ("vgpu", "container")}
        command = [site.programs.find("tessera-train"), "--model", MODEL, "--seed", 1, "--json",
                   "--no-eval", "--report", 0]
        return take_turns(there, command, steps)
    return take


def plan(options):
    rounds = options.rounds or options.choose(1, 8, 20)
    machine_rounds = options.rounds or options.choose(1, 5, 10)
    count = options.choose(*STEPS)
    # What the first compiles, the others find.
    steps = [Step(f"warm/{at}", f"{title}, first run", train(at, 1), place=at)
             for at, title in TITLES.items()]
    for r in range(rounds):
        steps.append(Step(f"{r}/{HOST}", f"host, in turns, round {r + 1}", train_in_turns(count),
                          place="container"))
        steps += [Step(f"{r}/{at}", f"{TITLES[at]}, round {r + 1}", train(at, count), place=at)
                  for at in VMS if r < machine_rounds]
    return steps


# ---- the report ----------------------------------------------------------------------------


def spread_out(values):
    """A sample of both places on the host is one of each."""
    found = {}
    for key, value in values.items():
        number, where = key.split("/")
        if where != HOST:
            found[key] = value
            continue
        for at, sample in value.items():
            found[f"{number}/{at}"] = sample | {
                "result": sample["result"] | {"steps_s": sample["step_s"]}}
    return found


def rounds_of(values, at):
    """Samples of a place, by round."""
    found = {}
    for key, value in values.items():
        number, where = key.split("/")
        if number != "warm" and where == at:
            found[int(number)] = value
    return found


def steps_of(sample):
    return sample["result"]["steps_s"]


def p99(steps):
    return figures.percentile(steps, 0.99)


def extremes(steps):
    return max(steps) / min(steps)


def ratio(values, ours, reference, figure):
    """Of a figure of a run's steps, within rounds; None where no round has both."""
    at, to = rounds_of(values, ours), rounds_of(values, reference)
    pairs = [(figure(steps_of(to[r])), figure(steps_of(at[r]))) for r in sorted(to) if r in at]
    pairs = [pair for pair in pairs if pair[0] > 0]
    return figures.ratio(pairs) if pairs else None


def ratio_words(r):
    return f"{r['ratio']:.3f} ({r['low']:.3f}-{r['high']:.3f})" if r else "-"


def emulated(values):
    return any(sample.get("emulated") for sample in values.values())


def comparable(values):
    """(ours, reference): VM and host only where the machine is a real one."""
    pairs = [("container", "vgpu"), ("vm-container", "vm")]
    if not emulated(values):
        pairs += [("vm", "vgpu"), ("vm-container", "vgpu")]
    return [pair for pair in pairs if ratio(values, *pair, figures.mean)]


def place_row(values, at):
    samples = list(rounds_of(values, at).values())
    runs = [steps_of(s) for s in samples]
    steps = [step for run in runs for step in run]
    means = [figures.mean(run) for run in runs]
    qemu = [s["machine_cpu_s"] for s in samples if "machine_cpu_s" in s]
    milliseconds = (figures.mean(steps), figures.median(steps), p99(steps),
                    figures.median([figures.mad(run) for run in runs]))
    return [TITLES[at], samples[0]["result"]["model"], *(f"{s * 1e3:.2f}" for s in milliseconds),
            f"{figures.median([extremes(run) for run in runs]):.2f}", f"{extremes(means):.2f}",
            *(f"{sum(s) / len(steps) * 1e3:.0f}" if s else "-" for s in
              ([s["guest_cpu_s"] for s in samples], [s["host_cpu_s"] for s in samples], qemu)),
            len(steps)]


def place_table(values):
    return Table(["place", "model", "mean ms", "median ms", "p99 ms", "MAD ms",
                  "slowest / fastest step", "slowest / fastest run", "guest CPU ms/step",
                  "host CPU ms/step", "QEMU CPU ms/step", "steps"],
                 [place_row(values, at) for at in TITLES if rounds_of(values, at)])


def ratio_table(values):
    kinds = (figures.mean, p99, figures.mad, extremes)
    return Table(["ratio (95 %)", "mean", "p99", "MAD", "slowest / fastest", "rounds"],
                 [[f"{TITLES[ours]} over {TITLES[to]}",
                   *(ratio_words(ratio(values, ours, to, kind)) for kind in kinds),
                   ratio(values, ours, to, figures.mean)["rounds"]]
                  for ours, to in comparable(values)])


def claims(values):
    for site, reference, ours in SITES:
        r = ratio(values, ours, reference, figures.mean)
        text = f"{site}: a mean step takes at most 1 % longer in a container than in a process"
        if site == "VM" and emulated(values):
            yield Claim(f"{text} (emulated: no claim of percents)", None)
        else:
            yield Claim(f"{text} (measured {ratio_words(r)})", r["ratio"] <= ASKED if r else None)


def relative(values, at, reference):
    """Each step's time over the process's median of its round."""
    to = rounds_of(values, reference)
    return [step / figures.median(steps_of(to[r]))
            for r, sample in rounds_of(values, at).items() if r in to
            for step in steps_of(sample)]


def site_name(values, site):
    return f"{site} (emulated)" if site == "VM" and emulated(values) else site


def sites_of(values):
    return [site for site in SITES if comparable_site(values, site)]


def comparable_site(values, site):
    _, reference, ours = site
    return ratio(values, ours, reference, figures.mean) is not None


def time_plot(values):
    sites = sites_of(values)
    series = []
    for number, title in ((1, "process"), (2, "container")):
        points = []
        for x, site in enumerate(sites):
            steps = relative(values, site[number], site[1])
            points.append((x, figures.median(steps), figures.percentile(steps, 0.01), p99(steps)))
        series.append(Series(title, points))
    return Plot("A step's time: median, and range from p1 to p99", "", "over the process's median",
                series, names=[site_name(values, site[0]) for site in sites], bounds=(0, None))


def spread_plot(values):
    kinds = (("MAD", figures.mad), ("p99", p99), ("slowest / fastest", extremes))
    series = []
    for site, reference, ours in sites_of(values):
        found = [(x, ratio(values, ours, reference, kind)) for x, (_, kind) in enumerate(kinds)]
        series.append(Series(site_name(values, site), [(x, r["ratio"], r["low"], r["high"])
                                                       for x, r in found if r]))
    low, high = PUBLISHED_SPREAD
    return Plot("Spread and tail in a container, process = 1", "",
                "container over process, 95 %", series,
                [Level("process", 1.0), Level(f"measured elsewhere, {low}", low),
                 Level(f"measured elsewhere, {high}", high)],
                names=[name for name, _ in kinds], bounds=(0, None))


def sorted_plot(values):
    series = []
    for site, reference, ours in sites_of(values):
        for at, what in ((reference, "process"), (ours, "container")):
            steps = relative(values, at, reference)
            series.append(Series(f"{site_name(values, site)}, {what}",
                                 [(q, figures.percentile(steps, q / 100)) for q in QUANTILES]))
    return Plot("Steps from the fastest to the slowest", "% of the steps take at most so long",
                "time over the process's median", series)


def plots(values):
    if not sites_of(values):
        return [Text("No round has both a process and a container: there is nothing to draw.")]
    return [time_plot(values), spread_plot(values), sorted_plot(values)]


ANSWER = (
    "The question has an answer from elsewhere: a convolutional network on MNIST, in a container "
    "natively and in a container in a virtual machine with a vGPU, had no penalty. An independent "
    "measurement of a container in a virtual machine against bare metal found a slightly lower "
    "mean and a spread 3 to 4 times as large: so compare the spread and the tail, not the mean "
    "alone.")
HOW = (
    "Means, medians and p99 in the first table are of all steps; MAD (the median distance from "
    "the median) and slowest / fastest step are of the steps of one run, medians over the rounds. "
    "Ratios are within rounds: their median, and its 95 % confidence interval. On the host process "
    "and container are there together and take turns, a step each; in a machine they take turns "
    "run by run. In a run of less than 100 steps p99 is the slowest. A container is made by crun "
    "with its default namespaces and no seccomp filter; its image holds the program and its "
    "libraries.")
CPU = (
    "CPU time: guest, the program; host, the manager and its workers. On the host it is of these "
    "steps; in a machine of whole runs, with start and compilation. There the guest's clocks "
    "tell it, which count the time that the host took away as well; QEMU's is what the host saw, "
    "which has the guest's in it. Not known is what the host's kernel did for a container "
    "(mounts, network) outside of these processes.")
EMULATED = (
    "There is no KVM here: the machine is emulated, and no claim of percents can be made of it. "
    f"Its model is {MODEL_SLOW}, on a part of the data, so its times do not stand beside the "
    "host's; the ratio of container to process within it shows no more than that nothing is "
    "grossly slower.")


def report(_data, values):
    values = spread_out(values)
    blocks = [*claims(values), Text(ANSWER), *plots(values), Heading("Places"),
              place_table(values), Heading("Container over process"), ratio_table(values)]
    if emulated(values):
        blocks.append(Text(EMULATED))
    return Page("Containers: a vGPU in a container, on the host and in a machine", QUESTION,
                [*blocks, Text(HOW), Text(CPU)])

# SPDX-License-Identifier: MIT
"""scheduling: three policies and four slices, with even load, idle neighbours and bullies."""

import dataclasses

from study import figures
from study.crew import Crew, Device, Guest, rate
from study.plan import Step
from study.plot import Level, Plot, Series, low_end
from study.report import Claim, Heading, Page, Table, Text

NAME = "scheduling"
QUESTION = ("What do the three policies, and longer or shorter slices, mean for throughput, "
            "waiting, fairness and time that passes idle?")
GPUS = 2  # the first has half of the cores, programs the others
MEMORY = "4g"
TYPE, INSTANCES = "cpu-1g", 4  # so that a fixed share is a quarter
SHARE = 1 / INSTANCES
POLICIES = ("best-effort", "equal-share", "fixed-share")
SLICES_MS = (1, 2, 8, 30)
QUICK_SLICES_MS = (2,)
USUAL_MS = 2

# Quick, normal, full.
ROUNDS = (1, 2, 10)
WINDOW_S = (0.5, 1.2, 4)
TURNS = (5, 20, 40)  # that a window has for each guest, at least

ASKED_ALONE = 0.97  # of what it does without neighbours
ASKED_SHARE = 0.01  # of the GPU, from what is promised
ASKED_JAIN = 0.999

BUSY, IDLE = Guest(), Guest(idles=True)
BULLY = Guest(kernel_us=20000)
WAITING = Guest(kernel_us=1200, queued=0, thinks=True)


@dataclasses.dataclass
class Load:
    """The first guest is the one whose speed alone is measured, too."""
    title: str
    guests: tuple
    slices: bool = True  # all of them, or the usual one
    windows: int = 1  # how many times longer, as tails need more


LOADS = {"even": Load("four busy alike", (BUSY,) * 4),
         "crowd": Load("three busy, one waits", (BUSY, BUSY, BUSY, WAITING), windows=2),
         "bully": Load("a bully, one waits", (BULLY, WAITING), windows=2),
         "idle": Load("one busy, three idle", (BUSY, IDLE, IDLE, IDLE), slices=False),
         "stopped": Load("one busy, three stopped", (BUSY,), slices=False)}


def kept(said):
    latency = said["latency_ns"]
    return {"rate": rate(said),
            **{key: latency[key] for key in ("n", "p50", "p99", "max") if key in latency}}


def sample(device, load, policies, slice_ms, seconds):
    """One crew for all policies, so that little passes between what is compared."""
    def take(site):
        with Crew(site, device, load.guests, TYPE, INSTANCES) as crew:
            working = [program for program, guest in zip(crew.programs, load.guests)
                       if not guest.idles]
            alone, got = [crew.alone()], {}
            for policy in policies:
                crew.policy(policy, slice_ms)
                said, used = crew.work(working, seconds)
                got[policy] = {"guests": [kept(s) for s in said],
                               "idle": used["idle"] / used["time"],
                               "used": [used[vgpu] / used["time"]
                                        for vgpu in crew.vgpus[:len(load.guests)]]}
            crew.policy("best-effort", USUAL_MS)
            alone.append(crew.alone())
        return {"alone": figures.mean(alone), "policies": got}
    return take


def calm(device, seconds):
    """One that launches and waits, and nobody else."""
    def take(site):
        with Crew(site, device, (WAITING,), TYPE, INSTANCES) as crew:
            said, _ = crew.work(crew.programs, seconds)
        return kept(said[0])
    return take


def slices_of(load, options):
    if not load.slices:
        return (USUAL_MS,)
    return QUICK_SLICES_MS if options.quick else SLICES_MS


def plan(options):
    seconds, turns = options.choose(*WINDOW_S), options.choose(*TURNS)
    device, steps = Device(), []
    for r in range(options.rounds or options.choose(*ROUNDS)):
        steps.append(Step(f"{r}/calm", f"one waits alone, round {r + 1}",
                          calm(device, seconds * 2)))
        for name, load in LOADS.items():
            for slice_ms in slices_of(load, options):
                window = max(seconds * load.windows, turns * INSTANCES * slice_ms / 1e3)
                # None is always the first.
                policies = POLICIES[r % 3:] + POLICIES[:r % 3]
                steps.append(Step(f"{r}/{name}/{slice_ms}",
                                  f"{load.title}, {slice_ms} ms, round {r + 1}",
                                  sample(device, load, policies, slice_ms, window)))
    return steps


# ---- the report ----------------------------------------------------------------------------


def found(values, load, policy, slice_ms):
    """What a policy gave, and what the first guest does alone, by round."""
    what = f"/{load}/{slice_ms}"
    return {int(key.split("/")[0]): {"alone": s["alone"], **s["policies"][policy]}
            for key, s in values.items() if key.endswith(what)}


def slices_there(values, load):
    return sorted({int(key.split("/")[2]) for key in values if key.split("/")[1] == load})


def figures_of(values, load, policy, slice_ms, figure):
    """Without what has none, as a guest that never had an answer has no latency."""
    said = (figure(s) for s in found(values, load, policy, slice_ms).values())
    return [value for value in said if value is not None]


def median_of(*what):
    """None where nothing was measured."""
    there = figures_of(*what)
    return figures.median(there) if there else None


def first_part(s):
    """What the first guest did, of what it does alone."""
    return s["guests"][0]["rate"] / s["alone"]


def work(s):
    """Of all guests like the first."""
    return sum(g["rate"] for g in s["guests"]) / s["alone"]


def busy_work(s):
    """Of all but the one that waits, who comes last."""
    return sum(g["rate"] for g in s["guests"][:-1]) / s["alone"]


def fairness(s):
    return figures.jain([g["rate"] for g in s["guests"]])


def idle(s):
    return s["idle"]


def waiting(key):
    """Of the last guest, in ms."""
    return lambda s: s["guests"][-1][key] / 1e6 if key in s["guests"][-1] else None


def calm_ms(values, key):
    there = [s[key] / 1e6 for name, s in values.items() if name.endswith("/calm") and key in s]
    return figures.median(there) if there else None


def words(value, digits, unit=""):
    return "-" if value is None else f"{value:.{digits}f}{unit}"


def percent(value, digits=1):
    return words(None if value is None else value * 100, digits, " %")


def lines_of(values, load, figure):
    """A series for each policy, over the slices."""
    for policy in POLICIES:
        points = []
        for slice_ms in slices_there(values, load):
            there = figures_of(values, load, policy, slice_ms, figure)
            if there:
                points.append((slice_ms, figures.median(there), min(there), max(there)))
        yield Series(policy, points)


def bars_of(values, loads, figure):
    """A series for each policy, over loads, with the usual slice."""
    for policy in POLICIES:
        points = []
        for x, load in enumerate(loads):
            there = figures_of(values, load, policy, USUAL_MS, figure)
            if there:
                points.append((x, figures.median(there), min(there), max(there)))
        yield Series(policy, points)


def alone_plot(values):
    names = ("idle", "stopped")
    return Plot(f"What one busy vGPU gets, slices of {USUAL_MS} ms", "",
                "work, of that alone on the GPU", list(bars_of(values, names, first_part)),
                [Level("a quarter", SHARE)], names=[LOADS[name].title for name in names],
                bounds=(0, 1.2))


def crowd_plot(values):
    slices = slices_there(values, "crowd")
    others = [(ms, (INSTANCES - 1) * ms) for ms in slices]
    return Plot("p99 from launch to end, beside three busy ones", "slice, ms", "p99, ms",
                [*lines_of(values, "crowd", waiting("p99")),
                 Series("a slice of each other", others)],
                calm_level(values), log_x=True, log_y=True)


def bully_plot(values):
    return Plot("p99 from launch to end, beside a bully", "slice, ms", "p99, ms",
                list(lines_of(values, "bully", waiting("p99"))),
                [Level("one kernel of the bully's", BULLY.kernel_us / 1e3), *calm_level(values)],
                bounds=(0, None), log_x=True)


def calm_level(values):
    alone = calm_ms(values, "p99")
    return [] if alone is None else [Level("alone on the GPU", alone)]


def work_plot(values):
    series = list(lines_of(values, "even", work))
    return Plot("Work of four busy ones, that of one alone = 1", "slice, ms",
                "work in all over one alone", series, [Level("one after another", 1.0)],
                bounds=(low_end(series, 0.8), None), log_x=True)


def even_plot(values):
    series = list(lines_of(values, "even", fairness))
    return Plot("How even the parts of four busy ones are", "slice, ms", "Jain's index", series,
                [Level(f"asked, {ASKED_JAIN}", ASKED_JAIN)],
                bounds=(low_end(series, 0.98), 1.002), log_x=True)


def idle_plot(values):
    return Plot(f"Time that passes idle while somebody waits, slices of {USUAL_MS} ms", "",
                "of the GPU's time, %",
                list(bars_of(values, list(LOADS), lambda s: idle(s) * 100)),
                names=[load.title.replace(", ", ",\n") for load in LOADS.values()],
                bounds=(0, 100))


def alone_table(values):
    rows = []
    for name in ("idle", "stopped"):
        for policy in POLICIES:
            what = (values, name, policy, USUAL_MS)
            rows.append([f"{LOADS[name].title}, {policy}", percent(median_of(*what, first_part)),
                         percent(median_of(*what, lambda s: s["used"][0])),
                         percent(median_of(*what, idle))])
    return Table(["load, policy", "work, of that alone", "time by the accounts",
                  "passes idle"], rows)


def waiting_table(values, name):
    rows = [["alone on the GPU", words(calm_ms(values, "p50"), 2),
             words(calm_ms(values, "p99"), 2), "-", "-"]]
    for slice_ms in slices_there(values, name):
        for policy in POLICIES:
            what = (values, name, policy, slice_ms)
            rows.append([f"{policy}, {slice_ms} ms", words(median_of(*what, waiting("p50")), 2),
                         words(median_of(*what, waiting("p99")), 2),
                         percent(median_of(*what, busy_work)), percent(median_of(*what, idle))])
    return Table([f"{LOADS[name].title}: policy, slice", "p50 ms", "p99 ms",
                  "work of the others, of one alone", "passes idle"], rows)


def even_table(values):
    rows = []
    for slice_ms in slices_there(values, "even"):
        for policy in POLICIES:
            what = (values, "even", policy, slice_ms)
            rows.append([f"{policy}, {slice_ms} ms", words(median_of(*what, work), 3),
                         words(median_of(*what, fairness), 5), percent(median_of(*what, idle))])
    return Table(["policy, slice", "work in all over one alone", "Jain", "passes idle"], rows)


def best_effort_claim(values):
    beside, without = (found(values, load, "best-effort", USUAL_MS) for load in ("idle", "stopped"))
    ratios = [first_part(beside[r]) / first_part(without[r]) for r in beside if r in without]
    r = figures.median(ratios) if ratios else None
    return Claim(f"best effort: one busy vGPU beside three idle ones does at least "
                 f"{ASKED_ALONE:.0%} of what it does beside none (measured {words(r, 3)})",
                 None if r is None else r >= ASKED_ALONE)


def share_claim(values, policy, load):
    got = median_of(values, load, policy, USUAL_MS, first_part)
    return Claim(f"{policy}: with {LOADS[load].title.partition(', ')[2]} neighbours a busy vGPU "
                 f"gets a quarter, within {ASKED_SHARE * 100:.0f} point (measured {percent(got)})",
                 None if got is None else abs(got - SHARE) <= ASKED_SHARE)


def even_claim(values):
    there = [median_of(values, "even", policy, USUAL_MS, fairness) for policy in POLICIES]
    worst = None if None in there else min(there)
    return Claim(f"four busy ones get even parts under each policy: Jain's index is at least "
                 f"{ASKED_JAIN} (measured {words(worst, 5)})",
                 None if worst is None else worst >= ASKED_JAIN)


def claims(values):
    return [best_effort_claim(values), share_claim(values, "equal-share", "idle"),
            share_claim(values, "fixed-share", "idle"),
            share_claim(values, "fixed-share", "stopped"), even_claim(values)]


def report(_data, values):
    blocks = [*claims(values), Heading("The policies"), *map(Text, POLICY_TEXTS),
              Heading("Who gets what nobody else wants"), alone_plot(values), alone_table(values),
              Heading("Who waits how long"), Text(WAITING_TEXT), crowd_plot(values),
              waiting_table(values, "crowd"), bully_plot(values), waiting_table(values, "bully"),
              Heading("Throughput and fairness"), Text(EVEN_TEXT), work_plot(values),
              even_plot(values), even_table(values), Heading("What passes idle"),
              Text(IDLE_TEXT), idle_plot(values), Heading("The programs"), Text(ABOUT)]
    return Page("Scheduling: three policies, four slices", QUESTION, blocks)


POLICY_TEXTS = (
    "Best effort: turns go round among the vGPUs that have work. What one does not use, the "
    "others get, and the GPU rests only when nobody wants it.",
    "Equal share: with N vGPUs running, each owns 1/N of the time, whether it has work or not. "
    "Running is one that has a program; when one starts or stops, the parts of all change.",
    "Fixed share: each owns one part of as many as the type allows on the GPU, here a quarter, "
    "however many there are: on an empty GPU it gets what it gets on a full one.",
    "A slice is how long a turn lasts. Kernels are not cut: one that is longer than the slice "
    "runs to its end, and what it took too much is taken off the next turns.")
WAITING_TEXT = (
    f"One guest launches a kernel of {WAITING.kernel_us / 1e3:g} ms, waits for it, and thinks "
    f"until its next 10 ms begin. Beside it are three with {BUSY.queued} kernels of "
    f"{BUSY.kernel_us / 1e3:g} ms queued at any time, or a bully with {BULLY.queued} kernels of "
    f"{BULLY.kernel_us / 1e3:g} ms. Ranges are the least and the most of all rounds.")
EVEN_TEXT = (
    f"Four guests, each with {BUSY.queued} kernels of {BUSY.kernel_us / 1e3:g} ms queued at any "
    "time. A GPU that was never between two turns would do as much for four as for one.")
IDLE_TEXT = (
    "In each of these loads somebody has work queued all the time, so whatever is idle was "
    "wanted: what a policy keeps for others, and the way from one vGPU's turn to the next one's. "
    "It is what the manager's accounts say (`tessera stats`).")
ABOUT = (
    "All guests are `bench-load`, an ordinary OpenCL program whose kernels can be made as long as "
    f"needed, on vGPUs of type {TYPE}, of which {INSTANCES} fit. All work in the same window of "
    "time, in processes, under each policy in turn. Work is held against what the first guest "
    "does alone, right before and after. The GPU has half of the cores to itself, programs have "
    "the others.")

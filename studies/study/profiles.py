# SPDX-License-Identifier: MIT
"""profiles: the same jobs on every vGPU type: where they fit, and what a GPU does with each."""

import json
import pathlib

from study import figures
from study.places import Vgpu
from study.plan import Step
from study.plot import Level, Plot, Series
from study.report import Claim, Heading, Page, Table, Text
from study.site import Failed, until
from study.workload import run_alone, run_together

NAME = "profiles"
QUESTION = ("Which is the smallest vGPU type that a job fits on, what does it lose there, and does "
            "tessera advise say the same?")
MEMORY = "2g"
LARGEST = "cpu-2g"
# The types of that GPU and the most of each that it holds; MiB.
TYPES = {"cpu-2g": (2048, 1), "cpu-1g": (1024, 2), "cpu-682m": (682, 3), "cpu-512m": (512, 4),
         "cpu-409m": (409, 5), "cpu-341m": (341, 6), "cpu-256m": (256, 8), "cpu-204m": (204, 10),
         "cpu-170m": (170, 12), "cpu-128m": (128, 16), "cpu-102m": (102, 20), "cpu-85m": (85, 24),
         "cpu-64m": (64, 32)}
QUICK_TYPES = (LARGEST, "cpu-512m", "cpu-256m", "cpu-128m", "cpu-64m")
# Where as many as fit run at once, at most so many (quick, normal, full).
FILLED = (("cpu-512m",), ("cpu-1g", "cpu-512m", "cpu-256m"), tuple(TYPES))
GUESTS_MOST = (2, 8, 8)
# All that is left is too little, or one buffer larger than the whole framebuffer.
NO_ROOM = ("CL_MEM_OBJECT_ALLOCATION_FAILURE", "CL_INVALID_BUFFER_SIZE")
LIMIT_S = 900
ASKED = 0.05  # memory makes no job faster, nor slower, by more
ROUNDS_LEAST, WIDTH_MOST = 2, 0.2  # of one round, or such a wide interval, that cannot be told

# Options of tessera-train; steps of a sample and of the run that is judged (quick, normal, full).
JOBS = {"small": ((), (4, 8, 30), (16, 25, 60)),
        "mnist-deep": (("--model", "mnist-deep"), (1, 2, 10), (3, 4, 12)),
        "small-300": (("--batch", 300), (1, 2, 8), (3, 4, 12))}
QUICK_JOBS = ("small",)


def command(site, job, steps):
    return [site.programs.find("tessera-train"), *JOBS[job][0], "--steps", steps, "--seed", 1,
            "--json", "--no-eval", "--report", 0]


def fitting(run):
    """That there was no room is a result, too."""
    try:
        return {"fits": True, **run()}
    except Failed as why:
        said = [word for word in NO_ROOM if word in str(why)]
        if not said:
            raise
        return {"fits": False, "why": said[0]}


def alone(job, vgpu_type, steps):
    def take(site):
        at = Vgpu(site, site.gpu_list()[0], vgpu_type)
        return fitting(lambda: run_alone(site, at, command(site, job, steps), LIMIT_S))
    return take


def together(job, vgpu_type, guests, steps):
    def take(site):
        names = [f"study-{i}" for i in range(guests)]
        made = []
        try:
            for name in names:
                site.create(name, vgpu_type)
                made.append(name)
            commands = [([site.programs.tessera, "run", name, "--", *command(site, job, steps),
                          "--device", "Tessera:0"], {}) for name in names]
            return fitting(lambda: {"guests": guests, **run_together(site, commands, LIMIT_S)})
        finally:
            site.delete(*made)
    return take


def advice(job, steps):
    """What tessera advise says, and what came of it: status 1 is that its advice did not hold."""
    def take(site):
        program = site.run([site.programs.tessera, "advise", "--verify", "-o", "json", "--",
                            *command(site, job, steps), "--device", "Tessera:0"])
        until(lambda: program.poll() is not None, LIMIT_S, "tessera advise does not end")
        if program.status not in (0, 1) or not program.said():
            raise Failed(f"tessera advise ended with {program.status}: {program.complaint()}")
        said = json.loads(program.said())
        said["program"][0] = pathlib.Path(said["program"][0]).name  # wherever it is here
        return said
    return take


def plan(options):
    rounds = options.rounds or options.choose(1, 2, 10)
    jobs = QUICK_JOBS if options.quick else tuple(JOBS)
    types = QUICK_TYPES if options.quick else tuple(TYPES)
    most, filled = options.choose(*GUESTS_MOST), options.choose(*FILLED)
    # Compiles what the others find compiled.
    steps = [Step(f"warm/0/{job}/{LARGEST}", f"{job}, first run", alone(job, LARGEST, 1))
             for job in jobs]
    for r in range(rounds):
        for job in jobs:
            count = options.choose(*JOBS[job][1])
            steps += [Step(f"alone/{r}/{job}/{t}", f"{job} on {t}, round {r + 1}",
                           alone(job, t, count)) for t in types]
    for job in jobs:
        count = options.choose(*JOBS[job][1])
        for t in filled:
            guests = min(TYPES[t][1], most)
            steps.append(Step(f"together/0/{job}/{t}", f"{job}, {guests} at once on {t}",
                              together(job, t, guests, count)))
    return steps + [Step(f"advice/0/{job}/{LARGEST}", f"{job}, advice",
                         advice(job, options.choose(*JOBS[job][2]))) for job in jobs]


# ---- what is read from the samples ---------------------------------------------------------


def samples(values, kind, job, vgpu_type):
    """By round."""
    found = {}
    for key, value in values.items():
        what, number, name, t = key.split("/")
        if (what, name, t) == (kind, job, vgpu_type):
            found[int(number)] = value
    return found


def measured_types(values, job):
    """Those that were tried, the largest first."""
    return [t for t in TYPES if samples(values, "alone", job, t)]


def fits(values, job, vgpu_type):
    found = samples(values, "alone", job, vgpu_type)
    return bool(found) and all(s["fits"] for s in found.values())


def smallest(values, job):
    """None where it fits on none."""
    return next((t for t in reversed(measured_types(values, job)) if fits(values, job, t)), None)


def step_s(sample):
    return sample["result"]["step_median_s"]


def over_largest(values, job, vgpu_type):
    largest = samples(values, "alone", job, LARGEST)
    here = samples(values, "alone", job, vgpu_type)
    pairs = [(step_s(largest[r]), step_s(here[r])) for r in sorted(here)
             if r in largest and largest[r]["fits"] and here[r]["fits"]]
    return figures.ratio(pairs) if pairs else None


def work(results):
    """Steps a second of all of them."""
    return sum(r["steps"] / r["train_s"] for r in results)


def work_alone(values, job):
    rates = [work([s["result"]]) for s in samples(values, "alone", job, LARGEST).values()
             if s["fits"]]
    return figures.median(rates) if rates else None


def work_filled(values, job, vgpu_type):
    """(guests, work against that of one on the largest type); None: it was not measured."""
    one = work_alone(values, job)
    filled = [s for s in samples(values, "together", job, vgpu_type).values() if s["fits"]]
    if vgpu_type == LARGEST and one and not filled:
        return 1, 1.0
    if not filled or not one:
        return None
    return filled[0]["guests"], figures.median([work(s["results"]) for s in filled]) / one


def advised(values, job):
    """What tessera advise said; None where it was not asked."""
    found = samples(values, "advice", job, LARGEST)
    return next(iter(found.values()), None)


# ---- the report ----------------------------------------------------------------------------


def ratio_words(r):
    return f"{r['ratio']:.3f} ({r['low']:.3f}-{r['high']:.3f})" if r else "-"


def is_near(values, job, vgpu_type):
    """The smallest that it fits on, or, for what is to spare, the next larger one."""
    least = smallest(values, job)
    if least is None or vgpu_type not in TYPES:
        return False
    larger = [t for t in measured_types(values, job) if TYPES[t][0] > TYPES[least][0]]
    most = larger[-1] if larger else least
    return TYPES[least][0] <= TYPES[vgpu_type][0] <= TYPES[most][0]


def advice_claims(values, job):
    said = advised(values, job)
    if not said or not said.get("advice"):
        yield Claim(f"{job}: the advised type is the smallest that fits, or the next", None)
        return
    a, v = said["advice"], said["verified"]
    yield Claim(f"{job}: advised is {a['type']}; the smallest that it fits on is "
                f"{smallest(values, job)}, and a tenth is to spare",
                is_near(values, job, a["type"]))
    if v:
        yield Claim(f"{job}: {v['guests']} at once on {a['type']}, a launch takes each at most "
                    f"{a['slowdown']:.2f} times as long, give or take a tenth (measured "
                    f"{v['worst']:.2f})", v["held"])


def is_no_longer(r):
    """As far as the interval tells. None: that cannot be told."""
    if not r or r["rounds"] < ROUNDS_LEAST or r["high"] - r["low"] > WIDTH_MOST:
        return None
    return r["low"] <= 1 + ASKED


def claims(values, jobs):
    for job in jobs:
        least = smallest(values, job)
        r = over_largest(values, job, least) if least and least != LARGEST else None
        yield Claim(f"{job}: less memory makes no step longer, to {ASKED:.0%} (on {least}, over "
                    f"{LARGEST}: {ratio_words(r)})",
                    is_no_longer(r))
        yield from advice_claims(values, job)


def type_row(values, job, t):
    here = [s for s in samples(values, "alone", job, t).values() if s["fits"]]
    filled = work_filled(values, job, t)
    if not fits(values, job, t):
        return [f"{job}, {t}", TYPES[t][0], "no", "-", "-", "-", "-"]
    return [f"{job}, {t}", TYPES[t][0], "yes",
            f"{figures.median([step_s(s) for s in here]) * 1e3:.1f}",
            ratio_words(over_largest(values, job, t)), TYPES[t][1],
            f"{filled[1]:.2f} with {filled[0]}" if filled else "-"]


def type_table(values, jobs):
    rows = [type_row(values, job, t) for job in jobs for t in measured_types(values, job)]
    return Table(["job, type", "framebuffer MiB", "fits", "step ms", "over the largest (95 %)",
                  "guests a GPU", "work a GPU, one = 1"], rows)


def advice_row(values, job):
    said = advised(values, job)
    if not said or not said.get("advice"):
        return [job] + ["-"] * 8
    m, a, v = said["measured"], said["advice"], said["verified"]
    return [job, f"{m['peak_bytes'] / 2**20:.1f}", f"{m['duty']:.0%}",
            f"{(m['kernel_p99_ns'] or 0) / 1e6:.1f}", f"{m['kernels_per_second']:.0f}", a["type"],
            smallest(values, job) or "-", a["policy"],
            f"{a['guests']} ({v['worst']:.2f})" if v else a["guests"]]


def advice_table(values, jobs):
    return Table(["job", "peak MiB", "duty cycle", "99 % of kernels, ms", "launches/s", "advised",
                  "smallest that fits", "policy", "guests (measured slowdown)"],
                 [advice_row(values, job) for job in jobs])


def all_types(values, jobs):
    return [t for t in TYPES if any(samples(values, "alone", job, t) for job in jobs)]


def step_plot(values, jobs):
    types = all_types(values, jobs)
    series = []
    for job in jobs:
        points = []
        for x, t in enumerate(types):
            times = [step_s(s) * 1e3 for s in samples(values, "alone", job, t).values()
                     if s["fits"]]
            if times:
                points.append((x, figures.median(times), min(times), max(times)))
        series.append(Series(job, points))
    return Plot("Time per step by type (no bar: it does not fit)", "", "ms", series,
                names=short(types), bounds=(0, None))


def short(types):
    return [t.partition("-")[2] for t in types]


def guests_plot(values, jobs):
    types = all_types(values, jobs)
    series = [Series(job, [(x, TYPES[t][1]) for x, t in enumerate(types) if fits(values, job, t)])
              for job in jobs]
    return Plot("Guests that a GPU holds, by type", "", "vGPUs", series, names=short(types),
                bounds=(0, None))


def work_plot(values, jobs):
    types = [t for t in all_types(values, jobs) if any(work_filled(values, j, t) for j in jobs)]
    series = []
    for job in jobs:
        filled = [(x, work_filled(values, job, t)) for x, t in enumerate(types)]
        series.append(Series(job, [(x, f[1]) for x, f in filled if f]))
    names = [f"{t.partition('-')[2]}, {min(TYPES[t][1], guests_most(values, t))}" for t in types]
    return Plot("Work of a GPU that is filled, by type and guests", "",
                f"steps/s of all, one on {LARGEST} = 1", series, [Level("one guest", 1.0)],
                names=names, bounds=(0, None))


def guests_most(values, vgpu_type):
    """How many of that type ran at once."""
    return max((s["guests"] for key, s in values.items()
                if key.startswith("together/") and key.endswith("/" + vgpu_type) and s["fits"]),
               default=1)


def report(_data, values):
    jobs = [job for job in JOBS if measured_types(values, job)]
    plots = [draw(values, jobs) for draw in (step_plot, guests_plot, work_plot) if jobs]
    blocks = [*claims(values, jobs), *plots, Heading("Every type"),
              Text("A job fits where all its memory objects find room: that it does not is a "
                   "result. Ratios of a step's time are within rounds. Work is that of as many "
                   "guests at once as the type allows, up to the number given; types without "
                   "were not filled."),
              type_table(values, jobs), Heading("What tessera advise says"),
              Text("Of one run on the largest type, and then as many at once as it advised. To "
                   "spare is a tenth of the peak, so that the advised type may be one larger than "
                   "the smallest."),
              advice_table(values, jobs)]
    return Page("Profiles: which vGPU type a job needs", QUESTION, blocks)

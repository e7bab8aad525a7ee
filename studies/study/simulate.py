# SPDX-License-Identifier: MIT
"""simulate: what the simulator says of loads that are measured, too, and then of 1,000 GPUs."""

import json

from study import figures
from study.crew import Crew, Device, rate
from study.plan import Step
from study.plot import Level, Plot, Series
from study.report import Claim, Heading, Page, Table, Text
from study.scheduling import (BULLY, BUSY, IDLE, INSTANCES, MEMORY, POLICIES, SLICES_MS, TYPE,
                              USUAL_MS, WAITING)

NAME = "simulate"
QUESTION = "How well does the simulator foretell what is measured, and what of a thousand GPUs?"
GPUS = 2  # as in scheduling
PERIOD_US = 10000  # the waiting guest launches when 10 ms begin
ASKED = 0.1  # by how much a simulated rate may differ from the measured one
FLEET = 1000

# What is measured: guests on one GPU.
LOADS = {"four busy": (BUSY,) * 4, "three busy, one waits": (BUSY, BUSY, BUSY, WAITING),
         "a bully, one waits": (BULLY, WAITING), "one busy, three idle": (BUSY, IDLE, IDLE, IDLE)}
QUICK = ("three busy, one waits",)
# What is not: vGPUs of each of the thousand GPUs, as `tessera simulate` takes them.
FLEETS = {"eight trainings": ["name=train,kernel=exp:1ms"],
          "one training, seven that wait": ["name=train,kernel=exp:1ms",
                                            "name=waits,kernel=exp:1ms,arrival=closed:exp:9ms"],
          "a bully, seven that wait": ["name=bully,kernel=20ms",
                                       "name=waits,kernel=exp:1ms,arrival=closed:exp:9ms"]}
FLEET_VGPUS = 8


# ---- samples -------------------------------------------------------------------------------


def words_of(number, guest, kernel_us):
    """A guest as the simulator takes it, with the length of its kernels as it was measured."""
    words = f"name=g{number},kernel={max(1, round(kernel_us * 1000))}ns"
    if guest.idles:  # it has a program, and comes once in the whole time
        return f"name=g{number},kernel=1us,arrival=open:1h"
    if guest.thinks:
        return f"{words},arrival=closed:{max(1, round((PERIOD_US - kernel_us) * 1000))}ns"
    return words


def simulated(site, guests, kernels_us, policy, slice_ms, seconds):
    said = json.loads(site.tessera(
        "simulate", *(words_of(i, g, us) for i, (g, us) in enumerate(zip(guests, kernels_us))),
        "--policy", policy, "--slice", f"{slice_ms}ms", "--time", f"{max(10, seconds):.0f}s",
        "--max-instances", INSTANCES, "-o", "json"))["policies"][0]
    return {"idle": said["idle"], "guests": [
        {"rate": v["commands_per_s"], "wait_p50": v["wait_p50_ns"], "wait_p99": v["wait_p99_ns"]}
        for v in said["vgpus"]]}


def alone(crew, number, seconds):
    """How long a kernel of that guest takes when nobody else is there, in us: of one that waits for
    each, from launch to end."""
    said, _ = crew.work([crew.programs[number]], seconds)
    if crew.guests[number].thinks:
        return said[0]["latency_ns"]["p50"] / 1e3
    return 1e6 / rate(said[0])


def kept(said):
    return {"rate": rate(said), **{key: said["latency_ns"][key] for key in ("p50", "p99")
                                   if key in said["latency_ns"]}}


def both(device, guests, policy, slice_ms, seconds):
    """Measured and simulated: the kernels' lengths are those of this very sample."""
    def take(site):
        with Crew(site, device, guests, TYPE, INSTANCES) as crew:
            lengths = {}
            for i, guest in enumerate(guests):
                if not guest.idles and guest not in lengths:
                    lengths[guest] = alone(crew, i, seconds / 2)
            crew.policy(policy, slice_ms)
            working = [i for i, guest in enumerate(guests) if not guest.idles]
            said, used = crew.work([crew.programs[i] for i in working], seconds)
        kernels = [lengths.get(guest, 0.0) for guest in guests]
        foretold = simulated(site, guests, kernels, policy, slice_ms, seconds)
        foretold["guests"] = [foretold["guests"][i] for i in working]
        return {"kernel_us": [kernels[i] for i in working],
                "measured": {"guests": [kept(s) for s in said],
                             "idle": used["idle"] / used["time"]},
                "simulated": foretold}
    return take


def fleet(vgpus, slice_ms, seconds):
    def take(site):
        said = json.loads(site.tessera(
            "simulate", *vgpus, "--vgpus", FLEET_VGPUS, "--gpus", FLEET, "--time", f"{seconds}s",
            "--slice", f"{slice_ms}ms", "-o", "json"))
        return {p["policy"]: {"idle": p["idle"], "jain_least": p["jain_least"], "vgpus": [
            {key: v[key] for key in ("name", "share_got", "share_got_least", "wait_p50_ns",
                                     "wait_p99_ns", "wait_p99_worst_ns")}
            for v in p["vgpus"]]} for p in said["policies"]}
    return take


def plan(options):
    seconds = options.choose(0.6, 2, 6)
    device, steps = Device(), []
    for r in range(options.rounds or options.choose(1, 2, 10)):
        for name in QUICK if options.quick else LOADS:
            guests = LOADS[name]
            for slice_ms in (USUAL_MS,) if options.quick else (USUAL_MS, SLICES_MS[-1]):
                steps += [Step(f"{r}/{name}/{policy}/{slice_ms}",
                               f"{name}, {policy}, {slice_ms} ms, round {r + 1}",
                               both(device, guests, policy, slice_ms, seconds))
                          for policy in POLICIES]
    for name, vgpus in FLEETS.items():
        for slice_ms in (USUAL_MS,) if options.quick else SLICES_MS:
            steps.append(Step(f"fleet/{name}/all/{slice_ms}",
                              f"{FLEET} GPUs, {name}, {slice_ms} ms",
                              fleet(vgpus, slice_ms, options.choose(2, 10, 60))))
    return steps


# ---- the report ----------------------------------------------------------------------------


def by_setting(values):
    """Samples by (load, policy, slice); those of the fleet have "fleet" as their round."""
    found = {}
    for key, value in values.items():
        number, load, policy, slice_ms = key.split("/")
        if number != "fleet":
            found.setdefault((load, policy, int(slice_ms)), []).append(value)
    return found


def middle(samples, figure):
    there = [value for value in map(figure, samples) if value is not None]
    return figures.median(there) if there else None


def busy_rate(kind):
    """Launches a second of all that never wait."""
    def figure(s):
        found = [g["rate"] for g, m in zip(s[kind]["guests"], s["measured"]["guests"])]
        return sum(found[:-1] if waits(s) else found)
    return figure


def waits(s):
    """Is the last guest one that launches and waits? Its rate is not what kernels allow."""
    return s["measured"]["guests"][-1]["rate"] < 0.5e6 / s["kernel_us"][-1] and \
        len(s["kernel_us"]) > 1 and s["kernel_us"][-1] != s["kernel_us"][0]


def waited(kind, key):
    """From launch to end, in ms; the simulator tells until the kernel begins."""
    def figure(s):
        if not waits(s):
            return None
        last = s[kind]["guests"][-1]
        if kind == "measured":
            return last[key] / 1e6 if key in last else None
        return last[f"wait_{key}"] / 1e6 + s["kernel_us"][-1] / 1e3
    return figure


def ratio_of_rates(samples):
    return middle(samples, lambda s: busy_rate("simulated")(s) / busy_rate("measured")(s))


def number(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def row(setting, samples):
    load, policy, slice_ms = setting
    return [f"{load}, {policy}, {slice_ms} ms", number(middle(samples, busy_rate("measured")), 1),
            number(middle(samples, busy_rate("simulated")), 1),
            number(ratio_of_rates(samples), 3),
            number(middle(samples, waited("measured", "p50")), 2),
            number(middle(samples, waited("simulated", "p50")), 2),
            number(middle(samples, waited("measured", "p99")), 2),
            number(middle(samples, waited("simulated", "p99")), 2)]


def agreement_plot(found):
    loads = list(dict.fromkeys(load for load, _, slice_ms in found if slice_ms == USUAL_MS))
    series = []
    for policy in POLICIES:
        points = []
        for x, load in enumerate(loads):
            samples = found.get((load, policy, USUAL_MS))
            if samples:
                all_of = [busy_rate("simulated")(s) / busy_rate("measured")(s) for s in samples]
                points.append((x, figures.median(all_of), min(all_of), max(all_of)))
        series.append(Series(policy, points))
    return Plot(f"Launches a second of the busy ones, simulated over measured, {USUAL_MS} ms", "",
                "simulated / measured", series, [Level("as measured", 1.0)],
                names=loads, bounds=(0, None))


def fleets(values):
    """(name, slice): sample"""
    return {(key.split("/")[1], int(key.split("/")[3])): value
            for key, value in values.items() if key.startswith("fleet/")}


def fleet_table(found):
    rows = []
    for (name, slice_ms), sample in found.items():
        for policy, said in sample.items():
            first, last = said["vgpus"][0], said["vgpus"][-1]
            rows.append([f"{name}, {policy}, {slice_ms} ms", f"{first['share_got'] * 100:.1f} %",
                         f"{last['share_got'] * 100:.1f} %",
                         f"{last['wait_p50_ns'] / 1e6:.2f}", f"{last['wait_p99_ns'] / 1e6:.2f}",
                         f"{last['wait_p99_worst_ns'] / 1e6:.2f}", f"{said['idle'] * 100:.1f} %"])
    return Table(["vGPUs of each GPU, policy, slice", "the first got", "the last got",
                  "the last waits, p50 ms", "p99 ms", "p99 of the worst GPU ms", "passes idle"],
                 rows)


def fleet_plot(found, name):
    series = []
    for policy in POLICIES:
        points = [(slice_ms, sample[policy]["vgpus"][-1]["wait_p99_ns"] / 1e6)
                  for (of, slice_ms), sample in sorted(found.items()) if of == name]
        series.append(Series(policy, points))
    return Plot(f"{FLEET} GPUs, {name}: p99 until a command begins", "slice, ms", "p99, ms", series,
                bounds=(0, None), log_x=True)


def report(_data, values):
    found, many = by_setting(values), fleets(values)
    ratios = {setting: ratio_of_rates(samples) for setting, samples in found.items()}
    worst = max((abs(r - 1) for r in ratios.values()), default=None)
    where = ", ".join(map(str, max(ratios, key=lambda s: abs(ratios[s] - 1)))) if ratios else ""
    said = f"at worst {worst * 100:.0f} %: {where}" if ratios else "-"
    blocks = [Claim(f"simulated and measured launches a second differ by at most "
                    f"{ASKED * 100:.0f} % ({said})", None if worst is None else worst <= ASKED),
              Heading("Where both exist"),
              Text("Kernels are as long in the simulation as they were in the same sample when "
                   "their guest was alone; the scheduler is the manager's own code. What the "
                   "simulator does not know: that a driver's threads take turns with programs on "
                   "the host's cores, and that kernels differ in length."),
              agreement_plot(found),
              Table(["load, policy, slice", "busy launches/s measured", "simulated", "ratio",
                     "waits p50 ms measured", "simulated", "p99 ms measured", "simulated"],
                    [row(setting, samples) for setting, samples in found.items()]),
              Heading(f"{FLEET} GPUs of {FLEET_VGPUS} vGPUs"),
              Text("Each GPU has the vGPUs that are named, the last kind until there are "
                   f"{FLEET_VGPUS}, and chance of its own.")]
    blocks += [fleet_plot(many, name) for name in dict.fromkeys(name for name, _ in many)
               if len({s for n, s in many if n == name}) > 1]
    return Page("The simulator: against measurements, and for a thousand GPUs", QUESTION,
                [*blocks, fleet_table(many)])

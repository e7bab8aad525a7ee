# SPDX-License-Identifier: MIT
"""What came out: a table for people, JSON, and a plot by gnuplot."""

import json
import shutil
import subprocess

MIB = 1 << 20
COLOURS = ("#1f6fb4", "#d1495b", "#3a8f5c", "#8a5aa8")


def words(bound, value):
    if value is None:
        return "-"
    return f"{value / MIB:.2f} MiB" if bound.unit == "bytes" else f"{value:g}"


def table(verdicts):
    lines = [f"{'WHAT':34} {'2ND QUARTER':>12} {'LAST':>12} {'GROWTH':>12} {'AT MOST':>10}  GOOD"]
    for v in verdicts:
        lines.append(
            f"{v.series + ': ' + v.bound.name:34} {words(v.bound, v.early):>12} "
            f"{words(v.bound, v.late):>12} {words(v.bound, v.growth):>12} "
            f"{words(v.bound, v.bound.most):>10}  {'yes' if v.good else 'NO'}")
    return lines


def tally(outcomes):
    """How many guests of each program ended how."""
    counts = {}
    for o in outcomes:
        per = counts.setdefault(o.program, {"none": 0, "guest": 0, "worker": 0, "vgpu": 0})
        per[o.kill] += 1
    lines = [f"{'PROGRAM':22} {'LEFT ALONE':>10} {'KILLED':>8} {'WORKER':>8} {'VGPU':>8}"]
    for name, per in sorted(counts.items()):
        lines.append(f"{name:22} {per['none']:10} {per['guest']:8} {per['worker']:8} "
                     f"{per['vgpu']:8}")
    return lines


def write_json(path, facts, verdicts, samples, outcomes):
    path.write_text(json.dumps({
        **facts,
        "verdicts": [{"series": v.series, "what": v.bound.name, "early": v.early, "late": v.late,
                      "growth": v.growth, "at_most": v.bound.most, "why": v.bound.why,
                      "good": v.good} for v in verdicts],
        "bad": [o._asdict() for o in outcomes if o.bad],
        "samples": samples,
    }, indent=1) + "\n")


def points(samples, who, field, scale):
    return [f"{s['t'] / 60:.3f} {s[who][field] / scale:.4f}" for s in samples if s.get(who)]


def panel(samples, title, label, series):
    """The data blocks, and the command that draws them."""
    blocks, curves = [], []
    for n, (who, field, scale) in enumerate(series):
        data = points(samples, who, field, scale)
        if not data:
            continue
        name = f"$d{abs(hash((title, who))) % 10 ** 9}"
        blocks.append(f"{name} << END\n" + "\n".join(data) + "\nEND\n")
        curves.append(f"{name} using 1:2 with lines lw 1.5 lc rgb '{COLOURS[n % 4]}' "
                      f"title '{who}'")
    draw = f"set title '{title}'\nset ylabel '{label}'\nplot " + ", ".join(curves) + "\n"
    return "".join(blocks), draw if curves else ""


def plot(path, samples, title):
    """False without gnuplot or samples."""
    if not shutil.which("gnuplot") or not samples:
        return False
    managers = [k for k in samples[-1] if k.startswith("manager")]
    others = [k for k in samples[-1] if k.startswith(("worker", "native"))]
    panels = [
        panel(samples, "Managers: memory", "PSS, MiB", [(m, "pss", MIB) for m in managers]),
        panel(samples, "Managers: descriptors", "open", [(m, "fds", 1) for m in managers]),
        panel(samples, "Long-lived guest: memory of its worker (and of the program natively)",
              "RSS, MiB", [(o, "rss", MIB) for o in others]),
        panel(samples, "Workers at that moment", "processes",
              [(m, "workers", 1) for m in managers]),
    ]
    script = "".join(blocks for blocks, _ in panels) + (
        f"set terminal svg size 960,900 font 'sans,11' background rgb 'white'\n"
        f"set output '{path}'\nset multiplot layout 4,1 title '{title}'\n"
        "set lmargin 10\nset rmargin 22\nset key at graph 1.02,1 left top reverse Left\n"
        "set grid lc rgb '#e4e4e4' lt 1\nset offsets 0, 0, graph 0.1, 0\n"
        "set yrange [0:*]\nset tics nomirror out\n"
    ) + "".join(draw for _, draw in panels[:-1]) + "set xlabel 'minutes'\n" + panels[-1][1] + (
        "unset multiplot\n")
    return subprocess.run(["gnuplot"], input=script, text=True).returncode == 0

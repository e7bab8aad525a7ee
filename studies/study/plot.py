# SPDX-License-Identifier: MIT
"""Plots, by gnuplot, as SVG that stands in a page. What is drawn are the medians and ranges that
the tables beside them give; colours are told apart by people who are colour-blind, too (Okabe, Ito
2008)."""

import dataclasses
import re
import shutil
import subprocess
import typing

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#000000")
GNUPLOT_S = 60


@dataclasses.dataclass
class Series:
    """points: (x, y) or (x, y, low, high)."""
    title: str
    points: list


@dataclasses.dataclass
class Level:
    """A horizontal line: what was published, or what is asked."""
    title: str
    y: float


@dataclasses.dataclass
class Plot:
    title: str
    x: str  # what the axis shows, with its unit
    y: str
    series: typing.List[Series]
    levels: typing.List[Level] = dataclasses.field(default_factory=list)
    names: typing.Optional[list] = None  # of the places on the x axis 0, 1, ...: bars, not lines
    bounds: tuple = (None, None)  # of the y axis
    log_x: bool = False
    log_y: bool = False


def low_end(series, usual):
    """Of a y axis that need not begin at 0: the usual one, or what the least range needs."""
    least = min((point[min(2, len(point) - 1)] for s in series for point in s.points),
                default=usual)
    return usual if least >= usual else least * 0.95


def can_plot():
    return shutil.which("gnuplot") is not None


def quoted(text):
    """As gnuplot takes it between double quotes, in which nothing is to be enhanced."""
    for what, instead in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = str(text).replace(what, instead)
    return f'"{text}"'


def block(name, points):
    lines = "\n".join(" ".join("NaN" if v is None else f"{v:.9g}" for v in point)
                      for point in points)
    return f"${name} << END\n{lines or 'NaN NaN NaN NaN'}\nEND\n"


def with_range(point):
    return point if len(point) == 4 else (point[0], point[1], point[1], point[1])


def places(plot, number):
    """Of bars: those of one place beside each other."""
    width = 0.8 / len(plot.series)
    return [(x + (number - (len(plot.series) - 1) / 2) * width, *rest)
            for x, *rest in map(with_range, plot.series[number].points)]


def ranges(number, colour):
    """Vectors, since the SVG of error bars blots out what is below their middle."""
    return (f"$s{number} using 1:3:(0):($4-$3) with vectors heads size screen 0.004,90 lw 1.2 "
            f"lc rgb {colour} notitle")


def drawn(plot):
    """The parts of the plot command."""
    for number, series in enumerate(plot.series):
        colour = quoted(COLOURS[number % len(COLOURS)])
        if plot.names:
            width = 0.8 / len(plot.series) * 0.94
            yield (f"$s{number} using 1:2:({width:.4f}) with boxes fill solid 0.85 noborder "
                   f"lc rgb {colour} title {quoted(series.title)}")
            yield ranges(number, quoted("#333333"))
        else:
            yield ranges(number, colour)
            yield (f"$s{number} using 1:2 with linespoints lw 2 pt 7 ps 0.7 lc rgb {colour} "
                   f"title {quoted(series.title)}")
    for number, level in enumerate(plot.levels):
        colour = quoted(COLOURS[(len(plot.series) + number) % len(COLOURS)])
        yield f"{level.y:.9g} with lines lw 1.5 dt 2 lc rgb {colour} title {quoted(level.title)}"


def log_axis(plot):
    """A tick for each place, and some room beside the first and the last."""
    ticks = sorted({x for s in plot.series for x, *_ in s.points})
    return ["set logscale x 2", f"set xtics ({', '.join(f'{x:g}' for x in ticks)})",
            f"set xrange [{ticks[0] / 1.2:g}:{ticks[-1] * 1.2:g}]"]


def script(plot):
    low, high = ("*" if bound is None else f"{bound:.9g}" for bound in plot.bounds)
    lines = ["set terminal svg noenhanced size 860,430 font 'sans-serif,13' background 'white'",
             "set grid ytics lc rgb '#dddddd'", "set border 3 lc rgb '#666666'",
             "set tics nomirror", "set rmargin at screen 0.71",
             "set key at screen 0.725, screen 0.9 left top vertical Left reverse samplen 2.5",
             f"set title {quoted(plot.title)} font ',15'", f"set xlabel {quoted(plot.x)}",
             f"set ylabel {quoted(plot.y)}", f"set yrange [{low}:{high}]"]
    if plot.names:
        ticks = ", ".join(f"{quoted(name)} {i}" for i, name in enumerate(plot.names))
        lines += [f"set xtics ({ticks}) scale 0", f"set xrange [-0.6:{len(plot.names) - 0.4}]"]
        if any("\n" in name for name in plot.names):
            lines.append("set bmargin 4")
    elif plot.log_x:
        lines += log_axis(plot)
    if plot.log_y:
        lines.append("set logscale y")
    blocks = "".join(block(f"s{i}", places(plot, i) if plot.names else
                           [with_range(p) for p in series.points])
                     for i, series in enumerate(plot.series))
    return blocks + "\n".join(lines) + "\nplot " + ", \\\n     ".join(drawn(plot)) + "\n"


def svg(plot):
    """Text of a plot with a point at least, without the XML declaration; None where gnuplot is not
    installed."""
    if not can_plot():
        return None
    done = subprocess.run(["gnuplot"], input=script(plot), text=True, check=False,
                          capture_output=True, timeout=GNUPLOT_S)
    if done.returncode != 0 or "<svg" not in done.stdout:
        raise RuntimeError(f"gnuplot: {done.stderr.strip()}")
    return re.sub(r"gnuplot_(canvas|plot_\w+)", r"plot_\1", done.stdout[done.stdout.index("<svg"):])

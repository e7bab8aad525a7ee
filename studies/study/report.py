# SPDX-License-Identifier: MIT
"""report.md and report.html (one file, with its plots), made of results.json alone."""

import dataclasses
import html
import itertools
import typing

from study import plot as plots


@dataclasses.dataclass
class Text:
    text: str


@dataclasses.dataclass
class Heading:
    text: str


@dataclasses.dataclass
class Table:
    """Cells are text; all columns but the first are numbers, and stand to the right."""
    head: typing.List[str]
    rows: typing.List[list]


@dataclasses.dataclass
class Picture:
    """A plot that was drawn."""
    title: str
    name: str  # of the file beside report.md
    svg: typing.Optional[str]
    instead: str  # words, where there is none


@dataclasses.dataclass
class Claim:
    """What was to be shown, and whether it was: None where it was not measured."""
    text: str
    holds: typing.Optional[bool]


@dataclasses.dataclass
class Page:
    title: str
    question: str
    blocks: list


MARKS = {True: "yes", False: "NO", None: "not measured"}
STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 66em; margin: 2em auto; padding: 0 1em;
       color: #222; background: #fff; }
h1 { font-size: 1.7em; } h2 { font-size: 1.25em; margin-top: 2em; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .25em .6em; text-align: right; border-bottom: 1px solid #ddd; }
td { white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
th { border-bottom: 2px solid #888; }
svg { max-width: 100%; height: auto; display: block; margin: 1em 0; }
.question { font-size: 1.1em; color: #444; }
.yes { color: #00704f; font-weight: bold; } .no { color: #b23b00; font-weight: bold; }
.none { color: #666; } .small { font-size: .9em; color: #555; }
"""


def machine_words(data):
    m = data["machine"]
    return (f"{m['cores']} cores of {m['processor']}, {m['memory_bytes'] / 2**30:.0f} GiB, "
            f"{m['system']}, Linux {m['kernel']}")


def versions_words(data):
    return ", ".join(f"{name} {said}" for name, said in data["versions"].items() if said)


def gpus_words(data):
    return "; ".join(f"{g['name']}: {g['device']} ({g['platform']})" for g in data["gpus"])


def command_words(data):
    options = data["options"]
    words = ["tessera study", data["study"], *(f"--{name}" for name in ("quick", "full")
                                               if options.get(name))]
    if options.get("rounds"):
        words += ["--rounds", str(options["rounds"])]
    return " ".join(words)


def about(data):
    """What every report ends with."""
    blocks = [Heading("How it was measured"),
              Text(f"Machine: {machine_words(data)}."), Text(f"GPUs: {gpus_words(data)}."),
              Text(f"Versions: {versions_words(data)}."),
              Text(f"Begun {data['began']} by `{command_words(data)}`. Every sample is in "
                   "results.json; `tessera study report FOLDER` makes this page of it again.")]
    blocks += [Text(note) for note in data["notes"]]
    failures = {key: s["error"] for key, s in data["samples"].items() if "error" in s}
    if failures:
        blocks += [Heading("What failed"),
                   Table(["sample", "why"], [[key, why] for key, why in failures.items()])]
    return blocks


def picture(plot, number):
    name = f"plot-{number}.svg"
    if not any(series.points for series in plot.series):
        return Picture(plot.title, name, None, f"no plot of {plot.title}: nothing was measured")
    return Picture(plot.title, name, plots.svg(plot),
                   f"no plot of {plot.title}: gnuplot is not installed")


def drawn(page):
    """With pictures in place of plots."""
    numbers = itertools.count(1)
    return dataclasses.replace(page, blocks=[
        picture(b, next(numbers)) if isinstance(b, plots.Plot) else b for b in page.blocks])


# ---- Markdown ------------------------------------------------------------------------------


def md_cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def md_table(t):
    lines = ["| " + " | ".join(map(md_cell, t.head)) + " |",
             "|---" + "|--:" * (len(t.head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(md_cell, row)) + " |" for row in t.rows])


def md_block(b):
    if isinstance(b, Heading):
        return f"## {b.text}"
    if isinstance(b, Table):
        return md_table(b)
    if isinstance(b, Claim):
        return f"- {b.text}: **{MARKS[b.holds]}**"
    if isinstance(b, Picture):
        return f"![{b.title}]({b.name})" if b.svg else f"({b.instead})"
    return b.text


def markdown(page):
    parts = [f"# {page.title}", page.question, *map(md_block, drawn(page).blocks)]
    text = "\n\n".join(parts) + "\n"
    return text.replace("**\n\n- ", "**\n- ")


# ---- HTML ----------------------------------------------------------------------------------


def html_row(cells, tag):
    return "<tr>" + "".join(f"<{tag}>{html.escape(str(c))}</{tag}>" for c in cells) + "</tr>"


def html_block(b):
    if isinstance(b, Heading):
        return f"<h2>{html.escape(b.text)}</h2>"
    if isinstance(b, Table):
        return ("<table>" + html_row(b.head, "th") + "".join(html_row(r, "td") for r in b.rows) +
                "</table>")
    if isinstance(b, Claim):
        kind = {True: "yes", False: "no", None: "none"}[b.holds]
        return f'<p>{html.escape(b.text)}: <span class="{kind}">{MARKS[b.holds]}</span></p>'
    if isinstance(b, Picture):
        return b.svg or f"<p class=none>({html.escape(b.instead)})</p>"
    return f"<p>{html.escape(b.text)}</p>"


def page_html(page):
    body = "\n".join(map(html_block, drawn(page).blocks))
    return ("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
            f"<title>{html.escape(page.title)}</title><style>{STYLE}</style></head><body>\n"
            f"<h1>{html.escape(page.title)}</h1>\n"
            f"<p class=question>{html.escape(page.question)}</p>\n{body}\n</body></html>\n")


def whole_of(page, data):
    return drawn(Page(page.title, page.question, page.blocks + about(data)))


def text_of(page, data):
    """report.md"""
    return markdown(whole_of(page, data))


def write(page, data, folder):
    """report.html is one file; report.md has its plots beside it."""
    whole = whole_of(page, data)
    for old in folder.glob("plot-*.svg"):
        old.unlink()
    for b in whole.blocks:
        if isinstance(b, Picture) and b.svg:
            (folder / b.name).write_text(b.svg, encoding="utf-8")
    (folder / "report.md").write_text(markdown(whole), encoding="utf-8")
    (folder / "report.html").write_text(page_html(whole), encoding="utf-8")

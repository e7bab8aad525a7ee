# SPDX-License-Identifier: MIT
"""The command line of `tessera study`."""

import argparse
import contextlib
import importlib
import json
import os
import pathlib
import shutil
import signal
import sys

from study import report
from study.plan import Options, Progress, possible, run_steps
from study.programs import Programs
from study.record import Mismatch, Record, first_line
from study.site import ENDS, Failed, Site

# Modules, in the order of `tessera study all`.
STUDIES = ("overhead", "scale-vms", "scale-gpus", "containers", "mix", "scheduling", "profiles",
           "simulate")


def module(name):
    return importlib.import_module("study." + name.replace("-", "_"))


class Parser(argparse.ArgumentParser):
    def error(self, message):
        """Misuse ends with 64 (EX_USAGE), as with every command of Tessera's."""
        print(f"{self.prog}: {message}\nTry '{self.prog} --help'.", file=sys.stderr)
        sys.exit(os.EX_USAGE)


def parser():
    p = Parser(
        prog="tessera study",
        description="Measures what sharing a GPU costs, on this machine, with a manager of its "
                    "own, and writes report.html, report.md and results.json for each study.",
        epilog="A study that was interrupted goes on where it stopped when it is begun again.")
    p.add_argument("names", nargs="*", metavar="NAME",
                   help="studies, all, list, or: report FOLDER..., which makes the pages of "
                        "results.json again")
    p.add_argument("--quick", action="store_true", help="few rounds: to see that it works")
    p.add_argument("--full", action="store_true", help="more rounds, larger jobs")
    p.add_argument("--rounds", type=positive, default=0, metavar="N",
                   help="rounds, in place of the study's own")
    p.add_argument("--no-vms", action="store_false", dest="vms",
                   help="leave out virtual machines, which take minutes where they are emulated")
    p.add_argument("--out", type=pathlib.Path, default=pathlib.Path("studies-out"), metavar="DIR",
                   help="a folder of each study goes there (studies-out)")
    p.add_argument("--again", action="store_true", help="forget samples that are there")
    p.add_argument("--quiet", action="store_true", help="no progress")
    p.add_argument("-o", choices=("table", "json"), default="table", dest="output",
                   help="what is printed: the report's text, or results.json")
    return p


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1 is needed")
    return value


def versions(programs):
    pocl = first_line("dpkg-query", "-W", "-f", "${Version}", "libpocl2")
    return {"tessera": first_line(programs.tessera, "version"), "PoCL": pocl}


def show(folder, output):
    name = "results.json" if output == "json" else "report.md"
    sys.stdout.write((folder / name).read_text(encoding="utf-8"))


def make_report(record):
    study = module(record.data["study"])
    report.write(study.report(record.data, record.values()), record.data, record.path.parent)


class Sites:
    """A manager for each number of GPUs, from when it is first needed on."""

    def __init__(self, programs, memory, record):
        self.programs, self.memory, self.record = programs, memory, record
        self.stack, self.there = contextlib.ExitStack(), {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def of(self, gpus):
        if gpus not in self.there:
            site = self.stack.enter_context(Site(self.programs, gpus, self.memory))
            self.there[gpus] = site
            if not self.record.data["gpus"]:
                self.record.data["gpus"] = site.gpu_list()
        return self.there[gpus]


def run_study(name, programs, options, a):
    """Returns how many samples failed."""
    study = module(name)
    record = Record(a.out / name / "results.json", name, options.kept(), versions(programs))
    if not a.again:
        record.go_on()
    steps = possible(study.plan(options), programs, record, a.vms)
    for step in steps:
        step.gpus = step.gpus or getattr(study, "GPUS", 1)
    with Sites(programs, study.MEMORY, record) as sites:
        run_steps(sites.of, record, steps, Progress(len(steps), a.quiet))
    make_report(record)
    show(a.out / name, a.output)
    if not a.quiet:
        print(f"{a.out / name / 'report.html'}", file=sys.stderr)
    return len(record.failures())


def list_studies(output):
    found = {name: module(name).QUESTION for name in STUDIES}
    if output == "json":
        json.dump(found, sys.stdout, indent=1)
        print()
        return
    for name, question in found.items():
        print(f"{name:<12} {question}")


def names_of(a, p):
    names = [n for name in a.names for n in (STUDIES if name == "all" else (name,))]
    for name in names:
        if name not in STUDIES:
            p.error(f"no study is named '{name}': there are {', '.join(STUDIES)} (and all)")
    if not names:
        p.error(f"name a study: {', '.join(STUDIES)}, or all ('tessera study list' tells what "
                "they ask)")
    if a.quick and a.full:
        p.error("--quick and --full exclude each other")
    return names


def remake(folders, p):
    if not folders:
        p.error("report: name a folder with a results.json")
    for folder in folders:
        record = Record.load(pathlib.Path(folder) / "results.json")
        if record.data.get("study") not in STUDIES:
            raise Mismatch(f"{folder}: results of no study that is known here")
        make_report(record)
        print(pathlib.Path(folder) / "report.html")


def work(a, p):
    if a.names[:1] == ["list"]:
        list_studies(a.output)
        return 0
    if a.names[:1] == ["report"]:
        remake(a.names[1:], p)
        return 0
    options = Options(a.quick, a.full, a.rounds)
    names = names_of(a, p)
    programs = Programs(os.environ.get("TESSERA_COMMAND") or shutil.which("tessera"))
    failed = sum(run_study(name, programs, options, a) for name in names)
    if failed:
        print(f"tessera study: {failed} samples failed (run it again to try them once more)",
              file=sys.stderr)
    return 1 if failed else 0


class Ended(KeyboardInterrupt):
    """By SIGTERM."""


def ended(number, _frame):
    """The first time: timeout(1) sends its signal twice, and what runs is to be taken away."""
    for each in ENDS:
        signal.signal(each, lambda *_: None)
    raise Ended if number == signal.SIGTERM else KeyboardInterrupt


def main():
    p = parser()
    a = p.parse_args()
    for number in ENDS:
        signal.signal(number, ended)
    try:
        return work(a, p)
    except (Failed, Mismatch, OSError) as why:
        print(f"tessera study: {why}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as why:
        print("\ntessera study: interrupted; what was measured is kept, and the same command goes "
              "on from there", file=sys.stderr)
        return 128 + (signal.SIGTERM if isinstance(why, Ended) else signal.SIGINT)

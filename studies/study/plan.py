# SPDX-License-Identifier: MIT
"""A study is a list of steps, in the order in which they are taken, and a report."""

import dataclasses
import sys
import time
import typing

from study.places import TITLES, problem
from study.site import Failed

NOT_MEASURED = "Not measured: "


@dataclasses.dataclass
class Step:
    """One sample. take(site) returns what json can hold; keys of one study differ."""
    key: str
    what: str  # for the progress bar
    take: typing.Callable
    gpus: int = 0  # software GPUs of its manager (more than one: with cores of their own); 0: the
    #                study's GPUS, or 1
    place: str = "native"  # one that cannot be had everywhere


@dataclasses.dataclass
class Options:
    quick: bool = False
    full: bool = False
    rounds: int = 0  # 0: the study's own

    def choose(self, quick, normal, full):
        return quick if self.quick else full if self.full else normal

    def kept(self):
        return dataclasses.asdict(self)


VMS = ("vm", "vm-container")


def possible(steps, programs, record, vms=True):
    """Those whose place can be had here, and is wanted; of the others the record says why not."""
    record.forget_notes(NOT_MEASURED)
    why = {}
    for step in steps:
        if step.place not in why:
            why[step.place] = ("left out by --no-vms" if step.place in VMS and not vms else
                               problem(step.place, programs))
            if why[step.place]:
                record.note(f"{NOT_MEASURED}{TITLES[step.place]}: {why[step.place]}.")
    return [step for step in steps if not why[step.place]]


class Progress:
    """A line on a terminal; elsewhere a line for each step."""

    def __init__(self, total, quiet=False):
        self.total, self.quiet, self.began = total, quiet, time.monotonic()
        self.terminal = sys.stderr.isatty()

    def show(self, done, what):
        if self.quiet:
            return
        if not self.terminal:
            print(f"[{done + 1}/{self.total}] {what}", file=sys.stderr, flush=True)
            return
        width = 24
        full = width * done // max(self.total, 1)
        passed = time.monotonic() - self.began
        left = f", about {passed / done * (self.total - done) / 60:.0f} min left" if done else ""
        print(f"\r\033[K[{'#' * full}{'.' * (width - full)}] {done}/{self.total} {what}{left}",
              end="", file=sys.stderr, flush=True)

    def clear(self):
        if self.terminal and not self.quiet:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def run_steps(site_for, record, steps, progress):
    """Takes what is not there yet, at site_for(gpus). What fails is kept as such; returns how many
    that were."""
    failed = 0
    for i, step in enumerate(steps):
        if record.has(step.key):
            continue
        progress.show(i, step.what)
        began = time.monotonic()
        try:
            value = step.take(site_for(step.gpus))
        except Failed as why:
            failed += 1
            progress.clear()
            print(f"{step.key}: {why}", file=sys.stderr)
            record.fail(step.key, why, time.monotonic() - began)
        else:
            record.add(step.key, value, time.monotonic() - began)
    progress.clear()
    return failed

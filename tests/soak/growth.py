# SPDX-License-Identifier: MIT
"""Has something grown? Series of (seconds, value) and the bounds they are held against.

The first quarter is warm-up: caches, pools and tables find their size. What counts is the median
of the last quarter against that of the second: a median, because sessions come and go under each
sample; quarters, because a leak goes on and a pool does not. At rest, when no guest is there,
counts must be what they were before the first guest.
"""

import collections
import statistics

Bound = collections.namedtuple("Bound", "name unit most why")
Verdict = collections.namedtuple("Verdict", "series bound early late growth good")

MIB = 1 << 20

# What thousands of sessions may leave: no descriptor, no thread, and less than a page each.
MANAGER = (
    Bound("rss", "bytes", 2 * MIB, "malloc's own scatter; 1 KiB a session would be more"),
    Bound("pss", "bytes", 2 * MIB, "as rss, without what is shared with others"),
    Bound("fds", "", 4, "a session holds a few, and as many sessions are there as before"),
    Bound("threads", "", 2, "it makes none for a session"),
)
WORKER = (
    Bound("rss", "bytes", 4 * MIB, "the rings are touched page by page; else as private"),
    Bound("private", "bytes", 2 * MIB, "beyond what the same program natively grows by"),
    Bound("fds", "", 2, "the compiler may have a file open just then; the same calls need no more"),
    Bound("threads", "", 2, "as its descriptors"),
)


def quarter(series, which):
    """The values in one quarter of the time, 0 to 3."""
    begin, end = series[0][0], series[-1][0]
    low = begin + (end - begin) * which / 4
    high = begin + (end - begin) * (which + 1) / 4
    return [value for when, value in series if low <= when <= high]


def judge(name, series, bound, allowed=0):
    """allowed: growth that is another's (the driver's), measured beside it."""
    early, late = (quarter(series, which) for which in (1, 3)) if series else ([], [])
    if not early or not late:
        return Verdict(name, bound, None, None, None, False)
    before, after = statistics.median(early), statistics.median(late)
    growth = after - before
    return Verdict(name, bound, before, after, growth, growth <= bound.most + max(0, allowed))


def column(samples, who, field):
    return [(s["t"], s[who][field]) for s in samples if s.get(who)]


def judge_process(samples, who, bounds, native=None):
    """One verdict for each bound; native: the same program without Tessera."""
    verdicts = []
    for bound in bounds:
        allowed = 0
        twin = column(samples, native, bound.name) if native else []
        if len(twin) > 8:
            allowed = judge(native, twin, bound).growth or 0
        verdicts.append(judge(who, column(samples, who, bound.name), bound, allowed))
    return verdicts


def judge_rest(name, before, after):
    """Without guests: as many descriptors, threads and children as before the first one."""
    verdicts = []
    for field in ("fds", "threads", "workers"):
        bound = Bound(field, "", 0, "at rest, all sessions are over")
        growth = after[field] - before[field]
        verdicts.append(Verdict(f"{name} at rest", bound, before[field], after[field], growth,
                                growth <= 0))
    return verdicts

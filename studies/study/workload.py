# SPDX-License-Identifier: MIT
"""Programs that are measured, and what they say of themselves: JSON lines, the last a "result"."""

import json
import os
import time

from study.site import Failed, until

LIMIT_S = 1800  # of one run


def result_of(program):
    """The last "result" that it printed."""
    for line in reversed(program.said().splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("event") == "result":
            return found
    raise Failed(f"{' '.join(program.words)} ended without a result: {program.complaint()}")


def run_alone(site, place, words, limit_s=LIMIT_S, read=result_of):
    """One program at a place, which is made for it: its result, what CPU time it took, of its own
    (guest) and of the manager and its workers (host), and what else the place tells.
    read(program) is what is kept of what it printed."""
    place.begin()
    try:
        before = site.cpu_s()
        command, env = place.command(words)
        began = time.monotonic()
        program = site.run(command, env)
        program.wait(limit_s)
        wall = time.monotonic() - began
        result = read(program)
    finally:
        place.end()
    return {"result": result, "wall_s": wall, **place.told(program),
            "host_cpu_s": site.cpu_s() - before}


def beside(gpu):
    """Words before a command that keep it off a software GPU's own cores; none where there are no
    others."""
    if not gpu.get("cores_pinned"):
        return []
    others = sorted(os.sched_getaffinity(0) - cores_of(gpu["cores"]))
    return ["taskset", "--cpu-list", ",".join(map(str, others))] if others else []


def cores_of(text):
    """Of "0-3,8"."""
    found = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def run_together(site, commands, limit_s=LIMIT_S):
    """Programs (command, environment) that begin their measured part at once; they take
    --wait-for FILE. Their results, in order, and what CPU time they (guest) and the manager and
    its workers (host) took from then on. What fails ends all."""
    meeting = site.new_file("meeting")
    meeting.mkdir()
    go = meeting / "go"
    programs = [site.run([*words, "--wait-for", go], env) for words, env in commands]
    try:
        until(lambda: ready(meeting, programs), limit_s, "not all programs are ready")
        guest, host = sum(program.cpu_so_far_s() for program in programs), site.cpu_so_far_s()
        began = time.monotonic()
        go.touch()
        for program in programs:
            program.wait(limit_s)
        wall = time.monotonic() - began
    except Failed:
        for program in programs:
            program.end()
        raise
    return {"results": [result_of(program) for program in programs], "wall_s": wall,
            "guest_cpu_s": sum(program.cpu_s for program in programs) - guest,
            "host_cpu_s": site.cpu_so_far_s() - host}


def ready(meeting, programs):
    for program in programs:
        if program.poll() is not None:
            program.wait(0)
            raise Failed(f"{' '.join(program.words)} ended before it began")
    return len(list(meeting.glob("*.ready"))) == len(programs)

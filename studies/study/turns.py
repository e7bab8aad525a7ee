# SPDX-License-Identifier: MIT
"""Programs that take turns, step by step: what becomes slower for a while, as a machine with
neighbours does, is slower for all of them.

They take --turns: as many steps as a line that they read says, and an event "turn" after them.
"""

import contextlib
import json
import os
import select
import subprocess
import time

from study.site import Failed, Program
from study.workload import LIMIT_S, result_of


class Player(Program):
    """A program whose output is read while it runs."""

    def __init__(self, site, words, env, stdin=subprocess.PIPE):
        self.reader, writer = os.pipe()
        try:
            super().__init__(site, words, env, stdin=stdin, stdout=writer)
        finally:
            os.close(writer)
        self.text, self.seen = "", 0

    def said(self):
        return self.text

    def read_more(self, limit_s):
        """False: it said its last."""
        if not select.select([self.reader], [], [], limit_s)[0]:
            raise Failed(f"{' '.join(self.words)} says nothing for {limit_s} s")
        found = os.read(self.reader, 65536).decode(errors="replace")
        self.text += found
        return bool(found)

    def lines(self):
        """What it has said since, in whole lines."""
        whole = self.text.rfind("\n") + 1
        found, self.seen = self.text[self.seen:whole].splitlines(), max(whole, self.seen)
        return found

    def turn(self, steps=1):
        """The seconds of each of its next steps, as it measured them."""
        self.say(steps)
        return self.turn_ended()

    def turn_ended(self, limit_s=LIMIT_S):
        while True:
            for line in self.lines():
                event = json.loads(line)
                if event.get("event") == "turn":
                    return event["step_s"]
            if not self.read_more(limit_s):
                self.wait(LIMIT_S)
                raise Failed(f"{' '.join(self.words)} ended before its turn: {self.complaint()}")

    def finish(self, limit_s=LIMIT_S):
        """No more turns: its result."""
        self.process.stdin.close()
        while self.read_more(limit_s):
            pass
        self.wait(limit_s)
        return result_of(self)

    def end(self):
        super().end()
        if self.reader >= 0:
            os.close(self.reader)
        self.reader = -1


def measured_turn(place, player):
    """(seconds of a step, the program's CPU time in it, the manager's and its workers')"""
    guest, host = player.cpu_so_far_s(), place.site.cpu_so_far_s()
    seconds, = player.turn()
    return seconds, player.cpu_so_far_s() - guest, place.site.cpu_so_far_s() - host


def begin(site, stack, words):
    """A program that takes turns, until the stack is left."""
    player = site.run(words, stdin=subprocess.PIPE, kind=Player)
    stack.callback(player.end)
    return player


def window(site, players, steps):
    """So many steps of each, all at once, until the last has done its own."""
    guest, host = sum(p.cpu_so_far_s() for p in players), site.cpu_so_far_s()
    began = time.monotonic()
    for player in players:
        player.say(steps)
    programs = [player.turn_ended() for player in players]
    wall = time.monotonic() - began
    return {"wall_s": wall, "programs": programs,
            "guest_cpu_s": sum(p.cpu_so_far_s() for p in players) - guest,
            "host_cpu_s": site.cpu_so_far_s() - host}


def take_turns(places, words, turns):
    """The same program at each of the places (name: place), which are there together: so many
    steps of each, one after the other, in another order each time. Of each place the seconds of
    its steps, what CPU time all took, and the program's result."""
    with contextlib.ExitStack() as stack:
        players = {}
        for name, place in places.items():
            place.begin()
            stack.callback(place.end)
            command, env = place.command([*words, "--turns"])
            players[name] = place.site.run(command, env, subprocess.PIPE, Player)
            stack.callback(players[name].end)
        for player in players.values():
            player.turn()  # by when all are there
        taken = {name: [] for name in places}
        order = list(places)
        for _ in range(turns):
            for name in order:
                taken[name].append(measured_turn(places[name], players[name]))
            order.append(order.pop(0))
        return {name: {"step_s": [seconds for seconds, _, _ in steps],
                       "guest_cpu_s": sum(guest for _, guest, _ in steps),
                       "host_cpu_s": sum(host for _, _, host in steps),
                       "result": players[name].finish()} for name, steps in taken.items()}

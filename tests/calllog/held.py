# SPDX-License-Identifier: MIT
"""Creations that the guest holds back until it sends anything else (rule `held` of compare.py).

Messages keep their order, so a creation that comes late comes before the next message all the same.
Where that is a call that is compared, the walk sees to it; where it is a release, Walk.late() does.
What is released, unused and before the next message, never comes: such items may be missing.
"""

import re
from bisect import bisect

BUFFER_BYTES = 64 << 10
OTHERS = ("clCreateKernel", "clCreateUserEvent")
# A call with the object that is no use of it: the guest answers it alone.
NO_USE = re.compile(r"clGet|cl(Retain|Release)|clSetMemObjectDestructorCallback$")
NAMES_ITS_OWN = ("ret", "kernels")
NEVER = float("inf")


def names_in(value):
    if isinstance(value, str) and "#" in value:
        yield value
    elif isinstance(value, list):
        for part in value:
            yield from names_in(part)


class Held:
    """Part of compare.py's Log, whose lines, items and discrete it uses."""

    def is_holdable(self, item):
        if item.call == "clCreateBuffer":
            # What has bytes to copy, to storage that is not shared, is sent at once.
            copied = self.discrete and item.args["initial"] is not None
            return item.args["size"] <= BUFFER_BYTES and not copied
        return item.call in OTHERS

    def used_objects(self):
        used = set()
        for line in self.lines:
            if line["status"] == 0 and not NO_USE.match(line["call"]):
                for key, value in line["args"].items():
                    if key not in NAMES_ITS_OWN:
                        used.update(names_in(value))
        return used

    def released(self):
        """The lines in which the last reference went, of objects made here."""
        left, found = {}, {}
        for line in self.lines:
            change = re.match(r"cl(Retain|Release)", line["call"])
            if not change or line["status"] != 0:
                continue
            name = next(iter(line["args"].values()))
            left[name] = left.get(name, 1) + (1 if change[1] == "Retain" else -1)
            if left[name] == 0:
                found[name] = line
        return found

    def messages(self, which):
        """{thread: the numbers of those items of it that `which` names}"""
        found = {}
        for item in self.items:
            if which(item):
                found.setdefault(item.thread, []).append(item.n)
        return found

    def find_unused(self):
        """Sets `unused` and `gone`; natively those that may be missing get lack = `held`."""
        used, released = self.used_objects(), self.released()
        sent = self.messages(lambda item: not item.lack and not self.is_holdable(item))
        for item in self.items:
            if not self.is_holdable(item) or item.made[0] in used:
                continue
            item.unused = True
            line = released.get(item.made[0])
            item.gone = line["n"] if line else NEVER
            if not self.worker and next_of(sent, item) > item.gone:
                item.lack = "held"


def next_of(messages, item):
    """The number of the first of these that its thread sent after the item."""
    numbers = messages.get(item.thread, [])
    at = bisect(numbers, item.n)
    return numbers[at] if at < len(numbers) else NEVER


class HeldWalk:
    """Part of compare.py's Walk, whose logs, bound and pairs it uses."""

    def may_lack(self):
        """Creations that may be missing, now that it is known which transfers were messages."""
        sent = self.native.messages(lambda item: item.lack and id(item) in self.pairs)
        return [item for item in self.native.items
                if item.lack == "held" and next_of(sent, item) > item.gone]

    def lacked(self):
        """Creations that are missing, though the program sent a message before it let go."""
        lawful = {id(item) for item in self.may_lack()}
        return [f"native: {item}\nthe worker lacks it, and something was sent before its release"
                for item in self.native.items if item.lack == "held"
                and id(item) not in self.pairs and id(item) not in lawful]

    def late(self):
        """Creations that came after a release that the same thread sent later."""
        native, worker = self.native.released(), self.worker.released()
        first, found = {}, []
        events = [(line["n"], line["t"], name, None) for name, line in native.items()
                  if self.bound.get(name) in worker]
        events += [(item.n, item.thread, item.made[0], item) for item in self.native.items
                   if self.native.is_holdable(item) and item.made[0] in self.bound]
        # Backwards: `first` is the worker's first release of those that follow in the thread.
        for _, thread, name, item in sorted(events, key=lambda event: -event[0]):
            other, before = self.bound[name], first.get(thread, NEVER)
            if item is None:
                first[thread] = min(before, worker[other]["n"])
            elif other in self.worker.creator and self.worker.creator[other].n > before:
                found.append(f"native: {item}\nworker: {self.worker.creator[other]}\n"
                             f"it comes after the release in line {before}, natively before it")
        return found

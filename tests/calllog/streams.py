# SPDX-License-Identifier: MIT
"""Where the whole order differs: each stream of commands by itself (rule `order` of compare.py).

A stream is what a queue or a command buffer is given. The worker keeps the order of each that is in
order, and of the calls that belong to none; it makes no command before a call that the program made
first. Commands of a queue out of order are paired whatever their order, which its barriers, markers
and finishes bound. Where several threads make calls that belong to no stream, each has its pair.
"""

BARRIERS = ("clEnqueueBarrier", "clEnqueueBarrierWithWaitList", "clEnqueueWaitForEvents")
MARKERS = ("clEnqueueMarker", "clEnqueueMarkerWithWaitList")


class Streams:
    """Part of compare.py's Log, whose items, in_order and queues_with() it uses."""

    def threads(self):
        return len({i.thread for i in self.items})

    def streams_with(self, item):
        if item.call.startswith(("clCommand", "clFinalizeCommandBuffer")):
            return [item.args["command_buffer"]]
        return self.queues_with(item.call, item.args)

    def streams(self, in_order):
        """{queue or command buffer: its commands, in its order}"""
        found = {}
        for item in self.items:
            for name in self.streams_with(item):
                if self.in_order.get(name, True) == in_order:
                    found.setdefault(name, []).append(item)
        return found

    def others(self):
        """The calls that belong to no stream; launches tell the arguments of kernels."""
        return [i for i in self.items
                if i.call != "clSetKernelArg" and not self.streams_with(i)]


def is_finish(item):
    return item.call == "clFinish"


def waits_for_all(item):
    return is_finish(item) or item.line["call"] in BARRIERS + MARKERS and not item.waits


def holds_the_rest(item):
    return is_finish(item) or item.line["call"] in BARRIERS


class StreamWalk:
    """Part of compare.py's Walk, whose logs, walk(), bound and pairs it uses."""

    def walk_streams(self):
        """The differences, in words. Objects of several threads may look alike: use tells them."""
        self.in_whole = False
        found = self.streams_differ(True)
        if found and self.native.threads() > 1:
            self.undo(0)
            found = self.streams_differ(False)
        return found

    def streams_differ(self, others_in_order):
        if others_in_order:
            differ = self.walk(self.native.others(), self.worker.others())
            if differ:
                return [differ]
        found = self.in_order_differ() + self.out_of_order_differ()
        # Wait lists may name commands of streams that come later.
        for n in self.native.items:
            items = self.pairs.get(id(n))
            differ = self.waits_differ(n, items[0]) if items else None
            found += [f"native: {n}\nworker: {items[0]}\n{differ}"] if differ else []
        found += self.early() if others_in_order else self.others_differ()
        return found + self.lacked()

    def candidates(self, name, left):
        """The worker's streams that may be this one: the one that is bound, or those like it."""
        if name in self.bound:
            return [self.bound[name]]
        kind = name.split("#")[0]
        return [o for o in left if o.split("#")[0] == kind and o not in self.back]

    def in_order_differ(self):
        left, found = self.worker.streams(True), []
        for name, commands in self.native.streams(True).items():
            words, mark = None, len(self.trail)
            for other in self.candidates(name, left):
                differ = self.walk(commands, left.get(other, []))
                if differ is None:
                    left.pop(other, None)
                    break
                self.undo(mark)
                words = words or differ
            else:
                if not all(c.lack for c in commands):
                    found.append(f"{name}: no stream of the worker has its commands:\n"
                                 f"{words or 'it has none left'}")
        return found + [f"the worker's {name} has commands of no native one: {commands[0]}"
                        for name, commands in left.items()]

    def out_of_order_differ(self):
        native, worker = self.native.streams(False), self.worker.streams(False)
        for name, commands in native.items():
            if name not in self.bound:
                self.bind_out_of_order(name, commands, worker)
        missing, left = self.pair_any(unique(native), unique(worker), self.fits_with_waits)
        return ([f"native: {n}\nthe worker's queue has no such command left" for n in missing]
                + [f"the native queue has no such command left\nworker: {w}" for w in left]
                + [words for commands in native.values() for words in self.disorder(commands)])

    def bind_out_of_order(self, name, commands, worker):
        """Finds the queue that has the same commands, whatever they wait for."""
        for other in self.candidates(name, worker):
            mark = len(self.trail)
            self.bind(name, other)
            missing, left = self.pair_any(commands, worker[other], self.matches)
            self.undo(mark)
            if not missing and not left:
                self.bind(name, other)
                return

    def fits_with_waits(self, n, w):
        mark = len(self.trail)
        if self.matches(n, w) and not self.waits_differ(n, w):
            return True
        self.undo(mark)
        return False

    def pair_any(self, native, worker, fits):
        """Pairs each with the first that fits: (those without, the worker's that are left).

        Finishes come last, when it is known between which commands one must be.
        """
        missing, left = [], list(worker)
        for n in sorted(native, key=is_finish):
            for at, w in enumerate(left):
                if fits(n, w) and not (is_finish(n) and self.breaks(n, native, w)):
                    self.pair(n, [left.pop(at)])
                    break
            else:
                missing += [] if n.lack else [n]
        return missing, left

    def breaks(self, n, commands, w):
        """The first command that would be on the wrong side of this one, if w is its pair."""
        for other in commands:
            items = self.pairs.get(id(other))
            if not items or other.args.get("command_queue") != n.args["command_queue"]:
                continue
            if other.n < n.n and waits_for_all(n) and items[-1].n > w.n:
                return other
            if other.n > n.n and holds_the_rest(n) and items[0].n < w.n:
                return other
        return None

    def disorder(self, commands):
        """What a queue out of order may not do either."""
        found = []
        for n in commands:
            items = self.pairs.get(id(n))
            if not items or not (waits_for_all(n) or holds_the_rest(n)):
                continue
            other = self.breaks(n, commands, items[0])
            if other:
                found.append(f"native: {n}\nworker: {items[0]}\nit is on the other side of "
                             f"{other}")
        return found

    def early(self):
        """Commands that overtook a call: they may come late, never early."""
        last, found = {}, []  # by thread: the worker's last call that is no queue's, with its pair
        for n in self.native.items:
            items = self.pairs.get(id(n))
            if not items or n.line["args"].get("pfn_notify"):  # a build that nobody waits for
                continue
            w, before = items[0], last.get(n.thread)
            if not self.native.queues_with(n.call, n.args):
                last[n.thread] = max(before or (w.n, n), (w.n, n), key=lambda pair: pair[0])
            elif before and w.n < before[0]:
                found.append(f"native: {n}\nworker: {w}\nit comes before {before[1]}")
        return found

    def others_differ(self):
        """Calls of several threads that belong to no stream: each has its own in the worker.

        Use tells which is which: that of the streams has been seen, and here the last calls come
        first. Those that may be missing get what is left: they are used by none.
        """
        native = self.native.others()
        missing, left = self.pair_any([n for n in native[::-1] if not n.lack],
                                      self.worker.others()[::-1], self.matches)
        _, left = self.pair_any([n for n in native if n.lack], left[::-1],
                                lambda n, w: w.unused and self.matches(n, w))
        return ([f"native: {n}\nthe worker makes no such call" for n in missing]
                + [f"the program makes no such call\nworker: {w}" for w in left])


def unique(streams):
    """All commands in the log's order. Replays of a command buffer may be in several queues."""
    items = {id(i): i for commands in streams.values() for i in commands}
    return sorted(items.values(), key=lambda item: item.n)

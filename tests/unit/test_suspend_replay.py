#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Power is lost between any two writes of the manager's state, or within one: the writes of a
whole life are replayed up to each point, and a manager starts on what is there then.

The writes are told by tests/unit/record_writes.c. A snapshot's bytes, which workers write, are all
there as soon as it has its name.
"""

import os
import shutil
import sys

RECORDER = os.path.abspath(sys.argv.pop(3))

from suspend_world import World, main, within  # noqa: E402  (it takes the other arguments)

STEP_BYTES = 97  # a write is cut at each such place: fewer bytes would say the same


class PowerLoss(World):
    def setUp(self):
        self.writes = []
        self.snapshots = {}
        os.environ["LD_PRELOAD"] = RECORDER
        super().setUp()

    def start(self):
        os.environ["RECORD_BELOW"] = self.state
        os.environ["RECORD_TO"] = self.folder + "/writes"
        super().start()

    def recorded(self):
        try:
            with open(self.folder + "/writes", encoding="ascii") as f:
                return [line.split() for line in f]
        except FileNotFoundError:
            return []

    def mark(self):
        return len(self.recorded())

    def replay(self, upto, cut, folder):
        """Files after the first `upto` writes, and `cut` bytes of the next: path -> bytes."""
        files = {}
        for i, (what, path, *rest) in enumerate(self.recorded()[:upto + (cut > 0)]):
            if what == "open":
                files[path] = b""
            elif what == "write":
                data = bytes.fromhex(rest[0])
                files[path] = files.get(path, b"") + (data[:cut] if i == upto else data)
            elif what == "rename":
                files[rest[0]] = files.pop(path, b"")
                if rest[0].endswith(".tessera"):
                    files[rest[0]] = self.snapshots["a"]
            else:
                files.pop(path, None)
        for path, data in files.items():
            to = folder + path[len(self.state):]
            os.makedirs(os.path.dirname(to), exist_ok=True)
            with open(to, "wb") as f:
                f.write(data)
        return frozenset(files.items())

    def points(self):
        for i, (what, _path, *rest) in enumerate(self.recorded()):
            yield i, 0
            if what == "write":
                yield from ((i, cut) for cut in range(1, len(rest[0]) // 2, STEP_BYTES))
        yield len(self.recorded()), 0

    def look(self, upto, cut, where):
        """What a manager makes of it: None (no such vGPU), "idle" or "suspended"."""
        self.run, self.state = where + "/run", where + "/state"
        self.start()
        told = self.api("GET", "/v1/vgpus/a")
        state = None if "error" in told else told["state"]
        self.assertIn(state, (None, "idle", "suspended"), (upto, cut))
        if state == "suspended":
            self.assertEqual(self.ok("resume")["vgpu"]["state"], "running")
        if state:
            self.ok("suspend")
        damaged = [name for _d, _s, names in os.walk(self.state) for name in names
                   if "damaged" in name]
        self.assertEqual(damaged, [], (upto, cut))
        self.api("POST", "/v1/shutdown", {"vgpus": "end"})
        self.manager.wait(20)
        return state

    def test_each_point_of_a_life(self):
        made = self.mark()
        self.create()
        created = self.mark()
        guest = self.join(program="p")
        self.ok("suspend")
        with open(self.own_file(), "rb") as f:
            self.snapshots["a"] = f.read()
        suspended = self.mark()
        self.ok("resume")
        within(lambda: not os.path.exists(self.own_file()))
        resumed = self.mark()
        self.rejoin(guest)
        self.api("DELETE", "/v1/vgpus/a")
        within(lambda: "error" in self.api("GET", "/v1/vgpus/a"))
        self.api("POST", "/v1/shutdown", {"vgpus": "end"})
        self.manager.wait(20)
        os.environ.pop("LD_PRELOAD")
        end = self.mark()
        self.assertLess(made, created)
        self.assertLess(created, suspended)
        self.assertLess(suspended, resumed)
        home, states, seen = (self.run, self.state), {}, {}
        for upto, cut in self.points():
            where = f"{self.folder}/{upto}-{cut}"
            self.run, self.state = home
            files = self.replay(upto, cut, where + "/state")
            if files not in seen:
                os.makedirs(where + "/state", exist_ok=True)
                seen[files] = self.look(upto, cut, where)
                shutil.rmtree(where + "/run", ignore_errors=True)
            states[upto, cut] = seen[files]
        self.run, self.state = home
        self.manager = None
        self.assertGreater(len(seen), 10)
        self.assertEqual(states[created, 0], "idle")
        self.assertEqual(states[suspended, 0], "suspended")
        self.assertEqual(states[resumed, 0], "idle")
        self.assertEqual(states[end, 0], None)
        told = [states[p] for p in sorted(states)]
        changes = [b for a, b in zip([None] + told, told) if a != b]
        self.assertEqual(changes, ["idle", "suspended", "idle", None])


if __name__ == "__main__":
    main()

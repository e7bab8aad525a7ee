# SPDX-License-Identifier: MIT
"""results.json: each sample as it was, the machine, the versions, and what was asked for.

It is written after each sample, so that a study which is interrupted goes on where it stopped.
What failed is a sample, too: it has an "error" in place of a "value".
"""

import datetime
import json
import os
import pathlib
import platform
import subprocess

FORMAT = 1


class Mismatch(Exception):
    """The file is of other options, of another machine, or none of ours."""


def first_line(*command):
    """What a program says of its version; None where it is not there."""
    try:
        said = subprocess.run(command, text=True, check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.splitlines()[0] if said else None


def processor():
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in text.splitlines()
             if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine():
    """Of what it is made; nothing that names it."""
    release = platform.freedesktop_os_release()
    return {"processor": processor(), "cores": os.cpu_count(),
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "kernel": platform.release(), "system": release.get("PRETTY_NAME", "Linux")}


class Record:
    """Samples by key, in the order in which they were taken."""

    def __init__(self, path, study, options, versions):
        self.path = pathlib.Path(path)
        self.data = {"format": FORMAT, "study": study, "options": options,
                     "machine": machine(), "versions": versions,
                     "began": now(), "gpus": [], "notes": [], "samples": {}}

    @classmethod
    def load(cls, path):
        """As it is, to make a report of it."""
        record = cls.__new__(cls)
        record.path = pathlib.Path(path)
        try:
            record.data = json.loads(record.path.read_text(encoding="utf-8"))
        except ValueError as why:
            raise Mismatch(f"{path}: no JSON: {why}") from None
        if not isinstance(record.data, dict) or record.data.get("format") != FORMAT:
            raise Mismatch(f"{path}: no results of a study, or of a later version of it")
        return record

    def go_on(self):
        """Takes over the samples that are there, of the same study with the same options."""
        if not self.path.exists():
            return
        there = Record.load(self.path).data
        for key in ("study", "options", "machine", "versions"):
            if there[key] != self.data[key]:
                raise Mismatch(f"{self.path} has results of other {key}: name another folder "
                               "with --out, or begin anew with --again")
        self.data = there

    def has(self, key):
        """Whether it need not be taken again: what failed is tried once more."""
        return "value" in self.data["samples"].get(key, {})

    def add(self, key, value, seconds):
        self.data["samples"][key] = {"at": now(), "seconds": round(seconds, 3), "value": value}
        self.write()

    def fail(self, key, error, seconds):
        self.data["samples"][key] = {"at": now(), "seconds": round(seconds, 3),
                                     "error": str(error)}
        self.write()

    def note(self, text):
        """What a reader has to know; each once."""
        if text not in self.data["notes"]:
            self.data["notes"].append(text)

    def forget_notes(self, beginning):
        self.data["notes"] = [n for n in self.data["notes"] if not n.startswith(beginning)]

    def write(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps(self.data, indent=1) + "\n", encoding="utf-8")
        beside.replace(self.path)

    def values(self):
        return {key: s["value"] for key, s in self.data["samples"].items() if "value" in s}

    def failures(self):
        return {key: s["error"] for key, s in self.data["samples"].items() if "error" in s}


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")

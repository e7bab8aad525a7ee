# SPDX-License-Identifier: MIT
"""A QEMU machine with a vGPU, as the tests of virtual machines have it.

To start it takes long where it is emulated, so a study has one, from its first use to the end of
the site. While others are measured it is stopped, and takes nothing of them.
"""

import functools
import importlib.util
import json
import pathlib
import platform
import shlex
import shutil
import signal
import sys

from study.site import TICKS, Failed, until

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parents[1] / "tests" / "vm"
QEMU = "qemu-system-x86_64"
DATA = "/usr/share/datasets/fashion-mnist-small"  # whole ones take an emulated machine minutes
VGPU = "study-vm"
LEAVE_S = 30  # the manager's, of a program that ended inside
SAMPLE_S = 600


def problem(programs):
    """Why there can be no machine here; None where there can."""
    if platform.machine() != "x86_64":
        return f"the machine that studies have is x86-64, not {platform.machine()}"
    if not (TESTS / "machine.py").is_file():
        return "its parts are in Tessera's source tree alone: run the study from a build tree"
    if not shutil.which(QEMU):
        return f"{QEMU} is not installed (Debian: apt install qemu-system-x86)"
    for name in ("vmlinuz", "initramfs.cpio"):
        if not (image(programs) / name).is_file():
            return f"{image(programs)} has no image: make vm-image"
    return None


def container_problem(programs):
    if not (image(programs) / "root/bundle/config.json").is_file():
        return problem(programs) or "its image has no container: install crun, make vm-image"
    return problem(programs)


def image(programs):
    return programs.build / "vm"


@functools.cache
def machines(tests=TESTS):
    """The tests' module."""
    spec = importlib.util.spec_from_file_location("study_machine", tests / "machine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def emulated(programs):
    return machines().accelerator(image(programs)) != "kvm"


def cpu_s(pid):
    text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return sum(map(int, text.rsplit(")", 1)[1].split()[11:13])) / TICKS


class Guest:
    """Between begin() and rest() it runs, and does one command after the other."""

    def __init__(self, site, gpu, vgpu_type):
        self.site, self.image = site, image(site.programs)
        self.machine, self.folder = None, None
        self.starts = self.containers = 0
        site.create(VGPU, vgpu_type, gpu["name"])

    def begin(self):
        """One that was left in the middle of something is started anew."""
        if self.runs() and not (self.folder / "busy").exists():
            self.machine.process.send_signal(signal.SIGCONT)
        else:
            self.start()

    def runs(self):
        return self.machine is not None and self.machine.runs()

    def start(self):
        self.stop()
        self.starts += 1
        self.folder = self.site.folder / f"machine{self.starts}"
        arguments = json.loads(self.site.tessera("vm", "qemu-args", VGPU, "-o", "json"))
        self.machine = machines().Machine(self.image, self.folder, arguments)
        try:
            self.machine.start()
        except machines().Failed as why:
            self.stop()
            raise Failed(f"the machine does not start: {why}") from None
        self.machine.close()  # of its port: inside.py is next

    def rest(self):
        if not self.runs():
            return
        until(lambda: not self.sessions(), LEAVE_S, "a program in the machine does not end")
        self.machine.process.send_signal(signal.SIGSTOP)

    def sessions(self):
        return json.loads(self.site.tessera("show", VGPU, "-o", "json"))["sessions"]

    def cpu_s(self):
        return cpu_s(self.machine.process.pid) if self.runs() else 0.0

    def command(self, script):
        """Of the host: it ends as the script does, and prints what that prints."""
        path = self.site.new_file("sh")
        path.write_text(script, encoding="utf-8")
        return [sys.executable, HERE / "inside.py", TESTS, self.folder, SAMPLE_S, path]

    def container(self, words):
        """A script: a program in a container of the machine's, which has its vGPU, too."""
        path = self.image / "root/bundle/config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["process"]["args"] = inside(words)
        self.containers += 1
        name = f"study{self.containers}"
        # An initramfs cannot be pivoted from.
        return (f"mkdir -p /tmp/{name} && cd /tmp/{name} || exit\n"
                f"cat >config.json <<'END'\n{json.dumps(config)}\nEND\n"
                f"tessera-guest oci-edit . {VGPU} >/dev/null && crun run --no-pivot {name}")

    def command_cpu_s(self):
        """Of the last command, as the machine tells it."""
        path = self.folder / "cpu"
        return float(path.read_text(encoding="utf-8")) if path.exists() else 0.0

    def stop(self):
        if self.machine:
            self.machine.kill()

    def close(self):
        self.stop()
        self.site.delete(VGPU)


def inside(words):
    """A program by its name, as it is found there."""
    return [pathlib.Path(words[0]).name, *map(str, words[1:])]


def process(words):
    """A script."""
    return shlex.join(inside(words))

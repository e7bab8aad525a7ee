# SPDX-License-Identifier: MIT
"""Where a program runs: on the bare driver, passed through, on a vGPU, in a container, in a virtual
machine.

begin() comes before a place's programs and end() after them; in between command(words) is what runs
one from the host. At a place that is slow all takes long, which no ratio may be made of.
"""

from study import bundle, guest
from study.site import Failed

TITLES = {"native": "native", "passthrough": "passthrough", "vgpu": "vGPU",
          "container": "container", "vm": "virtual machine",
          "vm-container": "container in a VM"}


class Place:
    """On the host."""
    slow = False
    data = None  # folder of a trainer's images, where it is not the usual one

    def __init__(self, site, gpu, vgpu_type):
        self.site, self.gpu, self.type = site, gpu, vgpu_type
        self.vgpu = f"study-{self.name}"  # where it has one

    def begin(self):
        pass

    def end(self):
        pass

    def told(self, program):
        """Of one that has ended."""
        return {"guest_cpu_s": program.cpu_s}


class Native(Place):
    """The driver itself, without Tessera."""
    name = "native"

    def command(self, words):
        device = f"{self.gpu['platform']}:{self.gpu['device_index']}"
        return [*words, "--device", device], {"OCL_ICD_VENDORS": self.gpu.get("icd") or ""}


class Passthrough(Native):
    """The whole GPU, by the manager's leave; the same driver, in the program's own process."""
    name = "passthrough"

    def begin(self):
        self.site.tessera("create", self.vgpu, "--passthrough", "--gpu", self.gpu["name"])

    def command(self, words):
        words, _ = super().command(words)
        return [self.site.programs.tessera, "run", self.vgpu, "--", *words], {}

    def end(self):
        self.site.delete(self.vgpu)


class Vgpu(Place):
    """A vGPU, alone on its GPU."""
    name = "vgpu"

    def begin(self):
        self.site.create(self.vgpu, self.type, self.gpu["name"])

    def command(self, words):
        return [self.site.programs.tessera, "run", self.vgpu, "--", *words,
                "--device", "Tessera:0"], {}

    def end(self):
        self.site.delete(self.vgpu)


class Container(Vgpu):
    """The same in a container, which has the program and its libraries."""
    name = "container"

    def command(self, words):
        folder = bundle.make(self.site, self.vgpu, [*words, "--device", "Tessera:0"])
        return bundle.crun(self.site, "run", "--bundle", folder, "study"), {}

    def end(self):
        bundle.remove(self.site, "study")
        super().end()


class Machine(Place):
    """A process in the site's machine, which has a vGPU all the while."""
    name = "vm"
    data = guest.DATA

    @property
    def slow(self):
        return guest.emulated(self.site.programs)

    def begin(self):
        self.guest = self.site.once("machine", lambda: guest.Guest(self.site, self.gpu, self.type))
        self.guest.begin()
        self.before_s = self.guest.cpu_s()

    def script(self, words):
        return guest.process(words)

    def command(self, words):
        return self.guest.command(self.script([*words, "--device", "Tessera:0"])), {}

    def end(self):
        self.guest.rest()

    def told(self, _program):
        """The guest's own clocks tell its CPU time; the machine's is QEMU's, which has it in it."""
        return {"guest_cpu_s": self.guest.command_cpu_s(), "emulated": self.slow,
                "machine_cpu_s": self.guest.cpu_s() - self.before_s}


class MachineContainer(Machine):
    """A container in that machine."""
    name = "vm-container"

    def script(self, words):
        return self.guest.container(words)


KINDS = {kind.name: kind
         for kind in (Native, Passthrough, Vgpu, Container, Machine, MachineContainer)}
PROBLEMS = {"container": bundle.problem, "vm": guest.problem,
            "vm-container": guest.container_problem}


def problem(name, programs):
    """Why a place cannot be had here; None where it can."""
    return PROBLEMS[name](programs) if name in PROBLEMS else None


def place(name, site, gpu, vgpu_type):
    if name not in KINDS:
        raise Failed(f"no place is named {name}")
    return KINDS[name](site, gpu, vgpu_type)

# SPDX-License-Identifier: MIT
"""Where a program runs: on the bare driver, passed through, on a vGPU, in a container."""

from study.site import Failed

TITLES = {"native": "native", "passthrough": "passthrough", "vgpu": "vGPU",
          "container": "container", "vm": "virtual machine",
          "vm-container": "container in a VM"}


class Native:
    """The driver itself, without Tessera."""
    name = "native"

    def __init__(self, site, gpu):
        self.site, self.gpu = site, gpu

    def begin(self):
        pass

    def command(self, words):
        device = f"{self.gpu['platform']}:{self.gpu['device_index']}"
        return [*words, "--device", device], {"OCL_ICD_VENDORS": self.gpu.get("icd") or ""}

    def end(self):
        pass


class Passthrough(Native):
    """The whole GPU, by the manager's leave; the same driver, in the program's own process."""
    name = "passthrough"

    def begin(self):
        self.site.tessera("create", "study-whole", "--passthrough", "--gpu", self.gpu["name"])

    def command(self, words):
        words, _ = super().command(words)
        return [self.site.programs.tessera, "run", "study-whole", "--", *words], {}

    def end(self):
        self.site.delete("study-whole")


class Vgpu:
    """A vGPU, alone on its GPU."""
    name = "vgpu"

    def __init__(self, site, gpu, vgpu_type):
        self.site, self.gpu, self.type = site, gpu, vgpu_type

    def begin(self):
        self.site.create("study-vgpu", self.type, self.gpu["name"])

    def command(self, words):
        return [self.site.programs.tessera, "run", "study-vgpu", "--", *words,
                "--device", "Tessera:0"], {}

    def end(self):
        self.site.delete("study-vgpu")


def place(name, site, gpu, vgpu_type):
    if name == "native":
        return Native(site, gpu)
    if name == "passthrough":
        return Passthrough(site, gpu)
    if name == "vgpu":
        return Vgpu(site, gpu, vgpu_type)
    raise Failed(f"no place is named {name}")

# SPDX-License-Identifier: MIT
"""Where the programs are: in the build tree that they were built in, or installed."""

import pathlib
import shutil

from study.site import Failed

WORKLOADS = ("tessera-train", "tessera-language", "tessera-cad", "tessera-office")


class Programs:
    def __init__(self, tessera):
        """tessera: the command itself, None where there is none; the others lie around it."""
        if not tessera:
            raise Failed("the tessera command is not found: run the studies as `tessera study`")
        self.tessera = pathlib.Path(tessera).resolve()
        self.build = self.tessera.parent
        self.tesserad = self.find("tesserad")

    def find(self, name):
        for folder in (".", "studies/workloads", "bench"):
            path = self.build / folder / name
            if path.is_file():
                return path
        found = shutil.which(name)
        if not found:
            raise Failed(f"{name} is neither in {self.build} nor in PATH: it is built and "
                         "installed with Tessera")
        return pathlib.Path(found)

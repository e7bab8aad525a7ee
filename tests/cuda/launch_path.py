#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""launch_path.py FRONT FAKE LAUNCH: instructions of a launch, with and without Tessera's library in
front of the driver, counted by Callgrind.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

FRONT, FAKE, LAUNCH = map(os.path.abspath, sys.argv[1:4])
del sys.argv[1:4]
FEW, MANY = 1000, 3000
COLLECTED = re.compile(r"Collected : (\d+)")
# Must a turn be asked for? A mark for indirect jumps, a load and compare, two jumps.
LOOK = 4
# What leads there from the export: a mark, a load, a jump.
TRAMPOLINE = 3


def instructions(library, way, launches):
    """Of the whole program."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(library, f"{folder}/libcuda.so.1")
        env = {key: value for key, value in os.environ.items()
               if "CUDA" not in key and "TESSERA" not in key}
        env |= {"LD_LIBRARY_PATH": folder, "TESSERA_CUDA_DRIVER": FAKE}
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", LAUNCH,
             str(launches), way], env=env, text=True, timeout=120, check=True,
            capture_output=True)
    return int(COLLECTED.search(done.stderr).group(1))


def of_a_launch(library, way):
    return (instructions(library, way, MANY) - instructions(library, way, FEW)) / (MANY - FEW)


@unittest.skipUnless(shutil.which("valgrind"), "package valgrind is not installed")
class LaunchPath(unittest.TestCase):
    def test_by_cu_get_proc_address_it_is_a_look_more(self):
        """As the CUDA runtime launches, and so all that is built on it."""
        more = of_a_launch(FRONT, "look") - of_a_launch(FAKE, "look")
        print(f"with Tessera's library a launch has {more:g} instructions more")
        self.assertLess(abs(more - LOOK), 0.5)

    def test_by_the_export_it_is_a_trampoline_besides(self):
        more = of_a_launch(FRONT, "export") - of_a_launch(FAKE, "export")
        print(f"by the exported function {more:g} instructions more")
        self.assertLess(abs(more - LOOK - TRAMPOLINE), 0.5)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench.py BENCH-GPU-RUN BUILD: it measures what can be run, and says why of what cannot."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

RUN, BUILD = sys.argv[1:3]
del sys.argv[1:3]
MEASURED = {"overhead, driver": "ratio", "two of F/2": "of_alone", "F/2 and F/5": "of_alone",
            "out of memory, driver": "said"}


class Bench(unittest.TestCase):
    def test_each_has_a_figure_or_a_reason(self):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([RUN, "--fake", "--quick", "--out", folder, "--build", BUILD],
                                  text=True, capture_output=True, check=False, timeout=100)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            results = json.loads(pathlib.Path(folder, "results.json").read_text(encoding="utf-8"))
            report = pathlib.Path(folder, "report.md").read_text(encoding="utf-8")
        found = results["found"]
        self.assertEqual(len(found), 12)
        for name, what in found.items():
            self.assertIn(f"| {name} | ", report)
            wanted = MEASURED.get(name, "left_out")
            self.assertTrue(what.get(wanted) or what.get("left_out") and name not in MEASURED,
                            f"{name}: {what}")
        self.assertGreater(found["overhead, driver"]["ratio"]["median"], 0)
        self.assertTrue(all(part > 0 for part in found["two of F/2"]["of_alone"]))
        self.assertIn("OUT_OF_MEMORY", found["out of memory, driver"]["said"])
        self.assertEqual(results["gpu"]["cuda_device"], "GPU-5a5a5a5a-0000")


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""compare.py tells a hang of the driver itself from a difference."""

import argparse
import contextlib
import io
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import compare  # noqa: E402

BEGUN = ["  1 clCreateUserEvent -> e1 = CL_SUCCESS", "  2 clWaitForEvents e2"]
GOES_ON = [BEGUN[0], BEGUN[1] + " = CL_SUCCESS", "  3 clFinish q0 = CL_SUCCESS"]
NO_END = "*** no end within 120 s: "
DIED = "*** ended with status -11: "


def compared(native, guest):
    """The exit status, and what was said."""
    args = argparse.Namespace(
        guest="vgpu", differences="/nonexistent", devices=1, name="test", seed=7, count=1,
        chunk=1, most=10, minimise=False, program="sequences", ops=40, only="", timeout=120)
    comparison = compare.Comparison(args)
    comparison.run = lambda *_: [{7: native}, {7: guest}]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        return comparison.all(), out.getvalue()


class Hangs(unittest.TestCase):
    def test_of_the_driver_itself(self):
        status, out = compared(BEGUN + [NO_END], GOES_ON)
        self.assertEqual(status, 0)
        self.assertIn("1 where the driver itself hangs: seeds 7\n", out)
        self.assertIn("1 sequences, 0 differ", out)

    def test_between_two_calls(self):
        status, out = compared(GOES_ON[:2] + [NO_END], GOES_ON)
        self.assertEqual(status, 0)
        self.assertIn("driver itself hangs", out)

    def differs(self, native, guest):
        status, out = compared(native, guest)
        self.assertEqual(status, 1)
        self.assertNotIn("driver itself hangs", out)

    def test_of_the_vgpu(self):
        self.differs(GOES_ON, BEGUN + [NO_END])

    def test_behind_a_difference(self):
        self.differs(BEGUN + [NO_END], [GOES_ON[0] + "!"] + GOES_ON[1:])

    def test_another_call_on_the_vgpu(self):
        self.differs(BEGUN + [NO_END], [BEGUN[0], "  2 clFlush q0 = CL_SUCCESS"])

    def test_an_end_of_the_vgpu(self):
        self.differs(BEGUN + [NO_END], BEGUN[:1] + [DIED])

    def test_a_driver_that_dies(self):
        self.differs(BEGUN + [DIED], GOES_ON)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""test_round_trip.py ROUND_TRIP SEEDS.PY DESCRIPTION SEEDS

Sessions of all kinds on the fake driver, one for each seed of tests/fuzz/fuzz_frame.c, are paused,
saved, made again and saved again: both snapshots must be alike.
"""

import subprocess
import sys
import tempfile
from pathlib import Path


def main():
    program, seeds_py, description, seeds = sys.argv[1:5]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, seeds_py, description, seeds, folder], check=True)
        inputs = sorted(str(p) for p in Path(folder).glob("*-saved"))
        if len(inputs) < 50:
            sys.exit(f"only {len(inputs)} seeds")
        done = subprocess.run([program, *inputs], stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            sys.exit(f"status {done.returncode}:\n" + "\n".join(done.stderr.splitlines()[-20:]))


if __name__ == "__main__":
    main()

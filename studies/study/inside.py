# SPDX-License-Identifier: MIT
"""inside.py TESTS FOLDER SECONDS FILE: runs FILE, a shell script, in a study's machine.

What it prints, it prints; its status is this one's, and FOLDER/cpu is the CPU time that its
children took there. While it runs there is FOLDER/busy.
"""

import importlib.util
import pathlib
import re
import sys

TIMES = re.compile(r"(\d+)m([\d.]+)s (\d+)m([\d.]+)s")


def machine_module(tests):
    spec = importlib.util.spec_from_file_location("machine", pathlib.Path(tests) / "machine.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def timed(script):
    """Ends with what the shell's `times` says: a line of itself, and one of its children."""
    return f"(\n{script}\n)\nstatus=$?\ntimes\nexit $status\n"


def parted(output):
    """What the script itself printed, and its children's CPU time."""
    lines = output.splitlines(keepends=True)
    found = TIMES.fullmatch(lines[-1].strip()) if lines else None
    if not found:
        return output, 0.0
    user_m, user_s, system_m, system_s = map(float, found.groups())
    return "".join(lines[:-2]), 60 * (user_m + system_m) + user_s + system_s


def main():
    tests, folder, seconds, path = sys.argv[1:]
    machine = machine_module(tests)

    class Attached(machine.Guest):
        """To a machine that somebody else has started."""

        def runs(self):
            return True

    folder = pathlib.Path(folder)
    guest = Attached(folder, "kvm")  # SECONDS as they are, whatever runs it
    guest.connect(begins=False)
    (folder / "busy").touch()
    status, output = guest.run(timed(pathlib.Path(path).read_text(encoding="utf-8")),
                               float(seconds))
    said, cpu_s = parted(output)
    (folder / "cpu").write_text(str(cpu_s), encoding="utf-8")
    (folder / "busy").unlink()
    sys.stdout.write(said)
    return status


if __name__ == "__main__":
    sys.exit(main())

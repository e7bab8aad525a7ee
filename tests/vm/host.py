# SPDX-License-Identifier: MIT
"""What the tests of virtual machines share: a host with a manager, and how tests are run.

The software GPUs are the host's: kernels run at full speed also where the machine is emulated.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import machine

TYPE = "cpu-512m"
FRAMEBUFFER = 512 << 20
PORTS = 16
DATA = "/usr/share/datasets/fashion-mnist-small"
TRAIN = f"tessera-train --json --steps 30 --seed 5 --data {DATA}"
# crun refuses to run where version 2 of control groups has controllers beside version 1.
CRUN_VIEW = """! grep -qs . /sys/fs/cgroup/unified/cgroup.controllers ||
    umount /sys/fs/cgroup/unified
exec "$@" """


class Host:
    """A manager with folders of its own and two software GPUs."""

    def __init__(self, build, image, folder):
        self.build, self.image, self.folder = build, image, pathlib.Path(folder)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("TESSERA", "OCL_ICD"))}
        self.env |= {"TESSERA_RUNTIME_DIR": str(self.folder / "run"), "TESSERA_NO_START": "1",
                     "TESSERA_STATE_DIR": str(self.folder / "state"), "TESSERA_SHARE_CACHE": "1",
                     "TESSERA_SOFTWARE_GPUS": "2"}
        self.data = self.image / "root" / DATA.lstrip("/")
        self.manager = None
        self.machines = 0
        self.ends = contextlib.ExitStack()  # what ends before the manager does
        self.share_caches(pathlib.Path(os.environ.get("TESSERA_TEST_CACHE",
                                                      self.folder / "compiled")))

    def share_caches(self, compiled):
        """What PoCL compiles for one GPU, or in another stage of a check, serves all."""
        compiled.mkdir(parents=True, exist_ok=True)
        caches = self.folder / "run/cache"
        for folder in (caches.parent, caches):
            folder.mkdir(mode=0o700)
        for gpu in ("gpu0", "gpu1"):
            (caches / f".{gpu}").symlink_to(compiled)

    def start(self, *options):
        with open(self.folder / "tesserad.log", "ab") as log:
            self.manager = subprocess.Popen([self.build / "tesserad", *options], env=self.env,
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            start_new_session=True)
        until(30, lambda: self.command("gpus").returncode == 0)

    def command(self, *words):
        return subprocess.run([self.build / "tessera", *words], env=self.env, text=True,
                              check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def tessera(self, *words):
        done = self.command(*words)
        assert done.returncode == 0, f"tessera {' '.join(words)}: {done.stdout}"
        return done.stdout

    def vgpu(self, name):
        return json.loads(self.tessera("show", name, "-o", "json"))

    def gpus(self):
        return json.loads(self.tessera("gpus", "-o", "json"))["gpus"]

    def request(self, method, path, body="{}"):
        """The control API's answer."""
        control = self.folder / "run/control.sock"
        done = subprocess.run(["curl", "-sS", "--unix-socket", control, "-X", method, "-d", body,
                               "http://tessera" + path], text=True, check=True,
                              stdout=subprocess.PIPE)
        return json.loads(done.stdout)

    def arguments(self, name):
        return json.loads(self.tessera("vm", "qemu-args", name, "-o", "json"))

    def machine(self, *names):
        """One that has these vGPUs; not yet started."""
        self.machines += 1
        arguments = [word for name in names for word in self.arguments(name)]
        return machine.Machine(self.image, self.folder / f"machine{self.machines}", arguments)

    def start_program(self, *words):
        words = [str(self.data) if word == DATA else word for word in words]
        return subprocess.Popen(words, env=self.env, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def native(self, program, *words):
        """A workload without Tessera."""
        return self.start_program(self.build / "studies/workloads" / program, *words)

    def on_vgpu(self, name, program, *words):
        return self.start_program(self.build / "tessera", "run", name, "--",
                                  self.build / "studies/workloads" / program, *words)

    def contain(self, name, *words):
        """A process: the test machine's container, with this vGPU, on the host."""
        image = self.image / "root/bundle"
        bundle = self.folder / f"container-{name}"
        bundle.mkdir()
        config = json.loads((image / "config.json").read_text())
        config["root"]["path"] = str(image / "rootfs")
        config["process"]["args"] = list(words)
        for mount in config["mounts"]:
            if mount["destination"] == DATA:
                mount["source"] = str(self.data)
        (bundle / "config.json").write_text(json.dumps(config))
        self.tessera("oci-edit", bundle, name)
        crun = ["crun", "--root", self.folder / "crun", "--cgroup-manager=disabled", "run",
                "--bundle", bundle, name]
        return self.start_program("unshare", "--mount", "--propagation", "slave", "sh", "-c",
                                  CRUN_VIEW, "sh", *crun)

    def workers(self, name):
        return [s["worker_pid"] for s in self.vgpu(name)["sessions"]]

    def stop(self):
        try:
            self.ends.close()
        finally:
            if self.manager.poll() is None:
                self.command("delete", "all")  # with the memory that machines have had
                self.command("shutdown", "--end")
                self.manager.terminate()
                self.manager.wait(20)


def until(seconds, holds):
    """Waits for something to come true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


def trained(output):
    """What a training must end with, wherever it runs."""
    found = [json.loads(line) for line in output.splitlines() if '"result"' in line]
    assert found, output
    return found[0]["loss"], found[0]["accuracy"]


def sessions_are(host, name, n):
    return lambda: len(host.vgpu(name)["sessions"]) == n


def hold(m, n, mib=1):
    """n programs that have a buffer each, and stay while /run/hold is there."""
    m.check("touch /run/hold")
    m.check(f"for i in $(seq {n}); do"
            f" fb_limit hold 1 {mib << 20} /run/hold >/run/held.$i 2>&1 & done")


def let_go(host, m, name="v1"):
    m.check("rm -f /run/hold")
    until(5 * m.patience, sessions_are(host, name, 0))


# ---- running ---------------------------------------------------------------------------------


def missing(programs):
    """Why it cannot be tried here; None when it can."""
    for program in (machine.QEMU, "cpio", "curl", *programs):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


def run_test(number, name, test, *given):
    began, problem = time.monotonic(), ""
    try:
        test(*given)
    except Exception:  # whatever it is, the others are tried
        problem = traceback.format_exc()
    took_ms = (time.monotonic() - began) * 1000
    print(f"{'not ' if problem else ''}ok {number} {name.replace('_', ' ')} in {took_ms:.0f}ms")
    for line in problem.splitlines():
        print("#", line)
    sys.stdout.flush()
    return not problem


def run_tests(tests, host, with_machine):
    """Each gets the host, and with_machine the machine that has v1 all the while."""
    failed = 0
    host.start()
    print(f"# machines run by {machine.accelerator(host.image)}", flush=True)
    with contextlib.ExitStack() as end:
        given = [host]
        if with_machine:
            host.tessera("create", "--type", TYPE, "v1")
            given.append(end.enter_context(host.machine("v1")))
        for number, (name, test) in enumerate(tests, 1):
            failed += not run_test(number, name, test, *given)
    return failed


def long(test):
    """One that only make check-vm-full runs."""
    test.long = True
    return test


def main(module, with_machine=True, programs=(), cannot=lambda: None):
    """Runs the test_ functions of a module, or those named; prints TAP.

    cannot says what else is not possible here; None: nothing.
    """
    every = {name.removeprefix("test_"): what for name, what in module.items()
             if name.startswith("test_")}
    parser = argparse.ArgumentParser(description=module["__doc__"])
    parser.add_argument("--build", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2] / "build")
    parser.add_argument("--image", type=pathlib.Path, help="what image.py made (BUILD/vm)")
    parser.add_argument("--full", action="store_true", help="those that take long, too")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every))
    a = parser.parse_args()
    tests = [(name, test) for name, test in every.items()
             if (name in a.names if a.names else a.full or not hasattr(test, "long"))]
    print(f"1..{len(tests)}")
    why = missing(programs) or cannot()
    if why:
        for number, (name, _) in enumerate(tests, 1):
            print(f"ok {number} {name.replace('_', ' ')} # skip {why}")
        return 0
    # A check that runs out of time ends like one that is interrupted: nothing is left.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # QEMU's sockets have short names.
    with tempfile.TemporaryDirectory(prefix="tsr-vm-") as folder, contextlib.ExitStack() as end:
        host = Host(a.build.resolve(), (a.image or a.build / "vm").resolve(), folder)
        end.callback(host.stop)
        failed = run_tests(tests, host, with_machine)
        if failed:
            for line in (host.folder / "tesserad.log").read_text().splitlines()[-40:]:
                print("#", line)
    return failed > 0

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""test_vm.py [--build DIR] [--image DIR] [NAME...]: virtual machines with vGPUs. Prints TAP.

One machine serves most tests, as a user's does; those that kill it, or need two, start their own.
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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import machine  # noqa: E402  (beside this file)

TYPE = "cpu-512m"
FRAMEBUFFER = 512 << 20
PORTS = 16


class Host:
    """A manager with folders of its own and two software GPUs."""

    def __init__(self, build, image, folder):
        self.build, self.image, self.folder = build, image, pathlib.Path(folder)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("TESSERA", "OCL_ICD"))}
        self.env |= {"TESSERA_RUNTIME_DIR": str(self.folder / "run"), "TESSERA_NO_START": "1",
                     "TESSERA_STATE_DIR": str(self.folder / "state"), "TESSERA_SHARE_CACHE": "1",
                     "TESSERA_SOFTWARE_GPUS": "2"}
        self.manager = None
        self.machines = 0

    def start(self):
        with open(self.folder / "tesserad.log", "ab") as log:
            self.manager = subprocess.Popen([self.build / "tesserad"], env=self.env, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
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

    def workers(self, name):
        return [s["worker_pid"] for s in self.vgpu(name)["sessions"]]

    def stop(self):
        if self.manager.poll() is None:
            self.command("shutdown", "--end")
            self.manager.terminate()
            self.manager.wait(20)


def until(seconds, holds):
    """Waits for something to come true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


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


# ---- the tests: each gets the host, and the machine that it has all the while ----------------


def test_clinfo_finds_the_vgpu(host, m):
    told = m.check("clinfo")
    assert "Platform Name                                   Tessera" in told, told
    assert told.count("Device Name ") >= 1, told
    assert str(FRAMEBUFFER) in told, told
    until(2, sessions_are(host, "v1", 0))


def test_programs_compute(_host, m):
    for name in ("guest_kernel", "guest_transfer", "guest_events", "guest_program", "guest_threads",
                 "guest_callbacks", "guest_images", "guest_fork"):
        m.check(name, 60)


def test_the_framebuffer_is_the_limit(host, m):
    m.check(f"fb_limit says {FRAMEBUFFER} 0")
    m.check(f"fb_limit exact {FRAMEBUFFER} {32 << 20}")
    until(2, sessions_are(host, "v1", 0))
    assert host.vgpu("v1")["used_bytes"] == 0


def test_sixteen_processes_at_once_and_no_more(host, m):
    hold(m, PORTS)
    until(20 * m.patience, lambda: host.vgpu("v1")["used_bytes"] == PORTS << 20)
    status, told = m.run("clinfo")
    assert "all of its 16 ports are in use" in told, (status, told)
    m.check("kill -9 $(pidof fb_limit | cut -d' ' -f1)")
    until(1 + m.patience / 8, lambda: host.vgpu("v1")["used_bytes"] == (PORTS - 1) << 20)
    assert "Tessera" in m.check("clinfo")
    let_go(host, m)


def test_memory_of_a_killed_program_is_cleared(host, m):
    hold(m, 1, 64)
    until(10 * m.patience, lambda: host.vgpu("v1")["used_bytes"] == 64 << 20)
    memory = host.vgpu("v1")["vm"]["memory"]
    m.check("kill -9 $(pidof fb_limit)")
    until(3, sessions_are(host, "v1", 0))
    until(3, lambda: os.stat(memory).st_blocks * 512 < 1 << 20)


def test_a_worker_that_dies_is_an_error_and_no_more(host, m):
    hold(m, 1)
    until(10 * m.patience, sessions_are(host, "v1", 1))
    os.kill(host.workers("v1")[0], signal.SIGKILL)
    until(3, sessions_are(host, "v1", 0))
    let_go(host, m)
    m.check("guest_transfer", 60)


def test_the_manager_comes_back(host, m):
    hold(m, 1)
    until(10 * m.patience, sessions_are(host, "v1", 1))
    host.manager.kill()
    host.manager.wait()
    host.start()
    assert host.vgpu("v1")["sessions"][0]["adopted"]
    m.check("guest_transfer", 60)
    let_go(host, m)
    m.check("guest_transfer", 60)


def test_who_is_not_in_the_group_is_told(_host, m):
    status, told = m.run("chmod 666 /dev/null; su user -s /bin/sh -c 'clinfo -l'")
    assert "Tessera" not in told, (status, told)


def test_a_machine_that_has_it_keeps_it(host, m):
    done = host.command("delete", "v1")
    assert done.returncode != 0 and "running" in done.stdout, done.stdout
    assert "in-use" in json.dumps(host.request("DELETE", "/v1/vgpus/v1/vm"))
    m.check("guest_transfer", 60)


def test_after_a_reset_nothing_of_before_is_left(host, m):
    hold(m, 2, 8)
    until(10 * m.patience, lambda: host.vgpu("v1")["used_bytes"] == 16 << 20)
    m.reboot()
    m.check("guest_transfer", 60)
    until(3, sessions_are(host, "v1", 0))
    assert host.vgpu("v1")["used_bytes"] == 0


def test_a_machine_that_is_killed_leaves_nothing(host, _m):
    host.tessera("create", "--type", TYPE, "k1")
    with host.machine("k1") as m:
        hold(m, 2, 8)
        until(10 * m.patience, lambda: host.vgpu("k1")["used_bytes"] == 16 << 20)
        m.kill()
        until(3, sessions_are(host, "k1", 0))
        until(3, lambda: host.vgpu("k1")["vm"]["connected"] == 0)
    memory = host.vgpu("k1")["vm"]["memory"]
    host.tessera("delete", "k1")
    assert not os.path.exists(memory)


def test_two_vgpus_of_two_gpus_in_one_context(host, _m):
    host.tessera("create", "--type", TYPE, "--gpu", "gpu0", "d1")
    host.tessera("create", "--type", TYPE, "--gpu", "gpu1", "d2")
    with host.machine("d1", "d2") as m:
        assert m.check("clinfo -l").count("Device #") == 2
        m.check("guest_multi", 120)
    until(3, lambda: not any(host.vgpu(name)["vm"]["connected"] for name in ("d1", "d2")))
    host.tessera("delete", "d1", "d2")


# ---- running ---------------------------------------------------------------------------------


def missing():
    """Why it cannot be tried here; None when it can."""
    for program in (machine.QEMU, "cpio", "curl"):
        if not shutil.which(program):
            return f"{program} is not installed"
    return None


def run_test(number, name, host, m):
    began, problem = time.monotonic(), ""
    try:
        globals()["test_" + name](host, m)
    except Exception:  # whatever it is, the others are tried
        problem = traceback.format_exc()
    took_ms = (time.monotonic() - began) * 1000
    print(f"{'not ' if problem else ''}ok {number} {name.replace('_', ' ')} in {took_ms:.0f}ms")
    for line in problem.splitlines():
        print("#", line)
    sys.stdout.flush()
    return not problem


def run_tests(names, host):
    failed = 0
    host.start()
    host.tessera("create", "--type", TYPE, "v1")
    with host.machine("v1") as m:
        print(f"# the machine runs by {m.accel}", flush=True)
        for number, name in enumerate(names, 1):
            failed += not run_test(number, name, host, m)
    return failed


def main():
    every = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2] / "build")
    parser.add_argument("--image", type=pathlib.Path, help="what image.py made (BUILD/vm)")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(every))
    a = parser.parse_args()
    names = a.names or every
    print(f"1..{len(names)}")
    why = missing()
    if why:
        for number, name in enumerate(names, 1):
            print(f"ok {number} {name.replace('_', ' ')} # skip {why}")
        return 0
    # QEMU's sockets have short names.
    with tempfile.TemporaryDirectory(prefix="tsr-vm-") as folder, contextlib.ExitStack() as end:
        host = Host(a.build.resolve(), (a.image or a.build / "vm").resolve(), folder)
        end.callback(host.stop)
        failed = run_tests(names, host)
        if failed:
            for line in (host.folder / "tesserad.log").read_text().splitlines()[-40:]:
                print("#", line)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())

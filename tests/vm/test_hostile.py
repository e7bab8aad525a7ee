#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A virtual machine whose root attacks its vGPU, by tests/hostile. Prints TAP.

What it does harms its own machine's sessions at most: a program on another vGPU goes on with right
results, the manager answers, and nothing is left behind.
"""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from host import (FRAMEBUFFER, PORTS, TYPE, hold, let_go,  # noqa: E402  (beside this file)
                  long, main, sessions_are, until)

# Those of hostile-raw.bats: some of each kind, and all the others when there is time.
RAW = """ring-tail ring-unaligned frame-empty frame-past-tail reply-head foreign-id pointer-as-id
    extent-wraps extent-past-heap buffer-of-2^64 credit-forged fields-missing foreign-sync-point
    truncate-memory copied-forged record-released""".split()
RAW_LONG = """frame-near-2^32 replies-unread changed-frames unknown-call other-kind freed-id
    stale-generation taken-id slot-near-2^32 count-near-2^32 count-wraps length-wraps
    fields-too-many include-relative include-many include-deep include-truncated include-upwards
    build-flood nested-pointer print-flood changed-extents same-storage waiters-forged many-events
    large-source""".split()
# Small enough for an emulated processor to do beside the attacks.
BYSTANDER_WORDS = 1024


def expected(host):
    """attack -> words that its session ends with, "" where there are none."""
    done = subprocess.run([host.build / "tests/hostile/hostile", "--list"], text=True, check=True,
                          stdout=subprocess.PIPE)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: words for name, _, words in rows}


def last_error(host):
    return (host.vgpu("v1")["last_error"] or {}).get("message", "")


def attack(host, m, name, amount=""):
    """What the attack printed; it went as its table says, and the manager knows why."""
    began = time.monotonic()
    status, told = m.run(f"hostile {name} {amount}", 60)
    assert status == 0, f"{name}: status {status}: {told}"
    words = expected(host)[name]
    until(15, lambda: words in last_error(host))
    print(f"# {name}: {time.monotonic() - began:.1f} s {told.strip()}")
    return told


def commands(host, vgpu, worker):
    for session in host.vgpu(vgpu)["sessions"]:
        if session["worker_pid"] == worker:
            return session["commands"]
    return None


def goes_on(host, vgpu, worker):
    """More commands than before: it hangs not, and results were right."""
    before = commands(host, vgpu, worker)
    assert before is not None, f"the program on {vgpu} has ended"
    until(20, lambda: (commands(host, vgpu, worker) or 0) > before)


@contextlib.contextmanager
def on_host(host):
    """A program of the host computes on v2 meanwhile."""
    if host.command("show", "v2").returncode != 0:
        host.tessera("create", "--type", TYPE, "v2")
    program = subprocess.Popen([host.build / "tessera", "run", "v2", "--",
                                host.build / "tests/hostile/bystander"], env=host.env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        until(20, sessions_are(host, "v2", 1))
        worker, = host.workers("v2")
        goes_on(host, "v2", worker)
        yield worker
        goes_on(host, "v2", worker)
        assert program.poll() is None
    finally:
        program.terminate()
        program.wait()
        until(20, sessions_are(host, "v2", 0))


@contextlib.contextmanager
def in_machine(host, m):
    """Another program of the machine computes meanwhile, and is not disturbed."""
    before = set(host.workers("v1"))
    m.check(f"bystander {BYSTANDER_WORDS} >/run/bystander 2>&1 &")
    until(10 * m.patience, lambda: "running" in m.check("cat /run/bystander"))
    worker, = set(host.workers("v1")) - before
    goes_on(host, "v1", worker)
    yield worker
    assert m.check("cat /run/bystander").strip() == "running"
    goes_on(host, "v1", worker)
    m.check("kill $(pidof bystander)")
    until(5 * m.patience, sessions_are(host, "v1", 0))


def nothing_is_left(host, m):
    until(5 * m.patience, sessions_are(host, "v1", 0))
    assert host.vgpu("v1")["used_bytes"] == 0
    m.check(f"fb_limit says {FRAMEBUFFER} 0")


def test_raw_frames(host, m):
    with on_host(host), in_machine(host, m):
        for name in RAW:
            attack(host, m, name)
    nothing_is_left(host, m)


@long
def test_raw_frames_that_take_long(host, m):
    with on_host(host), in_machine(host, m):
        for name in RAW_LONG:
            attack(host, m, name)
    nothing_is_left(host, m)


# ---- what a virtual machine alone can do ---------------------------------------------------------


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def bells_without_end(host, m, worker, seconds):
    manager = host.manager.pid
    cpu, rss = cpu_seconds(manager), resident_kib(manager)
    attack(host, m, "idle-bells", seconds)
    assert cpu_seconds(manager) - cpu < 0.3 * seconds, "the manager does nothing else"
    assert resident_kib(manager) - rss < 4096
    rss = resident_kib(worker)
    attack(host, m, "session-bells", seconds)
    assert resident_kib(worker) - rss < 4096


def test_ports(host, m):
    with on_host(host), in_machine(host, m) as worker:
        for name in ("port-garbage", "port-version", "port-fingerprint", "port-noise", "port-cut"):
            attack(host, m, name)
        attack(host, m, "ports-loop", 500)
        bells_without_end(host, m, worker, 2)
    nothing_is_left(host, m)


@long
def test_ports_for_longer(host, m):
    with on_host(host), in_machine(host, m) as worker:
        told = attack(host, m, "ports-half-open")
        assert f"{PORTS - 1} ports" in told, told
        for name in ("half-hello", "slow-hello"):
            attack(host, m, name)
        attack(host, m, "ports-loop", 10000)
        bells_without_end(host, m, worker, 20)
    nothing_is_left(host, m)


def test_parts_of_the_memory(host, m):
    with on_host(host), in_machine(host, m):
        for name in ("bar-header", "foreign-part", "channel-part", "all-parts", "foreign-channel"):
            attack(host, m, name)
    nothing_is_left(host, m)


def spoil(host, m, name, seconds):
    """Programs of the machine may end, or have wrong results; each of their workers ends."""
    with on_host(host):
        m.check("for i in 1 2 3; do"
                f" bystander {BYSTANDER_WORDS} >/dev/null 2>&1 & done")
        until(20 * m.patience, sessions_are(host, "v1", 3))
        attack(host, m, name, seconds)
        m.run("kill $(pidof bystander)")
    assert host.manager.poll() is None
    nothing_is_left(host, m)


def test_all_of_the_memory(host, m):
    spoil(host, m, "bar-scribble", 1)
    spoil(host, m, "bar-flip", 1)


@long
def test_all_of_the_memory_for_a_minute(host, m):
    for _ in range(5):
        spoil(host, m, "bar-scribble", 6)
        spoil(host, m, "bar-flip", 6)


def test_another_boot_ends_the_sessions_of_the_last_one(host, m):
    with on_host(host):
        attack(host, m, "other-boot")
        m.check(f"fb_limit says {FRAMEBUFFER} 0")  # of this boot
    nothing_is_left(host, m)


def restart(host, *options):
    host.manager.kill()
    host.manager.wait()
    host.start(*options)
    until(10, lambda: host.vgpu("v1")["vm"]["connected"] == PORTS)


def test_who_is_turned_away_reads_why(host, m):
    restart(host, "--limit", "sessions=1")
    hold(m, 1)
    until(10 * m.patience, sessions_are(host, "v1", 1))
    for _ in range(2):
        status, told = m.run("clinfo -l")
        assert "as many sessions as it may (limit 1; tesserad --limit sessions=N)" in told, \
            (status, told)
    let_go(host, m)
    restart(host)
    nothing_is_left(host, m)


def test_the_next_machine_finds_nothing_of_the_last(host, _m):
    """Here we are QEMU."""
    host.tessera("create", "--type", TYPE, "n1")
    vm = host.request("PUT", "/v1/vgpus/n1/vm")["vm"]
    header = pathlib.Path(vm["memory"]).read_bytes()[:4096]
    with socket.socket(socket.AF_UNIX) as port:
        port.connect(vm["ports"][3])
        until(15, lambda: host.vgpu("n1")["vm"]["connected"] == 1)
        with open(vm["memory"], "r+b") as memory:
            memory.write(b"x" * 4096)
            memory.seek(-4096, os.SEEK_END)
            memory.write(b"x" * 4096)
    until(15, lambda: os.stat(vm["memory"]).st_blocks * 512 == 4096)
    assert pathlib.Path(vm["memory"]).read_bytes()[:4096] == header
    host.tessera("delete", "n1")


if __name__ == "__main__":
    sys.exit(main(globals()))

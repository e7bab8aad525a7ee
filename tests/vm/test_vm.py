#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Virtual machines with vGPUs. Prints TAP.

One machine serves most tests, as a user's does; those that kill it, or need two, start their own.
"""

import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from host import (FRAMEBUFFER, PORTS, TRAIN, TYPE, hold, let_go,  # noqa: E402  (beside this file)
                  long, main, sessions_are, trained, until)


def test_clinfo_finds_the_vgpu(host, m):
    told = m.check("clinfo")
    assert "Platform Name                                   Tessera" in told, told
    assert told.count("Device Name ") >= 1, told
    assert str(FRAMEBUFFER) in told, told
    until(15, sessions_are(host, "v1", 0))


def test_programs_compute(_host, m):
    for name in ("guest_kernel", "guest_transfer", "guest_events", "guest_program", "guest_threads",
                 "guest_fork"):
        m.check(name, 60)
    # The host's clock is known as well as an answer comes soon: not where the machine is emulated.
    m.check(f"CLOCK_SLOP_MS={1 if m.patience == 1 else 20} guest_callbacks", 60)


def test_buffers_are_as_before_over_suspend_and_resume(host, m):
    m.check("(fb_limit churn 4 1; echo $? >/run/churned) >/run/churn 2>&1 &")
    until(10 * m.patience, lambda: host.vgpu("v1")["used_bytes"] > 0)
    host.tessera("suspend", "v1")
    told = host.vgpu("v1")
    assert not told["sessions"] and told["vm"]["connected"] == PORTS, told
    status, told = m.run("clinfo")
    assert "suspended: tessera resume v1" in told, (status, told)
    host.tessera("resume", "v1")
    m.check("while [ ! -e /run/churned ]; do sleep 0.1; done")
    assert m.check("cat /run/churned").strip() == "0", m.check("cat /run/churn")


@long
def test_a_training_goes_on_over_suspend_and_resume(host, m):
    m.check(f"(echo begun; {TRAIN}; echo $? >/run/trained) >/run/training 2>&1 &")
    for patience in (30, 10):
        until(patience * m.patience, lambda: host.vgpu("v1")["used_bytes"] > 0)
        host.tessera("suspend", "v1")
        host.tessera("resume", "v1")
        until(3 * m.patience, lambda: not any(s["waiting"] for s in host.vgpu("v1")["sessions"]))
    m.check("while [ ! -e /run/trained ]; do sleep 0.1; done", 60)
    inside = trained(m.check("cat /run/training; grep -qx 0 /run/trained"))
    assert inside == trained(host.native(*TRAIN.split()).communicate(timeout=120)[0])
    until(15, sessions_are(host, "v1", 0))


def test_a_program_that_ends_while_suspended_is_not_waited_for(host, m):
    hold(m, 2)
    until(10 * m.patience, lambda: host.vgpu("v1")["used_bytes"] == 2 << 20)
    host.tessera("suspend", "v1")
    m.check("kill -9 $(pidof fb_limit | cut -d' ' -f1)")
    host.tessera("resume", "v1")
    until(5, sessions_are(host, "v1", 1))
    let_go(host, m)


@long
def test_images(_host, m):
    m.check("guest_images", 60)


def test_the_framebuffer_is_the_limit(host, m):
    m.check(f"fb_limit says {FRAMEBUFFER} 0")
    m.check(f"fb_limit exact {FRAMEBUFFER} {32 << 20}")
    until(15, sessions_are(host, "v1", 0))
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
    until(15, sessions_are(host, "v1", 0))
    until(15, lambda: os.stat(memory).st_blocks * 512 < 1 << 20)


def test_a_worker_that_dies_is_an_error_and_no_more(host, m):
    hold(m, 1)
    until(10 * m.patience, sessions_are(host, "v1", 1))
    os.kill(host.workers("v1")[0], signal.SIGKILL)
    until(15, sessions_are(host, "v1", 0))
    let_go(host, m)
    m.check("guest_kernel", 60)


def test_the_manager_comes_back(host, m):
    hold(m, 1)
    until(10 * m.patience, lambda: host.vgpu("v1")["used_bytes"] == 1 << 20)
    host.manager.kill()
    host.manager.wait()
    host.start()
    assert host.vgpu("v1")["sessions"][0]["adopted"]
    m.check("guest_kernel", 60)
    let_go(host, m)


def test_a_machine_that_has_it_keeps_it(host, m):
    done = host.command("delete", "v1")
    assert done.returncode != 0 and "running" in done.stdout, done.stdout
    assert "in-use" in json.dumps(host.request("DELETE", "/v1/vgpus/v1/vm"))
    m.check("guest_kernel", 60)


def test_after_a_reset_nothing_of_before_is_left(host, m):
    hold(m, 2, 8)
    until(10 * m.patience, lambda: host.vgpu("v1")["used_bytes"] == 16 << 20)
    m.reboot()
    m.check("guest_kernel", 60)
    until(15, sessions_are(host, "v1", 0))
    assert host.vgpu("v1")["used_bytes"] == 0


def test_a_machine_that_is_killed_leaves_nothing(host, _m):
    host.tessera("create", "--type", TYPE, "k1")
    with host.machine("k1") as m:
        hold(m, 2, 8)
        until(10 * m.patience, lambda: host.vgpu("k1")["used_bytes"] == 16 << 20)
        m.kill()
        until(15, sessions_are(host, "k1", 0))
        until(15, lambda: host.vgpu("k1")["vm"]["connected"] == 0)
    memory = host.vgpu("k1")["vm"]["memory"]
    host.tessera("delete", "k1")
    assert not os.path.exists(memory)


def test_two_vgpus_of_two_gpus_in_one_context(host, _m):
    host.tessera("create", "--type", TYPE, "--gpu", "gpu0", "d1")
    host.tessera("create", "--type", TYPE, "--gpu", "gpu1", "d2")
    with host.machine("d1", "d2") as m:
        assert m.check("clinfo -l").count("Device #") == 2
        m.check("guest_multi", 120)
    until(15, lambda: not any(host.vgpu(name)["vm"]["connected"] for name in ("d1", "d2")))
    host.tessera("delete", "d1", "d2")


if __name__ == "__main__":
    sys.exit(main(globals()))

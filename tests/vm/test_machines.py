#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Several machines, containers and processes on one GPU; passthrough in a machine. Prints TAP."""

import concurrent.futures
import contextlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from host import (FRAMEBUFFER, TRAIN, TYPE, long, main, trained,  # noqa: E402  (beside this file)
                  until)


def created(host, *names):
    for name in names:
        host.tessera("create", "--type", TYPE, "--gpu", "gpu0", name)


def test_two_machines_a_container_and_a_process_train_at_once(host):
    """Each ends as it does natively, with the same seed."""
    created(host, "m1", "m2", "container", "process")
    words = TRAIN.split()
    with contextlib.ExitStack() as end, concurrent.futures.ThreadPoolExecutor() as pool:
        machines = [host.machine(name) for name in ("m1", "m2")]
        for m in machines:
            end.callback(m.kill)
        list(pool.map(lambda m: m.start(), machines))
        inside = [pool.submit(m.check, TRAIN, 60) for m in machines]
        outside = [host.contain("container", *words), host.on_vgpu("process", *words)]
        said = [f.result() for f in inside] + [p.communicate(timeout=240)[0] for p in outside]
        limits = [m.check(f"fb_limit says {FRAMEBUFFER} 0") for m in machines]
    natively = trained(host.native(*words).communicate(timeout=120)[0])
    assert [trained(text) for text in said] == [natively] * 4, said
    assert len(limits) == 2
    until(15, lambda: not any(host.vgpu(name)["vm"]["connected"] for name in ("m1", "m2")))
    host.tessera("delete", "m1", "m2", "container", "process")


def test_a_gpu_that_is_passed_through_is_the_machines_alone(host):
    host.tessera("create", "--passthrough", "--gpu", "gpu1", "whole")
    with host.machine("whole") as m:
        assert m.check("clinfo -l").count("Device #") == 1
        m.check("guest_kernel", 60)
        size = next(g["memory_bytes"] for g in host.gpus() if g["name"] == "gpu1")
        m.check(f"fb_limit says {size} 0")
        done = host.command("create", "--type", TYPE, "--gpu", "gpu1", "other")
        assert done.returncode != 0, done.stdout
    until(15, lambda: not host.vgpu("whole")["vm"]["connected"])
    host.tessera("delete", "whole")


@long
def test_after_a_power_off_the_vgpu_is_free_for_the_next_start(host):
    created(host, "off")
    m = host.machine("off")
    with m:
        m.check("touch /run/hold; fb_limit hold 4 1048576 /run/hold >/dev/null 2>&1 &")
        until(10 * m.patience, lambda: host.vgpu("off")["used_bytes"] == 4 << 20)
        m.power_off()
        until(15, lambda: not host.vgpu("off")["sessions"])
        assert host.vgpu("off")["vm"]["connected"] == 0
    with m:
        m.check("guest_kernel", 60)
    until(15, lambda: not host.vgpu("off")["vm"]["connected"])
    memory = host.vgpu("off")["vm"]["memory"]
    host.tessera("delete", "off")
    assert not pathlib.Path(memory).exists()


if __name__ == "__main__":
    sys.exit(main(globals(), with_machine=False, programs=("crun", "unshare")))

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real programs in a virtual machine, as root, as a user, and in a container there. Prints TAP."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from host import (TRAIN, TYPE, long, main, sessions_are, trained,  # noqa: E402  (beside this file)
                  until)

MIB = 1 << 20
PYOPENCL = """
import numpy as np, pyopencl as cl
context = cl.Context(cl.get_platforms()[0].get_devices())
queue = cl.CommandQueue(context)
a = np.arange(100000, dtype=np.float32)
memory = cl.Buffer(context, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=a)
program = cl.Program(context, "kernel void twice(global float *a)"
                              "{ a[get_global_id(0)] *= 2; }").build()
program.twice(queue, a.shape, None, memory)
b = np.empty_like(a)
cl.enqueue_copy(queue, b, memory)
assert (b == 2 * a).all()
print(context.devices[0].platform.name)
"""


def contained(name, vgpu, *words):
    """A script: a container in the machine that has its vGPU."""
    listed = json.dumps(list(words))
    return (f"mkdir -p /tmp/{name} && cd /tmp/{name} &&"
            f" jq '.process.args = {listed}' /bundle/config.json >config.json &&"
            f" tessera-guest oci-edit . {vgpu} >/dev/null &&"
            f" crun run --no-pivot {name}")  # an initramfs cannot be pivoted from


# ---- the tests -------------------------------------------------------------------------------


def test_the_guest_package_finds_nothing_amiss(_host, m):
    told = m.check("tessera-guest")
    assert "failed" not in told and "OpenCL lists 1 vGPU" in told, told


def test_a_user_needs_the_group(_host, m):
    status, told = m.run("su user -s /bin/sh -c tessera-guest")
    assert status == 1 and "for the group 'tessera', which you are not in" in told, told
    assert "Tessera" not in m.run("su user -s /bin/sh -c 'clinfo -l'")[1]
    m.check("sed -i 's/^tessera:.*:/&user/' /etc/group")
    told = m.check("su user -s /bin/sh -c 'clinfo -l && tessera-guest && guest_transfer'")
    assert "Platform #0: Tessera" in told, told


def test_clpeak(host, m):
    told = m.check("clpeak --global-bandwidth", 60)
    assert "float16" in told, told
    until(5, sessions_are(host, "v1", 0))


def test_pyopencl(_host, m):
    m.check(f"cat >/tmp/twice.py <<'end'\n{PYOPENCL}end")
    assert "Tessera" in m.check("python3 /tmp/twice.py", 60)


@long
def test_clblast(_host, m):
    told = m.check("clblast_levels", 240)
    assert told.count("agrees with C") >= 10, told


def test_a_container_in_the_machine_has_the_vgpu(_host, m):
    told = m.check(contained("look", "v1", "clinfo", "-l"), 60)
    assert told.split("\n")[0] == "Platform #0: Tessera", told
    assert "failed" not in m.check(contained("guest", "v1", "tessera-guest"), 60)


def test_the_same_container_trains_alike_on_the_host_and_in_the_machine(host, m):
    inside = trained(m.check(contained("train", "v1", *TRAIN.split()), 60))
    host.tessera("create", "--type", TYPE, "host")
    outside = host.contain("host", *TRAIN.split())
    assert trained(outside.communicate(timeout=120)[0]) == inside
    host.tessera("delete", "host")
    assert inside == trained(host.native(*TRAIN.split()).communicate(timeout=120)[0])


def test_a_container_that_is_killed_gives_back_memory_and_port(host, m):
    hold = contained("hold", "v1", "fb_limit", "hold", "64", str(MIB), "/bin/sh")
    m.check(f"({hold}) >/tmp/hold.log 2>&1 &")
    until(20 * m.patience, lambda: host.vgpu("v1")["used_bytes"] == 64 * MIB)
    m.check("crun kill hold KILL")
    until(1 + m.patience / 8, lambda: host.vgpu("v1")["used_bytes"] == 0)
    until(15, sessions_are(host, "v1", 0))
    m.check("crun delete --force hold")


if __name__ == "__main__":
    sys.exit(main(globals(), programs=("crun", "unshare", "clpeak", "jq", "udevadm")))

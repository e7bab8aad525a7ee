#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Domains of libvirt's with vGPUs. Prints TAP.

Two domains serve all tests, in this order: one has its vGPU from its start, one gets it later. A
test that is run alone starts its domain.
"""

import functools
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import libvirtd  # noqa: E402  (beside this file)
from host import (PORTS, TRAIN, Host, TYPE, hold, let_go, long, main,  # noqa: E402
                  sessions_are, trained, until)

# QEMU tells a guest of no more devices of a controller; the tests have one there.
LIVE_PORTS = 14


@functools.cache
def daemon(host):
    return host.ends.enter_context(libvirtd.Libvirtd(host))


@functools.cache
def defined(host, name, chipset="q35", serials=1):
    d = libvirtd.Domain(daemon(host), name).define(chipset, serials)
    host.ends.callback(d.close)
    host.tessera("create", "--type", TYPE, f"{name}-gpu")
    return d


@functools.cache
def second(host):
    """A manager beside the host's, which the same libvirt's domains may have vGPUs of."""
    other = Host(host.build, host.image, host.folder / "second")
    other.start()
    host.ends.callback(other.stop)
    daemon(host).serves(other)
    return other


def first(host):
    """It runs, and has had its vGPU from its start."""
    d = defined(host, "first")
    if d.is_off():
        d.tessera("attach", "first-gpu")
        d.start()
    return d


def later(host):
    """It runs, and has had its vGPU since then."""
    d = defined(host, "later", "pc")
    if d.is_off():
        d.start()
    if not d.row("later-gpu"):
        d.tessera("attach", "later-gpu", "--live")
        until(15 * d.patience, lambda: finds_it(d))
    return d


def finds_it(d):
    return "Device #" in d.run("clinfo -l")[1]


def computes(d):
    assert d.check("clinfo -l").count("Device #") == 1
    d.check("guest_transfer", 60)


def begin_training(host, d, vgpu):
    """It is under way, and far from its end."""
    d.check("rm -f /run/trained /run/training")
    d.check(f"({TRAIN}; echo $? >/run/trained) >/run/training 2>&1 &")
    until(30 * d.patience, lambda: host.vgpu(vgpu)["used_bytes"] > 0)
    d.check("[ ! -e /run/trained ]")


def trained_as_natively(host, *domains):
    """All come to the end that the training has without Tessera."""
    wanted = trained(host.native(*TRAIN.split()).communicate(timeout=120)[0])
    for d in domains:
        d.check("while [ ! -e /run/trained ]; do sleep 0.1; done", 180)
        assert trained(d.check("cat /run/training; grep -qx 0 /run/trained")) == wanted, d.name


def remove(d, vgpu):
    """Others need the room that its vGPU has."""
    if not d.is_off():
        d.tessera("stop", "--force")
    d.tessera("detach", vgpu)
    d.host.tessera("delete", vgpu)


def connected(host, name):
    return host.vgpu(name)["vm"]["connected"]


def test_a_domain_has_it_from_its_start(host):
    d = first(host)
    row = d.row("first-gpu")
    assert row["running"] and row["config"] and row["connected"] == PORTS, row
    assert row["state"] == "running", row
    computes(d)


def test_who_runs_qemu_has_its_files(host):
    first(host)
    vm = host.vgpu("first-gpu")["vm"]
    owner = libvirtd.QEMU_USER if libvirtd.ROOT else os.geteuid()
    for path in (vm["memory"], *vm["ports"]):
        assert (os.stat(path).st_uid, os.stat(path).st_mode & 0o77) == (owner, 0), path


def test_a_domain_that_runs_keeps_it_until_it_stops(host):
    d = first(host)
    assert "out of first when it stops" in d.tessera("detach", "first-gpu")
    row = d.row("first-gpu")
    assert row["running"] and not row["config"], row
    done = host.command("delete", "first-gpu")
    assert done.returncode != 0 and "running" in done.stdout, done.stdout
    assert "now and from each start on" in d.tessera("attach", "first-gpu")
    assert d.row("first-gpu")["config"]


def test_the_manager_comes_back(host):
    d = first(host)
    hold(d, 1)
    until(10 * d.patience, lambda: host.vgpu("first-gpu")["used_bytes"] == 1 << 20)
    host.manager.kill()
    host.manager.wait()
    host.start()
    assert host.vgpu("first-gpu")["sessions"][0]["adopted"]
    until(5, lambda: connected(host, "first-gpu") == PORTS)
    computes(d)
    let_go(host, d, "first-gpu")


@long
def test_suspended_it_goes_on_with_its_programs(host):
    d = first(host)
    begin_training(host, d, "first-gpu")
    d.suspend()
    assert d.is_off() and host.vgpu("first-gpu")["state"] == "suspended"
    memory = host.vgpu("first-gpu")["vm"]["memory"]
    until(15, lambda: os.stat(memory).st_blocks * 512 < 1 << 20)
    alone = host.command("resume", "first-gpu")
    assert alone.returncode != 0 and "tessera vm resume" in alone.stdout, alone.stdout
    d.resume()
    trained_as_natively(host, d)
    computes(d)


@long
def test_one_snapshot_goes_on_three_times(host):
    d = first(host)
    begin_training(host, d, "first-gpu")
    d.suspend()
    copies = [d.clone(f"copy{n}") for n in range(3)]
    assert host.vgpu("first-gpu")["state"] == "suspended" and d.is_off()
    d.resume()
    trained_as_natively(host, *copies, d)
    for one in copies:
        computes(one)
        remove(one, one.name)


@long
def test_a_folder_goes_on_at_the_same_and_at_a_second_manager(host):
    d = defined(host, "mover")
    d.tessera("attach", "mover-gpu")
    d.start()
    begin_training(host, d, "mover-gpu")
    d.suspend("--to", f"{host.folder}/once")
    assert d.is_off() and host.vgpu("mover-gpu")["state"] == "suspended"
    d.resume("--from", f"{host.folder}/once")
    d.check("[ ! -e /run/trained ]")
    d.suspend("--to", f"{host.folder}/twice")
    host.tessera("delete", "mover-gpu")
    other = second(host)
    d.moves_to(other)
    d.resume("--from", f"{host.folder}/twice")
    trained_as_natively(host, d)
    computes(d)
    remove(d, "mover-gpu")


def with_disk(host, name):
    """A domain with a vGPU and a disk, and the disk's path."""
    disk = daemon(host).folder / f"{name}.img"
    disk.write_bytes(b"disk" * (1 << 20))
    d = libvirtd.Domain(daemon(host), name).define(more=libvirtd.DISK.format(disk))
    host.ends.callback(d.close)
    host.tessera("create", "--type", TYPE, f"{name}-gpu")
    d.tessera("attach", f"{name}-gpu")
    return d, disk


def test_one_that_is_off_is_cloned(host):
    d, disk = with_disk(host, "plain")
    copy = d.clone("other", "--vgpu", "others-gpu")
    assert copy.is_off() and copy.row("others-gpu")["config"]
    assert disk.with_name("other.img").read_bytes() == disk.read_bytes()
    one, two = d.virsh("dumpxml"), copy.virsh("dumpxml")
    assert "/plain" not in two and "ua-tessera-plain-gpu-port15" in two, two
    assert d.virsh("domuuid") != copy.virsh("domuuid")
    remove(copy, "others-gpu")
    assert "tessera" not in copy.virsh("dumpxml") and one == d.virsh("dumpxml")
    remove(d, "plain-gpu")


@long
def test_a_running_one_is_cloned_with_its_disk(host):
    d, disk = with_disk(host, "running")
    d.start()
    begin_training(host, d, "running-gpu")
    d.close()
    begun = d.begin_clone("twin", "--vgpu", "twins-gpu")
    until(60, disk.with_name("twin.img").exists)
    begun.send_signal(signal.SIGINT)
    assert begun.wait(120) == 128 + signal.SIGINT, begun.stdout.read()
    assert not disk.with_name("twin.img").exists() and d.runs()
    assert host.command("show", "twins-gpu").returncode != 0
    assert "twin" not in daemon(host).virsh("list", "--all")
    copy = d.clone("twin", "--vgpu", "twins-gpu")
    d.connect(begins=False)
    assert disk.with_name("twin.img").read_bytes() == disk.read_bytes()
    assert d.row("running-gpu")["running"] and copy.row("twins-gpu")["running"]
    trained_as_natively(host, d, copy)
    # What the copy is started with is whole, too: it boots, and knows its vGPU.
    copy.tessera("stop", "--force")
    copy.start()
    computes(copy)
    remove(copy, "twins-gpu")
    remove(d, "running-gpu")


@long
def test_after_a_reset_nothing_of_before_is_left(host):
    d = first(host)
    hold(d, 2, 8)
    until(10 * d.patience, lambda: host.vgpu("first-gpu")["used_bytes"] == 16 << 20)
    d.reset()
    until(15, sessions_are(host, "first-gpu", 0))
    hold(d, PORTS)
    until(20 * d.patience, lambda: host.vgpu("first-gpu")["used_bytes"] == PORTS << 20)
    let_go(host, d, "first-gpu")


@long
def test_killed_it_starts_again_with_its_vgpu(host):
    d = first(host)
    hold(d, 1, 8)
    until(10 * d.patience, lambda: host.vgpu("first-gpu")["used_bytes"] == 8 << 20)
    d.kill()
    until(10, d.is_off)
    until(15, lambda: connected(host, "first-gpu") == 0)
    until(15, sessions_are(host, "first-gpu", 0))
    d.start()
    until(15, lambda: connected(host, "first-gpu") == PORTS)
    assert finds_it(d)


def test_off_it_gives_the_vgpu_back(host):
    d = first(host)
    d.tell("poweroff -f")
    until(10 * d.patience, d.is_off)
    row = d.row("first-gpu")
    assert not row["running"] and row["config"] and row["connected"] == 0, row
    memory = host.vgpu("first-gpu")["vm"]["memory"]
    d.tessera("detach", "first-gpu")
    assert host.vgpu("first-gpu")["vm"] is None and not os.path.exists(memory)
    assert d.row("first-gpu") is None
    assert "tessera" not in d.virsh("dumpxml", "--inactive")
    host.tessera("delete", "first-gpu")


def test_plugged_in_while_it_runs(host):
    d = defined(host, "later", "pc")
    d.start()
    assert not finds_it(d)
    said = d.tessera("attach", "later-gpu", "--live")
    assert f"now with {LIVE_PORTS} of {PORTS} ports" in said, said
    assert "already in later, now with" in d.tessera("attach", "later-gpu", "--live")
    until(15 * d.patience, lambda: finds_it(d))
    computes(d)


@long
def test_what_was_plugged_in_is_there_after_a_reset(host):
    d = later(host)
    d.reset()
    hold(d, LIVE_PORTS)
    until(20 * d.patience, lambda: host.vgpu("later-gpu")["used_bytes"] == LIVE_PORTS << 20)
    assert f"all of its {LIVE_PORTS} ports are in use" in d.run("clinfo")[1]
    let_go(host, d, "later-gpu")


def test_taken_out_while_it_runs(host):
    d = later(host)
    d.tessera("detach", "later-gpu", "--live")
    assert host.vgpu("later-gpu")["vm"] is None
    assert not finds_it(d)
    assert "tessera" not in d.virsh("dumpxml")
    later(host)


def test_stopped_by_force(host):
    d = later(host)
    d.tessera("stop", "--force")
    assert d.is_off()
    until(15, lambda: connected(host, "later-gpu") == 0)
    d.tessera("detach", "later-gpu")
    assert "tessera" not in d.virsh("dumpxml", "--inactive")


@long
def test_with_two_controllers_all_ports_are_plugged_in(host):
    d = defined(host, "wide", serials=2)
    d.start()
    said = d.tessera("attach", "wide-gpu", "--live")
    assert "now and from each start on" in said, said
    until(15 * d.patience, lambda: finds_it(d))
    for _ in range(2):
        hold(d, PORTS)
        until(20 * d.patience, lambda: host.vgpu("wide-gpu")["used_bytes"] == PORTS << 20)
        let_go(host, d, "wide-gpu")
        d.reset()
    d.tessera("stop", "--force")
    d.tessera("start")
    until(10, lambda: connected(host, "wide-gpu") == PORTS)
    assert json.loads(d.tessera("stop", "--force", "-o", "json"))["changed"]


if __name__ == "__main__":
    sys.exit(main(globals(), with_machine=False, programs=("libvirtd", "virsh"),
                  cannot=libvirtd.cannot))

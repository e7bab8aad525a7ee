# SPDX-License-Identifier: MIT
"""OCI bundles of programs that are installed here, which crun makes containers of."""

import json
import os
import pathlib
import shutil
import subprocess

from study.site import Failed

# What workloads learn from, where it is there.
DATA = ("/usr/share/datasets", "/usr/share/doc/jargon-text")
HERE = pathlib.Path(__file__).resolve().parent
# In the source tree, and installed.
MAKERS = (HERE.parents[1] / "scripts" / "guest-image.sh", HERE.parent / "guest-image.sh")
# crun refuses to run where version 2 of control groups has controllers beside version 1.
VIEW = """! grep -qs . /sys/fs/cgroup/unified/cgroup.controllers || umount /sys/fs/cgroup/unified
exec "$@" """
TRIAL_S = 30


def may_make_namespaces():
    """What crun needs: mounts for root, users for everybody else."""
    kinds = ["--mount", "--pid", "--net", "--fork"]
    if os.geteuid() != 0:
        kinds = ["--user", "--mount", "--map-root-user"]
    return subprocess.run(["unshare", *kinds, "true"], check=False, timeout=TRIAL_S,
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL).returncode == 0


def problem(_programs):
    """Why there can be no containers here; None where there can."""
    for program in ("crun", "unshare"):
        if not shutil.which(program):
            return f"{program} is not installed (Debian: apt install crun util-linux)"
    if not may_make_namespaces():
        return "this user may make no namespaces (is this a container itself?)"
    return None if maker() else "guest-image.sh, which makes images, is not there"


def maker():
    return next((path for path in MAKERS if path.is_file()), None)


def checked(*command, cwd=None):
    done = subprocess.run([str(word) for word in command], text=True, check=False, cwd=cwd,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=TRIAL_S)
    if done.returncode != 0:
        raise Failed(f"{command[0]} ended with {done.returncode}: {done.stdout.strip()[-600:]}")


def image(site, program):
    """The root file system of all of a study's containers, with this program in it."""
    root = site.folder / "rootfs"
    if not (root / "usr/bin" / pathlib.Path(program).name).exists():
        checked(maker(), root, program)
    return root


def configure(config, root, words):
    """As `crun spec` wrote it, with the program, its image and its data."""
    config["process"] |= {"terminal": False, "args": [str(word) for word in words]}
    config["root"] = {"path": str(root), "readonly": True}
    config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
    for folder in filter(os.path.isdir, DATA):
        config["mounts"].append({"destination": folder, "source": folder, "type": "bind",
                                 "options": ["bind", "ro"]})
    return config


def make(site, vgpu, words):
    """A folder with a config.json, of this program on this vGPU."""
    folder = site.new_file("bundle")
    folder.mkdir()
    checked("crun", "spec", *([] if os.geteuid() == 0 else ["--rootless"]), cwd=folder)
    path = folder / "config.json"
    program, *options = words
    inside = [pathlib.Path(program).name, *options]
    config = configure(json.loads(path.read_text(encoding="utf-8")), image(site, program), inside)
    path.write_text(json.dumps(config), encoding="utf-8")
    site.tessera("oci-edit", folder, vgpu)
    return folder


def crun(site, *words):
    """A command."""
    view = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", VIEW, "sh"]
    return [*(view if os.geteuid() == 0 else []), "crun", "--root", site.folder / "crun",
            "--cgroup-manager=disabled", *words]


def remove(site, name):
    """Also one that is still at work; none is no mistake."""
    command = [str(word) for word in crun(site, "delete", "--force", name)]
    subprocess.run(command, check=False, timeout=TRIAL_S, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

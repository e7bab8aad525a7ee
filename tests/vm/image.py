#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes the test machine's kernel and initramfs in a folder (build/vm).

The kernel is Debian's for clouds, out of its package: downloaded, never installed. The initramfs
holds programs of this host with the libraries that they need, what was built, and `init`.
"""

import argparse
import gzip
import json
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
KERNEL_PACKAGE = "linux-image-cloud-amd64"
TOP = HERE.parents[1]
MODULES = ["virtio_pci", "virtio_console", "virtio_rng", "overlay"]
PROGRAMS = ["clinfo", "clpeak", "crun", "jq", "udevadm"]
IN_CONTAINER = ["/bin/sh", "clinfo", "tessera-guest", "studies/workloads/tessera-train",
                "bench/bench-calls", "tests/e2e/programs/fb_limit"]
RULES = ["50-udev-default.rules"]
DATA = "/usr/share/datasets/fashion-mnist"
# Its beginning, unpacked: what tests train on, since an emulated machine takes long to unpack.
SMALL_DATA = "/usr/share/datasets/fashion-mnist-small"
SMALL = {"train": 5000, "t10k": 1000}
PYTHON_PACKAGES = ["numpy", "pyopencl", "pytools", "mako", "markupsafe", "appdirs.py",
                   "platformdirs", "decorator.py", "six.py", "typing_extensions.py",
                   "pkg_resources"]
OPENCL_LOADER = "/usr/lib/x86_64-linux-gnu/libOpenCL.so.1"


def run(*command, **options):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, **options)
    if done.returncode != 0:
        sys.exit(f"image.py: {' '.join(map(str, command))}: status {done.returncode}\n"
                 f"{done.stdout}{done.stderr}")
    return done.stdout


def kernel_package():
    """The package that the meta package stands for."""
    shown = run("apt-cache", "depends", KERNEL_PACKAGE)
    found = re.search(r"Depends: (linux-image-\S+-cloud-amd64)", shown)
    if not found:
        sys.exit(f"image.py: apt knows no {KERNEL_PACKAGE}: apt-get update?")
    return found[1]


def fetch_kernel(folder):
    """folder/kernel: the package's files. Once."""
    kernel = folder / "kernel"
    if list(kernel.glob("boot/vmlinuz-*")):
        return kernel
    shutil.rmtree(kernel, ignore_errors=True)
    for old in folder.glob("linux-image-*.deb"):
        old.unlink()
    run("apt-get", "download", "-q", kernel_package(), cwd=folder)
    package, = folder.glob("linux-image-*.deb")
    run("dpkg-deb", "-x", package, kernel)
    package.unlink()
    return kernel


class Tree:
    """A root folder that is filled with files of the host."""

    def __init__(self, root):
        self.root = root
        shutil.rmtree(root, ignore_errors=True)
        for name in ("bin", "proc", "sys", "dev", "run", "tmp", "root", "etc", "usr/bin"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for name in ("lib", "lib64", "sbin"):
            (root / "usr" / name).mkdir(exist_ok=True)
            (root / name).symlink_to(f"usr/{name}")

    def put(self, source, target=None):
        """A file or folder, at the same place or another."""
        target = self.root / str(target or source).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if pathlib.Path(source).is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("tests", "test"))
        elif not target.exists():
            shutil.copy2(source, target)
        return target

    def libraries(self, path):
        """What the loader would map with it."""
        shown = subprocess.run(["ldd", path], text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, check=False).stdout
        for line in shown.splitlines():
            found = re.search(r"(/\S+) \(0x", line)
            if found:
                self.put(found[1])

    def program(self, path, target=None):
        self.put(path, target)
        self.libraries(path)

    def pack(self, archive):
        """As an initramfs, unpacked: a kernel that is emulated takes long to unpack."""
        names = run("find", ".", "-print0", cwd=self.root)
        with open(archive, "wb") as out:
            subprocess.run(["cpio", "--quiet", "-o", "-0", "-H", "newc", "-R", "0:0"],
                           input=names.encode(), stdout=out, cwd=self.root, check=True)


def put_modules(tree, kernel):
    """The modules and what they need, where modprobe looks."""
    version = next(kernel.glob("boot/vmlinuz-*")).name.removeprefix("vmlinuz-")
    modules = kernel / "lib/modules" / version
    run("depmod", "-b", kernel, version)
    for name in MODULES:
        wanted = subprocess.run(["modprobe", "-d", kernel, "-S", version, "--show-depends", name],
                                text=True, stdout=subprocess.PIPE, check=False).stdout
        for line in wanted.splitlines():
            if line.startswith("insmod "):
                path = pathlib.Path(line.split()[1])
                tree.put(path, f"usr/lib/modules/{version}/{path.relative_to(modules)}")
    for index in modules.glob("modules.*"):
        tree.put(index, f"usr/lib/modules/{version}/{index.name}")
    (tree.root / "etc/modules").write_text("\n".join(MODULES) + "\n")
    return version


def put_python(tree):
    tree.program("/usr/bin/python3.11")
    (tree.root / "usr/bin/python3").symlink_to("python3.11")
    tree.put("/usr/lib/python3.11")
    for name in PYTHON_PACKAGES:
        path = pathlib.Path("/usr/lib/python3/dist-packages", name)
        if path.exists():
            tree.put(path)
    for module in tree.root.glob("usr/lib/python3*/**/*.so"):
        tree.libraries(module)


def put_package(tree, build, folder):
    """The guest's package, as it is unpacked where there is no dpkg."""
    packages = folder / "packages"
    shutil.rmtree(packages, ignore_errors=True)
    run(TOP / "packaging/package.sh", "guest", build, packages)
    archive, = packages.glob("tessera-guest_*.tar.gz")
    run("tar", "-xzf", archive, "-C", tree.root)
    run("systemd-sysusers", f"--root={tree.root}", "tessera.conf")
    for name in ("usr/lib/tessera/libtessera-opencl.so", "usr/bin/tessera-guest"):
        tree.libraries(tree.root / name)


def put_udev(tree):
    """Devices get their groups as in any machine."""
    daemon = tree.root / "usr/lib/systemd/systemd-udevd"
    daemon.parent.mkdir(parents=True, exist_ok=True)
    daemon.symlink_to(shutil.which("udevadm"))
    for name in RULES:
        tree.put(f"/usr/lib/udev/rules.d/{name}")


def put_small_data(tree):
    """IDX files: magic, number of items, for images rows and columns, and the bytes."""
    folder = tree.root / SMALL_DATA.lstrip("/")
    folder.mkdir()
    for part, count in SMALL.items():
        for kind, head, item in (("images-idx3", 16, 28 * 28), ("labels-idx1", 8, 1)):
            name = f"{part}-{kind}-ubyte"
            with gzip.open(f"{DATA}/{name}.gz") as whole:
                begin = bytearray(whole.read(head + count * item))
            begin[4:8] = count.to_bytes(4, "big")
            (folder / name).write_bytes(begin)


def put_built(tree, build):
    """The programs of the tests."""
    for path in sorted((build / "tests/e2e/programs").iterdir()):
        if path.is_file() and path.stat().st_mode & 0o100:
            tree.program(path, f"usr/local/bin/{path.name}")
    for name in ("tests/hostile/hostile", "tests/hostile/bystander",
                 "studies/workloads/tessera-train", "bench/bench-calls"):
        tree.program(build / name, f"usr/local/bin/{pathlib.Path(name).name}")


def put_bundle(tree, build):
    """/bundle: a container's root file system, and a config.json that lacks the program."""
    bundle = tree.root / "bundle"
    built = [build / name for name in IN_CONTAINER]
    programs = [path if path.exists() else shutil.which(name)
                for path, name in zip(built, IN_CONTAINER)]
    run(TOP / "scripts/guest-image.sh", bundle / "rootfs", *programs)
    run("crun", "spec", cwd=bundle)
    config = json.loads((bundle / "config.json").read_text())
    config["process"]["terminal"] = False
    config["root"] = {"path": "/bundle/rootfs", "readonly": True}
    config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
    for folder, kind in (("/tmp", "tmpfs"), ("/run", "tmpfs"), (SMALL_DATA, "bind")):
        config["mounts"].append({"destination": folder, "source": folder, "type": kind,
                                 "options": ["bind", "ro"] if kind == "bind" else []})
    (bundle / "config.json").write_text(json.dumps(config, indent=1))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parents[1] / "build")
    parser.add_argument("folder", type=pathlib.Path)
    a = parser.parse_args()
    a.folder, a.build = a.folder.resolve(), a.build.resolve()
    a.folder.mkdir(parents=True, exist_ok=True)
    kernel = fetch_kernel(a.folder)
    tree = Tree(a.folder / "root")
    tree.put("/bin/busybox")
    tree.put(HERE / "init", "init")
    put_modules(tree, kernel)
    tree.put("/etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n"
                                       "user:x:1000:1000::/tmp:/bin/sh\n")
    tree.put("/etc/group").write_text("root:x:0:\nuser:x:1000:\n")
    tree.program(OPENCL_LOADER)
    for name in PROGRAMS:
        path = shutil.which(name)
        if path:
            tree.program(path)
    put_python(tree)
    put_udev(tree)
    put_built(tree, a.build)
    put_bundle(tree, a.build)
    put_package(tree, a.build, a.folder)
    tree.put(DATA)
    put_small_data(tree)
    tree.pack(a.folder / "initramfs.cpio")
    shutil.copy2(next(kernel.glob("boot/vmlinuz-*")), a.folder / "vmlinuz")


if __name__ == "__main__":
    main()

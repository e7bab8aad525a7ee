#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes the test machine's kernel and initramfs in a folder (build/vm).

The kernel is Debian's for clouds, out of its package: downloaded, never installed. The initramfs
holds programs of this host with the libraries that they need, what was built, and `init`.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
KERNEL_PACKAGE = "linux-image-cloud-amd64"
MODULES = ["virtio_pci", "virtio_console", "virtio_rng", "overlay"]
PROGRAMS = ["clinfo", "clpeak", "crun"]
PYTHON_PACKAGES = ["numpy", "pyopencl", "pytools", "mako", "markupsafe", "appdirs.py",
                   "platformdirs", "decorator.py", "six.py", "typing_extensions.py",
                   "pkg_resources"]
OPENCL_LOADER = "/usr/lib/x86_64-linux-gnu/libOpenCL.so.1"


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


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
                            ignore=shutil.ignore_patterns("__pycache__", "tests", "test"))
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


def put_built(tree, build):
    """The guest's library, as its package would have it, and the programs of the tests."""
    tree.program(build / "libtessera-opencl.so", "usr/lib/tessera/libtessera-opencl.so")
    vendors = tree.root / "etc/OpenCL/vendors"
    vendors.mkdir(parents=True)
    (vendors / "tessera.icd").write_text("/usr/lib/tessera/libtessera-opencl.so\n")
    for path in sorted((build / "tests/e2e/programs").iterdir()):
        if path.is_file() and path.stat().st_mode & 0o100:
            tree.program(path, f"usr/local/bin/{path.name}")
    for name in ("tests/hostile/hostile", "tests/hostile/bystander",
                 "studies/workloads/tessera-train"):
        if (build / name).exists():
            tree.program(build / name, f"usr/local/bin/{pathlib.Path(name).name}")


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
    tree.put("/etc/group").write_text("root:x:0:\ntessera:x:900:\nuser:x:1000:\n")
    tree.program(OPENCL_LOADER)
    for name in PROGRAMS:
        path = shutil.which(name)
        if path:
            tree.program(path)
    put_python(tree)
    put_built(tree, a.build)
    tree.pack(a.folder / "initramfs.cpio")
    shutil.copy2(next(kernel.glob("boot/vmlinuz-*")), a.folder / "vmlinuz")


if __name__ == "__main__":
    main()

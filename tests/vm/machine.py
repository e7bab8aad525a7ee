# SPDX-License-Identifier: MIT
"""A virtual machine that runs what it is told."""

import base64
import functools
import os
import pathlib
import shutil
import socket
import subprocess
import time

QEMU = "qemu-system-x86_64"
MEMORY_MIB = 1536
COMMAND_LINE = "console=ttyS0 quiet panic=-1 random.trust_cpu=on agent"
KVM_CPU = "host,migratable=no"
KVM_TRIAL_S = 5  # a kernel that runs has panicked by then, without a root


@functools.cache
def accelerator(image):
    """"kvm" where this process may use it and a kernel starts under it, else "tcg"."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError:
        return "tcg"
    command = [QEMU, "-machine", "q35", "-accel", "kvm", "-cpu", KVM_CPU, "-m", "256",
               "-nodefaults", "-display", "none", "-no-reboot", "-kernel", image / "vmlinuz",
               "-append", "console=ttyS0 panic=-1", "-serial", "stdio"]
    trial = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    try:
        told, _ = trial.communicate(timeout=KVM_TRIAL_S)
    except subprocess.TimeoutExpired:
        trial.kill()
        told, _ = trial.communicate()
    return "kvm" if b"Linux version" in told else "tcg"


class Failed(Exception):
    """The machine does not do what it must."""


class Guest:
    """What runs in a machine does what it is told, through the port tests.agent.

    Its folder has the socket of the port (agent) and what the kernel says (console).
    """

    def __init__(self, folder, accel):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.patience = 1 if accel == "kvm" else 8
        self.agent = self.lines = None

    def runs(self):
        raise NotImplementedError

    def log(self):
        """What whoever started it has to say."""
        return ""

    def must_run(self, end, what):
        if not self.runs() or time.monotonic() > end:
            console = self.folder / "console"
            told = console.read_text(errors="replace")[-2000:] if console.exists() else ""
            raise Failed(f"{what}\n{self.log()}{told}")

    def connect(self, begins=True):
        """As soon as QEMU listens, to a machine that begins or goes on."""
        end = time.monotonic() + 30
        self.agent = socket.socket(socket.AF_UNIX)
        while self.agent.connect_ex(str(self.folder / "agent")) != 0:
            self.must_run(end, "QEMU does not listen")
            time.sleep(0.02)
        self.lines = self.agent.makefile("rw", encoding="ascii", newline="\n")
        if begins:
            self.wait_ready()

    def wait_ready(self):
        self.agent.settimeout(60 * self.patience)
        try:
            line = self.lines.readline()
        except TimeoutError:
            line = ""
        if line.strip() != "ready":
            self.must_run(0, f"the machine did not start: {line!r}")

    def tell(self, script):
        self.lines.write(base64.b64encode(script.encode()).decode() + "\n")
        self.lines.flush()

    def run(self, script, seconds=30):
        """(status, output) of a shell script."""
        self.agent.settimeout(seconds * self.patience)
        self.tell(script)
        try:
            status, _, output = self.lines.readline().strip().partition(" ")
        except TimeoutError:
            raise Failed(f"no answer within {seconds * self.patience} s: {script}") from None
        if not status:
            self.must_run(0, f"the machine went away: {script}")
        return int(status), base64.b64decode(output).decode(errors="replace")

    def check(self, script, seconds=30):
        """The output of a script that must succeed."""
        status, output = self.run(script, seconds)
        if status != 0:
            raise Failed(f"status {status}: {script}\n{output}")
        return output

    def close(self):
        if self.lines:
            self.lines.close()
            self.agent.close()
        self.lines = self.agent = None


class Machine(Guest):
    """One QEMU. `arguments` are those of its vGPUs (tessera vm qemu-args)."""

    def __init__(self, image, folder, arguments=(), accel=None):
        self.image = pathlib.Path(image)
        self.accel = accel or accelerator(self.image)
        super().__init__(folder, self.accel)
        self.arguments = list(arguments)
        self.process = None

    def command(self):
        agent = self.folder / "agent"
        return [shutil.which(QEMU) or QEMU, "-machine", "q35", "-accel", self.accel,
                "-cpu", KVM_CPU if self.accel == "kvm" else "max", "-smp", "2",
                "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-display", "none",
                "-kernel", str(self.image / "vmlinuz"),
                "-initrd", str(self.image / "initramfs.cpio"),
                "-append", COMMAND_LINE,
                "-serial", f"file:{self.folder / 'console'}",
                "-device", "virtio-rng-pci",
                "-device", "virtio-serial-pci,id=tests",
                "-chardev", f"socket,id=agent,path={agent},server=on,wait=off",
                "-device", "virtserialport,bus=tests.0,chardev=agent,name=tests.agent",
                *self.arguments]

    def start(self):
        agent = self.folder / "agent"
        agent.unlink(missing_ok=True)
        with open(self.folder / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        self.connect()
        return self

    def runs(self):
        return self.process.poll() is None

    def log(self):
        return (self.folder / "qemu.log").read_text(errors="replace")

    def reboot(self):
        self.tell("reboot -f")
        while self.lines.readline().strip() != "ready":
            pass

    def power_off(self):
        self.tell("poweroff -f")
        self.process.wait(20 * self.patience)
        self.close()

    def kill(self):
        """As the host's out-of-memory killer would."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.close()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *_):
        self.kill()

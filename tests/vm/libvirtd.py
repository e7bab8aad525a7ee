# SPDX-License-Identifier: MIT
"""A libvirtd of its own, and domains that boot what image.py made.

For root it is the one of qemu:///system, else that of qemu:///session. It lives in namespaces: the
machine's libvirt, its files and its users are left alone, and libvirtd and every QEMU of it end
with the process that runs the tests, however that ends.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import machine
from host import until

ROOT = os.geteuid() == 0
DRIVER = "libvirt_driver_qemu.so"
# Root's has these places wired in, and a user for QEMU, which Debian's libvirt-daemon-system adds.
SYSTEM = """
mount -t tmpfs -o mode=755 none /run || exit
for folder in lib cache log; do mount -t tmpfs -o mode=755 none "/var/$folder" || exit; done
mount --bind "$1/etc" /etc/libvirt || exit
for file in passwd group; do mount --bind "$1/$file" "/etc/$file" || exit; done
"""
# Not its last command: the first process of a PID namespace must reap what others leave.
DAEMON = """
libvirtd --config "$1/libvirtd.conf"
exit
"""
QEMU_USER = 64055  # as in Debian
CONFIG = """unix_sock_dir = "{folder}"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "2:file:{folder}/log"
"""
# No AppArmor profiles and no control groups are set up for it, and virtlogd does not run.
QEMU_CONFIG = """security_driver = "none"
cgroup_controllers = []
stdio_handler = "file"
"""
DOMAIN = """<domain type='{type}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <memory unit='MiB'>{memory}</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64' machine='{machine}'>hvm</type>
    <kernel>{image}/vmlinuz</kernel>
    <initrd>{image}/initramfs.cpio</initrd>
    <cmdline>{command_line}</cmdline>
  </os>
  <features><acpi/></features>
  {cpu}
  <devices>
    {devices}
    <serial type='file'><source path='{folder}/console'/></serial>
    <channel type='unix'>
      <source mode='bind' path='{folder}/agent'/>
      <target type='virtio' name='tests.agent'/>
    </channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-global'/>
    <qemu:arg value='pcie-root-port.pref64-reserve=2G'/>
  </qemu:commandline>
</domain>
"""
DISK = """<disk type='file' device='disk'><driver name='qemu' type='raw'/>
      <source file='{}'/><target dev='vda' bus='virtio'/></disk>"""
SERIAL = "<controller type='virtio-serial' index='{}' ports='31'/>"
CPU = {"kvm": "<cpu mode='host-passthrough' migratable='off'/>", "tcg": "<cpu mode='maximum'/>"}
TYPE = {"kvm": "kvm", "tcg": "qemu"}
# One for each device, and one for what is plugged in.
PORTS = 6 * "<controller type='pci' model='pcie-root-port'/>"
PCI = {"q35": "<controller type='pci' model='pcie-root'/>" + PORTS,
       "pc": "<controller type='pci' model='pci-root'/>"}


def namespaces():
    """A command that runs another in them; they end with it, and it with us."""
    mine = ["--mount"] if ROOT else ["--map-current-user"]
    return ["setpriv", "--pdeathsig", "KILL", "unshare", *mine, "--pid", "--fork", "--kill-child",
            "--mount-proc"]


def cannot():
    """Why there can be none here; None when there can."""
    tried = subprocess.run([*namespaces(), "true"], text=True, check=False,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT)
    return f"no namespaces: {tried.stdout.strip()}" if tried.returncode else None


def children(pid):
    return [int(n) for n in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Libvirtd:
    """Its folder is beside the manager's, and `tessera` of the host talks to it."""

    def __init__(self, host):
        self.host = host
        self.folder = host.folder / "libvirt"
        self.accel = machine.accelerator(host.image)
        self.image = self.folder / "image"
        self.process = None
        kind = "system" if ROOT else "session"
        self.uri = f"qemu+unix:///{kind}?socket={self.folder}/libvirt-sock"
        host.env["LIBVIRT_DEFAULT_URI"] = self.uri
        host.env["XDG_CONFIG_HOME"] = str(self.folder / "config")  # holds saved memory
        self.env = dict(host.env, LIBVIRT_DRIVER_DIR=str(self.folder / "drivers"),
                        XDG_CACHE_HOME=str(self.folder / "cache"),
                        XDG_RUNTIME_DIR=str(self.folder / "run"))

    def put_files(self):
        qemu_config = self.folder / ("etc" if ROOT else "config/libvirt")
        for folder in (qemu_config, self.folder / "run", self.folder / "drivers"):
            folder.mkdir(parents=True)
        (self.folder / "libvirtd.conf").write_text(CONFIG.format(folder=self.folder))
        (qemu_config / "qemu.conf").write_text(QEMU_CONFIG)
        # No networks, storage pools or host devices.
        driver, = pathlib.Path("/usr/lib").glob(f"*/libvirt/connection-driver/{DRIVER}")
        (self.folder / "drivers" / DRIVER).symlink_to(driver)
        if ROOT:
            self.put_user()
        # libvirt gives what a domain boots to QEMU's user for as long as it runs.
        self.image.mkdir()
        for name in ("vmlinuz", "initramfs.cpio"):
            shutil.copy2(self.host.image / name, self.image / name)

    def put_user(self):
        """Who runs QEMU, in the group of /dev/kvm where there is one."""
        kvm = os.stat("/dev/kvm").st_gid if os.path.exists("/dev/kvm") else QEMU_USER
        for file, mine in (("passwd", f"{QEMU_USER}:{kvm}:::"), ("group", f"{QEMU_USER}:")):
            others = [line for line in pathlib.Path("/etc", file).read_text().splitlines()
                      if not line.startswith("libvirt-qemu:")]
            lines = [*others, f"libvirt-qemu:x:{mine}"]
            (self.folder / file).write_text("\n".join(lines) + "\n")
        self.lets_in(self.host)

    def lets_in(self, host):
        """Who runs QEMU may enter a manager's folders."""
        for folder in (host.folder, host.folder / "run"):
            folder.chmod(0o711)

    def serves(self, host):
        """Domains may have another manager's vGPUs, too."""
        host.env["LIBVIRT_DEFAULT_URI"] = self.uri
        self.lets_in(host)

    def start(self):
        self.put_files()
        script = (SYSTEM if ROOT else "") + DAEMON
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*namespaces(), "sh", "-c", script, "sh", self.folder],
                                            env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)
        until(30, self.answers)

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return self.command("list").returncode == 0

    def command(self, *words):
        return subprocess.run(["virsh", "-q", "-c", self.uri, *words], text=True, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)

    def virsh(self, *words):
        done = self.command(*words)
        assert done.returncode == 0, f"virsh {' '.join(words)}: {done.stdout}"
        return done.stdout.strip()

    def inside(self, *words):
        """A command that sees libvirt's own files, as all do where they are in their places."""
        return ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", *words] if ROOT else words

    def qemu(self, name):
        """The process of a domain."""
        guest = f"guest={name},".encode()
        found = [pid for first in children(self.process.pid) for pid in children(first)
                 if guest in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
        return found[0]

    def stop(self):
        if self.process is None:
            return
        for first in children(self.process.pid):
            os.kill(first, signal.SIGKILL)
        self.process.wait(30)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()


class Domain(machine.Guest):
    """It has a slot for one more PCI device, as large as a vGPU's."""

    def __init__(self, libvirtd, name):
        self.libvirtd, self.host, self.name = libvirtd, libvirtd.host, name
        super().__init__(libvirtd.folder / name, libvirtd.accel)

    def define(self, chipset="q35", serials=1, more=""):
        libvirtd, name = self.libvirtd, self.name
        xml = self.folder / "domain.xml"
        xml.write_text(DOMAIN.format(
            type=TYPE[libvirtd.accel], cpu=CPU[libvirtd.accel], name=name, machine=chipset,
            devices=PCI[chipset] + "".join(SERIAL.format(n) for n in range(serials)) + more,
            memory=machine.MEMORY_MIB, image=libvirtd.image, folder=self.folder,
            command_line=machine.COMMAND_LINE))
        libvirtd.virsh("define", str(xml))
        return self

    def virsh(self, command, *words):
        return self.libvirtd.virsh(command, self.name, *words)

    def tessera(self, command, *words):
        return self.host.tessera("vm", command, self.name, *words)

    def runs(self):
        return self.virsh("domstate") == "running"

    def log(self):
        return "".join((self.libvirtd.folder / "log").read_text().splitlines(True)[-10:])

    def start(self):
        self.close()
        self.tessera("start")
        self.connect()

    def suspend(self, *words):
        self.close()
        self.tessera("suspend", *words)

    def resume(self, *words):
        self.tessera("resume", *words)
        self.connect(begins=False)

    def moves_to(self, host):
        """Another manager's vGPUs are its from now on."""
        self.host = host

    def begin_clone(self, name, *words):
        command = self.libvirtd.inside(self.host.build / "tessera", "vm", "clone", self.name, name)
        return subprocess.Popen([*command, *words], env=self.host.env, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)

    def clone(self, name, *words):
        """The domain of that name, which runs if this one has memory."""
        copy = Domain(self.libvirtd, name)
        process = self.begin_clone(name, *words)
        said, _ = process.communicate()
        assert process.returncode == 0, f"clone of {self.name}: {said}"
        if copy.runs():
            copy.connect(begins=False)
        return copy

    def reset(self):
        self.virsh("reset")
        self.wait_ready()

    def kill(self):
        """As the host's out-of-memory killer would."""
        os.kill(self.libvirtd.qemu(self.name), signal.SIGKILL)
        self.close()

    def row(self, vgpu):
        """What `tessera vm list` says of it."""
        listed = json.loads(self.host.tessera("vm", "list", "-o", "json"))["vms"]
        found = [r for r in listed if (r["domain"], r["vgpu"]) == (self.name, vgpu)]
        return found[0] if found else None

    def is_off(self):
        return self.virsh("domstate") == "shut off"

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fake_vm_manager.py RUNTIME_DIR: the manager's side of virtual machines, without a GPU.

vGPUs a and b of a software GPU, `card` reserves a whole card, `lost` has lost its GPU, `soft` is a
software GPU passed through. The cards are at 0000:01:00.0 (idle) and 0000:02:00.0 (reserved).
PATCH /v1/vgpus/NAME {"connected": N} plays a QEMU that connects.
"""

import json
import os
import sys

import fake_manager

GIB = 1 << 30
SOFTWARE = {"icd": "/etc/OpenCL/vendors/pocl.icd", "cores": "0", "threads": 1}
HARDWARE = {"icd": "/etc/OpenCL/vendors/nvidia.icd", "cores": None, "threads": None}


def gpu(name, kind, pci, vgpus):
    return fake_manager.GPU | {"name": name, "kind": kind, "pci": pci, "vgpus": vgpus}


def vgpu(name, on, passthrough=None, unavailable=None):
    kind = "passthrough" if passthrough else "cpu-512m"
    return {"name": name, "type": kind, "gpu": on, "framebuffer_bytes": 512 << 20,
            "passthrough": passthrough, "unavailable": unavailable, "vm": None}


GPUS = [gpu("gpu0", "software", None, ["a", "b"]), gpu("gpu1", "hardware", "0000:01:00.0", []),
        gpu("gpu2", "hardware", "0000:02:00.0", ["card"]), gpu("gpu3", "software", None, ["soft"])]
VGPUS = {v["name"]: v for v in (
    vgpu("a", "gpu0"), vgpu("b", "gpu0"), vgpu("card", "gpu2", HARDWARE),
    vgpu("lost", "gpu9", None, "the GPU gpu9 is not there"), vgpu("soft", "gpu3", SOFTWARE))}


def given(name, body):
    return {"domain": body.get("domain"), "uid": body.get("uid"),
            "memory": f"/dev/shm/tessera-{name}", "memory_bytes": GIB, "connected": 0,
            "ports": [f"{sys.argv[1]}/vm/{name}/port{i}" for i in range(16)]}


class Handler(fake_manager.Handler):
    def refuse(self, status, code, message):
        self.answer(status, {"error": {"code": code, "message": message}})

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")

    def vgpu(self):
        """The vGPU of the path and what follows its name; None: it was refused."""
        _, _, rest = self.path.partition("/v1/vgpus/")
        name, _, more = rest.partition("/")
        if name not in VGPUS:
            self.refuse(404, "not-found", f"there is no vGPU '{name}'")
            return None, None
        return VGPUS[name], more

    def do_GET(self):
        gpus = {"/v1/gpus/" + g["name"]: g for g in GPUS}
        if self.path == "/v1/gpus":
            self.answer(200, {"gpus": GPUS})
        elif self.path == "/v1/vgpus":
            self.answer(200, {"vgpus": list(VGPUS.values())})
        elif self.path in gpus:
            self.answer(200, gpus[self.path])
        elif self.path.startswith("/v1/vgpus/"):
            v, _ = self.vgpu()
            if v:
                self.answer(200, v)
        else:
            super().do_GET()

    def do_PUT(self):
        body = self.body()
        v, more = self.vgpu()
        if v and more == "vm":
            v["vm"] = v["vm"] or given(v["name"], body)
            self.answer(200, v)

    def do_POST(self):
        body = self.body()
        if "type" in body:
            VGPUS[body["name"]] = vgpu(body["name"], "gpu0")
            self.answer(201, VGPUS[body["name"]])
            return
        card = next(g for g in GPUS if g["name"] == body["gpu"])
        if card["vgpus"]:
            self.refuse(409, "in-use", f"{card['name']} has vGPUs")
            return
        card["vgpus"].append(body["name"])
        VGPUS[body["name"]] = vgpu(body["name"], card["name"], HARDWARE)
        self.answer(201, VGPUS[body["name"]])

    def do_DELETE(self):
        v, more = self.vgpu()
        if v and v["vm"] and v["vm"]["connected"]:
            self.refuse(409, "in-use", f"QEMU is connected to '{v['name']}'")
        elif v and more == "vm":
            v["vm"] = None
            self.answer(200, v)
        elif v:
            for g in GPUS:
                g["vgpus"] = [name for name in g["vgpus"] if name != v["name"]]
            self.answer(200, VGPUS.pop(v["name"]))

    def do_PATCH(self):
        body = self.body()
        v, _ = self.vgpu()
        if v:
            v["vm"]["connected"] = body["connected"]
            self.answer(200, v)


if __name__ == "__main__":
    os.makedirs(sys.argv[1], mode=0o700, exist_ok=True)
    socket = os.path.join(sys.argv[1], "control.sock")
    fake_manager.Server(socket, Handler).serve_forever()

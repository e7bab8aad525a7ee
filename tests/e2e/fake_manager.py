#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fake_manager.py RUNTIME_DIR: answers as a control socket would, with counters that are known.

Of two vGPUs on one GPU, a gets three quarters of the time and b one quarter, whatever the time
is. What a PATCH asks for is what the GPU then says of itself, unchecked.
"""

import http.server
import json
import os
import socketserver
import sys
import time

BEGIN = time.monotonic_ns()
GPU = {
    "name": "gpu0", "model": "cpu", "kind": "software", "memory_bytes": 2 << 30,
    "free_bytes": 1 << 30, "mode": "equal-size", "placement": "spread", "policy": "best-effort",
    "slice_us": 2000, "elastic_percent": 0, "watchdog_seconds": 0, "vgpus": ["a", "b"],
}
LOG = [
    {"time_unix_ns": 1750000000000001000, "vgpu": "a", "slot": 0, "total_run_ns": 4000000,
     "run_ns": 2100000, "target_ns": 2000000, "preempted_ns": 500000},
    {"time_unix_ns": 1750000000002101000, "vgpu": None, "slot": 0, "total_run_ns": 0,
     "run_ns": 1500000, "target_ns": 2000000, "preempted_ns": 0},
]


def vgpu(name, part, state):
    run = time.monotonic_ns() - BEGIN
    return {
        "name": name, "type": "cpu-512m", "state": state, "share_asked": 0.5, "sessions": 1,
        "framebuffer_bytes": 512 << 20, "used_bytes": 12 << 20, "commands": run // 10**6,
        "kernels": int(run * part) // 10**6, "copied_bytes": 0, "busy_ns": int(run * part * 0.9),
        "used_ns": int(run * part), "debt_ns": 0, "compile_ns": 5000000,
        "waited_ns": int(run * (1 - part)), "turns": run // 4000000, "overruns": 3,
        "overrun_ns": 1500000,
    }


def stats():
    run = time.monotonic_ns() - BEGIN
    gpu = {key: GPU[key] for key in ("name", "model", "policy", "slice_us", "memory_bytes")}
    gpu |= {"turns": run // 2000000, "used_ns": run, "idle_ns": 0, "arbiter_cpu_ns": run // 1000}
    gpu["vgpus"] = [vgpu("a", 0.75, "working"), vgpu("b", 0.25, "running")]
    return {"time_ns": time.monotonic_ns(), "gpus": [gpu]}


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        answers = {
            "/v1/gpus": lambda: {"gpus": [GPU]},
            "/v1/stats": stats,
            "/v1/status": lambda: {"warnings": []},
            "/v1/gpus/gpu0/log": lambda: {"gpu": "gpu0", "policy": GPU["policy"],
                                          "slice_us": GPU["slice_us"], "entries": LOG},
        }
        if self.path in answers:
            self.answer(200, answers[self.path]())
        else:
            self.answer(404, {"error": {"code": "not-found", "message": "no " + self.path}})

    def do_PATCH(self):
        GPU.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(200, GPU)

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    os.makedirs(sys.argv[1], mode=0o700, exist_ok=True)
    Server(os.path.join(sys.argv[1], "control.sock"), Handler).serve_forever()

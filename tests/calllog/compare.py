#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""compare.py [--discrete] NATIVE WORKER: do two call logs of one program agree, call by call?

NATIVE and WORKER are files as calllog.c writes them, or folders with one *.jsonl: what the program
called when it ran on the driver, and what Tessera's worker called on the same driver when
the program ran on a vGPU. --discrete: the vGPU shared no storage with the guest. `compare.py
--rules` lists the documented differences; all others are told, and the status is 1.

Both logs are brought to one form first (class Log: calls that the rules leave out are counted,
older functions are told as their successors), then walked side by side (class Walk). Objects have
no names in common: two are the same when what made them agrees, and stay so from then on. The
order is compared as a whole; where that differs, queue by queue (streams.py): two threads of the
worker call the driver, and what is held back goes later.
"""

import json
import re
import shlex
import sys
from collections import Counter
from pathlib import Path

from held import Held, HeldWalk
from images import Images, image_piece, volume
from streams import Streams, StreamWalk

RULES = {
    "query": "Queries are answered from the guest's shadow; the worker asks for its own needs.",
    "reference": "Retain and release are counted in the guest: the driver's object lives as long.",
    "wait": "The worker never blocks on the driver: clFlush, clFinish and clWaitForEvents become "
            "callbacks and looks at event states.",
    "callback": "Callbacks of the program run in the guest; those of the worker are its own.",
    "refused": "A call with an error is refused in the guest, by the specification's own codes.",
    "unload": "Unloading the compiler is a hint.",
    "metadata": "After a build the worker makes all kernels once, to learn their arguments.",
    "finish-marker": "On an out-of-order queue the worker ends a clFinish by a marker, unless all "
                     "is complete.",
    "idle": "A finish of a queue without commands since its last one sends nothing.",
    "held": "Buffers of up to 64 KiB, kernels and user events are made when the guest sends "
            "anything else: before the next message of their thread, in order. Those that the "
            "program let go of before it, without any use, are missing.",
    "order": "A command that waits for a turn, a user event or another that waits goes to the "
             "driver later. Kept is the order of a queue in order and of a command buffer, in a "
             "program of one thread that of the calls that belong to no queue, and what barriers, "
             "markers and finishes of a queue out of order bound.",
    "failed": "A command with a user event in its wait list that is set to an error, or with a "
              "command that fails so, never goes to the driver.",
    "arguments": "Before a launch that waited the worker sets its kernel's arguments once more: a "
                 "launch, a recorded one and a clone are compared with the arguments that the "
                 "kernel has then. clSetKernelArg itself is where the whole order agrees.",
    "older": "Older functions are sent as their successors: clCreateCommandQueue, clEnqueueTask, "
             "clEnqueueMarker, clEnqueueBarrier, clEnqueueWaitForEvents, clCreateContextFromType, "
             "clCreateImage2D and 3D, clCreateBufferWithProperties, clCreateImageWithProperties; "
             "clCreateKernelsInProgram as one clCreateKernel each. A sampler as clCreateSampler.",
    "profiling": "Driver queues always have profiling, to account GPU time.",
    "host-flags": "How the host may use a buffer is checked in the guest; the driver gets access "
                  "flags alone, and CL_MEM_USE_HOST_PTR for storage shared with the guest.",
    "sizes": "Where a driver takes arguments of any length, the worker builds a program once more, "
             "with a kernel for each type of the program's own, to learn how long they are.",
    "include": "Include files are the guest's: -I names a folder of the worker's, and absolute "
               "names in sources and options lie below it.",
    "clock": "Stamps of direct copies are the device's: a marker tells its clock, now and then,"
             " the best of some.",
    "record": "A command buffer's kernel is cloned when it is recorded, as its arguments stay.",
    "simultaneous": "Driver command buffers may be replayed at once: the guest says when.",
    "arg-info": "-cl-kernel-arg-info is added to build options, to learn the arguments of kernels.",
    "binary": "A program binary that the driver made is not compared: it made two.",
    "direct": "With shared storage a transfer on an idle in-order queue is a copy in the guest.",
    "staging": "Transfers do not block; the host's side is a packed staging area.",
    "pieces": "Transfers of more than 4 MiB on an in-order queue go in pieces of 4 MiB, reads that "
              "block in pieces of 1 MiB; those of images in as many rows or slices as fit.",
    "map": "A mapping without shared storage is a read, or a marker where nothing is read; an "
           "unmap is a write, or a marker where nothing was written (out of order: a migration to "
           "where the object is). A blocking mapping that discards reads one byte, of an image one "
           "element, or nothing from a buffer where the queue is idle.",
    "line": "Fills and copies of a 1D image buffer are those of its buffer: not every driver takes "
            "such images there.",
    "empty": "A launch without work-items is a marker; out of order and without a wait list a "
             "barrier behind a user event that is complete.",
    "stand-in": "Where the driver has none of a barrier's events, one that is complete.",
    "complete": "A wait list leaves out events that were seen complete, or that are direct copies.",
}

DROPPED = {
    "query": re.compile(r"clGet"),
    "reference": re.compile(r"cl(Retain|Release)"),
    "wait": re.compile(r"cl(Flush|Finish|WaitForEvents)$"),
    "callback": re.compile(r"clSet\w+Callback$"),
    "unload": re.compile(r"clUnload"),
}
# What no rule compares: addresses of the host, counts that lists have, names of devices.
UNTOLD = {"event", "num_events_in_wait_list", "event_wait_list", "ptr", "pfn_notify", "ret",
          "num_devices", "device_list", "devices", "device", "pfn_free_func", "blocking_read",
          "blocking_write", "blocking_map", "mapped_ptr", "num_mem_objects", "host_origin",
          "host_row_pitch", "host_slice_pitch", "row_pitch", "slice_pitch", "input_row_pitch",
          "input_slice_pitch", "image_row_pitch", "image_slice_pitch", "in_device",
          "out_devices", "mutable_handle", "sync_point"}
OBJECT = re.compile(r"[a-z_]+#\d+$")
ACCESS, USE_HOST_PTR, COPY_HOST_PTR = 7, 8, 32
MAP_WRITES, MAP_INVALIDATES = 2 | 4, 4
OUT_OF_ORDER, QUEUE_PROPERTIES = 1, 0x1093
EVENT_STATUS = 0x11D3
PIECE, READ_PIECE = 4 << 20, 1 << 20
INLINE = 32 << 10  # a write of so many bytes waits for no queue: it travels in its message
TRIES = 20000
ANY = {"any": True}
BUILDS = ("clBuildProgram", "clCompileProgram", "clLinkProgram")
BUILD_FAILURES = (-11, -15, -17)  # the compiler's and the linker's own
ARG_INFO = "-cl-kernel-arg-info"
MEASURES = "tessera_sizeof_"
MARKER = "clEnqueueMarkerWithWaitList"
PROFILING_QUEUED = 0x1280

FINISH = ["clRetainEvent", "clEnqueueMarkerWithWaitList", "clReleaseEvent"]
STAND_IN = ["clGetCommandQueueInfo", "clCreateUserEvent", "clSetUserEventStatus"]


class TornLog(Exception):
    """A log that cannot be read."""


class Item:
    """One call that is compared."""

    def __init__(self, line, call, args):
        self.n, self.thread, self.call, self.args = line["n"], line["t"], call, args
        self.line, self.event, self.waits, self.made = line, None, [], []
        self.lack = None  # the rule that lets it be missing in the worker's log
        self.probably_direct = False
        self.piece = PIECE
        self.unused, self.gone = False, None  # held.py

    def __str__(self):
        args = ", ".join(f"{k}={json.dumps(v)}" for k, v in self.args.items())
        waits = f", waits={self.waits}" if self.waits else ""
        return f"{self.call}({args}{waits}) [line {self.n}]"


def read_lines(path):
    """All lines of a log, in the order in which the calls were entered."""
    path = Path(path)
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    if len(files) != 1:
        raise TornLog(f"{path}: logs of {len(files)} processes, not of one")
    lines = []
    for number, text in enumerate(files[0].read_text().splitlines(), 1):
        try:
            lines.append(json.loads(text))
        except ValueError as e:
            raise TornLog(f"{files[0]}:{number}: {e}") from e
    if not lines:
        raise TornLog(f"{files[0]}: no calls")
    return sorted(lines, key=lambda line: line["n"])


def marks_in_a_row(lines):
    """Markers that one thread makes with nothing in between but releases: numbers of those released
    meanwhile, numbers of the others."""
    released, kept = set(), {}
    for line in lines:
        event = line["args"].get("event")
        if line["call"] == MARKER and not line["args"].get("event_wait_list"):
            kept[event] = line["n"]
        elif line["call"] == "clReleaseEvent" and event in kept:
            released.add(kept.pop(event))
        elif released or kept:
            yield released, set(kept.values())
            released, kept = set(), {}
    yield released, set(kept.values())


class Log(Images, Held, Streams):
    """The calls of one log that are compared, in one form; `left_out` counts the others."""

    def __init__(self, lines, worker, discrete):
        self.worker, self.discrete = worker, discrete
        self.items, self.left_out, self.recorded = [], Counter(), {}
        self.creator, self.by_event = {}, {}
        self.arguments, self.mappings, self.in_order, self.complete = {}, {}, {}, {}
        self.lines = lines
        self.has_work = set()  # queues with commands since their last finish
        self.ends = self.finish_markers() if worker else set()
        self.own = (self.measures() | self.clock_looks() | self.records() | self.stand_ins()
                    if worker else self.failures())
        for line in lines:
            self.take(line)
        self.find_unused()

    def by_thread(self):
        threads = {}
        for line in self.lines:
            threads.setdefault(line["t"], []).append(line)
        return threads.values()

    def finish_markers(self):
        """Markers around which the worker holds the command that was newest before."""
        found = set()
        for lines in self.by_thread():
            for held, marker, let_go in zip(lines, lines[1:], lines[2:]):
                if ([held["call"], marker["call"], let_go["call"]] == FINISH
                        and held["args"] == let_go["args"]):
                    found.add(marker["n"])
        return found

    def measures(self):
        """Programs that were built to measure types."""
        kernels = [line for line in self.lines if line["call"] == "clCreateKernel"
                   and (line["args"]["kernel_name"] or "").startswith(MEASURES)]
        programs = {line["args"]["program"] for line in kernels}
        return {line["n"]: "sizes" for line in self.lines
                if line["args"].get("program") in programs
                or line["call"] == "clCreateProgramWithSource" and line["args"]["ret"] in programs}

    def clock_looks(self):
        """Markers that are asked for nothing but when they were enqueued."""
        asked = {}
        for line in self.lines:
            if line["call"] == "clGetEventProfilingInfo":
                asked.setdefault(line["args"]["event"], set()).add(line["args"]["param_name"])
        looks = {line["n"]: "clock" for line in self.lines
                 if line["call"] == MARKER
                 and asked.get(line["args"]["event"]) == {PROFILING_QUEUED}}
        for lines in self.by_thread():
            for released, kept in marks_in_a_row(lines):
                if looks.keys() & kept:
                    looks.update(dict.fromkeys(released, "clock"))
        return looks

    def stand_ins(self):
        """User events that are made complete, for the wait list of one marker or barrier."""
        found, self.stood_in = {}, set()
        for lines in self.by_thread():
            for asked, made, was_set, used in zip(lines, lines[1:], lines[2:], lines[3:]):
                if ([asked["call"], made["call"], was_set["call"]] == STAND_IN
                        and was_set["args"]["event"] == made["args"]["ret"]
                        and used["args"].get("event_wait_list") == [made["args"]["ret"]]):
                    found[made["n"]] = found[was_set["n"]] = "stand-in"
                    self.stood_in.add(made["args"]["ret"])
        return found

    def records(self):
        """Clones that were made to be recorded."""
        clones, found = {}, {}
        for line in self.lines:
            if line["call"] == "clCloneKernel":
                clones[line["t"]] = line
            elif line["call"] == "clCommandNDRangeKernelKHR":
                clone = clones.get(line["t"])
                if clone and clone["args"]["ret"] == line["args"]["kernel"]:
                    found[clone["n"]] = "record"
                    self.recorded[line["n"]] = clone["args"]["source_kernel"]
        return found

    def failures(self):
        """Commands that fail by their wait lists. A user event may be set after them."""
        failed = {line["args"]["event"] for line in self.lines
                  if line["call"] == "clSetUserEventStatus" and line["status"] == 0
                  and line["args"]["execution_status"] < 0}
        found = {}
        for line in self.lines:
            if failed.intersection(line["args"].get("event_wait_list") or []):
                found[line["n"]] = "failed"
                failed.add(line["args"].get("event"))
        return found

    def rule_for(self, line):
        """The rule that leaves this call out, or None."""
        call, args = line["call"], line["args"]
        for rule, pattern in DROPPED.items():
            if pattern.match(call):
                return rule
        if self.worker and call == "clCreateKernelsInProgram":
            return "metadata"
        if line["n"] in self.own:
            return self.own[line["n"]]
        if call == "clCreateKernelsInProgram" and "kernels" not in args:
            return "query"
        if call == "clCreateSubDevices" and "out_devices" not in args:
            return "query"
        empty = call == "clEnqueueNDRangeKernel" and is_empty(args["global_work_size"])
        failed_build = call in BUILDS and line["status"] in BUILD_FAILURES
        if line["status"] != 0 and not failed_build and not empty:
            return "refused"
        return None

    def take(self, line):
        args = line["args"]
        if line["call"] == "clGetEventInfo" and args["param_name"] == EVENT_STATUS:
            if line["status"] == 0 and isinstance(args.get("answer"), int) and args["answer"] <= 0:
                self.complete.setdefault(args["event"], line["n"])
        if line["call"] == "clFinish" and not self.worker:
            self.finish(line, args)
            return
        rule = self.rule_for(line)
        if rule:
            self.left_out[rule] += 1
            return
        if line["n"] in self.ends:
            self.add(line, "clFinish", {"command_queue": args["command_queue"]})
            return
        special = getattr(self, "take_" + line["call"], None)
        if special:
            special(line, args)
        else:
            self.add(line, line["call"], self.plain(args))

    def plain(self, args):
        return {k: v for k, v in args.items() if k not in UNTOLD and not k.startswith("num_")}

    def add(self, line, call, args):
        item = Item(line, call, args)
        told = line["args"]
        item.waits = [e for e in told.get("event_wait_list") or told.get("event_list") or []]
        made = told.get("event") if call != "clSetUserEventStatus" else None
        item.made = [o for o in (made, told.get("ret")) if isinstance(o, str) and OBJECT.match(o)]
        for name in item.made:
            self.creator[name] = item
            if name.startswith("event#"):
                item.event = name
                self.by_event[name] = item
        self.items.append(item)
        self.has_work.update(self.queues_with(call, args))
        return item

    def queues_with(self, call, args):
        """The queues that this call gives commands to."""
        if call == "clEnqueueCommandBufferKHR":
            return args["queues"] or self.creator[args["command_buffer"]].args["queues"]
        return [args["command_queue"]] if "command_queue" in args else []

    def finish(self, line, args):
        """The program's. What is left of it in the worker's log is a marker, if anything is."""
        queue = args["command_queue"]
        if queue not in self.has_work:
            self.left_out["idle"] += 1
        elif self.in_order.get(queue, True):
            self.left_out["wait"] += 1
        else:
            self.add(line, "clFinish", {"command_queue": queue}).lack = "finish-marker"
        self.has_work.discard(queue)

    # ---- contexts, queues, memory

    def take_clCreateContext(self, line, _):
        self.add(line, "clCreateContext", {})

    take_clCreateContextFromType = take_clCreateContext

    def take_clCreateCommandQueue(self, line, args):
        self.queue(line, args, args["properties"])

    def take_clCreateCommandQueueWithProperties(self, line, args):
        pairs = dict(zip(args["properties"][::2], args["properties"][1::2]))
        self.queue(line, args, pairs.get(QUEUE_PROPERTIES, 0))

    def queue(self, line, args, flags):
        self.in_order[args["ret"]] = not flags & OUT_OF_ORDER
        self.add(line, "clCreateCommandQueue",
                 {"context": args["context"], "out_of_order": bool(flags & OUT_OF_ORDER)})

    def take_clCreateBuffer(self, line, args):
        initial = args["host_ptr"] if isinstance(args["host_ptr"], dict) else None
        self.add(line, "clCreateBuffer",
                 {"context": args["context"], "access": args["flags"] & ACCESS or 1,
                  "size": args["size"], "initial": initial})

    take_clCreateBufferWithProperties = take_clCreateBuffer

    def take_clCreateSubBuffer(self, line, args):
        parent = self.creator[args["buffer"]].args
        self.add(line, "clCreateSubBuffer",
                 {"buffer": args["buffer"], "access": args["flags"] & ACCESS or parent["access"],
                  "region": args["region"]})

    # ---- programs and kernels

    def take_clCreateProgramWithBinary(self, line, args):
        self.add(line, "clCreateProgramWithBinary", {"context": args["context"]})

    def build(self, line, args):
        """clBuildProgram, clCompileProgram, clLinkProgram."""
        given = option_words(args["options"] or "")
        words = [w for w in given if w != ARG_INFO]
        added = not self.worker and line["call"] != "clLinkProgram"
        if added or ARG_INFO in given:
            words.append(ARG_INFO)
        self.add(line, line["call"], dict(self.plain(args), options=words, status=line["status"]))

    take_clBuildProgram = take_clCompileProgram = take_clLinkProgram = build

    def take_clCreateKernelsInProgram(self, line, args):
        for kernel in args["kernels"]:
            one = dict(line, args={"ret": kernel})
            self.add(one, "clCreateKernel", {"program": args["program"], "kernel_name": ANY})

    def take_clSetKernelArg(self, line, args):
        value = args["arg_value"]
        if isinstance(value, dict) and value["size"] == 8 and set(value["hash"][0]) == {"0"}:
            value = None  # no object: by NULL, or by the address of a NULL
        known = self.arguments.setdefault(args["kernel"], {})
        known[args["arg_index"]] = [args["arg_size"], value]
        self.add(line, "clSetKernelArg", {"kernel": args["kernel"], "arg_index": args["arg_index"],
                                          "arg_size": args["arg_size"], "arg_value": value})

    def arguments_of(self, kernel):
        """As they are now: {index: [size, value]}"""
        return dict(sorted(self.arguments.get(kernel, {}).items()))

    def take_clEnqueueNDRangeKernel(self, line, args):
        if is_empty(args["global_work_size"]):
            alone = self.in_order.get(args["command_queue"], True) or args["event_wait_list"]
            (self.marker if alone else self.barrier)(line, args)
            return
        told = {k: args[k] for k in ("command_queue", "kernel", "global_work_offset",
                                     "global_work_size", "local_work_size")}
        told["arguments"] = self.arguments_of(args["kernel"])
        self.add(line, "clEnqueueNDRangeKernel", told)

    def take_clCloneKernel(self, line, args):
        told = self.arguments_of(args["source_kernel"])
        self.arguments[args["ret"]] = dict(told)
        self.add(line, "clCloneKernel", dict(self.plain(args), arguments=told))

    def take_clEnqueueTask(self, line, args):
        sizes = {"global_work_offset": None, "global_work_size": [1], "local_work_size": [1]}
        self.take_clEnqueueNDRangeKernel(line, dict(args, **sizes))

    # ---- command buffers

    def take_clCreateCommandBufferKHR(self, line, args):
        self.add(line, "clCreateCommandBufferKHR", {"queues": args["queues"]})

    def take_clCommandNDRangeKernelKHR(self, line, args):
        kernel = self.recorded.get(line["n"], args["kernel"])
        told = dict(self.plain(args), kernel=kernel)
        told["arguments"] = self.arguments_of(kernel)
        self.add(line, "clCommandNDRangeKernelKHR", told)

    # ---- events, markers, barriers

    def take_clSetUserEventStatus(self, line, args):
        self.add(line, "clSetUserEventStatus", {"user_event": args["event"],
                                                "execution_status": args["execution_status"]})

    def marker(self, line, args):
        self.add(line, "clEnqueueMarkerWithWaitList", {"command_queue": args["command_queue"]})

    take_clEnqueueMarker = marker

    def place(self, line, args, mem):
        """Of a command about an object that has nothing to do."""
        if self.in_order.get(args["command_queue"], True):
            self.marker(line, args)
        else:
            self.add(line, "clEnqueueMigrateMemObjects",
                     {"command_queue": args["command_queue"], "mem_objects": [mem], "flags": 0})

    def barrier(self, line, args):
        self.add(line, "clEnqueueBarrierWithWaitList", {"command_queue": args["command_queue"]})

    take_clEnqueueBarrier = take_clEnqueueWaitForEvents = barrier

    # ---- transfers

    def transfer(self, line, call, args, blocking):
        """May be missing in the worker's log where the rule `direct` allows it."""
        item = self.add(line, call, args)
        if (not self.worker and not self.discrete
                and self.in_order.get(args["command_queue"], False)
                and (bool(blocking) or "Write" in call)):
            item.lack = "direct"
        if blocking and call == "clEnqueueReadBuffer":
            item.piece = READ_PIECE
        short = call == "clEnqueueWriteBuffer" and args["size"] <= INLINE
        item.probably_direct = bool(item.lack and blocking) and not short
        return item

    def take_clEnqueueReadBuffer(self, line, args):
        told = {k: args[k] for k in ("command_queue", "buffer", "offset", "size")}
        self.transfer(line, "clEnqueueReadBuffer", told, args["blocking_read"])

    def take_clEnqueueWriteBuffer(self, line, args):
        told = {k: args[k] for k in ("command_queue", "buffer", "offset", "size", "data")}
        self.transfer(line, "clEnqueueWriteBuffer", told, args["blocking_write"])

    def rect(self, line, args):
        region, row = args["region"], args["buffer_row_pitch"] or args["region"][0]
        told = {"command_queue": args["command_queue"], "buffer": args["buffer"],
                "origin": args["buffer_origin"], "region": region, "row_pitch": row,
                "slice_pitch": args["buffer_slice_pitch"] or row * region[1]}
        self.transfer(line, line["call"], told,
                      args.get("blocking_read", args.get("blocking_write")))

    take_clEnqueueReadBufferRect = take_clEnqueueWriteBufferRect = rect

    def shadowed(self, mem):
        """Is a mapping of this buffer a copy? Without shared storage, and of the host's memory."""
        creator = self.creator.get(mem)
        while creator and (creator.args.get("from") or creator.call == "clCreateSubBuffer"):
            creator = self.creator.get(creator.args.get("from") or creator.args["buffer"])
        flags = creator.line["args"].get("flags", 0) if creator else 0
        return self.discrete or bool(flags & USE_HOST_PTR)

    def take_clEnqueueMapBuffer(self, line, args):
        told = {k: args[k] for k in ("command_queue", "buffer", "offset", "size")}
        maps = self.mappings.setdefault((args["buffer"], args["ret"]), [])
        maps.append((args["map_flags"], told, "clEnqueueWriteBuffer"))
        if self.worker or not self.shadowed(args["buffer"]):
            self.add(line, "clEnqueueMapBuffer", dict(told, map_flags=args["map_flags"]))
        elif args["map_flags"] & MAP_INVALIDATES and not args["blocking_map"]:
            self.place(line, args, args["buffer"])
        elif args["map_flags"] & MAP_INVALIDATES:  # one byte tells when
            item = self.transfer(line, "clEnqueueReadBuffer", dict(told, size=1), True)
            item.optional = not self.worker
        else:
            self.transfer(line, "clEnqueueReadBuffer", told, args["blocking_map"])

    def take_clEnqueueUnmapMemObject(self, line, args):
        known = self.mappings.get((args["memobj"], args["mapped_ptr"]))
        flags, told, call = known.pop() if known else (0, None, None)
        if self.worker or told is None or not self.shadowed(args["memobj"]):
            self.add(line, "clEnqueueUnmapMemObject",
                     {"command_queue": args["command_queue"], "memobj": args["memobj"]})
        elif flags & MAP_WRITES:
            told = dict(told, command_queue=args["command_queue"])
            if call == "clEnqueueWriteBuffer":
                self.transfer(line, call, dict(told, data=ANY), False)
            else:
                self.add(line, call, told)
        else:
            self.place(line, args, args["memobj"])

    def at_work(self):
        """Programs that the builder threads had last, which may not have come back to let go; and
        their contexts, which a worker's program keeps."""
        last, context = {}, {}
        for line in self.lines:
            args = line["args"]
            if line["call"].startswith("clCreateProgram") or line["call"] == "clLinkProgram":
                context[args.get("ret")] = args.get("context")
            if line["call"] in BUILDS:
                last[line["t"]] = args.get("program") or args.get("ret")
        return set(last.values()) | {context.get(program) for program in last.values()}


def is_empty(sizes):
    return sizes is None or 0 in sizes


def option_words(options):
    """Without -I and what it names."""
    try:
        words = shlex.split(options)
    except ValueError:
        words = options.split()
    named = {i + 1 for i, word in enumerate(words) if word == "-I"}
    return [w for i, w in enumerate(words) if i not in named and not w.startswith("-I")]


class Walk(HeldWalk, StreamWalk):
    """Two logs side by side. bound: objects that are the same; pairs: commands that are."""

    def __init__(self, native, worker):
        self.native, self.worker = native, worker
        self.bound, self.back, self.pairs = {}, {}, {}
        self.in_whole = True
        self.trail = []  # what was bound and paired, in order, so that it can be undone

    def bind(self, n, w):
        if self.bound.get(n) != w:
            self.bound[n], self.back[w] = w, n
            self.trail.append((n, w))

    def undo(self, mark):
        while len(self.trail) > mark:
            n, w = self.trail.pop()
            if isinstance(w, str):
                del self.bound[n], self.back[w]
            else:
                self.pairs.pop(n, None)

    # ---- values

    def same_object(self, n, w):
        if n in self.bound or w in self.back:
            return self.bound.get(n) == w
        if n.split("#")[0] != w.split("#")[0]:
            return False
        made_n, made_w = self.native.creator.get(n), self.worker.creator.get(w)
        if made_n is None or made_w is None or not self.same_call(made_n, made_w):
            return False
        self.bind(n, w)
        return True

    def same_value(self, n, w):
        if n is ANY or w is ANY:
            return True
        if isinstance(n, str) and isinstance(w, str) and OBJECT.match(n) and OBJECT.match(w):
            return self.same_object(n, w)
        if isinstance(n, list) and isinstance(w, list):
            return len(n) == len(w) and all(map(self.same_value, n, w))
        if isinstance(n, dict) and isinstance(w, dict):
            return n.keys() == w.keys() and all(self.same_value(n[k], w[k]) for k in n)
        return n == w

    def same_initial(self, n, w):
        """Shared storage has some content from the start, also where none was given."""
        return n == w or n is None and not self.native.discrete

    def same_call(self, n, w):
        if n.call != w.call or n.args.keys() != w.args.keys():
            return False
        return all(self.same_initial(n.args[k], w.args[k]) if k == "initial"
                   else self.same_value(n.args[k], w.args[k]) for k in n.args)

    def matches(self, n, w):
        """Like same_call(), and nothing is bound when it does not hold."""
        if id(n) in self.pairs:
            return self.pairs[id(n)][0] is w
        if len(n.made) == len(w.made) == 1 and n.made[0] in self.bound:
            return self.bound[n.made[0]] == w.made[0]
        mark = len(self.trail)
        if self.same_call(n, w):
            return True
        self.undo(mark)
        return False

    # ---- pieces of transfers

    def pieces(self, n, items):
        """How many of the worker's items make up this transfer; 0: they do not."""
        size = n.args.get("size", 0)
        if self.native.image_bytes(n) > PIECE:
            return self.image_pieces(n, items)
        if n.call not in ("clEnqueueReadBuffer", "clEnqueueWriteBuffer") or size <= n.piece:
            return 0
        if not self.native.in_order.get(n.args["command_queue"]):
            return 0
        done = 0
        for count, w in enumerate(items, 1):
            part = dict(n.args, offset=n.args["offset"] + done, size=min(n.piece, size - done))
            data = n.args.get("data")
            if isinstance(data, dict) and data is not ANY:
                part["data"] = {"size": part["size"], "hash": [data["hash"][done // PIECE]]}
            if not self.matches(Item(n.line, n.call, part), w):
                return 0
            done += part["size"]
            if done == size:
                return count
        return 0

    def image_pieces(self, n, items):
        """Boxes in order: what one covers begins where those before have ended."""
        left = volume(n.args["region"])
        for count, w in enumerate(items, 1):
            part = Item(n.line, n.call, dict(n.args, origin=w.args.get("origin"),
                                             region=w.args.get("region")))
            if not self.matches(part, w) or not image_piece(n, w):
                return 0
            left -= volume(w.args["region"])
            if left <= 0:
                return count if left == 0 else 0
        return 0

    # ---- wait lists

    def counterpart(self, event, w):
        """The worker's events that stand for one that the native command w waits for."""
        command = self.native.by_event.get(event)
        if command is None or id(command) in self.pairs:
            return [p.event for p in self.pairs.get(id(command), [])]
        # A user event is no command of a queue: where queues are compared, it is bound here.
        if command.call == "clCreateUserEvent" and event not in self.bound:
            for other in w.waits:
                made = self.worker.by_event.get(other)
                if made and made.call == "clCreateUserEvent" and other not in self.back:
                    self.bind(event, other)
                    break
        return [self.bound[event]] if event in self.bound else []

    def waits_differ(self, n, w):
        """Words, or None. Every wait of one side is one of the other, but for rule `complete`."""
        expected = []
        for event in n.waits:
            names = self.counterpart(event, w)
            waited = [e for e in names if e in w.waits]
            expected += waited
            if not waited and not all(self.worker.complete.get(e, w.n) < w.n for e in names):
                return f"the worker does not wait for {event}"
        for event in w.waits:
            if event not in expected and event not in self.worker.stood_in:
                return f"the worker waits for {self.worker.by_event.get(event, event)} besides"
        return None

    # ---- sequences

    def choices(self, native, i, worker, j):
        """What can be done about a native call, the likelier first."""
        if i == len(native):
            return iter(())
        if native[i].lack == "held":
            return iter(("pair", "skip") if j < len(worker) and worker[j].unused else ("skip",))
        if native[i].lack:
            return iter(("skip", "pair") if native[i].probably_direct else ("pair", "skip"))
        return iter(("pair",))

    def pair(self, n, items):
        self.pairs[id(n)] = items
        self.trail.append((id(n), items))
        for a, b in zip(n.made, items[-1].made):
            if not a.startswith("event#") or n.call == "clCreateUserEvent":
                self.bind(a, b)

    def fits(self, n, worker, j):
        """How many of the worker's calls from j on are this one (0: it is another), and words."""
        if j >= len(worker):
            return 0, f"native: {n}\nworker: nothing more"
        mark = len(self.trail)
        size = n.args.get("size", 0) or 2 * self.native.image_bytes(n)
        count = self.pieces(n, worker[j:j + size // n.piece + 2])
        count = count or int(self.matches(n, worker[j]))
        differ = None if count else "the worker makes another call"
        if count and self.in_whole:
            differ = self.waits_differ(n, worker[j])
        if differ:
            self.undo(mark)
            return 0, f"native: {n}\nworker: {worker[j]}\n{differ}"
        return count, None

    def walk(self, native, worker):
        """The first difference, in words; None when the sequences agree.

        A call that a rule lets be missing may look like a later one that is not: after a
        difference the walk goes back to the newest of those and takes its other choice.
        """
        i = j = tries = 0
        undecided, furthest, told = [], -1, None
        choices = self.choices(native, i, worker, j)
        while i < len(native) or j < len(worker):
            choice, mark, count, differ = next(choices, None), len(self.trail), 0, None
            if choice == "pair":
                count, differ = self.fits(native[i], worker, j)
            if count:
                self.pair(native[i], worker[j:j + count])
            if count or choice == "skip":
                undecided += [(i, j, mark, choices)] if native[i].lack else []
                i, j = i + 1, j + count
                choices = self.choices(native, i, worker, j)
            elif choice is None or not native[i].lack:
                if j > furthest and (differ or i == len(native)):
                    furthest, told = j, differ or f"native: nothing more\nworker: {worker[j]}"
                tries += 1
                if not undecided or tries > TRIES:
                    return told
                i, j, mark, choices = undecided.pop()
                self.undo(mark)
        return None

    def kept(self):
        """Objects that the program let go of and the worker did not.

        Queues live as long as their commands, and a guest that ends takes its worker with it: what
        is released after the last object that both let go of does not count, nor what a builder
        thread still held.
        """
        native, worker = self.native.released(), self.worker.released()
        at_work = self.worker.at_work()
        both = [native[n]["n"] for n, w in self.bound.items() if n in native and w in worker]
        return [f"{n} was released, and the worker's {w} was not"
                for n, w in self.bound.items()
                if n in native and w not in worker and native[n]["n"] < max(both, default=0)
                and not n.startswith("queue#") and w not in at_work]

    def missing(self):
        """How many native calls the worker's log lacks, by rule."""
        counts = Counter(i.lack for i in self.native.items if i.lack and id(i) not in self.pairs)
        return ", ".join(f"{rule} {n}" for rule, n in sorted(counts.items()) if n) or "none"


def compare(native_lines, worker_lines, discrete):
    """(differences in words, walk)"""
    native = Log(native_lines, False, discrete)
    worker = Log(worker_lines, True, discrete)
    walk = Walk(native, worker)
    differ = walk.walk(native.items, worker.items)
    if differ:
        walk.undo(0)
        found = walk.walk_streams()
    else:
        found = walk.lacked()
    return found or walk.kept() + walk.late(), walk


def main():
    args = [a for a in sys.argv[1:] if a != "--discrete"]
    if args == ["--rules"]:
        print("\n".join(f"{name}: {why}" for name, why in RULES.items()))
        return 0
    if len(args) != 2:
        sys.exit(__doc__)
    try:
        found, walk = compare(read_lines(args[0]), read_lines(args[1]),
                              "--discrete" in sys.argv[1:])
    except (OSError, TornLog) as e:
        sys.exit(f"compare.py: {e}")
    print("\n".join(found))
    for name, log in (("native", walk.native), ("worker", walk.worker)):
        left = ", ".join(f"{rule} {n}" for rule, n in sorted(log.left_out.items()))
        print(f"{name}: {len(log.items)} calls compared, left out: {left or 'none'}")
    print(f"{len(walk.pairs)} calls agree, missing by rule: {walk.missing()}; "
          f"{len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""compare.py must see what differs, and nothing else."""

import copy
import io
import json
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import compare  # noqa: E402

NO_EVENTS = {"num_events_in_wait_list": 0, "event_wait_list": []}


class Recorder:
    """Writes a log line by line; the worker's makes more objects than the program does."""

    def __init__(self):
        self.lines = []

    def call(self, name, status=0, thread=1, **args):
        self.lines.append({"n": len(self.lines) + 1, "t": thread, "call": name, "args": args,
                           "status": status})

    def begin(self, worker):
        self.call("clCreateContext", properties=[], num_devices=1, devices=["device#1"],
                  pfn_notify=None, ret="context#1")
        if worker:
            self.call("clCreateCommandQueueWithProperties", context="context#1",
                      device="device#1", properties=[0x1093, 2], ret="queue#1")
        else:
            self.call("clCreateCommandQueue", context="context#1", device="device#1",
                      properties=0, ret="queue#1")
        self.call("clCreateProgramWithSource", context="context#1",
                  source={"size": 9, "hash": ["aa"]}, ret="program#1")
        self.call("clBuildProgram", program="program#1", num_devices=1, device_list=["device#1"],
                  options="-O1 -cl-kernel-arg-info" if worker else "-O1", pfn_notify=None)
        if worker:
            self.call("clCreateKernelsInProgram", program="program#1", num_kernels=1,
                      kernels=["kernel#1"])
        self.kernel = "kernel#2" if worker else "kernel#1"
        self.call("clCreateKernel", program="program#1", kernel_name="add", ret=self.kernel)

    def buffer(self, number, worker=False, initial=None, size=4096):
        flags = 1 | (compare.USE_HOST_PTR if worker else 0)
        host = {"size": size, "hash": ["00"]} if worker else initial
        self.call("clCreateBuffer", context="context#1", flags=flags, size=size, host_ptr=host,
                  ret=f"mem#{number}")

    def arg(self, index, value, size=8):
        self.call("clSetKernelArg", kernel=self.kernel, arg_index=index, arg_size=size,
                  arg_value=value)

    def launch(self, event=None, waits=(), size=64, queue="queue#1", thread=1):
        self.call("clEnqueueNDRangeKernel", thread=thread, command_queue=queue,
                  kernel=self.kernel, work_dim=1, global_work_offset=None,
                  global_work_size=[size], local_work_size=None, event=event,
                  num_events_in_wait_list=len(waits), event_wait_list=list(waits))

    def read(self, blocking, offset=0, size=4096, event=None, buffer="mem#1"):
        self.call("clEnqueueReadBuffer", command_queue="queue#1", buffer=buffer,
                  blocking_read=blocking, offset=offset, size=size, ptr="0x1", event=event,
                  **NO_EVENTS)

    def seen_complete(self, event):
        self.call("clGetEventInfo", event=event, param_name=compare.EVENT_STATUS,
                  param_value_size=4, answer=0)


def native():
    r = Recorder()
    r.begin(False)
    r.buffer(1)
    r.buffer(2)
    r.arg(0, "mem#1")
    r.arg(1, {"size": 4, "hash": ["05"]}, 4)
    r.launch("event#1")
    r.arg(0, "mem#2")
    r.launch("event#2", ["event#1"])
    r.read(1)
    r.call("clFinish", command_queue="queue#1")
    r.call("clReleaseMemObject", memobj="mem#1")
    r.call("clReleaseKernel", kernel="kernel#1")
    return r


def worker():
    r = Recorder()
    r.begin(True)
    r.buffer(1, True)
    r.buffer(2, True)
    r.arg(0, "mem#1")
    r.arg(1, {"size": 4, "hash": ["05"]}, 4)
    r.launch("event#1")
    r.arg(0, "mem#2")
    r.launch("event#2", ["event#1"])
    r.call("clReleaseMemObject", memobj="mem#1")
    r.call("clReleaseKernel", kernel="kernel#2")
    return r


def find(lines, call, number=0):
    return [line for line in lines if line["call"] == call][number]


class Compare(unittest.TestCase):
    def setUp(self):
        self.native, self.worker = native().lines, worker().lines

    def differences(self, discrete=False):
        found, _ = compare.compare(self.native, self.worker, discrete)
        return found

    def assert_agree(self, discrete=False):
        self.assertEqual(self.differences(discrete), [])

    def assert_differ(self, words, discrete=False):
        self.assertIn(words, "\n".join(self.differences(discrete)))

    def test_the_documented_differences_are_none(self):
        self.assert_agree()

    def test_a_missing_launch(self):
        self.worker.remove(find(self.worker, "clEnqueueNDRangeKernel", 1))
        self.assert_differ("worker: nothing more")

    def test_a_launch_too_many(self):
        extra = copy.deepcopy(find(self.worker, "clEnqueueNDRangeKernel", 1))
        extra["n"], extra["args"]["event"] = 99, "event#3"
        self.worker.append(extra)
        self.assert_differ("native: nothing more")

    def test_another_size(self):
        find(self.worker, "clEnqueueNDRangeKernel")["args"]["global_work_size"] = [65]
        self.assert_differ("the worker makes another call")

    def test_another_argument(self):
        find(self.worker, "clSetKernelArg", 1)["args"]["arg_value"]["hash"] = ["06"]
        self.assert_differ('"1": [4, {"size": 4, "hash": ["06"]}]')

    def test_another_buffer_as_argument(self):
        find(self.worker, "clSetKernelArg", 2)["args"]["arg_value"] = "mem#1"
        self.assert_differ('arguments={"0": [8, "mem#2"]')

    def test_another_order(self):
        first, second = (find(self.worker, "clEnqueueNDRangeKernel"),
                         find(self.worker, "clSetKernelArg", 2))
        first["n"], second["n"] = second["n"], first["n"]
        self.worker.sort(key=lambda line: line["n"])
        self.assert_differ("the worker makes another call")

    def test_other_options_and_another_source(self):
        find(self.worker, "clBuildProgram")["args"]["options"] = "-cl-kernel-arg-info"
        self.assert_differ("clBuildProgram")
        find(self.worker, "clBuildProgram")["args"]["options"] = "-O1"
        self.assert_differ("clBuildProgram")
        find(self.native, "clBuildProgram")["args"]["options"] = "-O1 -cl-kernel-arg-info"
        find(self.worker, "clBuildProgram")["args"]["options"] = \
            "-O1 -cl-kernel-arg-info -cl-kernel-arg-info"
        self.assert_agree()
        self.worker = worker().lines
        find(self.worker, "clCreateProgramWithSource")["args"]["source"]["hash"] = ["ab"]
        self.assert_differ("clCreateProgramWithSource")

    def test_a_build_that_fails_on_one_side(self):
        find(self.worker, "clBuildProgram")["status"] = -11
        self.assert_differ("clBuildProgram")

    def test_another_kernel(self):
        find(self.worker, "clCreateKernel")["args"]["kernel_name"] = "sub"
        self.assert_differ("clCreateKernel")

    def test_a_buffer_of_another_size_or_access(self):
        find(self.worker, "clCreateBuffer")["args"]["size"] = 4097
        self.assert_differ("clCreateBuffer")
        self.worker = worker().lines
        find(self.worker, "clCreateBuffer")["args"]["flags"] = 4
        self.assert_differ("clCreateBuffer")

    def test_other_initial_bytes(self):
        create = find(self.native, "clCreateBuffer")["args"]
        create["flags"], create["host_ptr"] = 32, {"size": 4096, "hash": ["77"]}
        self.assert_differ("clCreateBuffer")
        find(self.worker, "clCreateBuffer")["args"]["host_ptr"]["hash"] = ["77"]
        self.assert_agree()

    def test_a_wait_that_is_not_there(self):
        find(self.worker, "clEnqueueNDRangeKernel", 1)["args"]["event_wait_list"] = []
        self.assert_differ("the worker does not wait for event#1")

    def test_a_wait_is_left_out_when_its_event_was_seen_complete(self):
        launch = find(self.worker, "clEnqueueNDRangeKernel", 1)
        launch["args"]["event_wait_list"] = []
        r = Recorder()
        r.seen_complete("event#1")
        r.lines[0]["n"] = launch["n"] - 0.5
        self.worker = sorted(self.worker + r.lines, key=lambda line: line["n"])
        self.assert_agree()

    def test_a_wait_that_the_program_did_not_ask_for(self):
        find(self.native, "clEnqueueNDRangeKernel", 1)["args"]["event_wait_list"] = []
        self.assert_differ("besides")

    def test_a_read_may_be_direct_on_shared_storage_alone(self):
        self.assert_agree()
        for line in self.worker:
            if line["call"] == "clCreateBuffer":
                line["args"].update(flags=1, host_ptr=None)
        self.assert_differ("clEnqueueReadBuffer", discrete=True)

    def test_a_read_without_blocking_is_never_direct(self):
        find(self.native, "clEnqueueReadBuffer")["args"]["blocking_read"] = 0
        self.assert_differ("clEnqueueReadBuffer")

    def test_a_released_object_that_the_worker_keeps(self):
        self.worker.remove(find(self.worker, "clReleaseMemObject"))
        self.assert_differ("mem#1 was released, and the worker's mem#1 was not")

    def test_a_program_is_kept_while_its_builder_thread_is_at_work(self):
        for lines in (self.native, self.worker):
            extra = Recorder()
            extra.lines = lines
            if lines is self.native:
                extra.call("clReleaseProgram", program="program#1")
            extra.call("clCreateBuffer", context="context#1", flags=1, size=1 << 20, host_ptr=None,
                       ret="mem#9")
            extra.call("clReleaseMemObject", memobj="mem#9")
        self.assert_agree()
        for lines in (self.native, self.worker):
            extra = Recorder()
            extra.lines = lines
            extra.call("clCreateProgramWithSource", context="context#1",
                       source={"size": 9, "hash": ["bb"]}, ret="program#2")
            extra.call("clBuildProgram", program="program#2", options=compare.ARG_INFO,
                       pfn_notify=None)
        self.assert_differ("program#1 was released, and the worker's program#1 was not")

    def looks_at_the_clock(self, tries, own=False):
        """The worker's end of a log: marks that took too long, and the one that counts."""
        r = Recorder()
        r.lines = self.worker
        events = [f"event#{10 + i}" for i in range(tries)]
        for i, event in enumerate(events):
            r.call(compare.MARKER, command_queue="queue#1", event=event, **NO_EVENTS)
            if i > 0:
                r.call("clReleaseEvent", event=events[i - 1])
        if own:
            r.call(compare.MARKER, command_queue="queue#1", event="event#30", **NO_EVENTS)
        r.call("clFlush", command_queue="queue#1")
        r.call("clGetEventProfilingInfo", event=events[-1],
               param_name=compare.PROFILING_QUEUED, param_value_size=8, answer=1)
        r.call("clReleaseEvent", event=events[-1])

    def test_a_look_at_the_clock_may_be_made_again(self):
        self.looks_at_the_clock(1)
        self.assert_agree()
        self.looks_at_the_clock(4)
        self.assert_agree()

    def test_a_marker_that_is_the_programs_beside_one(self):
        self.looks_at_the_clock(4, own=True)
        self.assert_differ(compare.MARKER)

    def test_a_failed_call_is_not_compared(self):
        self.native[-1:-1] = [dict(find(self.native, "clSetKernelArg"), status=-50)]
        self.assert_agree()


class Pieces(unittest.TestCase):
    def logs(self, sizes, blocking=0, total=10 << 20):
        n, w = Recorder(), Recorder()
        for r, is_worker in ((n, False), (w, True)):
            r.begin(is_worker)
            r.buffer(1, size=total)
        n.read(blocking, 0, total)
        at = 0
        for i, size in enumerate(sizes):
            w.read(0, at, size, f"event#{i + 1}")
            at += size
        return compare.compare(n.lines, w.lines, True)[0]

    def test_of_4_mib_make_one_transfer(self):
        self.assertEqual(self.logs([4 << 20, 4 << 20, 2 << 20]), [])

    def test_one_that_is_missing(self):
        self.assertNotEqual(self.logs([4 << 20, 4 << 20]), [])

    def test_of_other_sizes(self):
        self.assertNotEqual(self.logs([4 << 20, 6 << 20]), [])

    def test_of_a_blocking_read_are_of_1_mib(self):
        self.assertEqual(self.logs([1 << 20] * 10, 1), [])
        self.assertNotEqual(self.logs([1 << 20] * 9, 1), [])
        self.assertNotEqual(self.logs([4 << 20, 4 << 20, 2 << 20], 1), [])
        self.assertNotEqual(self.logs([1 << 20] * 10, 0), [])
        self.assertEqual(self.logs([1 << 20, 1], 1, (1 << 20) + 1), [])


class Threads(unittest.TestCase):
    """Two threads with a queue each, whose commands come in another order in the worker."""

    def log(self, is_worker, order):
        r = Recorder()
        r.begin(is_worker)
        r.call("clCreateCommandQueue", context="context#1", device="device#1", properties=0,
               ret="queue#2")
        for queue, size in order:
            r.launch(queue=f"queue#{queue}", size=size, thread=1 if is_worker else queue)
        return r.lines

    def test_each_queue_keeps_its_order(self):
        n = self.log(False, [(1, 10), (1, 11), (2, 20), (2, 21)])
        w = self.log(True, [(2, 10), (1, 20), (1, 21), (2, 11)])
        self.assertEqual(compare.compare(n, w, False)[0], [])

    def test_another_order_within_a_queue(self):
        n = self.log(False, [(1, 10), (1, 11), (2, 20), (2, 21)])
        w = self.log(True, [(1, 10), (2, 21), (2, 20), (1, 11)])
        self.assertIn("queue#2", compare.compare(n, w, False)[0][0])


class Files(unittest.TestCase):
    def run_main(self, *texts):
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / f"{i}.jsonl" for i in range(len(texts))]
            for path, text in zip(paths, texts):
                path.write_text(text)
            sys.argv = ["compare.py", *map(str, paths)]
            with redirect_stdout(io.StringIO()) as out:
                return compare.main(), out.getvalue()

    def test_the_status_tells(self):
        text = ["".join(json.dumps(line) + "\n" for line in r.lines) for r in (native(), worker())]
        status, out = self.run_main(*text)
        self.assertEqual(status, 0)
        self.assertIn("0 differences", out)
        self.assertEqual(self.run_main(text[0], text[1].replace("add", "sub"))[0], 1)

    def test_a_torn_log_and_an_empty_one_are_refused(self):
        with self.assertRaises(SystemExit):
            self.run_main('{"n":1', "")
        with self.assertRaises(SystemExit):
            self.run_main("", "")

    def test_logs_of_several_processes_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for number in "12":
                Path(folder, number + ".jsonl").write_text("{}\n")
            with self.assertRaisesRegex(compare.TornLog, "2 processes"):
                compare.read_lines(folder)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Where the whole order differs (streams.py): what the worker may do later, and what it may not."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import compare  # noqa: E402
from test_compare import Recorder  # noqa: E402

OUT_OF_ORDER = 1


class Log(Recorder):
    """queue#1 and queue#2 are in order, queue#3 is not; a buffer, and a kernel with argument 0."""

    def __init__(self, worker, threads=(1,)):
        super().__init__()
        self.worker, self.threads = worker, threads
        self.begin(worker)
        for number, flags in ((2, 0), (3, OUT_OF_ORDER)):
            self.call("clCreateCommandQueueWithProperties", context="context#1",
                      device="device#1", properties=[0x1093, flags], ret=f"queue#{number}")
        self.buffer(1, worker)
        self.arg(0, "mem#1")

    def number(self, value):
        self.arg(1, {"size": 4, "hash": [value]}, 4)

    def user_event(self, number, thread=1):
        self.call("clCreateUserEvent", thread=thread, context="context#1",
                  ret=f"event#{number}")

    def set_event(self, number, thread=1):
        self.call("clSetUserEventStatus", thread=thread, event=f"event#{number}",
                  execution_status=0)

    def marker(self, call="clEnqueueMarkerWithWaitList", waits=(), queue="queue#3"):
        self.call(call, command_queue=queue, num_events_in_wait_list=len(waits),
                  event_wait_list=list(waits), event=None)


class Logs(unittest.TestCase):
    def setUp(self):
        self.native, self.worker = Log(False), Log(True)

    def differences(self):
        found, self.walk = compare.compare(self.native.lines, self.worker.lines, False)
        return "\n".join(found)

    def assert_agree(self):
        self.assertEqual(self.differences(), "")

    def assert_differ(self, words):
        self.assertIn(words, self.differences())


class Arguments(Logs):
    """Rule arguments: a launch is held while the program sets others for the next one."""

    def logs(self, *worker):
        """What the worker does: it sets a value, or launches with the one that is set."""
        for value, size in (("aa", 10), ("bb", 20)):
            self.native.number(value)
            self.native.launch(size=size)
        for what in worker:
            self.worker.launch(size=what) if isinstance(what, int) else self.worker.number(what)

    def test_are_set_once_more_before_a_launch_that_waited(self):
        self.logs("aa", "bb", "aa", 10, "bb", 20)
        self.assert_agree()

    def test_of_a_launch_that_waited_are_those_it_had(self):
        self.logs("aa", "bb", 10, 20)
        self.assert_differ('"1": [4, {"size": 4, "hash": ["bb"]}]')

    def test_of_the_next_launch_are_its_own(self):
        self.logs("aa", "bb", "aa", 10, 20)
        self.assert_differ("clEnqueueNDRangeKernel")

    def test_that_are_missing(self):
        self.logs(10, "bb", "aa", "bb", 20)
        self.assert_differ("clEnqueueNDRangeKernel")

    def test_of_another_size(self):
        for r, size in ((self.native, 64), (self.worker, 128)):
            r.arg(1, None, size)
            r.launch()
        self.assert_differ("clEnqueueNDRangeKernel")

    def test_that_are_another_object(self):
        for r in (self.native, self.worker):
            r.buffer(2, r is self.worker)
            r.arg(1, "mem#2")
            r.launch()
        self.assert_agree()
        self.worker.lines[-2]["args"]["arg_value"] = "mem#1"
        self.assert_differ("clEnqueueNDRangeKernel")

    def clone(self, again):
        for r in (self.native, self.worker):
            r.number("aa")
            r.launch(size=10)
            r.number("bb")
        if again:
            self.worker.number("bb")
        else:
            self.worker.number("aa")
        for r in (self.native, self.worker):
            r.call("clCloneKernel", source_kernel=r.kernel, ret="kernel#9")

    def test_of_a_clone(self):
        self.clone(True)
        self.assert_agree()
        self.setUp()
        self.clone(False)
        self.assert_differ("clCloneKernel")

    def record(self, value):
        for r in (self.native, self.worker):
            r.call("clCreateCommandBufferKHR", queues=["queue#1"], ret="command_buffer#1")
            r.number("aa")
        self.worker.number("bb")
        self.worker.number(value)
        self.worker.call("clCloneKernel", source_kernel=self.worker.kernel, ret="kernel#9")
        for r in (self.native, self.worker):
            kernel = "kernel#9" if r is self.worker else r.kernel
            r.call("clCommandNDRangeKernelKHR", command_buffer="command_buffer#1",
                   command_queue=None, kernel=kernel, global_work_size=[10])

    def test_of_a_launch_that_is_recorded(self):
        self.record("aa")
        self.assert_agree()
        self.setUp()
        self.record("bb")
        self.assert_differ("clCommandNDRangeKernelKHR")


class Later(Logs):
    """Rule order: what waits for a user event, in a program of one thread."""

    def logs(self, worker):
        """The worker's calls by letters: c creates a buffer, e sets the event, 1 and 2 launch in
        queue#1 behind it, 3 in queue#2."""
        launches = {"1": ("queue#1", 10), "2": ("queue#1", 20), "3": ("queue#2", 30)}
        for r, letters in ((self.native, "12c3e"), (self.worker, worker)):
            r.user_event(1)
            for letter in letters:
                if letter == "c":
                    r.buffer(2, r is self.worker, size=1 << 20)
                elif letter == "e":
                    r.set_event(1)
                else:
                    queue, size = launches[letter]
                    r.launch(queue=queue, size=size, waits=["event#1"] if letter == "1" else [])

    def test_as_the_program(self):
        self.logs("12c3e")
        self.assert_agree()

    def test_what_waits_goes_later(self):
        self.logs("c3e12")
        self.assert_agree()

    def test_another_order_in_a_queue(self):
        self.logs("c3e21")
        self.assert_differ("queue#1: no stream of the worker has its commands")

    def test_a_command_in_another_queue(self):
        self.logs("c3e12")
        self.worker.lines[-1]["args"]["command_queue"] = "queue#2"
        self.assert_differ("queue#2")

    def test_a_command_that_is_missing_and_one_too_many(self):
        self.logs("c3e1")
        self.assert_differ("native: clEnqueueNDRangeKernel")
        self.setUp()
        self.logs("c3e122")
        self.assert_differ("native: nothing more")

    def test_a_creation_that_is_missing_and_one_too_many(self):
        self.logs("3e12")
        self.assert_differ("native: clCreateBuffer")
        self.setUp()
        self.logs("cc3e12")
        self.assert_differ("worker: clCreateBuffer")

    def test_a_creation_of_another_size(self):
        self.logs("c3e12")
        created = [line for line in self.worker.lines if line["call"] == "clCreateBuffer"]
        created[-1]["args"]["size"] = 1 << 19
        self.assert_differ("clCreateBuffer")

    def test_calls_of_no_queue_in_another_order(self):
        self.logs("3ec12")
        self.assert_differ("the worker makes another call")

    def test_a_command_that_overtakes_a_call(self):
        self.logs("3c12e")
        self.assert_differ("it comes before clCreateBuffer")

    def test_a_wait_that_is_missing(self):
        self.logs("c3e12")
        self.worker.lines[-2]["args"]["event_wait_list"] = []
        self.assert_differ("the worker does not wait for event#1")

    def test_another_user_event_is_set(self):
        for r in (self.native, self.worker):
            r.user_event(1)
            r.user_event(2)
            r.set_event(1 if r is self.native else 2)
        self.assert_differ("clSetUserEventStatus")


class Failed(Logs):
    """Rule failed: a user event is set to an error."""

    def logs(self, status, worker):
        for r in (self.native, self.worker):
            r.user_event(1)
            if r is self.native or worker:
                r.launch(waits=["event#1"], event="event#2")
                r.launch(waits=["event#2"], queue="queue#2", size=10)
            r.launch(size=20)
            r.set_event(1)
            r.lines[-1]["args"]["execution_status"] = status

    def test_what_waits_for_it_never_goes(self):
        self.logs(-5, worker=False)
        self.assert_agree()
        self.assertEqual(self.walk.native.left_out["failed"], 2)

    def test_and_must_not(self):
        self.logs(-5, worker=True)
        self.assert_differ("worker: clEnqueueNDRangeKernel")

    def test_what_waits_for_another_goes(self):
        self.logs(0, worker=True)
        self.assert_agree()
        self.setUp()
        self.logs(0, worker=False)
        self.assert_differ("native: clEnqueueNDRangeKernel")


class OutOfOrder(Logs):
    """Rule order, for a queue out of order. Launches by digits, m: marker, b: barrier."""

    def logs(self, native, worker):
        for r, letters in ((self.native, native), (self.worker, worker)):
            r.user_event(1)
            r.set_event(1)
            for letter in letters:
                if letter.isdigit():
                    r.launch(queue="queue#3", size=int(letter))
                else:
                    r.marker("clEnqueueBarrierWithWaitList" if letter in "bB" else
                             "clEnqueueMarkerWithWaitList", ["event#1"] if letter == "B" else [])

    def assert_logs_agree(self, native, worker):
        self.setUp()
        self.logs(native, worker)
        self.assert_agree()

    def assert_logs_differ(self, native, worker, words):
        self.setUp()
        self.logs(native, worker)
        self.assert_differ(words)

    def test_any_order(self):
        self.assert_logs_agree("1234", "4213")

    def test_each_is_there_once(self):
        self.assert_logs_differ("1234", "421", "the worker's queue has no such command left")
        self.assert_logs_differ("1234", "42133", "the native queue has no such command left")
        self.assert_logs_differ("1234", "4215", "has no such command left")

    def test_a_barrier_holds_what_comes_after_it(self):
        self.assert_logs_agree("12b34", "21b43")
        self.assert_logs_differ("12b34", "23b14", "it is on the other side of")

    def test_a_barrier_with_a_wait_list_lets_those_before_it_come_later(self):
        self.assert_logs_agree("12B34", "1B324")
        self.assert_logs_differ("12B34", "31B24", "it is on the other side of")

    def test_a_marker_waits_for_those_before_it_and_lets_others_pass(self):
        self.assert_logs_agree("12m34", "321m4")
        self.assert_logs_differ("12m34", "1m234", "it is on the other side of")

    def test_alike_but_for_what_they_wait_for(self):
        for r, order in ((self.native, (1, 2)), (self.worker, (2, 1))):
            r.user_event(1)
            r.user_event(2)
            r.set_event(1)
            r.set_event(2)
            for number in order:
                r.marker(waits=[f"event#{number}"])
        self.assert_agree()
        self.worker.lines[-1]["args"]["event_wait_list"] = ["event#2"]
        self.assert_differ("has no such command left")


class Threads(Logs):
    """A program of two threads that make objects alike, in another order in the worker."""

    def logs(self, order):
        """Each thread makes a buffer and a queue of its own, and launches by them."""
        for r, numbers in ((self.native, (1, 2)), (self.worker, order)):
            for at, number in enumerate(numbers, 8):
                r.call("clCreateCommandQueueWithProperties", context="context#1",
                       device="device#1", properties=[0x1093, 0], ret=f"queue#{at}",
                       thread=number if r is self.native else 1)
                r.user_event(at, number)
                r.buffer(at, r is self.worker)
            for at, number in enumerate(numbers, 8):
                r.arg(1, f"mem#{at}")
                r.launch(queue=f"queue#{at}", size=number, waits=[f"event#{at}"],
                         thread=number if r is self.native else 1)
                r.set_event(at, number)

    def test_what_uses_them_tells_which_they_are(self):
        self.logs((1, 2))
        self.assert_agree()
        self.setUp()
        self.logs((2, 1))
        self.assert_agree()

    def test_a_missing_creation(self):
        self.logs((2, 1))
        self.native.buffer(20, size=1 << 20)
        self.assert_differ("the worker makes no such call")

    def test_another_user_event_is_set(self):
        self.logs((2, 1))
        sets = [line for line in self.worker.lines if line["call"] == "clSetUserEventStatus"]
        sets[0]["args"]["event"] = sets[1]["args"]["event"]
        self.assert_differ("clSetUserEventStatus")


if __name__ == "__main__":
    unittest.main()

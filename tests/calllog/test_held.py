#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the guest holds back may be missing or late as its rules say (held.py), and no more."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import compare  # noqa: E402
from test_compare import Recorder  # noqa: E402

OUT_OF_ORDER = 1


def begun(worker):
    """A log of a context, a program, a kernel and a buffer, both of them used, and queue#1."""
    r = Recorder()
    r.begin(worker)
    r.buffer(1, worker)
    r.arg(0, "mem#1")
    return r


def release_mem(r, number, thread=1):
    r.call("clReleaseMemObject", thread=thread, memobj=f"mem#{number}")


def create_kernel(r, number):
    r.call("clCreateKernel", program="program#1", kernel_name="add", ret=f"kernel#{number}")


def create_user_event(r, number):
    r.call("clCreateUserEvent", context="context#1", ret=f"event#{number}")


class Logs(unittest.TestCase):
    def setUp(self):
        self.native, self.worker = begun(False), begun(True)

    def differences(self, discrete=False):
        found, self.walk = compare.compare(self.native.lines, self.worker.lines, discrete)
        return "\n".join(found)

    def assert_agree(self, discrete=False):
        self.assertEqual(self.differences(discrete), "")

    def assert_differ(self, words, discrete=False):
        self.assertIn(words, self.differences(discrete))


class Missing(Logs):
    """Rule held: what was let go of, unused and before the next message, is missing."""

    def unused(self, size=4096, initial=None):
        self.native.buffer(2, size=size, initial=initial)
        release_mem(self.native, 2)

    def launch_both(self):
        for r in (self.native, self.worker):
            r.launch()

    def test_a_buffer_a_kernel_and_a_user_event(self):
        self.unused()
        create_kernel(self.native, 5)
        create_user_event(self.native, 1)
        self.native.call("clGetKernelInfo", kernel="kernel#5", param_name=1)
        self.native.call("clReleaseKernel", kernel="kernel#5")
        self.native.call("clReleaseEvent", event="event#1")
        self.launch_both()
        self.assert_agree()
        self.assertEqual(self.walk.missing(), "held 3")

    def test_they_may_be_there_as_well(self):
        self.unused()
        self.worker.buffer(2, True)
        release_mem(self.worker, 2)
        self.launch_both()
        self.assert_agree()
        self.assertEqual(self.walk.missing(), "none")

    def test_one_of_another_size_may_not(self):
        self.unused()
        self.worker.buffer(2, True, size=64)
        release_mem(self.worker, 2)
        self.launch_both()
        self.assert_differ("native: nothing more\nworker: clCreateBuffer")

    def test_one_that_was_never_released(self):
        self.native.buffer(2)
        self.launch_both()
        self.assert_differ("clCreateBuffer")

    def test_one_that_is_retained_all_the_while(self):
        self.native.buffer(2)
        self.native.call("clRetainMemObject", memobj="mem#2")
        release_mem(self.native, 2)
        self.launch_both()
        self.assert_differ("clCreateBuffer")

    def test_one_that_was_used(self):
        self.native.buffer(2)
        self.native.arg(1, "mem#2")
        release_mem(self.native, 2)
        self.launch_both()
        self.assert_differ("clCreateBuffer")

    def test_a_use_that_was_refused_is_none(self):
        self.native.buffer(2)
        self.native.call("clSetKernelArg", status=-49, kernel="kernel#1", arg_index=9, arg_size=8,
                         arg_value="mem#2")
        release_mem(self.native, 2)
        self.launch_both()
        self.assert_agree()

    def test_one_that_was_used_by_a_direct_copy_alone(self):
        self.native.buffer(2)
        self.native.read(1, buffer="mem#2")
        release_mem(self.native, 2)
        self.launch_both()
        self.assert_differ("clCreateBuffer")

    def test_one_whose_user_event_got_a_callback(self):
        create_user_event(self.native, 1)
        self.native.call("clSetEventCallback", event="event#1", pfn_notify="0x1")
        self.native.call("clReleaseEvent", event="event#1")
        self.launch_both()
        self.assert_differ("clCreateUserEvent")

    def test_a_message_of_its_thread_before_the_release(self):
        self.native.buffer(2)
        self.launch_both()
        release_mem(self.native, 2)
        self.assert_differ("clCreateBuffer")

    def test_another_creation_that_is_held_is_no_message(self):
        self.native.buffer(2)
        self.native.buffer(3, size=64)
        release_mem(self.native, 2)
        self.worker.buffer(3, True, size=64)
        for r in (self.native, self.worker):
            r.arg(1, "mem#3")
        self.assert_agree()

    def test_a_direct_copy_is_no_message_and_a_read_that_was_sent_is_one(self):
        self.native.buffer(2)
        self.native.read(1)
        release_mem(self.native, 2)
        self.assert_agree()
        self.worker.read(0)
        self.assert_differ("the worker lacks it, and something was sent before its release")

    def test_a_large_buffer(self):
        self.unused(size=64 << 10)
        self.launch_both()
        self.assert_agree()
        self.setUp()
        self.unused(size=(64 << 10) + 1)
        self.launch_both()
        self.assert_differ("clCreateBuffer")

    def test_one_with_bytes_is_held_on_shared_storage_alone(self):
        self.unused(initial={"size": 4096, "hash": ["77"]})
        self.launch_both()
        self.assert_agree()
        for line in self.worker.lines:
            if line["call"] == "clCreateBuffer":
                line["args"].update(flags=1, host_ptr=None)
        self.assert_differ("clCreateBuffer", discrete=True)

    def test_another_object_of_the_program_is_never_missing(self):
        self.native.call("clCreateSampler", context="context#1", normalized_coords=1,
                         addressing_mode=0x1132, filter_mode=0x1140, ret="sampler#1")
        self.native.call("clReleaseSampler", sampler="sampler#1")
        self.launch_both()
        self.assert_differ("clCreateSampler")

    def test_many_alike_of_which_one_is_used(self):
        for number in range(2, 40):
            self.native.buffer(number)
            if number == 20:
                self.native.arg(1, "mem#20")
                self.worker.buffer(2, True)
                self.worker.arg(1, "mem#2")
            release_mem(self.native, number)
        release_mem(self.worker, 2)
        self.launch_both()
        self.assert_agree()
        self.assertEqual(self.walk.missing(), "held 37")


class Threads(Logs):
    """Two threads, whose commands come in another order in the worker."""

    def logs(self, sizes, held):
        for r, threads in ((self.native, (1, 2)), (self.worker, (1, 1))):
            r.call("clCreateCommandQueue", context="context#1", device="device#1", properties=0,
                   ret="queue#2")
        for r, order in ((self.native, (1, 2)), (self.worker, (2, 1))):
            for queue in order:
                thread = queue if r is self.native else 1
                for size in sizes:
                    r.launch(queue=f"queue#{queue}", size=size + queue, thread=thread)
        for number in range(2, 2 + held):
            self.native.buffer(number)
            release_mem(self.native, number)

    def test_as_many_as_the_program_let_go_of(self):
        self.logs([10, 20], 3)
        self.assert_agree()
        self.assertEqual(self.walk.missing(), "held 3")
        self.worker.buffer(2, True)
        self.assert_agree()
        self.assertEqual(self.walk.missing(), "held 2")

    def test_one_less(self):
        self.logs([10, 20], 3)
        self.worker.lines = [line for line in self.worker.lines if line["call"] != "clCreateBuffer"]
        for log in (self.native, self.worker):
            log.lines = [line for line in log.lines if line["call"] != "clSetKernelArg"]
        self.assert_differ("the worker makes no such call")

    def test_one_more(self):
        self.logs([10, 20], 3)
        for number in range(2, 6):
            self.worker.buffer(number, True)
        self.assert_differ("the program makes no such call")


class Late(Logs):
    """Rule held: what is used later comes before the next message, in order."""

    def test_up_to_the_next_message(self):
        self.native.buffer(2)
        self.native.read(1)
        self.native.arg(1, "mem#2")
        self.worker.buffer(2, True)
        self.worker.arg(1, "mem#2")
        self.assert_agree()

    def test_after_the_next_message(self):
        self.native.buffer(2)
        self.native.launch()
        self.native.arg(1, "mem#2")
        self.worker.launch()
        self.worker.buffer(2, True)
        self.worker.arg(1, "mem#2")
        self.assert_differ("it comes before clCreateBuffer")

    def test_creations_in_another_order(self):
        self.native.buffer(2, size=64)
        create_kernel(self.native, 5)
        self.native.arg(1, "mem#2")
        create_kernel(self.worker, 5)
        self.worker.buffer(2, True, size=64)
        self.worker.arg(1, "mem#2")
        self.assert_differ("clCreate")

    def after_a_release(self, thread):
        self.native.buffer(2)
        release_mem(self.native, 1, thread)
        self.native.arg(1, "mem#2")
        release_mem(self.worker, 1)
        self.worker.buffer(2, True)
        self.worker.arg(1, "mem#2")

    def test_after_a_release(self):
        self.after_a_release(1)
        self.assert_differ("it comes after the release in line")

    def test_after_a_release_of_another_thread(self):
        self.after_a_release(2)
        self.assert_agree()


class Finishes(Logs):
    """Rules idle and finish-marker."""

    def queue(self, r):
        r.call("clCreateCommandQueueWithProperties", context="context#1", device="device#1",
               properties=[0x1093, OUT_OF_ORDER], ret="queue#2")

    def marker(self, queue="queue#2", let_go="event#1"):
        """As the worker ends a finish: it holds meanwhile what was newest before."""
        self.worker.call("clRetainEvent", event="event#1")
        self.worker.call("clEnqueueMarkerWithWaitList", command_queue=queue,
                         num_events_in_wait_list=0, event_wait_list=[], event="event#2")
        self.worker.call("clReleaseEvent", event=let_go)

    def begin(self):
        for r in (self.native, self.worker):
            self.queue(r)
            r.launch("event#1", queue="queue#2")

    def finish(self, queue="queue#2"):
        self.native.call("clFinish", command_queue=queue)

    def test_a_finish_is_a_marker_or_nothing(self):
        self.begin()
        self.finish()
        self.assert_agree()
        self.marker()
        self.assert_agree()

    def test_a_finish_without_work_is_nothing(self):
        self.begin()
        self.finish()
        self.finish()
        self.marker()
        self.assert_agree()
        self.marker()
        self.assert_differ("the native queue has no such command left\nworker: clFinish")

    def test_a_marker_without_a_finish(self):
        self.begin()
        self.marker()
        self.assert_differ("the native queue has no such command left\nworker: clFinish")

    def test_a_marker_of_the_program_is_no_finish(self):
        self.begin()
        for r in (self.native, self.worker):
            r.call("clEnqueueMarkerWithWaitList", command_queue="queue#2",
                   num_events_in_wait_list=0, event_wait_list=[], event="event#2")
        self.worker.call("clReleaseEvent", event="event#1")
        self.assert_agree()
        self.worker.lines = [line for line in self.worker.lines
                             if line["call"] != "clEnqueueMarkerWithWaitList"]
        self.assert_differ("clEnqueueMarkerWithWaitList")

    def test_a_marker_after_which_another_event_is_let_go_of_is_no_finish(self):
        self.begin()
        self.finish()
        self.marker(let_go="event#7")
        self.assert_differ("clEnqueueMarkerWithWaitList")

    def test_a_marker_of_a_queue_in_order(self):
        self.begin()
        for r in (self.native, self.worker):
            r.launch("event#3")
        self.finish("queue#1")
        self.assert_agree()
        self.marker("queue#1")
        self.assert_differ("native: nothing more")

    def test_a_marker_before_the_finish(self):
        self.begin()
        self.native.launch(queue="queue#2", size=65)
        self.finish()
        self.marker()
        self.worker.launch(queue="queue#2", size=65)
        self.assert_differ("the native queue has no such command left\nworker: clFinish")

    def test_a_command_buffer_is_work_of_the_queues_that_it_was_made_for(self):
        for r in (self.native, self.worker):
            self.queue(r)
            r.call("clCreateCommandBufferKHR", queues=["queue#2"], ret="command_buffer#1")
            r.call("clEnqueueCommandBufferKHR", queues=[], command_buffer="command_buffer#1",
                   event="event#1", num_events_in_wait_list=0, event_wait_list=[])
        self.finish()
        self.marker()
        self.assert_agree()

    def test_one_of_a_queue_in_order_is_nothing(self):
        self.begin()
        self.finish("queue#1")
        self.assert_agree()
        self.finish()
        self.finish("queue#1")
        self.marker()
        self.assert_agree()


if __name__ == "__main__":
    unittest.main()

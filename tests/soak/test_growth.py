#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A leak is found whatever it is hidden in, and what only swings is not taken for one."""

import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import growth  # noqa: E402

FDS = growth.MANAGER[2]
RSS = growth.MANAGER[0]


def series(value, seconds=1200, step=3):
    return [(t, value(t)) for t in range(0, seconds, step)]


class Judge(unittest.TestCase):
    def setUp(self):
        self.noise = random.Random(7)

    def test_noise_is_no_growth(self):
        fds = series(lambda t: 30 + self.noise.randrange(12))
        self.assertTrue(growth.judge("manager", fds, FDS).good)

    def test_warm_up_is_no_growth(self):
        rss = series(lambda t: 20 * growth.MIB + min(t, 200) * 50000)
        self.assertTrue(growth.judge("manager", rss, RSS).good)

    def test_a_descriptor_every_minute_is_found_in_noise(self):
        fds = series(lambda t: 30 + self.noise.randrange(12) + t // 60)
        self.assertFalse(growth.judge("manager", fds, FDS).good)

    def test_5_kib_a_second_are_found(self):
        rss = series(lambda t: 20 * growth.MIB + t * 5000 + self.noise.randrange(growth.MIB))
        self.assertFalse(growth.judge("manager", rss, RSS).good)

    def test_less_than_before_is_good(self):
        self.assertTrue(growth.judge("manager", series(lambda t: 50 - t // 60), FDS).good)

    def test_too_few_samples_are_no_proof(self):
        self.assertFalse(growth.judge("manager", [(0, 1), (1, 1)], FDS).good)


class Processes(unittest.TestCase):
    @staticmethod
    def samples(worker, native):
        def usage(size):
            return {"rss": size, "private": size // 2, "fds": 9, "threads": 5}
        return [{"t": t, "worker": usage(worker(t)), "native": usage(native(t))}
                for t in range(0, 600, 3)]

    def verdicts(self, worker, native):
        return [v.good for v in growth.judge_process(
            self.samples(worker, native), "worker", growth.WORKER, "native")]

    def test_what_the_driver_leaks_is_the_drivers(self):
        def leaks(t):
            return growth.MIB * (50 + t // 20)
        self.assertEqual(self.verdicts(leaks, leaks), [True, True, True, True])

    def test_what_the_worker_leaks_beyond_it_is_found(self):
        self.assertEqual(self.verdicts(lambda t: growth.MIB * (50 + t // 20), lambda t: 0),
                         [False, False, True, True])

    def test_a_worker_that_was_never_seen_is_no_proof(self):
        self.assertFalse(any(v.good for v in growth.judge_process([], "worker", growth.WORKER)))

    def test_at_rest_one_descriptor_more_is_found(self):
        before = {"fds": 20, "threads": 3, "workers": 0}
        after = {**before, "fds": 21}
        self.assertEqual([v.good for v in growth.judge_rest("m", before, after)],
                         [False, True, True])


if __name__ == "__main__":
    unittest.main()

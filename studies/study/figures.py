# SPDX-License-Identifier: MIT
"""What is said of samples: medians, tails, spread, and ratios with their confidence."""

import math
import random
import statistics

BOOTSTRAPS = 2000
CONFIDENCE = 0.95


def median(values):
    return statistics.median(values)


def percentile(values, part):
    """By nearest rank: the smallest of the values that so many of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def mad(values):
    """Median distance from the median."""
    middle = median(values)
    return median([abs(value - middle) for value in values])


def mean(values):
    return statistics.fmean(values)


def confidence_of_median(values, seed=1):
    """(low, high) of the median, by bootstrap percentiles (Efron 1979); the one value twice where
    there is only one. The same values give the same interval."""
    if len(values) < 2:
        return values[0], values[0]
    draw = random.Random(seed)
    medians = sorted(median(draw.choices(values, k=len(values))) for _ in range(BOOTSTRAPS))
    tail = (1 - CONFIDENCE) / 2
    return medians[int(tail * BOOTSTRAPS)], medians[int((1 - tail) * BOOTSTRAPS) - 1]


def ratio(pairs):
    """Of (reference, ours) of one round each: what is said of ours / reference."""
    ratios = [ours / reference for reference, ours in pairs]
    low, high = confidence_of_median(ratios)
    return {"ratio": median(ratios), "low": low, "high": high, "least": min(ratios),
            "most": max(ratios), "rounds": len(ratios)}


def jain(values):
    """Fairness of shares (Jain 1984): 1 where all are alike, 1/n where one has all."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0

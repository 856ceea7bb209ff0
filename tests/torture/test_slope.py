"""The slope of a soak: what is growth and what is not, and how sure that is."""

from __future__ import annotations

import math
from random import Random

import pytest

from tools.torture.slope import Slope, by_stretches, slope

STEADY = [(float(at), 50.0 + at * 0.5) for at in range(10)]


def test_a_steady_growth_is_found_exactly() -> None:
    """Where every pair says the same, nothing else is possible."""
    assert slope(STEADY) == Slope(0.5, 0.5, 0.5)
    assert slope(STEADY).times(60) == Slope(30.0, 30.0, 30.0)


def test_a_value_that_is_far_off_tilts_nothing() -> None:
    found = slope([*STEADY[:4], (4.0, 900.0), *STEADY[5:]])

    assert found.estimate == pytest.approx(0.5, abs=0.1)
    assert found.low <= 0.5 <= found.high


def test_a_step_early_in_a_run_is_no_growth() -> None:
    """What is taken once, such as an arena of the allocator, is not taken for ever."""
    assert slope([(0.0, 1.0), *((float(at), 2.0) for at in range(1, 10))]).estimate == 0.0


def test_fewer_than_two_values_say_nothing() -> None:
    for values in ([], STEADY[:1], [(1.0, 5.0), (1.0, 6.0)]):
        assert slope(values) == Slope(0.0, -math.inf, math.inf)


def test_the_interval_is_sens() -> None:
    """Equation 2.6: of 45 slopes, the 12th and the 34th, which is what scipy.stats.theilslopes takes."""
    values = [(float(at), float(at * at)) for at in range(10)]
    slopes = sorted(float(a + b) for a in range(10) for b in range(a))

    found = slope(values)

    assert (found.estimate, found.low, found.high) == (slopes[22], slopes[11], slopes[33])


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """95 times in 100, of values with independent noise; the seed is fixed."""
    random, held = Random("slope"), 0
    for _ in range(400):
        found = slope([(float(at), 0.2 * at + random.gauss(0, 1)) for at in range(9)])
        held += found.low <= 0.2 <= found.high

    assert 0.93 <= held / 400 <= 0.99


def test_samples_are_taken_together_by_stretches() -> None:
    """Each has the median of its samples; what is before the begin, or has come to no middle, has none."""
    samples = [(float(at), float(at)) for at in range(35)]

    assert by_stretches(samples, 5.0, 10.0) == [(10.0, 9.5), (20.0, 19.5), (30.0, 29.5)]
    assert by_stretches(samples[:30], 5.0, 10.0) == [(10.0, 9.5), (20.0, 19.5)]
    assert by_stretches([], 5.0, 10.0) == []


def test_a_stretch_without_samples_is_left_out() -> None:
    assert by_stretches([(0.0, 1.0), (25.0, 3.0)], 0.0, 10.0) == [(5.0, 1.0), (25.0, 3.0)]

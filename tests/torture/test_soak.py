"""What the soak makes of the sizes that it measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.torture.soak import Course

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1024 * 1024
HOUR = 3600.0


def course(sizes: Sequence[float], parts: Sequence[int] | None = None) -> Course:
    """One sample a second, of these MiB."""
    each, counts = iter(sizes), iter(parts or [0] * len(sizes))
    made = Course(lambda: int(next(each) * MIB), lambda: next(counts))
    for second in range(len(sizes)):
        made.take(float(second))
    return made


def test_growth_is_what_is_left_of_it_after_the_warm_up() -> None:
    """A MiB a second at first counts for nothing, a KiB a second later on counts in full."""
    warming, growing = range(100), [100 + at / 1024 for at in range(300)]

    found = course([*warming, *growing]).mib_an_hour(100.0, 50.0)

    assert abs(found.estimate - HOUR / 1024) < 0.01
    assert course([*warming, *[100.0] * 300]).mib_an_hour(100.0, 50.0).estimate == 0.0


def test_only_samples_with_as_many_parts_are_compared() -> None:
    """A worker that has a guest of 3 MiB less for the last third has not shrunk, and hides no growth."""
    parts = [8] * 200 + [7] * 100
    sizes = [40 + at / 1024 + (3.0 if has == 8 else 0.0) for at, has in enumerate(parts)]

    found = course(sizes, parts).mib_an_hour(0.0, 50.0)

    assert abs(found.estimate - HOUR / 1024) < 0.01
    assert course(sizes, parts).most_parts == 8


def test_nothing_is_counted_of_a_process_that_has_ended() -> None:
    assert course([5.0, 0.0, 5.0]).samples == [(0.0, 5.0), (2.0, 5.0)]
    assert course([0.0]).most_parts == 0


def test_the_fifths_are_medians_and_say_where_there_is_nothing() -> None:
    assert course([1, 1, 9, 2, 2, 2, 3, 3, 3]).fifths(0.0, 15.0) == "1.00/2.00/3.00/-/-"

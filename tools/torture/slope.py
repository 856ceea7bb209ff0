"""How fast something grows, from values of it over time, and how sure that is.

1. The slope is the median of the slopes between all pairs of values (Theil-Sen): a few that are far off do
   not tilt it, and a step near either end of a run, or a single short visit, is no growth.
2. Its interval is Sen's, for a confidence of 95 %, from the variance of Kendall's S. P. K. Sen, "Estimates of
   the Regression Coefficient Based on Kendall's Tau", J. Am. Stat. Assoc. 63 (1968), equation 2.6. It takes
   the values for independent, so of what wanders slowly the true interval is wider.
3. Samples are taken together first, by stretches in which the same things happen: one value for each, their
   median. Neighbouring samples say the same twice, and would make the interval narrow for nothing.
"""

from __future__ import annotations

import math
import statistics
from itertools import combinations
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Something's size at a time.
Sample = tuple[float, float]

#: Quantile of the normal distribution for 95 % on both sides.
_Z = 1.96


@frozen
class Slope:
    """What it is held to be, and what it may be; in sizes by seconds, or whatever the samples are in."""

    estimate: float
    low: float
    high: float

    def times(self, factor: float) -> Slope:
        return Slope(self.estimate * factor, self.low * factor, self.high * factor)

    def __str__(self) -> str:
        return f"{self.estimate:.2f} ({self.low:.2f}..{self.high:.2f})"


def by_stretches(samples: Sequence[Sample], begin: float, length: float) -> list[Sample]:
    """The median of each stretch of this length from `begin` on, at its middle, if the samples reach that."""
    stretches: dict[int, list[float]] = {}
    for at, size in samples:
        if at >= begin:
            stretches.setdefault(int((at - begin) // length), []).append(size)
    last = samples[-1][0] if samples else begin
    middles = {number: begin + (number + 0.5) * length for number in stretches}
    return [(middles[number], statistics.median(stretches[number])) for number in sorted(stretches)
            if middles[number] <= last]  # fmt: skip


def slope(values: Sequence[Sample]) -> Slope:
    """Fewer than two values have a slope of 0, of which nothing is known."""
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(values, 2) if b[0] > a[0])
    if not slopes:
        return Slope(0.0, -math.inf, math.inf)
    n, pairs = len(values), len(slopes)
    width = _Z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(round((pairs - width) / 2) - 1, 0)
    high = min(round((pairs + width) / 2), pairs - 1)
    return Slope(statistics.median(slopes), slopes[low], slopes[high])

"""Whether two schemas mean the same records: by their name, or by how many properties they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.contracts.shapes import plain

if TYPE_CHECKING:
    from server.contracts.views import View

OVERLAP: Final = 0.6
SAME: Final = 0.8


def overlap(one: View, other: View) -> float:
    """How much of the smaller one's properties the other one has, too."""
    first, second = {plain(each) for each in one.properties}, {plain(each) for each in other.properties}
    least = min(len(first), len(second))
    return len(first & second) / least if least else 0.0


def same(one: View, other: View, share: float = OVERLAP) -> bool:
    return (bool(one.name) and one.name == other.name) or overlap(one, other) >= share


def of_a_size(one: View, other: View) -> bool:
    sizes = sorted((len(one.properties), len(other.properties)))
    return sizes[0] * 2 >= sizes[1]


def is_part(view: View, item: View) -> bool:
    """Whether it shows nothing but what a record has; of what it need not have, a record may have none."""
    known = {plain(name) for name in item.properties}
    needed = {plain(name) for name in view.required}
    return same(view, item, SAME) or (bool(needed) and needed <= known and len(view.properties) < 6)


def replaces(body: View, item: View) -> bool:
    """Whether a body has most of what clients can say of a record."""
    return len(body.properties) * 2 >= len(item.properties)

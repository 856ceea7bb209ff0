"""A small part of a value that is too large to have all its faults collected.

A validator collects the errors of all places before it tells the first one, each with a copy of what it is
about: a body of 1 MiB can make gigabytes of them. So errors are collected of parts alone:

1. A sample: lists have their first items, texts their first characters.
2. Where the sample has no fault, the first item with which the value does not fit, found by halving.

An error of a part is one of the whole, unless it stands where something was cut, or above it, and is about
more than names and types.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Path = tuple[str | int, ...]

#: Items that are kept of a list; shorter ones are searched for nothing.
ITEMS: Final = 16
#: Characters that are kept of a text.
CHARACTERS: Final = 256
#: Lists in which an item at fault is looked for, the longest first.
_MOST_LISTS: Final = 4
#: Keywords that say the same of a value whose parts were cut.
_OF_ANY_PART: Final = frozenset({"additionalProperties", "dependentRequired", "required", "type"})


@frozen
class Part:
    """`above`: places at which, or below which, something was cut."""

    value: Any
    above: frozenset[Path]

    def tells(self, path: Path, keyword: str) -> bool:
        """Whether an error of the part is one of the whole value."""
        return keyword in _OF_ANY_PART or path not in self.above


@frozen
class Item:
    """`value` fits with the items of the list at `path` that come before `number`, and with that one not."""

    value: Any
    path: Path
    number: int

    def part(self) -> Part:
        """The value with this item alone in its list."""
        items = _at(self.value, self.path)
        alone = _with(self.value, self.path, [items[self.number]])
        return sample(alone, ITEMS, self.path)

    def place_of(self, path: Path) -> Path:
        """Where in the value that is which stands at `path` in the part."""
        length = len(self.path)
        if len(path) <= length or path[:length] != self.path:
            return path
        return (*self.path, self.number, *path[length + 1 :])


def sample(value: Any, items: int = ITEMS, *cut: Path) -> Part:
    """With so many items of each list. `cut`: places where something was cut already."""
    places = set(cut)
    kept = _cut(value, (), items, places)
    return Part(kept, frozenset(place[:end] for place in places for end in range(len(place) + 1)))


def _cut(value: Any, path: Path, items: int, places: set[Path]) -> Any:
    if isinstance(value, dict):
        return {name: _cut(each, (*path, name), items, places) for name, each in value.items()}
    if isinstance(value, list):
        if len(value) > items:
            places.add(path)
        return [_cut(each, (*path, number), items, places) for number, each in enumerate(value[:items])]
    if isinstance(value, str) and len(value) > CHARACTERS:
        places.add(path)
        return value[:CHARACTERS]
    return value


def item_at_fault(value: Any, fits: Callable[[Any], bool]) -> Item | None:
    """In one of the longest lists of a value that does not fit; None: it is not one item that is at fault."""
    longest = nlargest(_MOST_LISTS, _lists(value, ()), key=lambda found: len(found[1]))
    for path, items in longest:
        if _at(value, path) is not items:
            continue
        shorter = _with(value, path, items[:ITEMS])
        if not fits(shorter):
            value = shorter
            continue
        fitting, failing = ITEMS, len(items)
        while failing - fitting > 1:
            middle = (fitting + failing) // 2
            if fits(_with(value, path, items[:middle])):
                fitting = middle
            else:
                failing = middle
        return Item(value, path, failing - 1)
    return None


def _lists(value: Any, path: Path) -> Iterator[tuple[Path, list[Any]]]:
    """Those that a sample would cut."""
    waiting = [(path, value)]
    while waiting:
        place, each = waiting.pop()
        if isinstance(each, dict):
            waiting += [((*place, name), part) for name, part in each.items()]
        elif isinstance(each, list):
            if len(each) > ITEMS:
                yield place, each
            waiting += [((*place, number), part) for number, part in enumerate(each)]


def _at(value: Any, path: Path) -> Any:
    """None: nothing is there any more."""
    for step in path:
        if isinstance(step, int) and step >= len(value):
            return None
        value = value[step]
    return value


def _with(value: Any, path: Path, other: Any) -> Any:
    """A copy of the value with another one at that place."""
    if not path:
        return other
    step = path[0]
    copy = value.copy()
    copy[step] = _with(value[step], path[1:], other)
    return copy

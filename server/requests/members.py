"""How many members a body may have: in one object, and different names in all.

The guest's Python hashes a text to 32 bits (FNV, with a seed that is fixed when the guest is built), so names
can be chosen that all fall together. To read an object of such names takes the square of their number, and so
do the names of one body together, because the JSON reader keeps each name once.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from server.values.errors import Unprocessable

_REMEDY = "Send an array of objects instead."


def check_members(value: Any, text: bytes, *, most: int, most_names: int) -> None:
    """Raises Unprocessable, whose detail and `pointer` name the object, where there are too many.

    `value` is what `text` says, as JSON or as a form.
    """
    # Every member has its colon, and every pair of a form its sign.
    if text.count(b":") + text.count(b"=") <= min(most, most_names):
        return
    if not _is_within(value, most, most_names):
        _find(value, most, most_names)


def _is_within(value: Any, most: int, most_names: int) -> bool:
    """Level by level, in C as far as it goes: this is on the way of every large body."""
    names: set[str] = set()
    level = [value]
    while level:
        objects = [each for each in level if type(each) is dict]
        arrays = [each for each in level if type(each) is list]
        names.update(*objects)
        # An id more does no harm here; whether it is one, `_find` sees.
        if len(names) > most_names or max(map(len, objects), default=0) > most:
            return False
        below = chain(chain.from_iterable(map(dict.values, objects)), chain.from_iterable(arrays))
        level = [each for each in below if type(each) is dict or type(each) is list]
    return True


def _find(value: Any, most: int, most_names: int) -> None:
    """Raises Unprocessable, naming the object; unless all that there was too much of is an id."""
    names: set[str] = set()
    waiting: list[tuple[Any, Any]] = [((), value)]
    while waiting:
        path, each = waiting.pop()
        if isinstance(each, dict):
            names.update(each)
            size = len(each) - ("id" in each)  # a record at its limit can be sent as it was read
            if size > most:
                raise _refused(path, f"An object may have {most} members, and this one has {size}", most)
            if len(names) > most_names:
                raise _refused(path, f"A body may have {most_names} different names of members", most_names)
            items: Any = each.items()
        else:
            items = enumerate(each) if isinstance(each, list) else ()
        waiting.extend(((path, step), item) for step, item in items if isinstance(item, (dict, list)))


def _refused(path: Any, what: str, limit: int) -> Unprocessable:
    pointer = _pointer(path)
    return Unprocessable(f"{what}, at {pointer or 'the top'}. {_REMEDY}", pointer=pointer, limit=limit)


def _pointer(path: Any) -> str:
    """RFC 6901, cut where a name is long; `path` is pairs of what is before and the last step."""
    steps: list[str] = []
    while path:
        path, step = path
        steps.append(str(step)[:64].replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{step}" for step in reversed(steps))

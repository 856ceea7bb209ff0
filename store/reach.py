"""Filters that reach into arrays of objects: `lines.sku=A1` is met by a record with such a line.

1. A dotted field's way leads through objects. Where one of its steps is an array, it goes on in each element
   that is an object; a number is the place of such an element instead (`lines.0.sku`). Arrays in arrays are
   gone through.
2. A record matches where one of the values that are found so does. `ne` wants that there is one and that none
   of them equals; `isnull` wants that there is none but null.
3. This costs a call of Python for each record with such an array, and no index helps. So it is only
   written into the SQL where the field's first step has been an array, or the way is longer than what is
   learned of objects.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from store.json_text import decode, encode
from store.schema import MAX_FIELDS, kinds_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_DIGITS = frozenset("0123456789")


def arrays_on_the_way(field: str, known: Collection[str]) -> list[str]:
    """The fields on the way to `field` that may be arrays; none for most fields."""
    steps = field.split(".")
    if len(steps) == 1:
        return []
    kinds = kinds_of(known, steps[0])
    # Of a collection with very many fields not all are known, and of some only their names.
    anything = not kinds and (kinds is not None or len(known) >= MAX_FIELDS)
    found = [steps[0]] if anything or "array" in (kinds or ()) else []
    if len(steps) > 2 and (found or "object" in (kinds or ())):
        found += [".".join(steps[:length]) for length in range(2, len(steps))]
    return found


def within(document: str, steps: str) -> str:
    """The SQL function `reach`: the values at the end of the way, as a JSON array.

    `steps` is a JSON array of texts. Raises ValueError where the document is no JSON.
    """
    return encode(list(_values(decode(document), json.loads(steps))))


def _values(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield value
    elif isinstance(value, dict):
        if steps[0] in value:
            yield from _values(value[steps[0]], steps[1:])
    elif isinstance(value, list):
        if len(steps) > 1 and _DIGITS.issuperset(steps[0]):
            place = int(steps[0][:9])
            yield from _values(value[place], steps[1:]) if place < len(value) else ()
        else:
            for element in value:
                if isinstance(element, (dict, list)):
                    yield from _values(element, steps)

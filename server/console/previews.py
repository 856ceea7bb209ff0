"""What a rewind would change, as people read it: record by record, field by field."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import frozen

from server.live.differences import field_changes

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Records that one page shows; the others are counted.
MOST_SHOWN: Final = 100
#: In the order in which they are counted.
_WORDS: Final = ("Changed back", "Brought back", "Taken out")


@frozen
class Preview:
    """`fields`: what becomes of each, where the record is there before and after."""

    collection: str
    number: Any
    what: str
    fields: list[dict[str, Any]]


def previewed(differences: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For a template: `shown`, `more` that are not, and `counts` of all by what becomes of them."""
    found = Counter(map(_what, differences))
    return {
        "shown": [_preview(each) for each in differences[:MOST_SHOWN]],
        "more": max(len(differences) - MOST_SHOWN, 0),
        "counts": [(word.lower(), found[word]) for word in _WORDS],
    }


def _what(difference: dict[str, Any]) -> str:
    if difference["before"] is None:
        return "Taken out" if difference["after"] is not None else "Changed back"
    return "Brought back" if difference["after"] is None else "Changed back"


def _preview(difference: dict[str, Any]) -> Preview:
    now, then = (_record(difference[name]) for name in ("after", "before"))
    number = (then or now).get("id", difference["row"])
    return Preview(difference["collection"], number, _what(difference), field_changes(now, then))


def _record(text: str | None) -> dict[str, Any]:
    found = {} if text is None else orjson.loads(text)
    return found if isinstance(found, dict) else {"": found}

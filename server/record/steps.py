"""What each of some versions did to records: put together from the rows that were, and those that are.

A row was there from the version that has written it until the one that has superseded it (a life). So a
version has made what begins with it and nothing ends, removed what ends with it and nothing begins, and
changed what does both. A record with a text as its id is another row each time it is made anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.record.lives import Life, checked
from server.record.record import Difference, Missing, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Of all that is told at once.
MOST_RECORDS: Final = 1_000
MOST_BYTES: Final = 4 * 1024 * 1024
TOO_MUCH: Final = "more was written since than is told at once"


def require_few(records: int, size: int) -> None:
    """Raise Missing for more than is told at once."""
    if records > MOST_RECORDS or size > MOST_BYTES:
        raise Missing(TOO_MUCH)


def steps_of(versions: Sequence[int], rows: Iterable[Sequence[Any]], names: Mapping[int, str]) -> list[Step]:
    """A step for each version. `rows`: collection, row, version, until (None: it is there), crc, document.

    Raises Damaged.
    """
    told: dict[int, dict[tuple[int, int], list[str | None]]] = {version: {} for version in versions}
    for number, row, version, until, crc, doc in rows:
        text = checked(Life(version, until, number, row), crc, doc)
        if version in told:
            told[version].setdefault((number, row), [None, None])[1] = text
        if until in told:
            told[until].setdefault((number, row), [None, None])[0] = text
    return [
        Step(version, [_difference(names, place, *texts) for place, texts in sorted(found.items())])
        for version, found in told.items()
    ]


def _difference(
    names: Mapping[int, str], place: tuple[int, int], before: str | None, after: str | None
) -> Difference:
    return Difference(names[place[0]], place[1], before, after)

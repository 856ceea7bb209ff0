"""What is counted of remembered replies."""

from __future__ import annotations

from collections import Counter
from typing import Final

from attrs import define, field

#: Why a reply is not remembered any more, beside the causes of changes: its room went to another one; its
#: session was not used for long; nobody may say that its token still holds.
ROOM: Final = "room"
AGE: Final = "age"


@define
class Remembered:
    """`hits` by the door: `raw` where the request's bytes were known, `key` where it was read first.

    `misses` are requests that could have hit. `fallen` counts replies by why they fell.
    """

    hits: Counter[str] = field(factory=Counter)
    misses: int = 0
    kept: int = 0
    bytes: int = 0
    fallen: Counter[str] = field(factory=Counter)

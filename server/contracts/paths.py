"""Path templates as words and slots, whatever is written around them.

``/Accounts/{AccountSid}/Messages/{Sid}.json`` is Accounts, {AccountSid}, Messages, {Sid}, as is
``/Accounts/{AccountSid}/Messages.json`` without its last slot. ``/People('{UserName}')`` is People,
{UserName}; ``/jobs/{name}:cancel`` is jobs, {name}, cancel.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import frozen

from server.contracts.routes import pieces_of, segments_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIX: Final = re.compile(r"\.(?:json|xml)$", re.IGNORECASE)
_TRIM: Final = "()'\"=:;,.@ -"


@frozen
class Word:
    text: str


@frozen
class Slot:
    name: str


Path: TypeAlias = "tuple[Word | Slot, ...]"


def path_of(template: str, base_path: str = "") -> Path:
    """The template's words and slots. One without a word begins with the base path's last one."""
    parts = tuple(_parts(template))
    if any(isinstance(part, Word) for part in parts):
        return parts
    base = [each for each in base_path.split("/") if each]
    return (Word(base[-1]) if base else Word("items"), *parts)


def _parts(template: str) -> Iterator[Word | Slot]:
    segments = segments_of(template)
    for number, segment in enumerate(segments):
        text = _SUFFIX.sub("", segment) if number == len(segments) - 1 else segment
        pieces = pieces_of(text)
        for place, piece in enumerate(pieces):
            if place % 2:
                yield Slot(piece)
            elif len(pieces) == 1:
                yield Word(piece)
            elif word := piece.strip(_TRIM):
                yield Word(word)


def slots_in(path: Path) -> tuple[str, ...]:
    return tuple(part.name for part in path if isinstance(part, Slot))


def last_word(path: Path) -> str:
    return next((part.text for part in reversed(path) if isinstance(part, Word)), "")


def text_of(path: Path) -> str:
    return "/" + "/".join(part.text if isinstance(part, Word) else f"{{{part.name}}}" for part in path)


def alike(path: Path) -> tuple[str, ...]:
    """The same for two paths whose slots have other names."""
    return tuple(part.text if isinstance(part, Word) else "{}" for part in path)

"""Route templates: what of a path is a word, and what is a slot.

1. A segment is *literal* if it matches ``[a-z]+([-_][a-z]+)*`` and is at most 32 long. Anything
   else is a slot: `int`, `uuid` or `text`. A literal segment is all of a path that a provider sees.
2. `int` is canonical decimal from 0 to 2^53-1; other digits (``007``, ``-1``) are `text`.
3. The kinds `int`, `uuid` and `text` do not overlap, so one shape has one template. A plan may also
   declare a `slug`, which takes a word or a text: ``how-to`` and ``how-to-2`` are both slugs.
4. A template may come from a model: it is hostile text. What the grammar does not name is refused,
   and no error repeats it.

    template = "/" / 1*("/" (literal / slot))
    literal  = ALPHA *63(ALPHA / DIGIT / "_" / "-")
    slot     = "{" name ":" ("int" / "uuid" / "text" / "slug") "}"
    name     = lower *99(lower / DIGIT / "_")
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, TypeGuard, get_args

from attrs import frozen

from server.values.errors import NotFound
from store.names import foreign_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

SegmentKind = Literal["literal", "int", "uuid", "text"]
SlotKind = Literal["int", "uuid", "text", "slug"]

#: Integers above this do not survive a JSON reader that has only doubles (RFC 8259 §6).
MAX_INT = 2**53 - 1
MAX_SEGMENTS = 64
MAX_TEMPLATE_CHARS = 8192
_MAX_WORD_CHARS = 32

_WORD = re.compile(r"[a-z]+(?:[-_][a-z]+)*")
_INT = re.compile(r"0|[1-9][0-9]{0,15}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_SLOT = re.compile(r"\{([a-z][a-z0-9_]{0,99}):([a-z]{1,8})\}")
_PREFIX_VERSION = re.compile(r"v[0-9]{1,3}")

#: Which kinds of segment each kind of slot takes.
_TAKES: dict[SlotKind, tuple[SegmentKind, ...]] = {
    "int": ("int",),
    "uuid": ("uuid",),
    "text": ("text",),
    "slug": ("literal", "text"),
}


#: The values of a route's slots by name.
Params: TypeAlias = "dict[str, int | str]"


class RouteError(ValueError):
    """A text that is not a route template; the message may be shown to whoever wrote it."""


def segment_kind(segment: str) -> SegmentKind:
    """The kind of one decoded path segment (rules 1 and 2)."""
    if len(segment) <= _MAX_WORD_CHARS and _WORD.fullmatch(segment):
        return "literal"
    if _INT.fullmatch(segment) and int(segment) <= MAX_INT:
        return "int"
    return "uuid" if _UUID.fullmatch(segment) else "text"


def is_collection_name(text: str) -> bool:
    """Whether a collection can have this name: ``[A-Za-z][A-Za-z0-9_-]{0,63}``, case-sensitive."""
    return _NAME.fullmatch(text) is not None


@frozen
class Slot:
    name: str
    kind: SlotKind

    def __str__(self) -> str:
        return f"{{{self.name}:{self.kind}}}"

    def read(self, segment: str) -> int | str | None:
        """The segment as this slot's value, or None if it is of another kind."""
        kind = segment_kind(segment)
        if not segment or kind not in _TAKES[self.kind]:
            return None
        return int(segment) if kind == "int" else segment


@frozen
class RouteTemplate:
    """A template such as ``/members/{member_id:int}/orders``; made by `parse`, equal by its text."""

    text: str
    parts: tuple[str | Slot, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a template by the grammar above. Raises RouteError."""
        if len(text) > MAX_TEMPLATE_CHARS:
            raise RouteError(f"a route has at most {MAX_TEMPLATE_CHARS} characters")
        if not text.startswith("/"):
            raise RouteError('a route starts with "/"')
        pieces = text[1:].split("/") if text != "/" else []
        if len(pieces) > MAX_SEGMENTS:
            raise RouteError(f"a route has at most {MAX_SEGMENTS} segments")
        parts = tuple(_parse_part(number, piece) for number, piece in enumerate(pieces, 1))
        route = cls(text, parts)
        if len(route.slots) != len(set(route.slots)):
            raise RouteError("two slots of a route have the same name")
        return route

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of its slots, in their order."""
        return tuple(part.name for part in self.parts if isinstance(part, Slot))

    def match(self, segments: Sequence[str]) -> Params | None:
        """The slots' values, typed (`int` slots as int), or None if the path is not this route's."""
        if len(segments) != len(self.parts):
            return None
        params: Params = {}
        for part, segment in zip(self.parts, segments, strict=True):
            if isinstance(part, Slot):
                value = part.read(segment)
                if value is None:
                    return None
                params[part.name] = value
            elif part != segment:
                return None
        return params


def _parse_part(number: int, piece: str) -> str | Slot:
    if is_collection_name(piece):
        return piece
    slot = _SLOT.fullmatch(piece)
    if slot is None:
        raise RouteError(f"segment {number} is neither a word nor a slot like {{id:int}}")
    name, kind = slot.groups()
    if not _is_slot_kind(kind):
        raise RouteError(f"segment {number}: a slot's kind is one of {', '.join(get_args(SlotKind))}")
    return Slot(name, kind)


def _is_slot_kind(text: str) -> TypeGuard[SlotKind]:
    return text in _TAKES


# -- from a request's path -------------------------------------------------------------------------


def template_text(segments: Sequence[str], slots: Collection[int] = ()) -> str:
    """The template of a path by rule 1: words as they are, all else slots.

    `slots`: places of segments that are known to be slots; a word or a text there is a slug.

    A slot that ends the path is ``id``; an earlier one is named for the word before it
    (``/members/{member_id:int}/orders``), or for its place if there is no word before it.
    """
    return "/" + "/".join(_named_parts(segments, slots))


def _named_parts(segments: Sequence[str], slots: Collection[int]) -> Iterator[str]:
    used: dict[str, int] = {}
    word: str | None = None
    for number, segment in enumerate(segments, 1):
        kind: SlotKind | SegmentKind = segment_kind(segment)
        if kind in _TAKES["slug"] and number - 1 in slots:
            kind = "slug"
        if kind == "literal":
            word = segment
            yield segment
            continue
        name = "id" if number == len(segments) else foreign_key(word) if word else f"part_{number}"
        word = None
        used[name] = used.get(name, 0) + 1
        yield str(Slot(name if used[name] == 1 else f"{name}_{used[name]}", kind))


def split_prefix(segments: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Cut a leading ``api`` and ``v<digits>`` off a path; they are no collection."""
    count = 1 if segments[:1] == ("api",) else 0
    if len(segments) > count and _PREFIX_VERSION.fullmatch(segments[count]):
        count += 1
    return segments[:count], segments[count:]


def refuse_unplannable(segments: tuple[str, ...]) -> None:
    """Raise NotFound for paths that no planner is asked about.

    These are empty segments, first names outside the collection grammar (``favicon.ico``), and dotfiles and
    ``.php`` where a name stands: what scanners and browsers try. Every second segment may be an id, which may
    be any text.
    """
    _, rest = split_prefix(segments)
    if "" in segments or not all(map(_ordinary, rest[2::2])):
        raise NotFound("There is nothing at this path.")
    if segments and not (rest and is_collection_name(rest[0])):
        raise NotFound("The path names no collection: a name is a letter, then letters, digits, _ or -.")


def _ordinary(segment: str) -> bool:
    return not segment.startswith(".") and not segment.lower().endswith(".php")

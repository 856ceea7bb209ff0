"""Which operation a request's path leads to, by the document's own templates.

1. A segment of a template is a word, a slot, or both: ``{Sid}.json``, ``People('{key}')``, ``{name}:cancel``.
2. Concrete before templated, segment by segment from the left (OpenAPI 3.1 §4.8.8): a word before what is
   partly one, that before a slot. A path that only a later choice leads on is followed there.
3. A path may have the base path of the document's server before it, or not.
4. Looking up a path looks at each node of the tree at most once: the tree is as large as the document. Most
   paths need no choice but a word before a slot: they are followed in one go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from server.contracts.document import Operation

_SLOT: Final = re.compile(r"\{([^{}]*)\}")

#: A segment taken apart: texts and names by turns, beginning and ending with a text, which may be empty.
Pieces: TypeAlias = tuple[str, ...]


def pieces_of(segment: str) -> Pieces:
    """``{Sid}.json`` is ("", "Sid", ".json")."""
    return tuple(_SLOT.split(segment))


def segments_of(template: str) -> tuple[str, ...]:
    """Without the slash at its end; what follows a question mark or a hash is no path."""
    path = re.split(r"[?#]", template, maxsplit=1)[0].strip("/")
    return tuple(path.split("/")) if path else ()


@frozen
class Match:
    """An operation and the values of its template's slots, as they were sent."""

    operation: Operation
    params: dict[str, str]


@define
class _Node:
    words: dict[str, _Node] = field(factory=dict)
    mixed: dict[Pieces, _Node] = field(factory=dict)
    slot: _Node | None = None
    #: By method, the operation and its slots' names in their order.
    here: dict[str, tuple[Operation, tuple[str, ...]]] = field(factory=dict)


@frozen(eq=False)
class Found:
    """A path's operations by method, and the values of its slots in their order."""

    here: Mapping[str, tuple[Operation, tuple[str, ...]]]
    values: Sequence[str]

    def match(self, method: str) -> Match | None:
        """None where the path has not that method."""
        own = self.here.get(method)
        return None if own is None else Match(own[0], dict(zip(own[1], self.values, strict=True)))


#: What there is at a path that no template has.
NOTHING: Final = Found({}, ())


@frozen(eq=False)
class Routes:
    """The tree of a document's templates."""

    _root: _Node = field(factory=_Node)
    _bases: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, operations: Iterable[Operation], base_paths: Iterable[str]) -> Routes:
        bases = {segments_of(each) for each in base_paths} - {()}
        routes = cls(bases=tuple(sorted(bases, key=lambda base: (-len(base), base))))
        for operation in operations:
            routes._add(operation)
        return routes

    def _add(self, operation: Operation) -> None:
        node, names = self._root, list[str]()
        for segment in segments_of(operation.template):
            pieces = pieces_of(segment)
            names += pieces[1::2]
            if len(pieces) == 1:
                node = node.words.setdefault(segment, _Node())
            elif pieces[0] == pieces[-1] == "" and len(pieces) == 3:
                node.slot = node.slot or _Node()
                node = node.slot
            else:
                # The slots' names are no part of what a segment looks like.
                node = node.mixed.setdefault(tuple(pieces[::2]), _Node())
        node.here.setdefault(operation.method, (operation, tuple(names)))

    def find(self, segments: Sequence[str]) -> Found:
        """What there is at a path; NOTHING where there is nothing."""
        for rest in self._rests(segments):
            found = _followed(self._root, rest)
            if found is not None:
                return found
            for node, values in _leaves(self._root, rest):
                if node.here:
                    return Found(node.here, values)
        return NOTHING

    def _rests(self, segments: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """The path without a base path, then as it is."""
        path = tuple(segments)
        for base in self._bases:
            if path[: len(base)] == base:
                yield path[len(base) :]
        yield path


def _followed(root: _Node, segments: tuple[str, ...]) -> Found | None:
    """By words first, then by slots: the first way that `_leaves` takes. None: that leads nowhere."""
    node, values = root, list[str]()
    for segment in segments:
        word = node.words.get(segment)
        if word is not None:
            node = word
        elif node.slot is not None and segment and not node.mixed:
            node = node.slot
            values.append(segment)
        else:
            return None
    return Found(node.here, values) if node.here else None


def _leaves(root: _Node, segments: tuple[str, ...]) -> Iterator[tuple[_Node, tuple[str, ...]]]:
    left: list[tuple[_Node, int, tuple[str, ...]]] = [(root, 0, ())]
    while left:
        node, place, values = left.pop()
        if place == len(segments):
            yield node, values
            continue
        segment = segments[place]
        # The last one that is put on the stack is the first one to be looked at.
        if node.slot is not None and segment:
            left.append((node.slot, place + 1, (*values, segment)))
        for texts in sorted(node.mixed, key=lambda texts: sum(map(len, texts))):
            found = _read_mixed(texts, segment)
            if found is not None:
                own = (_unquoted(before, value) for before, value in zip(texts, found, strict=False))
                left.append((node.mixed[texts], place + 1, (*values, *own)))
        if segment in node.words:
            left.append((node.words[segment], place + 1, values))


def _unquoted(before: str, value: str) -> str:
    """A key in parentheses may stand in quotes, as texts do: `People('ann')`."""
    if before[-1:] in ("(", "=") and len(value) > 1 and value[0] == value[-1] == "'":
        return value[1:-1].replace("''", "'")
    return value


def _read_mixed(texts: Pieces, segment: str) -> tuple[str, ...] | None:
    """The values between the texts, each as short as it can be; linear in the segment's length."""
    first, last = texts[0], texts[-1]
    if not segment.startswith(first) or not segment.endswith(last) or len(segment) <= len(first) + len(last):
        return None
    rest = segment[len(first) : len(segment) - len(last)]
    values = []
    for text in texts[1:-1]:
        at = rest.find(text, 1) if text else 1
        if at < 1:
            return None
        values.append(rest[:at])
        rest = rest[at + len(text) :]
    return (*values, rest) if rest else None

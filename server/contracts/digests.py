"""The digest of an operation: of its part of the document and of all that this refers to, however far.

Parts that refer to one another, directly or around, are a group, and have one digest: that of their own
texts and of the groups they lead to. So each reference is looked at once, however many operations come by
it. The groups are found as Tarjan has it (Depth-first search and linear graph algorithms, 1972).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import define, field

from server.contracts.document import value_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_SIZE: Final = 16


@define
class Digests:
    """Of one document. `objects_in` gives all objects within a value."""

    raw: Mapping[str, Any]
    objects_in: Callable[[Any], Iterable[dict[str, Any]]]
    _own: dict[str, bytes] = field(factory=dict)
    _leads_to: dict[str, tuple[str, ...]] = field(factory=dict)
    _whole: dict[str, bytes] = field(factory=dict)

    def of(self, pointers: Iterable[str]) -> str:
        """Of parts together, as hexadecimal digits."""
        parts = sorted(set(pointers))
        for pointer in parts:
            if pointer not in self._whole:
                self._walk(pointer)
        whole = b"".join(self._whole[each] for each in parts)
        return hashlib.blake2b(whole, digest_size=12).hexdigest()

    def _look_at(self, pointer: str) -> tuple[str, ...]:
        value = value_at(self.raw, pointer)
        found = {node["$ref"] for node in self.objects_in(value) if isinstance(node.get("$ref"), str)}
        text = orjson.dumps([pointer, value], option=orjson.OPT_SORT_KEYS)
        self._own[pointer] = hashlib.blake2b(text, digest_size=_SIZE).digest()
        self._leads_to[pointer] = tuple(sorted(found))
        return self._leads_to[pointer]

    def _walk(self, start: str) -> None:
        """Digest all that it leads to: a group when the last of its parts has been left."""
        number: dict[str, int] = {start: 0}
        lowest: dict[str, int] = {start: 0}
        places = {start: 0}
        waiting, stack = [start], [(start, iter(self._look_at(start)))]
        while stack:
            pointer, references = stack[-1]
            found, lowest[pointer] = self._next(references, number, lowest[pointer])
            if found is not None:
                number[found] = lowest[found] = len(number)
                places[found] = len(waiting)
                waiting.append(found)
                stack.append((found, iter(self._look_at(found))))
                continue
            stack.pop()
            if stack:
                above = stack[-1][0]
                lowest[above] = min(lowest[above], lowest[pointer])
            if lowest[pointer] == number[pointer]:
                self._close(waiting[places[pointer] :])
                del waiting[places[pointer] :]

    def _next(
        self, references: Iterator[str], number: Mapping[str, int], lowest: int
    ) -> tuple[str | None, int]:
        """The next part that was not looked at yet, and how far back those before it lead."""
        for each in references:
            if each in self._whole:
                continue
            if each not in number:
                return each, lowest
            lowest = min(lowest, number[each])
        return None, lowest

    def _close(self, group: list[str]) -> None:
        members = set(group)
        beyond = {self._whole[each] for one in group for each in self._leads_to[one] if each not in members}
        parts = [*sorted(self._own[each] for each in group), b"|", *sorted(beyond)]
        digest = hashlib.blake2b(b"".join(parts), digest_size=_SIZE).digest()
        self._whole.update(dict.fromkeys(group, digest))

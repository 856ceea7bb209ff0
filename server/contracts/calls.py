"""Operations that are named as calls: `/channels.create`, `/users/get`, `/listOrders`.

Their verb says what they do, and a word of their query or body which record they are about. They count only
where at least two verbs go with one noun, and the noun has no paths of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from server.contracts.paths import Word, alike
from server.contracts.shapes import plain
from store.names import singular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.contracts.document import Operation
    from server.contracts.paths import Path

_VERBS: Final = {
    word: verb
    for verb, words in {
        "create": "create add new insert register",
        "get": "get info retrieve read fetch describe details detail show find findone",
        "list": "list all index getall",
        "update": "update edit modify rename patch",
        "delete": "delete remove destroy",
    }.items()
    for word in words.split()
}
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_WRITES: Final = frozenset({"create", "update", "delete"})


@frozen
class Call:
    operation: Operation
    path: Path
    noun: str
    verb: str


@define
class Calls:
    """Those of one noun, with the path that its records would have."""

    home: Path
    members: list[Call] = field(factory=list)

    @property
    def verbs(self) -> set[str]:
        return {each.verb for each in self.members}


def calls_in(operations: Iterable[tuple[Operation, Path]], known: Iterable[tuple[str, ...]]) -> list[Calls]:
    """`known`: the paths that records have."""
    found: dict[tuple[str, ...], Calls] = {}
    for operation, path in operations:
        if not path or not all(isinstance(part, Word) for part in path):
            continue
        split = _split(path)
        if split is None or (operation.method == "GET" and split[2] in _WRITES):
            continue
        before, noun, verb = split
        home: Path = (*before, Word(noun))
        calls = found.setdefault((*alike(before), singular(plain(noun))), Calls(home))
        calls.members.append(Call(operation, path, noun, verb))
    taken = {(*each[:-1], singular(plain(each[-1]))) for each in known if each}
    return [
        calls for key, calls in found.items()
        if len(calls.verbs) > 1 and calls.verbs & {"create", "list"} and key not in taken
    ]  # fmt: skip


def _split(path: Path) -> tuple[Path, str, str] | None:
    """What is before the noun, the noun, and the verb; None for a path that is no call."""
    last = path[-1].text if isinstance(path[-1], Word) else ""
    noun, dot, word = last.rpartition(".")
    if dot and noun and word.lower() in _VERBS:
        return path[:-1], noun.rpartition(".")[2], _VERBS[word.lower()]
    if len(path) > 1 and plain(last) in _VERBS and isinstance(path[-2], Word):
        return path[:-2], path[-2].text, _VERBS[plain(last)]
    parts = _PARTS.findall(last)
    if len(parts) > 1 and parts[0].lower() in _VERBS:
        rest = last.partition(parts[0])[2].strip("_-")
        return path[:-1], rest, _VERBS[parts[0].lower()]
    return None


def key_word(operation: Operation, body: Mapping[str, object], noun: str, key: tuple[str, ...]) -> str:
    """The word of the query or body that says which record is meant; "" for none."""
    stem = singular(plain(noun))
    own = plain(key[-1]) if key else "id"
    wanted = (own, f"{stem}{own}", f"{stem}id", stem, "id")
    names = [each.name for each in operation.parameters if each.place == "query"] + list(body)
    return next((name for each in wanted for name in names if plain(name) == each), "")

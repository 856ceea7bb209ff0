"""How long a check may take: schemas that apply to one place of a value, counted before any value is there.

A schema may refer to itself, and several may apply to the same place. If each of them leads to twice as many
one level deeper, a document of a few lines keeps a validator busy for ever. So:

1. What applies to the same value is counted along its references. A reference that leads back to where it
   came from adds nothing; one that makes the count too large is not followed.
2. What applies to a part of a value is counted level by level. The first level at which the count is too
   large is how deep a value may be to be checked at all.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from wasm_runtime.schemas import DEEPEST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Schemas that are looked at to count levels; the largest real documents take a hundredth.
_MOST_WORK: Final = 10_000_000


@define(eq=False)
class Vertex:
    """Schemas that apply to one value as they stand in one another, without those that they refer to."""

    pointer: str
    applied: int = 0
    #: References to others for the same value: the schema that has `$ref`, the other's key, its place.
    same: list[tuple[dict[str, Any], str, str]] = field(factory=list)
    #: Of parts of the value, by the name of the part; `*`: of any.
    parts: list[tuple[str, Vertex]] = field(factory=list)


@frozen
class Bounds:
    """`depth`: of a value, at most. `applied`: schemas and required names that count at one place of it."""

    depth: int
    applied: int


def bounded(vertices: Mapping[str, Vertex], most: int, relax: Callable[[str], None]) -> Bounds:
    """Cut references until no more than `most` schemas apply to one value; the depth that is then safe.

    `relax` is told the place of each reference that was cut.
    """
    everything = list(_all(vertices))
    costs = _Costs(vertices, most, relax)
    for vertex in everything:
        costs.of(vertex)
    return _depth(everything, vertices, costs.known, most)


def _all(vertices: Mapping[str, Vertex]) -> dict[Vertex, None]:
    found: dict[Vertex, None] = {}
    waiting = list(vertices.values())
    while waiting:
        vertex = waiting.pop()
        if vertex not in found:
            found[vertex] = None
            waiting += [part for _, part in vertex.parts]
    return found


class _Costs:
    """How many schemas apply to a value, with all that is referred to."""

    def __init__(self, vertices: Mapping[str, Vertex], most: int, relax: Callable[[str], None]) -> None:
        self._vertices = vertices
        self._most = most
        self._relax = relax
        self.known: dict[Vertex, int] = {}

    def of(self, start: Vertex) -> None:
        """Depth first, without recursion: a chain of references may be as long as the document."""
        if start in self.known:
            return
        under_way = {start: None}
        stack = [(start, 0)]
        totals = {start: start.applied}
        while stack:
            vertex, step = stack.pop()
            if step < len(vertex.same):
                stack.append((vertex, step + 1))
                target = self._vertices[vertex.same[step][1]]
                if target in under_way:
                    self._cut(vertex, step, tell=False)
                elif target in self.known:
                    self._add(vertex, step, totals)
                else:
                    stack[-1] = (vertex, step)
                    under_way[target] = None
                    totals[target] = target.applied
                    stack.append((target, 0))
                continue
            del under_way[vertex]
            self.known[vertex] = totals.pop(vertex)
            vertex.same = [each for each in vertex.same if each[1]]

    def _add(self, vertex: Vertex, step: int, totals: dict[Vertex, int]) -> None:
        cost = self.known[self._vertices[vertex.same[step][1]]]
        if totals[vertex] + cost > self._most:
            self._cut(vertex, step, tell=True)
        else:
            totals[vertex] += cost

    def _cut(self, vertex: Vertex, step: int, *, tell: bool) -> None:
        schema, _, place = vertex.same[step]
        schema.pop("$ref", None)
        vertex.same[step] = (schema, "", place)
        if tell:
            self._relax(place)


def _depth(
    everything: list[Vertex], vertices: Mapping[str, Vertex], costs: Mapping[Vertex, int], most: int
) -> Bounds:
    """The levels of a value at none of which more than `most` schemas apply to one place.

    Where counting takes too long, the levels that were counted.
    """
    work = _Work(_MOST_WORK)
    kinds: dict[tuple[Vertex, ...], list[list[Vertex]]] = {}
    kind_of: dict[Vertex, tuple[Vertex, ...]] = {}
    for vertex in everything:
        kind = tuple(each for each in _applying(vertex, vertices, work) if each.parts)
        kind_of[vertex] = kind
        if kind not in kinds and not work.done:
            kinds[kind] = _parts_by_name(kind, work)
    counts = dict(costs)
    for level in range(1, DEEPEST):
        if work.done:
            return Bounds(level, most)
        below = {kind: _most_below(groups, counts, work) for kind, groups in kinds.items()}
        changed = {vertex: below[kind] for vertex, kind in kind_of.items() if below[kind] > counts[vertex]}
        if not changed:
            return Bounds(DEEPEST, _heaviest(counts))
        if max(changed.values()) > most:
            return Bounds(level, _heaviest(counts))
        counts.update(changed)
    return Bounds(DEEPEST, _heaviest(counts))


def _heaviest(counts: Mapping[Vertex, int]) -> int:
    return max(counts.values(), default=1)


class _Work:
    """What may be looked at in all."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, amount: int) -> None:
        self._left -= amount

    @property
    def done(self) -> bool:
        return self._left < 0


def _parts_by_name(kind: tuple[Vertex, ...], work: _Work) -> list[list[Vertex]]:
    """The schemas of each part; those of any part count with each."""
    groups: dict[str, list[Vertex]] = defaultdict(list)
    for each in kind:
        work.take(len(each.parts))
        for name, part in each.parts:
            groups[name].append(part)
    every = groups.pop("*", [])
    work.take(len(every) * len(groups))
    if work.done:
        return []
    return [[*parts, *every] for parts in groups.values()] or ([every] if every else [])


def _applying(vertex: Vertex, vertices: Mapping[str, Vertex], work: _Work) -> list[Vertex]:
    """All that applies to the same value, as often as it does."""
    found = [vertex]
    for each in found:
        if work.done:
            break
        work.take(len(each.same) + 1)
        found += [vertices[key] for _, key, _ in each.same]
    return found


def _most_below(groups: list[list[Vertex]], counts: Mapping[Vertex, int], work: _Work) -> int:
    if work.done:
        return 0
    work.take(sum(map(len, groups)))
    return max((sum([counts[part] for part in parts]) for parts in groups), default=0)

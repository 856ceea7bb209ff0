"""What changes between two schemas, however far in: properties, elements of arrays, values of maps.

It hangs on who writes what the schema is of. A client that kept to the old one may be refused where a *body*
has to have more or may have less; it may no longer find what it read where a *reply* has less, or more kinds
of values in the same place. Each pair of schemas is looked at once in a body or reply, so schemas within
themselves end; how many pairs and how far in is bounded, as descriptions may be anybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.contracts.views import View, Views

Side: TypeAlias = Literal["body", "reply"]

#: Pairs of schemas that are compared in one body or reply, and how far in.
MOST_PAIRS: Final = 5_000
MOST_LEVELS: Final = 32
_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_GREATEST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


@frozen
class Change:
    """`what` is a sentence's end: "the operation ..."."""

    what: str
    breaks: bool


@define
class Comparison:
    """Of one body or reply; `where` is what it is called."""

    before: Views
    after: Views
    side: Side
    where: str
    _seen: set[tuple[int, int]] = field(factory=set)

    def of(self, old: View, new: View) -> Iterator[Change]:
        """The differences, from the outside in."""
        left = [(old, new, "", 0)]
        while left:
            one, other, place, level = left.pop()
            if (id(one), id(other)) in self._seen or len(self._seen) >= MOST_PAIRS:
                continue
            self._seen.add((id(one), id(other)))
            yield from self._alone(one, other, place)
            if level < MOST_LEVELS and self._type_change(one, other) is None:
                inner = list(self._inner(one, other, place))
                left += [(*each, level + 1) for each in reversed(inner)]

    def _inner(self, old: View, new: View, place: str) -> Iterator[tuple[View, View, str]]:
        for name, node in old.properties.items():
            if name in new.properties:
                views = self.before.of(node), self.after.of(new.properties[name])
                if not all(self._is_other_way(each) for each in views):
                    yield (*views, f"{place}.{name}" if place else name)
        if old.items is not None and new.items is not None:
            yield self.before.of(old.items), self.after.of(new.items), f"{place}[]"
        if old.others is not None and new.others is not None:
            yield self.before.of(old.others), self.after.of(new.others), f"{place}.*" if place else "*"

    def _is_other_way(self, view: View) -> bool:
        """Whether it is never in a body, or never in a reply."""
        return view.said.get("readOnly" if self.side == "body" else "writeOnly") is True

    def _alone(self, old: View, new: View, place: str) -> Iterator[Change]:
        named = place or "all"
        retyped = self._type_change(old, new)
        if retyped is not None:
            yield Change(f"has another type for {named} in {self.where}", retyped)
            return
        yield from self._in_body(old, new, place) if self.side == "body" else self._in_reply(old, new, place)

    def _type_change(self, old: View, new: View) -> bool | None:
        """Whether another type breaks; None for the same."""
        if old.kind == new.kind or not (old.kind and new.kind):
            return None
        wider = ("integer", "number") if self.side == "body" else ("number", "integer")
        return (old.kind, new.kind) != wider

    # What clients write

    def _in_body(self, old: View, new: View, place: str) -> Iterator[Change]:
        named = place or "all"
        for name in sorted(new.required - old.required):
            if not self._is_other_way(self.after.of(new.properties.get(name))):
                yield Change(f"has to have {_within(place, name)} in {self.where}", breaks=True)
        for name in sorted(old.properties.keys() - new.properties.keys()):
            word = "takes no" if new.closed else "passes over"
            yield Change(f"{word} {_within(place, name)} in {self.where}", breaks=new.closed)
        for name in sorted(new.properties.keys() - old.properties.keys() - new.required):
            yield Change(f"takes {_within(place, name)} in {self.where}", breaks=False)
        if old.nullable and not new.nullable:
            yield Change(f"takes no null for {named} in {self.where}", breaks=True)
        if _choices(new) is not None and not _has_all(_choices(new), _choices(old)):
            yield Change(f"takes fewer values for {named} in {self.where}", breaks=True)
        if _is_tighter(old, new):
            yield Change(f"takes less for {named} in {self.where}", breaks=True)

    # What clients read

    def _in_reply(self, old: View, new: View, place: str) -> Iterator[Change]:
        named = place or "all"
        for name in sorted(old.properties.keys() - new.properties.keys()):
            yield Change(f"has no {_within(place, name)} in {self.where}", breaks=True)
        for name in sorted(new.properties.keys() - old.properties.keys()):
            if not self._is_other_way(self.after.of(new.properties[name])):
                yield Change(f"has {_within(place, name)} in {self.where}", breaks=False)
        for name in sorted((old.required - new.required) & new.properties.keys()):
            yield Change(f"may lack {_within(place, name)} in {self.where}", breaks=True)
        if new.nullable and not old.nullable:
            yield Change(f"may have null for {named} in {self.where}", breaks=True)
        if _choices(old) is not None and not _has_all(_choices(old), _choices(new)):
            yield Change(f"may have other values for {named} in {self.where}", breaks=False)


def _within(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _choices(view: View) -> list[Any] | None:
    """The values that it has; None: any."""
    if "const" in view.said:
        return [view.said["const"]]
    choices = view.said.get("enum")
    return choices if isinstance(choices, list) else None


def _has_all(choices: list[Any] | None, wanted: list[Any] | None) -> bool:
    if choices is None:
        return True
    return wanted is not None and all(each in choices for each in wanted)


def _is_tighter(old: View, new: View) -> bool:
    """Whether a value that fitted may not fit now, by size or form."""
    for words, sign in ((_LEAST, 1), (_GREATEST, -1)):
        for word in words:
            before, after = _number(old.said.get(word)), _number(new.said.get(word))
            if after is not None and (before is None or sign * (after - before) > 0):
                return True
    return any(
        word in new.said and new.said[word] != old.said.get(word)
        for word in ("pattern", "format", "multipleOf")
    )


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None

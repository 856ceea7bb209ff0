"""Records that the document's own replies can show: what is made by rule is tried with them beforehand.

1. Examples are often wrong in places: an empty text for an address, a number in quotes. Such a place has
   what a value made from the schema has there; an example that cannot be mended is none.
2. What a new record is filled with has to fit the schemas of all replies that show it, which may ask for more
   than the one that its properties come from.
3. What a client says of a record has to be something that the replies can show. A body's schema may permit
   more than they do; the request is then one that does not fit.

Only places within a record are looked at: what is around it is not the record's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from server.contracts.examples import holder_of
from server.contracts.operation_facts import success_of
from server.contracts.shapes import json_content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.contracts.examples import Examples
    from server.contracts.filling import Filling
    from server.contracts.judging import Judging
    from server.contracts.model import Resource, Role
    from wasm_runtime.schemas import Violation

_ROUNDS: Final = 4
_MISSING: Final = ("the property '", "' is missing")
#: Programs leave out what a reply does not name, or must not have (`writeOnly`).
_NOT_OURS: Final = frozenset({"additionalProperties", "unevaluatedProperties", "properties", "false"})
_ABSENT: Final[Any] = object()
_READ: Final = frozenset({"get", "list", "create", "merge", "replace", "patch", "json-patch"})


@frozen
class Frame:
    """Where a reply has a record: `path` leads to it or to the list of them. `example` is one that fits."""

    schema: str
    path: tuple[str, ...]
    within: tuple[str, ...]
    many: bool
    example: Any


@define
class Settling:
    """Of one document."""

    judging: Judging
    examples: Examples
    _frames: dict[str, tuple[Frame, ...]] = field(factory=dict)

    def frames(self, resource: Resource) -> tuple[Frame, ...]:
        """Of the replies that show its records."""
        found = self._frames.get(resource.name)
        if found is None:
            roles = (role for role in resource.roles if role.plain and role.name in _READ)
            framed = [frame for role in roles if (frame := self._frame(role)) is not None]
            found = tuple({frame.schema: frame for frame in framed}.values())
            self._frames[resource.name] = found
        return found

    def _frame(self, role: Role) -> Frame | None:
        content = success_of(role.operation)[1]
        found = json_content(content) if content else None
        if found is None or not found[1] or role.reply.kind in ("none", "scalar") or role.relation:
            return None
        media_type, schema = found
        value = self.examples.for_content(
            holder_of(schema), schema, media_type, lambda each: self.judging.fits(schema, each)
        )
        many = role.reply.of_many
        item = _at(value, role.reply.path)
        item = _at(item[0] if many and isinstance(item, list) and item else item, role.reply.within)
        return Frame(schema, role.reply.path, role.reply.within, many, item)

    def broken(self, frame: Frame, item: Any) -> Iterator[tuple[list[str], Violation]]:
        """Where within it the record breaks the reply's schema, and how."""
        inner = _around(item, frame.within)
        value = _around([inner] if frame.many else inner, frame.path)
        start = "".join(f"/{step}" for step in (*frame.path, *(("0",) if frame.many else ()), *frame.within))
        for each in self.judging.violations(frame.schema, value):
            if each.pointer.startswith(start) and each.keyword not in _NOT_OURS:
                rest = each.pointer[len(start) :].split("/")[1:]
                yield [step.replace("~1", "/").replace("~0", "~") for step in rest], each

    def mended(self, resource: Resource, item: dict[str, Any]) -> dict[str, Any] | None:
        """An example as replies can show it; None where it cannot be mended."""
        for _ in range(_ROUNDS):
            wrong = [(steps, each, frame) for frame in self.frames(resource)
                     for steps, each in self.broken(frame, item)]  # fmt: skip
            if not wrong:
                return item
            for steps, violation, frame in wrong:
                missing = _missing(violation)
                place = [*steps, missing] if missing else steps
                if not place:
                    item = dict(frame.example) if isinstance(frame.example, dict) else item
                    continue
                _put(item, place, _at(frame.example, tuple(place), _ABSENT))
        return (
            None if any(True for frame in self.frames(resource) for _ in self.broken(frame, item)) else item
        )

    def settle(self, resource: Resource, filling: Filling, sample: dict[str, Any]) -> None:
        """Change what new records are filled with, so that `sample`, which is one of them, can be shown."""
        for _ in range(_ROUNDS):
            changed = False
            for frame in self.frames(resource):
                for steps, violation in list(self.broken(frame, sample)):
                    changed |= self._settle(filling, sample, steps, violation, frame)
            if not changed:
                return

    @staticmethod
    def _settle(
        filling: Filling, sample: dict[str, Any], steps: list[str], violation: Violation, frame: Frame
    ) -> bool:
        missing = _missing(violation)
        place = tuple([*steps, missing] if missing else steps)
        filled = {path for path, _ in filling.consts}
        holders = [place[:length] for length in range(len(place), 0, -1) if place[:length] in filled]
        if not place or (not holders and not missing) or any(step.isdigit() for step in place):
            return False
        if not missing:
            place = holders[0]
        value = _at(frame.example, place, _ABSENT)
        if _at(sample, place, _ABSENT) == value or (value is _ABSENT and missing):
            return False
        filling.consts = [each for each in filling.consts if each[0] != place]
        if value is not _ABSENT:
            filling.consts.append((place, value))
        _put(sample, list(place), value)
        return True


def _missing(violation: Violation) -> str | None:
    """The property that is required and is not there."""
    before, after = _MISSING
    start, end = violation.detail.find(before), violation.detail.rfind(after)
    if violation.keyword != "required" or not 0 <= start < end:
        return None
    return violation.detail[start + len(before) : end]


def _around(item: Any, path: tuple[str, ...]) -> Any:
    for step in reversed(path):
        item = {step: item}
    return item


def _at(value: Any, path: tuple[str, ...], otherwise: Any = None) -> Any:
    for step in path:
        if isinstance(value, list) and step.isdigit() and value:
            value = value[min(int(step), len(value) - 1)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return otherwise
    return value


def _put(item: Any, place: list[str], value: Any) -> None:
    """`_ABSENT` takes it away."""
    for step in place[:-1]:
        if isinstance(item, dict):
            item = item.setdefault(step, {})
        elif isinstance(item, list) and step.isdigit() and int(step) < len(item):
            item = item[int(step)]
        else:
            return
    last = place[-1]
    if isinstance(item, dict):
        if value is _ABSENT:
            item.pop(last, None)
        else:
            item[last] = value
    elif isinstance(item, list) and last.isdigit() and int(last) < len(item):
        if value is _ABSENT:
            del item[int(last)]
        else:
            item[int(last)] = value

"""What a collection's records have looked like: field names and JSON types, learned on every write.

It goes into prompts, so it is bounded and plain (many fields, long names or unprintable ones teach
nothing), and it only grows, so that most writes leave it as it is and cost nothing.

Where it is enforced, a field has the types that it had when it was first seen: a record may have new
fields and may lack known ones, but what it has of these is of a learned type.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

#: Field name -> its JSON types, sorted.
Fields: TypeAlias = dict[str, list[str]]

MAX_FIELDS = 256
MAX_NAME = 64
#: Errors that one request is told of.
MAX_ERRORS = 32

TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def learn(fields: Fields, record: dict[str, Any], *, fixed: bool = False) -> Fields:
    """The fields with what `record` adds to them: the same object when it adds nothing.

    `fixed`: fields that have types get no others.
    """
    learned = fields
    for name, value in record.items():
        kind = TYPE_NAMES.get(type(value), "object")
        known = learned.get(name)
        if known is not None and (kind in known or (fixed and known)):
            continue
        if known is None and (len(learned) >= MAX_FIELDS or not learnable(name)):
            continue
        learned = {**learned, name: sorted({*(known or ()), kind})}
    return learned


def kinds_of(known: Collection[str], name: str) -> Sequence[str] | None:
    """The types of a field among those that are known, none where only names are; None: it is not known."""
    if isinstance(known, dict):
        found: list[str] | None = known.get(name)
        return found
    return () if name in known else None


def mismatches(fields: Fields, record: dict[str, Any]) -> list[tuple[str, str]]:
    """Where `record` has other types than were learned: pairs of a JSON pointer and the reason.

    Types are those of JSON Schema: an integer is a number, and a number without a fraction an integer.
    """
    wrong: list[tuple[str, str]] = []
    for name, value in record.items():
        known = fields.get(name)
        if not known or _fits(value, known):
            continue
        kind = TYPE_NAMES.get(type(value), "object")
        wrong.append((pointer_to(name), f"{kind} where {' or '.join(known)} was learned"))
    return wrong[:MAX_ERRORS]


def _fits(value: Any, known: list[str]) -> bool:
    if TYPE_NAMES.get(type(value), "object") in known:
        return True
    if type(value) is int:
        return "number" in known
    return type(value) is float and value.is_integer() and "integer" in known


def pointer_to(name: str) -> str:
    """The JSON pointer (RFC 6901 §3) to a member."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def learnable(name: str) -> bool:
    """Printable and short: control and direction characters in a prompt mislead its reader."""
    return 0 < len(name) <= MAX_NAME and name.isprintable()


def timestamp() -> str:
    """Now in UTC, to the microsecond, without an offset: the form of the documented schema files."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")

"""What a collection's records have looked like: field names and JSON types, learned on every write.

It goes into prompts, so it is bounded and plain (many fields, long names or unprintable ones teach
nothing), and it only grows, so that most writes leave it as it is and cost nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

#: Field name -> its JSON types, sorted.
Fields: TypeAlias = dict[str, list[str]]

MAX_FIELDS = 256
MAX_NAME = 64

TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def learn(fields: Fields, record: dict[str, Any]) -> Fields:
    """The fields with what `record` adds to them: the same object when it adds nothing."""
    learned = fields
    for name, value in record.items():
        kind = TYPE_NAMES.get(type(value), "object")
        known = learned.get(name)
        if known is not None and kind in known:
            continue
        if known is None and (len(learned) >= MAX_FIELDS or not learnable(name)):
            continue
        learned = {**learned, name: sorted({*(known or ()), kind})}
    return learned


def learnable(name: str) -> bool:
    """Printable and short: control and direction characters in a prompt mislead its reader."""
    return 0 < len(name) <= MAX_NAME and name.isprintable()


def timestamp() -> str:
    """Now in UTC, to the microsecond, without an offset: the form of the documented schema files."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")

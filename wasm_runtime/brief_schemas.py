"""A schema by which the first fault of a large value is told at little cost.

jsonschema-rs makes all errors of a value before it gives the first of them, and for a choice (`anyOf`,
`oneOf`) those of all its branches: some 20 us and 2 kB each. A body of 100 kB against an array whose items
have 20 forms has 300,000 of them. What stands below `not` is only decided, and no error is made of it. So:

1. Each choice stands below two `not`s: the same values fit, and one that does not is one error.
2. `unevaluatedProperties` and `unevaluatedItems` are left out, as they would not see what a choice has seen.
   Where nothing else is wrong, it is they.
"""

from __future__ import annotations

from typing import Any, Final

CHOICES: Final = ("anyOf", "oneOf")
#: By what a choice's `not` is known from a contract's own.
_MARK: Final = "$comment"
_UNEVALUATED: Final = frozenset({"unevaluatedProperties", "unevaluatedItems"})
#: Keywords (JSON Schema 2020-12) whose value is a schema, a list of schemas, and schemas by name.
_SCHEMA: Final = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"}
)
_LIST: Final = frozenset({"allOf", "prefixItems"})
_BY_NAME: Final = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})


def brief(schema: Any) -> Any:
    """The same schema in this form; the schema stays as it is."""
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _SCHEMA:
            made[keyword] = brief(value)
        elif keyword in _LIST and isinstance(value, list):
            made[keyword] = [brief(each) for each in value]
        elif keyword in _BY_NAME and isinstance(value, dict):
            made[keyword] = {name: brief(each) for name, each in value.items()}
        elif keyword not in _UNEVALUATED and keyword not in CHOICES:
            made[keyword] = value
    choices = [{"not": {_MARK: name, "not": {name: schema[name]}}} for name in CHOICES if name in schema]
    if choices:
        made["allOf"] = [*made.get("allOf", ()), *choices]
    return made


def choice_at(schema: Any, path: list[str | int]) -> str:
    """Which choice the `not` at the end of an error's path stands for; "": the contract's own."""
    node = schema
    for step in path:
        if isinstance(node, dict) and step == "$ref":
            node = _referred(schema, node.get("$ref"))
        elif isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return ""
    name = node.get(_MARK) if isinstance(node, dict) else None
    return name if name in CHOICES and "not" in node else ""


def _referred(schema: Any, reference: Any) -> Any:
    """What `#/a/b` refers to: nothing refers outside of what is compiled."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    node = schema
    for step in reference.split("/")[1:]:
        node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node

"""Checks values by the schemas of a contract, on the trusted side: one compiled validator for all of them.

1. What is compiled was prepared by `server.contracts.schemas`: JSON Schema 2020-12 that refers to nothing
   outside itself. The validator fetches nothing in any case, and patterns take linear time.
2. One validator for a whole document: an object that holds the value below its key. A validator for each
   operation takes up to 150 times the memory (measured on a document of 350 operations: 2 GB against 13 MB).
3. What is found is told without a value: where, which keyword, and what the contract says there.
4. Of a value with so many parts that all its errors would take long to make, the first is told
   (`wasm_runtime/brief_schemas.py`). Whether a value fits is always decided without making any.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
from attrs import evolve, field, frozen

from wasm_runtime.brief_schemas import CHOICES, brief, choice_at
from wasm_runtime.nesting import depth_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import jsonschema_rs

#: What one pattern may take compiled, and its cache while it runs.
PATTERN_BYTES = 4 * 1024 * 1024
#: Differences that are told of one value.
MOST_VIOLATIONS = 16
#: Errors that are looked at of one value, branches of a choice included.
_MOST_ERRORS = 64
#: Errors that are made of one value, of which the first are told: some 20 us each.
_MOST_MADE = 2_000
#: Bytes of a value that its errors copy: each has what it is about, which may be all of it.
_MOST_COPIED = 4 * 1024 * 1024
#: Of an item's place; a longer number may be somebody's.
_MOST_DIGITS = 4


class SchemaError(Exception):
    """Schemas that do not compile; its text names the place, and holds what the document says there."""


@frozen
class Violation:
    """`pointer` leads into the value (RFC 6901), `detail` is the rule in words."""

    pointer: str
    keyword: str
    detail: str


def patterns_in_linear_time(size_limit: int = PATTERN_BYTES) -> jsonschema_rs.RegexOptions:
    """The engine without look-around and back references: no pattern takes more than linear time."""
    # The service has no use of it where there is no contract.
    import jsonschema_rs  # noqa: PLC0415

    return jsonschema_rs.RegexOptions(size_limit=size_limit, dfa_size_limit=size_limit)


#: No value is deeper: replies by their limit, requests by that of bodies.
DEEPEST = 100


def compiled(schema: dict[str, Any], **options: Any) -> jsonschema_rs.Validator:
    """Raises SchemaError."""
    import jsonschema_rs  # noqa: PLC0415  as above

    options.setdefault("pattern_options", patterns_in_linear_time())
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, offline=True, mask="it", **options
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        raise SchemaError(str(error)[:500]) from None


class Checker:
    """The compiled schemas of one document, in one direction."""

    def __init__(self, text: str) -> None:
        """`text`: what `server.contracts.schemas` has prepared. Raises SchemaError, ValueError."""
        prepared = orjson.loads(text)
        self._depth: int = prepared["depth"]
        self._keys = frozenset(prepared["schema"]["properties"])
        self._validator = compiled(prepared["schema"])
        self._text = text
        #: Errors that there may be at one place of a value.
        self._applied: int = prepared["applied"]
        #: The schema in brief, and its validator; made when it is first needed.
        self._brief: tuple[Any, jsonschema_rs.Validator] | None = None
        #: Names that the contract has for properties, of any object.
        self._names = frozenset(_property_names(prepared["schema"]))

    def masked(self, violation: Violation) -> Violation:
        """With `*` for names in its pointer that are not the contract's: they may be anybody's values."""
        steps = violation.pointer.split("/")[1:]
        known = [step if self._is_known(step) else "*" for step in steps]
        return evolve(violation, pointer="".join(f"/{step}" for step in known))

    def _is_known(self, step: str) -> bool:
        """The place of an item, or a name of the contract's."""
        if step.isdigit() and len(step) <= _MOST_DIGITS:
            return True
        return step.replace("~1", "/").replace("~0", "~") in self._names

    def _is_shallow(self, value: Any, encoded: bytes | None) -> bool:
        if not isinstance(value, dict | list):
            return True
        return depth_within(orjson.dumps(value) if encoded is None else encoded, self._depth)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def violations(self, key: str, value: Any, encoded: bytes | None = None) -> tuple[Violation, ...]:
        """What of the value breaks the schema below that key; `encoded`, its JSON, spares making it.

        At most MOST_VIOLATIONS. Raises KeyError for a key that there is no schema for.
        """
        if key not in self._keys:
            raise KeyError(key)
        if self._depth < DEEPEST and not self._is_shallow(value, encoded):
            return (
                Violation("", "depth", f"it is nested deeper than the {self._depth} levels that are checked"),
            )
        instance = {key: value}
        if self._validator.is_valid(instance):
            return ()
        if not self._may_make_all(orjson.dumps(value) if encoded is None else encoded):
            return (self._first(instance),)
        errors = islice(self._validator.iter_errors(instance), _MOST_ERRORS)
        found = [told for error in errors for told in _told(error)]
        return _without_consequences(tuple(dict.fromkeys(found)))[:MOST_VIOLATIONS]

    def _may_make_all(self, encoded: bytes) -> bool:
        """Whether all errors of a value are few, and what they copy of it is little."""
        return _parts(encoded) * self._applied <= _MOST_MADE and len(encoded) * self._applied <= _MOST_COPIED

    def _first(self, instance: Any) -> Violation:
        """The first fault of a value that has one."""
        import jsonschema_rs  # noqa: PLC0415  as above

        if self._brief is None:
            schema = brief(orjson.loads(self._text)["schema"])
            self._brief = (schema, compiled(schema))
        schema, validator = self._brief
        try:
            validator.validate(instance)
        except jsonschema_rs.ValidationError as error:
            name = choice_at(schema, [*error.schema_path]) if error.kind.name == "not" else ""
            if name:
                return Violation(_pointer(error.instance_path), name, _FIXED[name])
            return Violation(_pointer(error.instance_path), _keyword(error), _words(error))
        return Violation("", "unevaluatedProperties", _FIXED["unevaluatedProperties"])


@frozen
class Rules:
    """What a contract says of the replies to one operation.

    `keys` say which schema a status has: that of the status, of its range (`2XX`), or `default`; "" is any
    body, or none. `enforce`: a reply that breaks them is none. `bare`: the request wants no body.
    `checker` None: the schemas do not compile, so nothing passes.
    """

    checker: Checker | None
    keys: Mapping[str, str]
    enforce: bool = False
    bare: bool = False
    #: The key of each status that there was.
    _known: dict[int, str | None] = field(factory=dict, init=False, repr=False, eq=False)

    def _key(self, status: int) -> str | None:
        if status not in self._known:
            names = (str(status), f"{status // 100}XX", "default")
            self._known[status] = next((self.keys[name] for name in names if name in self.keys), None)
        return self._known[status]

    def broken(self, status: int, value: Any, encoded: bytes | None) -> tuple[Violation, ...]:
        """An error that is a text, or nothing, gets the contract's form later; no form is said of it here."""
        if status >= 400 and (encoded is None or isinstance(value, str)):
            return ()
        key = self._key(status)
        if key is None:
            if status >= 300:
                return ()
            return (Violation("", "status", f"the contract has no {status} here"),)
        if not key or (encoded is None and self.bare):
            return ()
        if encoded is None:
            return (Violation("", "body", "the contract has a body here"),)
        if self.checker is None:
            return (Violation("", "schema", "the contract's schemas cannot be compiled"),)
        found = self.checker.violations(key, value, encoded)
        return tuple(map(self.checker.masked, found)) if found else ()


def _parts(encoded: bytes) -> int:
    """At least as many as the value has, members and items."""
    return 1 + encoded.count(b",") + encoded.count(b":") + encoded.count(b"[") + encoded.count(b"{")


def _property_names(schema: Any) -> Iterator[str]:
    left = [schema]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            properties = node.get("properties")
            if isinstance(properties, dict):
                yield from properties
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)


def _without_consequences(found: tuple[Violation, ...]) -> tuple[Violation, ...]:
    """Where a part of an allOf fails, the names that it has counted as its own are nobody's."""
    causes = tuple(each for each in found if each.keyword != "unevaluatedProperties")
    return causes or found


def _told(error: jsonschema_rs.ValidationError) -> Iterable[Violation]:
    """An error, or where it is that no branch of a choice fits, the errors of the branch that fits best."""
    keyword = _keyword(error)
    violation = Violation(_pointer(error.instance_path), keyword, _words(error))
    if keyword not in CHOICES:
        return (violation,)
    branches = [branch for branch in getattr(error.kind, "context", ()) if branch]
    if not branches:
        return (violation,)
    best = min(branches, key=lambda branch: (_is_shallow(branch, error), len(branch)))
    return (violation, *(Violation(_pointer(e.instance_path), _keyword(e), _words(e)) for e in best[:4]))


def _keyword(error: jsonschema_rs.ValidationError) -> str:
    """The contract's keyword; where a schema is `false`, the one that it stands below."""
    if error.kind.name != "falseSchema":
        return error.kind.name
    return next((part for part in reversed(error.schema_path) if part in _BELOW), "false")


def _is_shallow(branch: list[jsonschema_rs.ValidationError], choice: jsonschema_rs.ValidationError) -> bool:
    """Whether a branch fails at the value itself: it was meant for another kind of value."""
    return any(
        e.instance_path == choice.instance_path and e.kind.name in ("type", "enum", "const") for e in branch
    )


def _pointer(path: list[str | int]) -> str:
    """Without the key that the value stands below."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path[1:])


def _words(error: jsonschema_rs.ValidationError) -> str:
    """The rule, with the contract's words and without the value's."""
    kind = error.kind
    said = kind.as_dict()
    match kind.name:
        case "required":
            return f"the property {said['property']!r} is missing"
        case "type":
            return f"it has to be of type {_types(said)}"
        case name if name in _FIXED:
            return _FIXED["unevaluatedProperties" if _keyword(error) == "additionalProperties" else name]
        case name:
            return f"it breaks {name}{_limit(said)}"


_BELOW = frozenset({"additionalProperties", "properties", "items", "then", "else"})
_FIXED = {
    "additionalProperties": "it has properties that the contract does not name",
    "unevaluatedProperties": "it has properties that the contract does not name",
    "falseSchema": "it must not be there",
    "anyOf": "none of the forms that the contract allows fits",
    "oneOf": "not exactly one of the forms that the contract allows fits",
    "not": "it has a form that the contract rules out",
    "uniqueItems": "two of its items are equal",
    "contains": "none of its items has the form that one has to have",
    "propertyNames": "one of its names breaks what the contract says of them",
}


def _types(said: Mapping[str, Any]) -> str:
    types = said.get("types", said.get("type", ""))
    return ", ".join(map(str, types)) if isinstance(types, list) else str(types)


def _limit(said: Mapping[str, Any]) -> str:
    """What the contract says of it, if that is short."""
    told = [value for name, value in said.items() if name in _LIMITS]
    text = orjson.dumps(told[0], default=str).decode() if told else ""
    return f" ({text})" if 0 < len(text) <= 200 else ""


_LIMITS = frozenset({"limit", "options", "expected_value", "pattern", "format", "multiple_of"})

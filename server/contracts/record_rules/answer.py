"""From a model's answer, or a person's words, to the rules of a resource's records.

An answer is hostile text. Its form is checked once; each of its rows has to be about properties that there
are, of types that fit, and about nothing that the document or a person has said. Rows that are not are
dropped: what is left is what one can do without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import define

from server.contracts.document import ContractError
from server.contracts.record_rules.question import said_by_clients
from server.contracts.record_rules.rules import WAYS, Derived, RecordRules, Unique
from server.contracts.views import View
from server.requests import strict_json
from server.values.errors import InvalidJson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from server.contracts.filling import Filling
    from server.contracts.model import Model, Resource
    from server.contracts.record_rules.rules import Path

MAX_ANSWER_BYTES: Final = 64 * 1024
MAX_ROWS: Final = 64
_MAX_PATH: Final = 4
_MAX_FIELDS: Final = 4
_MAX_BETWEEN: Final = 16
_MAX_VALUE_BYTES: Final = 2_000
_ROWS: Final[dict[str, dict[str, type]]] = {
    "initial": {"field": str, "value": str},
    "unique": {"fields": list},
    "derived": {"field": str, "way": str, "of": list, "between": str},
}
_NUMBERS: Final = frozenset({"integer", "number"})
#: Formats of numbers say how large they are; any other one is a promise that nobody can keep.
_SIZES: Final = frozenset({"int32", "int64", "float", "double"})
#: How many properties a way is of: at least, at most.
_COUNTS: Final = {"join": (1, _MAX_FIELDS), "sum": (2, _MAX_FIELDS), "product": (2, _MAX_FIELDS),
                  "difference": (2, 2), "total": (2, 1 + _MAX_FIELDS)}  # fmt: skip


class AnswerInvalid(ValueError):
    """The answer is not of the form that was asked for; its text repeats nothing of it."""


class _Misfit(ValueError):
    """A row that does not fit, and why."""


def read_answer(text: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of an answer. Raises AnswerInvalid."""
    data = text.encode(errors="surrogatepass")
    if len(data) > MAX_ANSWER_BYTES:
        raise AnswerInvalid(f"the answer is over {MAX_ANSWER_BYTES} bytes")
    try:
        found = strict_json.read(data)
    except InvalidJson:
        raise AnswerInvalid("the answer is not one JSON object") from None
    if not isinstance(found, dict) or not found.keys() <= _ROWS.keys():
        raise AnswerInvalid(f"the answer has other members than {', '.join(_ROWS)}")
    return {name: _rows(found.get(name, []), name) for name in _ROWS}


def _rows(rows: Any, name: str) -> list[dict[str, Any]]:
    wanted = _ROWS[name]
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        raise AnswerInvalid(f"{name} is no list of at most {MAX_ROWS} rows")
    for row in rows:
        if not isinstance(row, dict) or row.keys() != wanted.keys():
            raise AnswerInvalid(f"a row of {name} has other members than {', '.join(wanted)}")
        if any(not isinstance(row[each], kind) for each, kind in wanted.items()):
            raise AnswerInvalid(f"a row of {name} has a member of another type")
        if any(not isinstance(one, str) for each in row.values() if isinstance(each, list) for one in each):
            raise AnswerInvalid(f"a row of {name} has a list of other things than texts")
    return rows


def rules_of_answer(
    model: Model,
    resource: Resource,
    filling: Filling,
    fits: Callable[[Path, Any], bool],
    answer: Mapping[str, list[dict[str, Any]]],
) -> RecordRules:
    """What an answer is good for.

    `filling` is what new records have without it; `fits` says whether replies can show a value at a path.
    """
    reader = _Reader(model, resource, filling)
    told = resource.told
    unique = () if told.unique is not None else tuple(reader.unique_rows(answer["unique"]))
    derived = {
        each.path: each
        for each in reader.derived_rows(answer["derived"])
        if ".".join(each.path) not in (*told.initial, *told.derived)
    }
    initial = {path: value for path, value in reader.initial_rows(answer["initial"]) if fits(path, value)}
    return RecordRules(tuple(initial.items()), unique, tuple(derived.values()))


def rules_of_person(model: Model, resource: Resource, filling: Filling) -> RecordRules:
    """What `contract.toml` says; initial values are told elsewhere. Raises ContractError."""
    reader, told = _Reader(model, resource, filling, sure=True), resource.told
    where = f"contract.toml: collections.{resource.name!r}"
    try:
        unique = tuple(reader.unique(each) for each in told.unique or ())
        derived = tuple(
            reader.derived(name, way, list(of), between) for name, (way, of, between) in told.derived.items()
        )
    except _Misfit as error:
        raise ContractError(f"{where}: {error}") from None
    return RecordRules((), unique, derived)


@define
class _Reader:
    """`sure`: whoever says it knows what the property's values have to be like."""

    model: Model
    resource: Resource
    filling: Filling
    sure: bool = False

    def initial_rows(self, rows: list[dict[str, Any]]) -> Iterator[tuple[Path, Any]]:
        made = {tuple(path) for path, _, _ in self.filling.fresh}
        for row in rows:
            try:
                path, view = self._open(row["field"])
                value = _value(row["value"])
            except _Misfit:
                continue
            if path not in made and not _is_secret(view) and _is_of(view, value):
                yield path, value

    def unique_rows(self, rows: list[dict[str, Any]]) -> Iterator[Unique]:
        for row in rows:
            try:
                yield self.unique(tuple(row["fields"]))
            except _Misfit:
                continue

    def derived_rows(self, rows: list[dict[str, Any]]) -> Iterator[Derived]:
        for row in rows:
            try:
                yield self.derived(row["field"], row["way"], row["of"], row["between"])
            except _Misfit:
                continue

    def unique(self, names: tuple[str, ...]) -> Unique:
        """Raises _Misfit."""
        if not 1 <= len(names) <= _MAX_FIELDS or len(set(names)) < len(names):
            raise _Misfit(f"unique takes 1 to {_MAX_FIELDS} different properties")
        paths = tuple(self._compared(name, alone=len(names) == 1) for name in names)
        if self.resource.key.path in paths:
            raise _Misfit("unique has the key, which is unique by itself")
        return Unique(paths, names)

    def _compared(self, name: str, *, alone: bool) -> Path:
        for role in self.resource.roles:
            for scope in role.scopes:
                if name in (scope.name, scope.slot) and not alone:
                    return scope.field
        path, view = self._property(name)
        if view.kind not in ("string", *_NUMBERS) or (alone and "enum" in view.said):
            raise _Misfit(f"{name} is not of values that could be told apart")
        if _is_secret(view):
            raise _Misfit(f"{name} is a secret, of which nothing may be told")
        if any("." in step for step in path) or path == ("id",):
            raise _Misfit(f"{name} cannot be looked for")
        return path

    def derived(self, name: str, way: str, of: list[str], between: str) -> Derived:
        """Raises _Misfit."""
        path, view = self._open(name)
        if path[0] in said_by_clients(self.model, self.resource):
            raise _Misfit(f"{name} is said by clients")
        promise = {"enum", "pattern"} & view.said.keys() or view.said.get("format", "int32") not in _SIZES
        if way not in WAYS:
            raise _Misfit(f"derived takes {', '.join(WAYS)}")
        least, most = _COUNTS.get(way, (1, 1))
        if not least <= len(of) <= most or len(between) > _MAX_BETWEEN:
            raise _Misfit(f"{way} is of {least} to {most} properties")
        members = tuple(of[1:]) if way == "total" else ()
        sources = [self._property(each) for each in (of[:1] if way == "total" else of)]
        if any(_is_secret(source) for _, source in sources) or path in [each for each, _ in sources]:
            raise _Misfit(f"{name} cannot follow from this")
        copied = way == "copy" and view.said.get("format") == sources[0][1].said.get("format")
        if promise and not self.sure and not (copied and not {"enum", "pattern"} & view.said.keys()):
            raise _Misfit(f"{name} has to be of a form that nothing is known to have")
        self._require_kinds(name, view, way, [source for _, source in sources], members)
        whole = view.kind == "integer"
        return Derived(path, way, tuple(each for each, _ in sources), between, members, whole)

    def _require_kinds(
        self, name: str, view: View, way: str, sources: list[View], members: tuple[str, ...]
    ) -> None:
        kinds = {source.kind for source in sources}
        if way == "copy":
            fits = view.kind in kinds or (view.kind == "number" and kinds <= _NUMBERS)
        elif way in ("slug", "lower", "join"):
            fits = view.kind == "string" and kinds == {"string"}
        elif way == "count":
            fits = view.kind in _NUMBERS and kinds == {"array"}
        elif way == "total":
            item = self.model.views.of(sources[0].items)
            views = [self.model.views.of(item.properties.get(each)) for each in members]
            fits = (
                view.kind in _NUMBERS and kinds == {"array"} and all(each.kind in _NUMBERS for each in views)
            )
        else:
            fits = view.kind in _NUMBERS and kinds <= _NUMBERS
        if not fits:
            raise _Misfit(f"{name} is of another type than the {way} of these")

    def _open(self, name: str) -> tuple[Path, View]:
        """A property of which neither the document nor a person says what it is at first. Raises _Misfit."""
        path, view = self._property(name)
        kept = {
            self.resource.key.path,
            *(scope.path for role in self.resource.roles for scope in role.scopes),
        }
        if self.resource.version is not None:
            kept.add(self.resource.version.path)
        if path in kept or name in self.resource.told.initial:
            raise _Misfit(f"{name} is said by something else")
        for body in (role.body.item for role in self.resource.roles):
            if path[0] in body.properties and len(path) == 1:
                said = self.model.views.of(body.properties[name]).said
                if {"const", "default"} & said.keys():
                    raise _Misfit(f"{name} is said by the document")
        if {"const", "default"} & view.said.keys():
            raise _Misfit(f"{name} is said by the document")
        return path, view

    def _property(self, name: str) -> tuple[Path, View]:
        """A property by its name, or by names with dots from the outside in. Raises _Misfit."""
        if name in self.resource.fields:
            return (name,), self.model.views.of(self.resource.fields[name])
        steps = tuple(name.split("."))
        fields: Mapping[str, Any] = self.resource.fields
        view = View()
        for step in steps:
            if step not in fields or len(steps) > _MAX_PATH:
                raise _Misfit(f"there is no property {name[:80]!r}")
            view = self.model.views.of(fields[step])
            fields = view.properties
        return steps, view


def _value(text: str) -> Any:
    """Raises _Misfit."""
    data = text.encode(errors="surrogatepass")
    try:
        return strict_json.read(data) if len(data) <= _MAX_VALUE_BYTES else _too_long()
    except InvalidJson:
        raise _Misfit("a value is no JSON") from None


def _too_long() -> None:
    raise _Misfit("a value is too long")


def _is_secret(view: View) -> bool:
    return view.said.get("writeOnly") is True or view.said.get("format") == "password"


def _is_of(view: View, value: Any) -> bool:
    """Whether the value is of the schema's type, and one of its choices."""
    choices = view.said.get("enum")
    if value is None:
        return view.nullable
    if isinstance(choices, list) and value not in choices:
        return False
    match view.kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
        case _:
            return True

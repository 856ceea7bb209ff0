"""What a new record has that no client has said: defaults, times, its own address, first states.

1. What the document gives a value for has it: `default`, `const`, an enumeration of one.
2. What replies must have, or only replies have, is the service's to say: times by format and name, the
   record's address by name, the first of several states, nothing yet for counts and lists, null where that
   is allowed.
3. What is required and none of that has a sample value, the same one each time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from server.contracts.paths import last_word
from server.contracts.shapes import plain
from store.names import singular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.examples import Examples
    from server.contracts.model import Resource
    from server.contracts.views import View, Views

_MADE: Final = re.compile(
    r"creat|added|opened|placed|submitted|registered|^timestamp$|^date$|^time$|started|issued"
)
_STAMPS: Final = re.compile(
    r"(?:date|time)?(?:created|updated|modified|lastmodified)(?:at|on|date|time|datetime)?"
)
_STATES: Final = re.compile(r"(?:status|state|phase)$")
_CHANGED: Final = re.compile(r"updat|modif|changed|lastseen")
_BEGINS: Final = frozenset(
    "new open opened pending draft created queued received submitted requested placed todo".split()  # noqa: SIM905
)
_ENDS: Final = re.compile(
    r"^(?:closed|done|deleted|archived|cancell?ed|completed?|failed|inactive|disabled|expired)$"
)
_COUNTS: Final = re.compile(r"count$|total$|size$|^total|^num|number$|balance|amount|wait")
_OWN_ADDRESS: Final = frozenset({"href", "self", "url", "uri", "link", "selflink", "location"})
_WIRE_DATES: Final = frozenset({"date-time-rfc-2822", "rfc-2822", "rfc2822", "rfc822", "http-date"})
_TIMES: Final = frozenset({"date-time", "datetime", "timestamp"}) | _WIRE_DATES
#: Told apart by it, too, though another property is the key.
_IDS: Final = frozenset({"id", "uid", "uuid", "guid"})
_ON: Final = frozenset({"active", "enabled", "isactive", "isenabled"})
_MAX_DEPTH: Final = 4
_NOTHING: Final[Any] = object()
#: Kinds that every change makes anew.
_CHANGING: Final = frozenset({"version", "revision"})


@define
class Filling:
    """`consts`: path and value, from the outside in. `fresh` and `touched`: path, kind and an argument.

    `touched` are made anew at every change.
    """

    consts: list[tuple[tuple[str, ...], Any]] = field(factory=list)
    fresh: list[list[Any]] = field(factory=list)
    touched: list[list[Any]] = field(factory=list)


def filling_of(
    views: Views,
    examples: Examples,
    resource: Resource,
    said: Mapping[tuple[str, ...], tuple[str, Any]] | None = None,
) -> Filling:
    """`said`: what the document's profile has for new records, by plain names."""
    required = set(resource.item.required)
    for role in resource.roles:
        if role.reply.of_one and role.name in ("get", "create", "get-one"):
            required |= role.reply.item.required & set(resource.fields)
        if role.reply.of_many and role.name == "list":
            required |= role.reply.item.required & set(resource.fields)
    makers = [role for role in resource.roles if role.name in ("create", "create-many")] or resource.roles
    bodies = [role.body.item for role in makers if role.body.kind in ("object", "wrapped", "array")]
    skipped = {resource.key.path}
    skipped |= {scope.path for role in resource.roles for scope in role.scopes if scope.path}
    states = _states(resource)
    beside = frozenset(resource.fields) - frozenset(resource.item.properties)
    beside = beside if resource.item.properties else frozenset()
    one_name = resource.key.given == "service" and resource.key.kind == "string"
    made = _Filler(views, examples, skipped, beside, states, one_name=one_name)
    made.walk(resource.fields, frozenset(required), bodies, ())
    for names, (kind, argument) in (said or {}).items():
        path = _path_of(views, resource.fields, names)
        if kind in CALLED:
            kind, argument = "", CALLED[kind](resource, resource.item)  # noqa: PLW2901
        _say(made.filling, path, kind, argument)
    return _told(made.filling, resource)


def _called(resource: Resource, _view: View) -> str:
    """What one of the resource's records is called by its path: `Users` has `User`."""
    word = last_word(resource.paths[0][:-1]) if resource.paths else resource.name
    own = singular(word.lower())
    same = next(
        (place for place, char in enumerate(own) if char != word[place : place + 1].lower()), len(own)
    )
    return word[:same] + own[same:]


def _group_version_kind(view: View) -> dict[str, Any]:
    said = view.said.get("x-kubernetes-group-version-kind")
    found = said[0] if isinstance(said, list) and said else said
    return found if isinstance(found, dict) else {}


def _kind(resource: Resource, view: View) -> str:
    own = _group_version_kind(view).get("kind")
    many = "" if view is resource.item else "List"
    item = _group_version_kind(resource.item).get("kind") or _called(resource, view).capitalize()
    return str(own or f"{item}{many}")


def _api_version(resource: Resource, view: View) -> str:
    found = _group_version_kind(view) or _group_version_kind(resource.item)
    return "/".join(str(each) for each in (found.get("group"), found.get("version", "v1")) if each)


def _odata_context(resource: Resource, _view: View) -> str:
    """As seen from the service's root (OData JSON Format, section 10)."""
    return f"$metadata#{last_word(resource.paths[0][:-1]) if resource.paths else resource.name}"


#: What a resource's records and lists are called, in the words of a profile.
CALLED: Final = {
    "called": _called,
    "kind": _kind,
    "api-version": _api_version,
    "odata-context": _odata_context,
}


def _path_of(views: Views, fields: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...]:
    """The properties of these plain names, one in the other; () where there are none."""
    found: list[str] = []
    for name in names:
        own = next((each for each in fields if plain(each) == name), None)
        if own is None:
            return ()
        found.append(own)
        fields = views.of(fields[own]).properties
    return tuple(found)


def _say(filling: Filling, path: tuple[str, ...], kind: str, argument: Any) -> None:
    """In the place of what was guessed; what the document gives a value for stays."""
    if not path or any(each == path and value is not None for each, value in filling.consts):
        return
    filling.consts = [each for each in filling.consts if each[0] != path]
    filling.fresh = [each for each in filling.fresh if tuple(each[0]) != path]
    for length in range(1, len(path)):
        if not any(each == path[:length] for each, _ in filling.consts):
            filling.consts.append((path[:length], {}))
    if not kind:
        filling.consts.append((path, argument))
        return
    filling.fresh.append([list(path), kind, argument])
    if kind in _CHANGING or (kind == "now" and _CHANGED.search(plain(path[-1]))):
        filling.touched = [each for each in filling.touched if tuple(each[0]) != path]
        filling.touched.append([list(path), kind, argument])


@define
class _Filler:
    views: Views
    examples: Examples
    skipped: set[tuple[str, ...]]
    #: Properties that a record itself does not have: those of a reply that tells of a new one.
    beside: frozenset[str] = frozenset()
    #: Of properties whose schema says no values, those that lists can be asked for.
    states: Mapping[str, list[Any]] = field(factory=dict)
    #: Whether a text that is called an id, and is not the key, is the same as the key.
    one_name: bool = field(kw_only=True)
    filling: Filling = field(factory=Filling)

    def walk(
        self,
        properties: Mapping[str, Any],
        required: frozenset[str],
        bodies: list[View],
        path: tuple[str, ...],
        partial: frozenset[str] = frozenset(),
    ) -> None:
        """`partial`: what only some of an object's forms have. Which of them a record is its client says."""
        for name, node in properties.items():
            here = (*path, name)
            if here in self.skipped or len(here) > _MAX_DEPTH:
                continue
            view = self.views.of(node)
            said = [found for body in bodies if (found := _property(body, name)) is not None]
            ours = not said or view.said.get("readOnly") is True
            if name in partial:
                timed = self._time(view, here, needed=False) if ours else None
                self._timed(here, timed or [])
                continue
            self._property(
                node, view, here, [self.views.of(each) for each in said], needed=name in required, ours=ours
            )

    def _property(
        self, node: Any, view: View, path: tuple[str, ...], bodies: list[View], *, needed: bool, ours: bool
    ) -> None:
        if view.said.get("writeOnly") is True:
            return
        views = (view, *bodies)
        said = next(
            (each.said[word] for each in views for word in ("const", "default") if word in each.said),
            _NOTHING,
        )
        if said is not _NOTHING:
            self.filling.consts.append((path, said))
            if isinstance(said, dict):  # which may lack what has to be in it
                needed_in = {name: each for name, each in view.properties.items() if name in view.required}
                self.walk(needed_in, view.required, bodies, path)
        elif view.is_object and view.properties:
            if self._object(view, path, needed=needed, ours=ours):
                self.walk(view.properties, view.required, bodies, path, view.partial)
        elif needed or ours:
            self._scalar(node, view, path, needed=needed)
        elif len(path) == 1 and view.kind == "string" and _STAMPS.fullmatch(plain(path[0])):
            # A schema that bodies and replies share: nobody says when a record was made but the service.
            self._timed(path, self._time(view, path, needed=True) or ["now", None])
        elif len(path) == 1 and _STATES.search(plain(path[0])) and isinstance(view.said.get("enum"), list):
            self.filling.consts.append((path, _first(view.said["enum"])))
        elif len(path) == 1 and view.kind == "boolean" and not view.nullable:
            self.filling.consts.append((path, plain(path[0]) in _ON))

    def _object(self, view: View, path: tuple[str, ...], *, needed: bool, ours: bool) -> bool:
        """Whether what is in the object is filled in, too."""
        if needed or (ours and not view.nullable and self._is_wanted(view)):
            self.filling.consts.append((path, {}))
            return True
        if ours and view.nullable:
            self.filling.consts.append((path, None))
        return not ours

    def _scalar(self, node: Any, view: View, path: tuple[str, ...], *, needed: bool) -> None:
        timed = self._time(view, path, needed=needed)
        if timed is not None:
            self._timed(path, timed)
        elif view.kind == "string" and plain(path[-1]) in _OWN_ADDRESS:
            example = view.said.get("example")
            absolute = "uri" in str(view.said.get("format", "")) or "://" in str(example)
            self.filling.fresh.append([list(path), "link" if absolute else "path", None])
        elif view.said.get("format") == "uuid" and needed:
            self.filling.fresh.append([list(path), "uuid", None])
        elif plain(path[-1]) in _IDS and path[-1] in self.beside and len(path) == 1:
            self.filling.fresh.append([list(path), "key", None])
        elif plain(path[-1]) == "name" and view.kind == "string" and view.said.get("readOnly") is True:
            self.filling.fresh.append([list(path), "name", None])
        elif plain(path[-1]) in _IDS and len(path) == 1 and view.kind in ("integer", "string"):
            text = "key" if self.one_name else "uuid"
            self.filling.fresh.append([list(path), "number" if view.kind == "integer" else text, None])
        else:
            value = self._value(node, view, plain(path[-1]), needed=needed)
            if value is not _NOTHING:
                self.filling.consts.append((path, value))

    def _timed(self, path: tuple[str, ...], how: list[Any]) -> None:
        if not how:
            return
        self.filling.fresh.append([list(path), *how])
        if _CHANGED.search(plain(path[-1])):
            self.filling.touched.append([list(path), *how])

    def _is_wanted(self, view: View) -> bool:
        """Whether an object that only replies have has something in it that must be there."""
        return bool(view.required) and len(view.required) >= len(view.properties) // 2

    def _time(self, view: View, path: tuple[str, ...], *, needed: bool) -> list[Any] | None:
        """How to make a time; [] for none now, None for what is no time."""
        name, form = plain(path[-1]), str(view.said.get("format", "")).lower()
        named = bool(_MADE.search(name) or _CHANGED.search(name))
        if view.kind == "string" and (form in _TIMES or form == "date"):
            if not (named or needed):
                if view.nullable:
                    self.filling.consts.append((path, None))
                return []
            return ["today" if form == "date" else "mail" if form in _WIRE_DATES else "now", None]
        if view.kind in ("integer", "number") and (
            form == "unix-time" or (named and not _COUNTS.search(name))
        ):
            if not re.search(r"at$|time|date|^created$|^updated$|^modified$|stamp", name):
                return None
            example = view.said.get("example")
            thousand = isinstance(example, (int, float)) and example > 10**11
            return ["epoch", 1000 if thousand else 1]
        if view.kind == "string" and named and not form and re.search(r"at$|time|date|on$", name):
            return ["now", None]
        if view.kind == "string" and not form and _STAMPS.fullmatch(name):
            return ["now", None]
        return None

    def _value(self, node: Any, view: View, name: str, *, needed: bool) -> Any:
        choices = view.said.get("enum") or self.states.get(name)
        if isinstance(choices, list) and choices:
            if needed or len(choices) == 1 or re.search(r"status|state|phase", name):
                return _first(choices)
            return None if view.nullable else _NOTHING
        if view.nullable and not (needed and _COUNTS.search(name)):
            return None
        match view.kind:
            case "boolean":
                return name in _ON
            case "array":
                if "minItems" not in view.said and not (needed and _min_items(node)):
                    return []
            case "integer" | "number" if _COUNTS.search(name):
                least = view.said.get("minimum", 0)
                return least if isinstance(least, (int, float)) and least > 0 else 0
            case "object" if not view.properties:
                return {} if needed else _NOTHING
        return self.examples.for_node(node) if needed else _NOTHING


def _told(filling: Filling, resource: Resource) -> Filling:
    """With what a person says that new records have."""
    own = {tuple(each.split(".")): value for each, value in resource.told.initial.items()}
    if not own:
        return filling
    consts = [each for each in filling.consts if each[0] not in own]
    holders: list[tuple[tuple[str, ...], Any]] = [
        (path[:end], {}) for path in own for end in range(1, len(path))
    ]
    known = {path for path, _ in consts}
    consts += [each for each in holders if each[0] not in known]
    fresh = [each for each in filling.fresh if tuple(each[0]) not in own]
    return Filling([*consts, *own.items()], fresh, filling.touched)


def _states(resource: Resource) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for role in resource.roles:
        for parameter in role.operation.parameters if role.name == "list" else ():
            name = plain(parameter.name)
            choices = parameter.choices if parameter.place == "query" else ()
            if choices and re.search(r"status$|state$|phase$", name):
                found[name] = [each for each in choices if str(each).lower() not in ("all", "any", "*")]
    return found


def _first(choices: list[Any]) -> Any:
    """The state that something begins in: one that says so, else the first that is no end."""
    there = [each for each in choices if each is not None]
    begins = [each for each in there if plain(str(each)) in _BEGINS]
    goes_on = [each for each in there if not _ENDS.search(plain(str(each)))]
    return next(iter((*begins, *goes_on, *there)), None)


def _min_items(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("minItems"), int) and node["minItems"] > 0


def _property(view: View, name: str) -> Any:
    if name in view.properties:
        return view.properties[name]
    wanted = plain(name)
    return next((node for key, node in view.properties.items() if plain(key) == wanted), None)

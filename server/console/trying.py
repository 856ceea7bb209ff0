"""A route as a form: an input for each slot, each word of its query, and each field of its body.

What the form is made of has been learned: the route's template, the query's words that it goes by, and the
types of the body that the first such request had. Whoever wants to send something else writes it as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from attrs import frozen

from server.console.fields import KIND, Field, record_of
from server.planning.kinds.route import RouteTemplate, Slot
from server.planning.kinds.shape import JsonType
from server.values.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Before the name of a slot, and of a word of the query, in the form.
SLOT: Final = "slot."
QUERY: Final = "query."
_MOST_FIELDS: Final = 100


@frozen
class Asked:
    """What a form asks for. `route`, `slots`, `query` and `fields` are empty in one for any request."""

    method: str
    path: str
    body: str = ""
    route: str = ""
    slots: tuple[tuple[str, str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    fields: tuple[Field, ...] = ()


def of_plan(plan: dict[str, Any]) -> Asked:
    """An empty form of the plan's route; `plan` as operators are shown it."""
    query = plan["query"] if isinstance(plan["query"], list) else []
    return Asked(
        plan["method"],
        plan["route"],
        route=plan["route"],
        slots=tuple((name, kind, "") for name, kind in _slots(plan["route"])),
        query=tuple((name, "") for name in query),
        fields=_fields(plan["body"]) if plan["content"] == "json" else (),
    )


def of_form(form: Mapping[str, str]) -> Asked:
    """The form as somebody has filled it in. Raises BadRequest for a route that is none."""
    route = form.get("route", "")
    slots = tuple((name, kind, form.get(SLOT + name, "")) for name, kind in _slots(route)) if route else ()
    query = tuple((name.removeprefix(QUERY), text) for name, text in form.items() if name.startswith(QUERY))
    path = _filled(route, slots, query) if route else form.get("path", "/")
    return Asked(
        form.get("method", "GET"), path, form.get("body", ""), route, slots, query, tuple(Field.typed(form))
    )


def body_of(asked: Asked, form: Mapping[str, str]) -> Any:
    """The JSON that was written, or else the fields. Raises BadRequest that names the field."""
    if asked.body.strip() or not any(name.startswith(KIND) for name in form):
        return asked.body or None
    return record_of(form)


def _slots(route: str) -> list[tuple[str, str]]:
    """Raises BadRequest."""
    try:
        parts = RouteTemplate.parse(route).parts
    except ValueError:
        raise BadRequest("This is not a route.") from None
    return [(part.name, part.kind) for part in parts if isinstance(part, Slot)]


def _filled(route: str, slots: tuple[tuple[str, str, str], ...], query: tuple[tuple[str, str], ...]) -> str:
    path = route
    for name, kind, text in slots:
        path = path.replace(f"{{{name}:{kind}}}", quote(text, safe=""))
    pairs = [(name, text) for name, text in query if text]
    return f"{path}?{urlencode(pairs, quote_via=quote)}" if pairs else path


def _fields(body: Any) -> tuple[Field, ...]:
    """None where the first body was no object."""
    if body is None:
        return ()
    fields = JsonType.from_json(body).fields or ()
    return tuple(Field.blank(name, _words(kind)) for name, kind in fields[:_MOST_FIELDS])


def _words(kind: JsonType) -> list[str]:
    held = ["object"] if kind.fields is not None or kind.array is not None or kind.shallow else []
    return [*kind.scalars, *held]

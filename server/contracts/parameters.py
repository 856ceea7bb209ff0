"""Parameters in the styles of OpenAPI 3.1 (§4.8.12.3): from texts of a path, a query, a header to values.

A style cuts a text apart where its schema has a list or an object; what the parts stand for is the schema's
to say (`server.contracts.looking`). A parameter with `content` is JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.contracts.document import value_at
from server.contracts.forms import read_form, steps_of
from server.contracts.looking import Look, look, read_text
from server.requests import strict_json
from server.values.errors import InvalidJson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.document import Parameter

ABSENT: Final[Any] = object()
_SEPARATORS: Final = {"spaceDelimited": " ", "pipeDelimited": "|"}
_MOST_PARTS: Final = 1_000


class ParameterError(ValueError):
    """It is not what its style has; the text says how."""


def look_at(document: Mapping[str, Any], parameter: Parameter) -> Look:
    """What its schema says of it: made once, for `from_text` and `from_query`."""
    return look(document, [value_at(document, parameter.schema)] if parameter.schema else [])


def from_text(document: Mapping[str, Any], parameter: Parameter, text: str, seen: Look) -> Any:
    """One in a path, a header or a cookie. Raises ParameterError."""
    if parameter.media_type:
        return _json(text)
    match parameter.style:
        case "label":
            text, separator = text.removeprefix("."), "." if parameter.explode else ","
        case "matrix":
            text, separator = _matrix(parameter, text)
        case _:
            separator = ","
    return _cut(document, seen, text, separator, explode=parameter.explode)


def _matrix(parameter: Parameter, text: str) -> tuple[str, str]:
    """`;a=1;a=2` exploded, else `;a=1,2`."""
    text = text.removeprefix(";")
    if not parameter.explode:
        return text.removeprefix(f"{parameter.name}="), ","
    parts = [part.removeprefix(f"{parameter.name}=") for part in text.split(";")]
    return ";".join(parts), ";"


def from_query(
    document: Mapping[str, Any], parameter: Parameter, query: Mapping[str, Any], seen: Look
) -> Any:
    """One in a query; ABSENT where it is not there. Raises ParameterError, FormError."""
    sent = query.get(parameter.name, ABSENT)
    if parameter.media_type:
        return ABSENT if sent is ABSENT else _json(_one(sent))
    if sent is ABSENT:
        return _in_parts(document, parameter, seen, query) if query else ABSENT
    if seen.is_list and not (isinstance(sent, str) and seen.types & {"string", "integer", "number"}):
        return _list(document, parameter, seen, sent)
    if seen.is_object and not seen.types & {"string", "integer", "number", "boolean"}:
        return _cut(document, seen, _one(sent), ",", explode=False)
    return read_text(_one(sent), seen)


def _one(sent: Any) -> str:
    """Of several, the last one, as most frameworks have it."""
    return str(sent[-1] if isinstance(sent, list) else sent)


def _list(document: Mapping[str, Any], parameter: Parameter, seen: Look, sent: Any) -> list[Any]:
    items = look(document, seen.items)
    if isinstance(sent, list):
        return [read_text(each, items) for each in sent]
    if parameter.explode and parameter.style == "form":
        return [read_text(sent, items)] if sent else []
    separator = _SEPARATORS.get(parameter.style, ",")
    return [read_text(each, items) for each in sent.split(separator, _MOST_PARTS)] if sent else []


def _in_parts(document: Mapping[str, Any], parameter: Parameter, seen: Look, query: Mapping[str, Any]) -> Any:
    """`ids[]=1`, `filter[a]=1`, or an exploded object, whose properties are the query's names."""
    name = parameter.name
    nodes = [value_at(document, parameter.schema)] if parameter.schema else []
    own = {
        key: value for key, value in query.items() if key.startswith(f"{name}[") and steps_of(key)[0] == name
    }
    if own:
        whole = {"type": "object", "properties": {name: nodes[0] if nodes else {}}}
        return read_form(document, [whole], own)[name]
    if seen.is_object and parameter.style == "form" and parameter.explode and seen.properties:
        there = {key: query[key] for key in seen.properties if key in query}
        return read_form(document, nodes, there) if there else ABSENT
    return ABSENT


def _cut(document: Mapping[str, Any], seen: Look, text: str, separator: str, *, explode: bool) -> Any:
    if seen.is_list and not seen.types & {"string", "integer", "number", "boolean"}:
        items = look(document, seen.items)
        return [read_text(each, items) for each in text.split(separator, _MOST_PARTS)] if text else []
    if seen.is_object and not seen.types & {"string", "integer", "number", "boolean"}:
        return _object(document, seen, text.split(separator, _MOST_PARTS), explode=explode)
    return read_text(text, seen)


def _object(document: Mapping[str, Any], seen: Look, parts: list[str], *, explode: bool) -> dict[str, Any]:
    """`a=1,b=2` exploded, else `a,1,b,2`."""
    if explode:
        pairs = [part.partition("=")[::2] for part in parts]
    elif len(parts) % 2:
        raise ParameterError("names and values by turns are wanted, and one has no value")
    else:
        pairs = list(zip(parts[::2], parts[1::2], strict=True))
    return {name: read_text(value, look(document, seen.below(name))) for name, value in pairs}


def _json(text: str) -> Any:
    try:
        return strict_json.read(text.encode())
    except InvalidJson as error:
        raise ParameterError(f"it is no JSON: {error.detail}") from None

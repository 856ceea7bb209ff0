"""What 2xx bodies hold, read as leniently as servers write it. Nothing here raises for anything in JSON."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any, Final

import orjson

from server.planning.providers.causes import Cause
from server.planning.providers.failures import Failure, down, of_document

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A count of tokens beyond this is a mistake, and so is one below nothing, which would refund a budget.
MOST_TOKENS: Final = 10**9

_TEXTS: Final = frozenset({"text", "output_text"})
_THOUGHTS: Final = frozenset({"thinking", "reasoning", "reasoning_text", "thought", "reasoning_content"})
_MOST_PARTS: Final = 1_000


def document(body: bytes) -> dict[str, Any] | Failure:
    """The JSON object of an answer; else what the server did."""
    try:
        found = orjson.loads(body.removeprefix(codecs.BOM_UTF8))
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict):
        return found
    if isinstance(found, list) and found and isinstance(found[0], dict) and "error" in found[0]:
        return of_document(found)  # Gemini's form
    start = body.lstrip()[:32].lower()
    if start.startswith((b"data:", b"event:", b": ")):
        return down(Cause.PROTOCOL, detail="a stream, which was not asked for", everyones=True)
    if start.startswith(b"<"):
        return down(Cause.PROTOCOL, detail="a web page: is base_url right?", everyones=True)
    # Half a document is the network's doing, or that of a server which was stopped.
    return down(Cause.PROTOCOL, detail="no whole JSON object", retry=True)


def count(value: Any) -> int | None:
    """A number of tokens, also as a float without a fraction or as a text; None where it is none."""
    if isinstance(value, str) and len(value) <= 10 and value.isascii() and value.isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def first_count(usage: Mapping[str, Any], *names: str) -> int | None:
    return next((found for name in names if (found := count(usage.get(name))) is not None), None)


def text_in(content: Any) -> str:
    """The text of a message's content: one text, or parts of which some are thoughts, or JSON unpacked."""
    match content:
        case str():
            return content
        case list():
            return "".join(_part(part) for part in content[:_MOST_PARTS])
        case dict() if content.get("type") in _TEXTS:
            return _part(content)
        case dict() if content and "type" not in content:
            return orjson.dumps(content).decode()
        case _:
            return ""


def thoughts_in(content: Any) -> str:
    """The thoughts among a message's content, or the text of a member that holds nothing else."""
    match content:
        case str():
            return content
        case list():
            return "".join(_thought(part) for part in content[:_MOST_PARTS] if isinstance(part, dict | str))
        case _:
            return ""


def arguments_in(calls: Any) -> str:
    """What a call of a tool is given, where a gateway has made one of the format that was asked for."""
    call = calls[0] if isinstance(calls, list) and calls else None
    function = call.get("function") if isinstance(call, dict) else None
    given = function.get("arguments") if isinstance(function, dict) else None
    return given if isinstance(given, str) else text_in(given)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in _TEXTS:
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else ""


def _thought(part: dict[str, Any] | str) -> str:
    if isinstance(part, str):
        return part
    for name in ("thinking", "text", "reasoning", "summary"):
        inner = part.get(name)
        if isinstance(inner, str):
            return inner
        if isinstance(inner, list):
            return text_in(inner)
    return ""


def thought_parts(content: Any) -> list[Any]:
    """Those parts of a content that are thoughts."""
    parts = content if isinstance(content, list) else []
    return [part for part in parts[:_MOST_PARTS] if isinstance(part, dict) and part.get("type") in _THOUGHTS]

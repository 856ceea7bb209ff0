"""A value as XML, by what its schema says of names (OpenAPI's `xml`).

For operations whose content is XML alone, and for clients that accept nothing else. An element's name stands
at both ends of it, and may be a client's: a list of 400,000 digits below a long name would be 100 MB. So what
is made has a limit by the JSON that it is made of.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape, quoteattr

from server.values.errors import ReplyTooLarge

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}", re.ASCII)
#: What XML 1.0 has no way to write.
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAX_DEPTH: Final = 100
#: Characters that may always be made, and those for each byte of JSON: names of some five letters for digits.
_FREE_CHARACTERS: Final = 65_536
_CHARACTERS_PER_BYTE: Final = 8


class _Room:
    """What may still be made."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = limit

    def take(self, text: str) -> str:
        """The text. Raises ReplyTooLarge."""
        self._left -= len(text)
        if self._left < 0:
            raise ReplyTooLarge(
                f"As XML the reply has more than {self._limit} characters, which is the most for one of its "
                "size; ask for less of it, or for JSON.",
                limit=self._limit,
            )
        return text


def xml_of(value: Any, node: Any, name: str, follow: Callable[[Any], Any], *, body_bytes: int) -> str:
    """`node`: the value's schema; `name`: its element's, where that says none; `follow`: to what refers.

    `body_bytes`: of the value as JSON. Raises ReplyTooLarge.
    """
    room = _Room(_FREE_CHARACTERS + body_bytes * _CHARACTERS_PER_BYTE)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element(value, node, name, follow, room, 0)}'


def is_xml(media_type: str) -> bool:
    plain = media_type.partition(";")[0].strip().lower()
    return plain in ("application/xml", "text/xml") or plain.endswith("+xml")


def _element(  # noqa: PLR0917  what each element is made of
    value: Any, node: Any, name: str, follow: Callable[[Any], Any], room: _Room, depth: int
) -> str:
    node = _schema(node, follow)
    told = _told(node)
    tag = _tag(told.get("name"), name)
    if value is None or depth > _MAX_DEPTH:
        return room.take(f"<{tag}/>")
    if isinstance(value, list):
        items = node.get("items")
        inner = _tag(
            _told(_schema(items, follow)).get("name"), "item" if told.get("wrapped") is True else tag
        )
        children = "".join(_element(each, items, inner, follow, room, depth + 1) for each in value)
        if told.get("wrapped") is not True and depth > 0:
            return children
        return f"{room.take(f'<{tag}>')}{children}{room.take(f'</{tag}>')}"
    if not isinstance(value, dict):
        return room.take(f"<{tag}>{_text(value)}</{tag}>")
    attributes, children = "", ""
    for key, each in value.items():
        inner_node = _schema(node.get("properties", {}).get(key), follow)
        if _told(inner_node).get("attribute") is True and not isinstance(each, (dict, list)):
            attributes += f" {_tag(_told(inner_node).get('name'), key)}={quoteattr(_plain(each))}"
        else:
            children += _element(each, inner_node, key, follow, room, depth + 1)
    return f"{room.take(f'<{tag}{attributes}>')}{children}{room.take(f'</{tag}>')}"


def _schema(node: Any, follow: Callable[[Any], Any]) -> dict[str, Any]:
    """With what an `allOf` says of properties."""
    found = follow(node)
    if not isinstance(found, dict):
        return {}
    parts = found.get("allOf")
    if not isinstance(parts, list):
        return found if isinstance(found.get("properties", {}), dict) else {**found, "properties": {}}
    properties: dict[str, Any] = {}
    for part in parts:
        each = follow(part)
        if isinstance(each, dict) and isinstance(each.get("properties"), dict):
            properties |= each["properties"]
    own = found.get("properties")
    return {**found, "properties": properties | (own if isinstance(own, dict) else {})}


def _told(node: dict[str, Any]) -> dict[str, Any]:
    told = node.get("xml")
    return told if isinstance(told, dict) else {}


def _tag(name: Any, otherwise: str) -> str:
    for each in (name, otherwise):
        if isinstance(each, str) and _NAME.fullmatch(each):
            return each
    return "item"


def _plain(value: Any) -> str:
    text = ("true" if value else "false") if isinstance(value, bool) else "" if value is None else str(value)
    return _FORBIDDEN.sub("\ufffd", text)


def _text(value: Any) -> str:
    return escape(_plain(value))

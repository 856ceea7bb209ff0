"""A value as XML, by what its schema says of names (OpenAPI's `xml`).

For operations whose content is XML alone, and for clients that accept nothing else.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}", re.ASCII)
#: What XML 1.0 has no way to write.
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MAX_DEPTH: Final = 100


def xml_of(value: Any, node: Any, name: str, follow: Callable[[Any], Any]) -> str:
    """`node`: the value's schema; `name`: its element's, where that says none; `follow`: to what refers."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_element(value, node, name, follow, 0)}'


def is_xml(media_type: str) -> bool:
    plain = media_type.partition(";")[0].strip().lower()
    return plain in ("application/xml", "text/xml") or plain.endswith("+xml")


def _element(value: Any, node: Any, name: str, follow: Callable[[Any], Any], depth: int) -> str:
    node = _schema(node, follow)
    told = _told(node)
    tag = _tag(told.get("name"), name)
    if value is None or depth > _MAX_DEPTH:
        return f"<{tag}/>"
    if isinstance(value, list):
        items = node.get("items")
        inner = _tag(
            _told(_schema(items, follow)).get("name"), "item" if told.get("wrapped") is True else tag
        )
        children = "".join(_element(each, items, inner, follow, depth + 1) for each in value)
        return f"<{tag}>{children}</{tag}>" if told.get("wrapped") is True or depth == 0 else children
    if not isinstance(value, dict):
        return f"<{tag}>{_text(value)}</{tag}>"
    attributes, children = "", ""
    for key, each in value.items():
        inner_node = _schema(node.get("properties", {}).get(key), follow)
        if _told(inner_node).get("attribute") is True and not isinstance(each, (dict, list)):
            attributes += f" {_tag(_told(inner_node).get('name'), key)}={quoteattr(_plain(each))}"
        else:
            children += _element(each, inner_node, key, follow, depth + 1)
    return f"<{tag}{attributes}>{children}</{tag}>"


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

"""What type a form's text has: that of the schema, where it reads as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from server.contracts.views import Views

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_MAX_DEPTH: Final = 16


def typed(views: Views, node: Any, value: Any, depth: int = 0) -> Any:
    """A form's text as the schema's type, where it reads as one."""
    view = views.of(node)
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {key: typed(views, view.properties.get(key), each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [typed(views, view.items, each, depth + 1) for each in value]
    if not isinstance(value, str):
        return value
    if view.kind == "array":
        return [typed(views, view.items, value, depth + 1)]
    if view.kind == "boolean" and value.lower() in (*_TRUE, "false", "0", "no", "off"):
        return value.lower() in _TRUE
    if view.kind == "integer" and value.lstrip("-").isdigit() and value.isascii() and len(value) < 20:
        return int(value)
    if view.kind == "number":
        try:
            number = float(value)
        except ValueError:
            return value
        return number if number - number == 0 else value
    return value

"""An example that says what the request has said: a client that sends a name wants to see that name.

Nothing is stored. A value of the body or of the path takes the place of the example's, under the same name,
where that is nearest to the top, if it is of the same type and the reply still fits its schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.contracts.shapes import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: Names of a request that are looked for, and how deep.
_MOST: Final = 32
_MAX_DEPTH: Final = 4
#: Whoever says it does not want to read it.
_SECRET: Final = ("password", "secret", "token", "credential")


def echoed(example: Any, params: Mapping[str, Any], body: Any, fits: Callable[[Any], bool]) -> Any:
    """The example, with what the request says; the very same one where it says nothing."""
    if not isinstance(example, dict):
        return example
    for name, value in list(_said(params, body))[:_MOST]:
        changed = _with(example, plain(name), value)
        if changed is not None and fits(changed):
            example = changed
    return example


def _said(params: Mapping[str, Any], body: Any) -> Iterator[tuple[str, Any]]:
    yield from params.items()
    if isinstance(body, dict) and len(body) == 1:
        inner = next(iter(body.values()))
        body = inner if isinstance(inner, dict) else body
    if isinstance(body, dict):
        for name, value in body.items():
            if not any(word in plain(name) for word in _SECRET):
                yield name, value


def _with(example: dict[str, Any], name: str, value: Any) -> dict[str, Any] | None:
    """A copy with the value in the place nearest to the top; None where there is none for it."""
    level: list[tuple[str, ...]] = [()]
    for _ in range(_MAX_DEPTH):
        below = []
        for path in level:
            holder = _at(example, path)
            for key, each in holder.items():
                if plain(key) == name and _alike(each, value):
                    return _put(example, (*path, key), value)
                if isinstance(each, dict):
                    below.append((*path, key))
        level = below[:_MOST]
    return None


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return isinstance(one, bool) and isinstance(other, bool)
    numbers = (int, float)
    return type(one) is type(other) or (isinstance(one, numbers) and isinstance(other, numbers))


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _put(value: dict[str, Any], path: tuple[str, ...], new: Any) -> dict[str, Any]:
    inner = new if len(path) == 1 else _put(value[path[0]], path[1:], new)
    return {**value, path[0]: inner}

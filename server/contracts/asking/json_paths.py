"""Values at paths within a record: to look at, to set, to take away."""

from __future__ import annotations

from typing import Any


def at(value: Any, path: tuple[str, ...]) -> Any:
    """What the path leads to; None for nothing."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def put(record: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value, with what has to be around it."""
    for step in path[:-1]:
        inner = record.get(step)
        record[step] = dict(inner) if isinstance(inner, dict) else {}
        record = record[step]
    record[path[-1]] = value


def add(record: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value that is not there, where what is around it is."""
    spot: Any = record
    for step in path[:-1]:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if isinstance(spot, dict) and path[-1] not in spot:
        spot[path[-1]] = dict(value) if isinstance(value, dict) else value


def without(record: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    if not path or path[0] not in record:
        return record
    if len(path) == 1:
        return {key: value for key, value in record.items() if key != path[0]}
    inner = record[path[0]]
    return {**record, path[0]: without(inner, path[1:])} if isinstance(inner, dict) else record

"""A value that breaks its schema in places is made to fit: texts are cut, the rest is as in an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasm_runtime.schemas import Violation


def fitted(value: Any, violations: Iterable[Violation], example: Any) -> Any:
    """`value` is changed in place. Where the example has nothing at such a place, it is left."""
    for violation in violations:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in violation.pointer.split("/")[1:]]
        if steps:
            _mend(value, steps, violation, example)
    return value


def _mend(value: Any, steps: list[str], violation: Violation, example: Any) -> None:
    holder, model = value, example
    for step in steps[:-1]:
        holder, model = _below(holder, step), _below(model, step)
    own, other = _below(holder, steps[-1]), _below(model, steps[-1])
    limit = _limit(violation)
    if limit is not None and isinstance(own, str):
        _put(holder, steps[-1], own[:limit])
    elif other is not None:
        _put(holder, steps[-1], other)


def _below(value: Any, step: str) -> Any:
    """An item that the example does not have is like its first one."""
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and value and step.isdigit():
        return value[min(int(step), len(value) - 1)]
    return None


def _put(holder: Any, step: str, value: Any) -> None:
    if isinstance(holder, dict):
        holder[step] = value
    elif isinstance(holder, list) and step.isdigit() and int(step) < len(holder):
        holder[int(step)] = value


def _limit(violation: Violation) -> int | None:
    """Of `it breaks maxLength (40)`."""
    if violation.keyword != "maxLength":
        return None
    digits = violation.detail.rpartition("(")[2].rstrip(")")
    return int(digits) if digits.isdigit() else None

"""What operators may set for a session alone: each setting's name, and what makes its value a good one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from server.planning.dialects.frame.choice import SETTING as DIALECT
from server.planning.dialects.frame.registry import names as dialect_names
from server.sessions.fixed import CLOCK, SEED, checked_clock, checked_seed
from server.values.errors import BadRequest

#: The value as it is kept. Raises BadRequest.
Check: TypeAlias = Callable[[object], Any]


def _dialect(value: object) -> str:
    if not isinstance(value, str) or value not in dialect_names():
        raise BadRequest(f"`dialect` must be one of {', '.join(dialect_names())}.")
    return value


SETTABLE: Final[Mapping[str, Check]] = {DIALECT: _dialect, CLOCK: checked_clock, SEED: checked_seed}


def checked_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes, each as its setting has it; None is none of its own. Raises BadRequest."""
    unknown = sorted(set(changes) - set(SETTABLE))
    if unknown or not changes:
        said = f"there is no setting '{unknown[0][:64]}'" if unknown else "nothing is to be set"
        raise BadRequest(f"Settings of a session: {said}; there are {', '.join(sorted(SETTABLE))}.")
    return {name: None if value is None else SETTABLE[name](value) for name, value in changes.items()}

"""One request of an operator, and what may come back that is no JSON: an archive, or a piece of a file."""

from __future__ import annotations

import tempfile  # noqa: TC003 - attrs resolves the annotations when it runs
from collections.abc import Mapping  # noqa: TC003
from pathlib import Path  # noqa: TC003
from typing import Any, TypeAlias

from attrs import field, frozen

from server.values.errors import BadRequest


@frozen
class Call:
    """One request of an operator. `upload` is a file that was sent, for the paths that take one."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, Any] = field(factory=dict)
    body: Any = None
    upload: Path | None = None

    def text(self, name: str, default: str = "") -> str:
        value = self.query.get(name, default)
        if not isinstance(value, str):
            raise BadRequest(f"`{name}` is there more than once.")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Raises BadRequest for what is neither true nor false."""
        text = self.text(name, "true" if default else "false")
        if text not in ("true", "false"):
            raise BadRequest(f"`{name}` must be true or false.")
        return text == "true"

    def number(self, name: str, default: int, most: int) -> int:
        text = self.text(name, str(default))
        if not (text.isascii() and text.isdecimal() and len(text) <= 18 and int(text) <= most):
            raise BadRequest(f"`{name}` must be a number up to {most}.")
        return int(text)

    def members(self, *known: str) -> dict[str, Any]:
        """The body, an object with none but these members. Raises BadRequest."""
        body = {} if self.body is None else self.body
        if not isinstance(body, dict) or not body.keys() <= set(known):
            raise BadRequest(f"The body must be a JSON object of: {', '.join(known)}.")
        return body


@frozen
class Archive:
    """A tar file to be handed over; whoever has got it closes it."""

    path: Path
    name: str
    keeper: tempfile.TemporaryDirectory[str]

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.keeper.cleanup()


@frozen
class Piece:
    """Bytes of a file from an offset on; none at its end."""

    data: bytes
    name: str


Answer: TypeAlias = "dict[str, Any] | Archive | Piece"

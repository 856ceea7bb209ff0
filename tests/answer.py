"""What came back for a request, as every client of these tests gives it."""

from __future__ import annotations

from typing import Any

import orjson
from attrs import frozen


@frozen
class Answer:
    """A client says how it spells header names. `status` 0: the connection was closed without a response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

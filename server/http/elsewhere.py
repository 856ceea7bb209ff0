"""That another node is to answer a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from server.cluster.ownership import Node


@frozen
class Elsewhere:
    """`session`: the name of its directory."""

    session: str
    node: Node


class AskElsewhere(Exception):
    """The same, once the request's body was read."""

    def __init__(self, elsewhere: Elsewhere, body: bytes) -> None:
        super().__init__()
        self.elsewhere = elsewhere
        self.body = body

"""That another node is to answer a request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.cluster.ownership import Node

#: Beside the admin token, on a page of the console: whoever asks has logged in at the node that hands it on.
LOGIN: Final = "X-Metaservice-Login"


@frozen
class Elsewhere:
    """`session`: the name of its directory."""

    session: str
    node: Node


class AskElsewhere(Exception):
    """The same, once the request's body was read."""

    def __init__(self, elsewhere: Elsewhere, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """`headers` go with it, in the place of the client's own of these names."""
        super().__init__()
        self.elsewhere = elsewhere
        self.body = body
        self.headers = headers or {}

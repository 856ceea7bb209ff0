"""Tickets: for a short while, one session's streams without a token, as an EventSource sends no header.

1. A ticket is minted for whoever has shown a token of the service, and stands for the session that the
   request named, with the name of that token.
2. It is text that only this process can write: what it says, with a digest under a key that is made anew
   when the service starts, and when its tokens are read again. Nothing has to be kept. The nodes of a cluster
   have a key in common, which is another one as soon as their tokens are others.
3. It opens streams and nothing else. It stands in an address, so it gets into logs: hence the short while.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from typing import TYPE_CHECKING, Final

import orjson
from attrs import frozen

from server.settings.key import token_digest
from server.values.errors import Unauthorized
from server.values.model import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_DIGEST_BYTES: Final = 32
_MOST_CHARACTERS: Final = 1_024
_REFUSED: Final = "The ticket is not valid, or not any more: get another with POST /_meta/tickets."


@frozen
class Admitted:
    """Whom a ticket lets in, and to which session."""

    session: Session
    token_name: str | None


class Tickets:
    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.time,
        *,
        shared: str = "",
        tokens: Mapping[str, str] | None = None,
    ) -> None:
        """`seconds`: for how long one opens streams. `shared`: what the nodes of a cluster know alone."""
        self.seconds = seconds
        self._shared = shared
        self._clock = clock
        self.renew(tokens or {})

    def renew(self, tokens: Mapping[str, str]) -> None:
        """No ticket that was minted before is valid any more; in a cluster where `tokens` are others."""
        if self._shared:
            known = sorted((name, token_digest(token).hex()) for name, token in tokens.items())
            said = orjson.dumps(["tickets for event streams", known])
            self._key = hmac.digest(self._shared.encode(), said, "sha256")
        else:
            self._key = secrets.token_bytes(_DIGEST_BYTES)

    def mint(self, session: Session, token_name: str | None) -> str:
        until = self._clock() + self.seconds
        said = orjson.dumps([until, session.id, session.directory, token_name])
        return base64.urlsafe_b64encode(self._digest(said) + said).rstrip(b"=").decode()

    def admitted(self, ticket: str) -> Admitted:
        """Raises Unauthorized."""
        said = self._said(ticket)
        if said is None:
            raise Unauthorized(_REFUSED)
        until, session_id, directory, token_name = orjson.loads(said)
        if self._clock() >= until:
            raise Unauthorized(_REFUSED)
        return Admitted(Session(session_id, directory), token_name)

    def _said(self, ticket: str) -> bytes | None:
        if len(ticket) > _MOST_CHARACTERS or not ticket.isascii():
            return None
        try:
            sent = base64.b64decode(ticket + "=" * (-len(ticket) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return None
        digest, said = sent[:_DIGEST_BYTES], sent[_DIGEST_BYTES:]
        return said if hmac.compare_digest(digest, self._digest(said)) else None

    def _digest(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, "sha256")

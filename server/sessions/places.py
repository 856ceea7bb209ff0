"""How many sessions a token may have: each session is asked for its place before its first request is served.

The record keeps the count (`server/record/places.py`), so it is right over all nodes. That a session has its
place is remembered here for a while, for that is asked with every request.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from attrs import define, field

from server.record.places import EMPTY_SECONDS
from server.record.record import RecordError
from server.values.errors import TooManySessions, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.record.client import KeeperClient
    from server.values.model import Session

#: Well before the place of a session without data may go to another.
_KNOWN_SECONDS: Final = EMPTY_SECONDS / 6
_MOST_KNOWN: Final = 65_536


@define
class Places:
    """`per_token`: the limit. To be used in one event loop, by the node that has the session."""

    _keeper: KeeperClient
    per_token: int
    _clock: Callable[[], float] = time.monotonic
    #: By directory, until when it is known to have its place; the one that is known the longest first.
    _known: OrderedDict[str, float] = field(factory=OrderedDict)

    async def admit(self, token: str, session: Session) -> None:
        """Raises TooManySessions, Unavailable. Whoever has no token takes no place."""
        asked = self._clock()
        if not token or self._known.get(session.directory, 0.0) > asked:
            return
        if not await self._take(token, session.directory):
            raise TooManySessions(
                f"The token has as many sessions as it may, {self.per_token}. Use one of those that it has, "
                "or have the operator delete one (metaservice sessions delete).",
                limit=self.per_token,
            )
        self._known[session.directory] = asked + _KNOWN_SECONDS
        self._known.move_to_end(session.directory)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    async def _take(self, token: str, directory: str) -> bool:
        try:
            return bool(
                await self._keeper.call("take_place", session=directory, token=token, most=self.per_token)
            )
        except RecordError as error:
            raise Unavailable(
                "The record of sessions cannot be used at the moment; nothing was begun.",
                headers={"Retry-After": "1"},
            ) from error

    def forget(self, session: str) -> None:
        """Ask for its place the next time: it may have lost it."""
        self._known.pop(session, None)

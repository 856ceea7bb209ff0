"""Documents that were made, for as long as what they were made from stays the same."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from attrs import frozen

from server.concurrency.aside import aside

if TYPE_CHECKING:
    from collections.abc import Callable

#: The widest session's document has 5 MB; an ordinary one has 50 kB.
MOST_BYTES = 32 * 1024 * 1024


@frozen
class _Making:
    source: object
    document: asyncio.Future[bytes]


class KeptDocuments:
    """The latest document of each session, those least asked for going first.

    A document is made once however many ask for it, and beside the event loop: half a second of work for the
    widest session.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        #: Session: what it was made from, and the document; the one asked for last comes last.
        self._kept: dict[str, tuple[object, bytes]] = {}
        self._making: dict[str, _Making] = {}

    async def of(self, session: str, source: object, make: Callable[[], bytes]) -> bytes:
        """The session's document; `make` makes it, unless there is one from an equal `source`.

        Raises what `make` raises, which is not kept.
        """
        kept = self._kept.pop(session, None)
        if kept is not None:
            self._kept[session] = kept
            if kept[0] == source:
                return kept[1]
        making = self._making.get(session)
        if making is None or making.source != source:
            making = _Making(source, asyncio.ensure_future(aside(make, session)))
            self._making[session] = making
            making.document.add_done_callback(partial(self._made, session, making))
        # Who leaves takes nothing from the others that wait for it.
        return await asyncio.shield(making.document)

    def _made(self, session: str, making: _Making, document: asyncio.Future[bytes]) -> None:
        if self._making.get(session) is making:
            del self._making[session]
        if not document.cancelled() and document.exception() is None:
            self._keep(session, making.source, document.result())

    def _keep(self, session: str, source: object, document: bytes) -> None:
        _, before = self._kept.pop(session, (None, b""))
        self._bytes += len(document) - len(before)
        self._kept[session] = (source, document)
        while self._bytes > self._most_bytes:
            _, gone = self._kept.pop(next(iter(self._kept)))
            self._bytes -= len(gone)

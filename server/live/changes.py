"""Who is told what was changed, and when: everything that has to notice a write hears of it here.

1. A change is published when it is durable, before anybody is told that the write has succeeded. So whatever
   a listener does on hearing of it (drop an answer, wake a watcher) is done before the client can know.
2. It is published although the client of the write has left.
3. Listeners are called one after the other, on the event loop, and may not wait. One that fails costs the
   others nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import structlog
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

#: Among names of collections: the set of these names itself, and of each one's fields. No collection can be
#: called so.
NAMES: Final = "*"

Cause: TypeAlias = Literal["write", "import", "reset", "rewind", "deleted", "doubtful", "plan"]

_log = structlog.get_logger(__name__)


@frozen
class Touched:
    """What one durable change set, or an operator's act, has touched in a session.

    `session` is the name of its directory, `version` the session's after the change (0: not known). `records`
    are pairs of a collection and an address as JSON text (`1` and `"1"` are one address, which is `1`).
    `collections` are those of `records`, and those of which anything may be another: a collection that has no
    record in `records`. `NAMES` among them: there is a collection, or a field of one, that was not there
    before. Where `whole` is true it is everything of the session, and nothing more is told.

    `plan`: what answers the session's requests may be another plan. An empty `session` stands for all.
    """

    session: str
    version: int = 0
    records: frozenset[tuple[str, str]] = frozenset()
    collections: frozenset[str] = frozenset()
    whole: bool = False
    cause: Cause = "write"
    route: str | None = None
    plan: str | None = None
    request_id: str | None = None


class Changes:
    """A service has one."""

    def __init__(self) -> None:
        self._listeners: dict[int, Callable[[Touched], None]] = {}
        self._next = 0

    def subscribe(self, listener: Callable[[Touched], None]) -> Callable[[], None]:
        """Call the listener with every change from now on; what is given back ends that."""
        number = self._next
        self._next += 1
        self._listeners[number] = listener

        def unsubscribe() -> None:
            self._listeners.pop(number, None)

        return unsubscribe

    def publish(self, touched: Touched) -> None:
        """Tell all listeners, in the order in which they came."""
        for listener in tuple(self._listeners.values()):
            try:
                listener(touched)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are to hear
                _log.exception("listener failed", session=touched.session, exc_info=error)

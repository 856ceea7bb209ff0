"""Sessions whose file is being made to what the record has: their jobs wait, other sessions' jobs do not.

A session is asked for when a turn of its comes, no guest has it, and nothing of it is staged any more.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from attrs import define, field

from store.keeper_wire import Open
from wasm_runtime.gate import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.keeper_wire import Message
    from wasm_runtime.gate import Gate
    from wasm_runtime.runner import Job


@define(eq=False)
class _Parked:
    since: float
    jobs: list[Job] = field(factory=list)
    #: Which question it is; 0: it was not asked yet.
    n: int = 0


class Openings:
    """Of one worker."""

    def __init__(
        self, gate: Gate, send: Callable[[Message], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._gate = gate
        self._send = send
        self._clock = clock
        self._parked: dict[str, _Parked] = {}
        #: Odd: those of the gate are even.
        self._n = 1

    def __bool__(self) -> bool:
        """Whether any session is being opened."""
        return bool(self._parked)

    def __contains__(self, session: object) -> bool:
        return session in self._parked

    def park(self, session: str, jobs: list[Job]) -> None:
        """The session is asked for, if it has not been; its jobs wait."""
        parked = self._parked.get(session)
        if parked is not None:
            parked.jobs += jobs
            return
        self._parked[session] = _Parked(self._clock(), jobs)
        self._gate.when_settled(session, lambda: self._ask(session))

    def _ask(self, session: str) -> None:
        parked = self._parked.get(session)
        if parked is not None:
            self._n += 2
            parked.n = self._n
            self._send(Open(self._n, session))

    def reconnected(self) -> None:
        """There is another keeper: it is asked all that has no answer."""
        for session, parked in tuple(self._parked.items()):
            if parked.n:
                self._ask(session)

    def take(self, session: str, n: int) -> list[Job] | None:
        """There is an answer: the jobs that have waited for it. None: nobody asks that any more."""
        parked = self._parked.get(session)
        if parked is None or parked.n != n:
            return None
        del self._parked[session]
        return parked.jobs

    def overdue(self) -> list[tuple[str, list[Job]]]:
        """Sessions that have been asked for for too long, taken out."""
        before = self._clock() - PATIENCE_SECONDS
        late = [session for session, parked in self._parked.items() if parked.since < before]
        return [(session, self._parked.pop(session).jobs) for session in late]

"""A worker's live guests: one a session, the least recently used dropped, spares kept ready."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from wasm_runtime.live_guest import LiveGuest

if TYPE_CHECKING:
    from pathlib import Path

    from wasm_runtime.engine import Runtime
    from wasm_runtime.limits import GuestReuse
    from wasm_runtime.outcome import Outcome


class Guests:
    """Hands out the live guest of a session. A guest never serves a second session."""

    def __init__(self, runtime: Runtime, reuse: GuestReuse, data_root: Path, durability: str) -> None:
        self._runtime = runtime
        self._reuse = reuse
        self._data_root = data_root
        self._durability = durability
        self._live: OrderedDict[str, LiveGuest] = OrderedDict()
        self._spare: deque[LiveGuest] = deque()

    def __len__(self) -> int:
        return len(self._live)

    def get(self, session: str) -> LiveGuest | Outcome:
        """The session's live guest, attached; or why there is none."""
        guest = self._live.get(session)
        if guest is not None:
            self._live.move_to_end(session)
            return guest
        guest = self._spare.popleft() if self._spare else LiveGuest(self._runtime)
        directory = self._data_root / session
        directory.mkdir(mode=0o700, exist_ok=True)
        problem = guest.attach(directory, self._durability)
        if problem is not None:
            return problem
        self._live[session] = guest
        if len(self._live) > self._reuse.live_guests:
            self._live.popitem(last=False)
        return guest

    def release(self, session: str) -> None:
        """After a run: keep the guest for the session's next request, or drop it."""
        guest = self._live.get(session)
        if guest is None:
            return
        if guest.dead or self._reuse.mode == "never" or guest.uses >= self._reuse.max_uses:
            del self._live[session]
        else:
            guest.idle_since = time.monotonic()

    def drop(self, session: str) -> None:
        self._live.pop(session, None)

    def tidy(self) -> bool:
        """Housekeeping for an idle moment, one small step a call. Whether there is more to do."""
        horizon = time.monotonic() - self._reuse.idle_seconds
        oldest = next(iter(self._live.values()), None)
        if oldest is not None and oldest.idle_since < horizon:
            self._live.popitem(last=False)
            return True
        if len(self._spare) < self._reuse.spare_guests:
            self._spare.append(LiveGuest(self._runtime))
            return True
        return False

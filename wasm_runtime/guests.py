"""A worker's live guests: one a session, the least recently used dropped, spares kept ready."""

from __future__ import annotations

import errno
import os
import re
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from wasm_runtime.live_guest import LiveGuest
from wasm_runtime.outcome import GuestFailed, StorageFull

if TYPE_CHECKING:
    from pathlib import Path

    from wasm_runtime.engine import Runtime
    from wasm_runtime.limits import GuestReuse
    from wasm_runtime.outcome import Outcome

_NAME = re.compile(r"[0-9A-Za-z_-]{1,64}")


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
        try:
            directory = _session_directory(self._data_root, session)
        except OSError as error:
            return _no_directory(error, self._runtime.limits.session_disk_bytes)
        guest = self._spare.popleft() if self._spare else LiveGuest(self._runtime)
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


def _session_directory(root: Path, session: str) -> Path:
    """The session's directory, made (0700) and its name on disk if need be. Raises OSError.

    The last door before the disk: a name that the API process did not derive is a bug, and no path.
    """
    if not _NAME.fullmatch(session):
        raise ValueError("not a name that was derived for a session")
    directory = root / session
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        return directory
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # A session whose directory is lost with the power has lost its data, however well that was synced.
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return directory


def _no_directory(error: OSError, limit_bytes: int) -> Outcome:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(limit_bytes)
    return GuestFailed(f"its directory cannot be made: {errno.errorcode.get(error.errno or 0, 'OSError')}")

"""A worker's live guests: one a session, the least recently used dropped, spares kept ready.

A session's file is a cache of what the record has. The keeper makes it before a guest opens it, and hears
what has become of it: closed soundly, at which version; or that it is worth nothing. So a guest that has
died, or has kept what the record then refused, costs its session's next request no more than a new file.
"""

from __future__ import annotations

import errno
import os
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from store.keeper_wire import Closed, Used
from wasm_runtime import session_files
from wasm_runtime.compiled_plans import CompiledPlans
from wasm_runtime.limits import GUEST_BYTES
from wasm_runtime.live_guest import LiveGuest
from wasm_runtime.outcome import StorageFailed, StorageFull
from wasm_runtime.residency import resident_bytes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.keeper_wire import Head, Message, Opened
    from wasm_runtime.engine import Runtime
    from wasm_runtime.gate import Gate
    from wasm_runtime.limits import GuestReuse
    from wasm_runtime.outcome import Outcome
    from wasm_runtime.verdict import Answer

#: A run that leaves its guest larger by this has had the use of it: the next request gets a fresh one.
_MAX_GROWTH_BYTES = 32 * 1024 * 1024
#: What SQLite may write beside a database at the session's limit, such as a journal.
_FILES = 2
#: Twice what the slowest of Linux's clocks takes for a tick, at 100 Hz: times tell of a change only where the
#: clock that they are taken from has ticked since the one before (https://git-scm.com/docs/racy-git).
_TICK_NS = 20_000_000
#: More than a guest needs to open its directory and its database.
_DESCRIPTORS_TO_OPEN = 8
#: As often the record is told of a session that it is used, if nothing else tells it.
_NOTED_EVERY_SECONDS = 3600.0


class Guests:
    """Hands out the live guest of a session. A guest never serves a second session."""

    def __init__(
        self,
        runtime: Runtime,
        reuse: GuestReuse,
        data_root: Path,
        gate: Gate,
        send: Callable[[Message], None],
        *,
        enforce_types: bool = False,
    ) -> None:
        self._runtime = runtime
        self._reuse = reuse
        self._data_root = data_root
        self._gate = gate
        self._send = send
        self._enforce_types = enforce_types
        self._live: OrderedDict[str, LiveGuest] = OrderedDict()
        #: Sessions whose file is as the record has it, and was not opened yet.
        self._ready: dict[str, Opened] = {}
        self._spare: deque[LiveGuest] = deque()
        self._compiled = CompiledPlans(lambda document: LiveGuest(runtime).compile(document))
        self._resident = resident_bytes()
        #: How many have died, and not of old age.
        self.deaths = 0
        #: Two guests at their limit, beside what all the others and the worker itself have.
        self._most_resident = 2 * runtime.limits.memory_bytes + (40 + reuse.live_guests) * GUEST_BYTES

    def __contains__(self, session: object) -> bool:
        """Whether `get` has an answer: otherwise the record has to be asked first."""
        return session in self._live or session in self._ready

    def __len__(self) -> int:
        return len(self._live)

    @property
    def spare(self) -> int:
        """How many wait for a session."""
        return len(self._spare)

    @property
    def is_any_ready(self) -> bool:
        """Whether a session's jobs are about to have its file opened."""
        return bool(self._ready)

    def ready(self, session: str, opened: Opened) -> None:
        """What the record has answered."""
        self._ready[session] = opened

    def live(self, session: str) -> LiveGuest | None:
        return self._live.get(session)

    def get(self, session: str) -> LiveGuest | Outcome:
        """The session's live guest, attached; or why there is none."""
        guest = self._live.get(session)
        if guest is not None:
            self._live.move_to_end(session)
            return guest
        return self._attached(session, self._ready.pop(session))

    def _attached(self, session: str, opened: Opened) -> LiveGuest | Outcome:
        self._gate.opened(session, opened.head)
        guest = self._spare.popleft() if self._spare else self._fresh()
        directory = session_files.directory_of(self._data_root, session)
        # A file that is gone would be a session without records, at a version that has some.
        file = "none" if opened.new else "there"
        problem = guest.attach(directory, enforce_types=self._enforce_types, file=file)
        self._live[session] = guest
        if problem is not None:
            guest.dead = True
            self.drop(session)
            return problem
        if len(self._live) > self._reuse.live_guests:
            self.drop_oldest()
        self._resident = resident_bytes()
        return guest

    def _fresh(self) -> LiveGuest:
        return LiveGuest(self._runtime, self._compiled)

    def explained(self, outcome: Answer | Outcome) -> Answer | Outcome:
        """What the disk says: a failed write is one for want of space if there is none.

        The guest's C library makes EIO of most errors.
        """
        if isinstance(outcome, StorageFailed):
            try:
                if session_files.is_disk_full(self._data_root):
                    return StorageFull(0)
            except OSError as error:
                return StorageFailed(f"its directory: {_name_of(error)}")
        return outcome

    def audit(self, guest: LiveGuest) -> Outcome | None:
        """After a run: refuse it if it left more in the directory than may be there.

        Nothing is made or removed in a directory whose ctime is what it was; how large the database gets,
        SQLite and RLIMIT_FSIZE see to.
        """
        limit = self._runtime.limits.session_disk_bytes
        try:
            changed_ns = os.stat(guest.directory).st_ctime_ns  # noqa: PTH116  a Path takes four times as long
            if changed_ns == guest.audited_ns:
                return None
            now_ns = time.time_ns()
            if session_files.is_within(guest.directory, _FILES * limit):
                guest.audited_ns = changed_ns if changed_ns < now_ns - _TICK_NS else 0
                return None
            guest.dead = True
            session_files.remove_foreign(guest.directory)
        except OSError as error:
            guest.dead = True
            return StorageFailed(f"its directory: {_name_of(error)}")
        return StorageFull(limit)

    def release(self, session: str) -> None:
        """After a turn: keep the guest for the session's next request, or drop it."""
        guest = self._live.get(session)
        if guest is None:
            self._put_back(session)
            return
        resident = resident_bytes()
        grown = resident - self._resident > _MAX_GROWTH_BYTES
        if guest.dead or grown or self._reuse.mode == "never" or guest.uses >= self._reuse.max_uses:
            self.drop(session)
        else:
            self._note_use(session, guest)
        self._shrink(resident)

    def _note_use(self, session: str, guest: LiveGuest) -> None:
        guest.idle_since = now = time.monotonic()
        if now - guest.noted_at > _NOTED_EVERY_SECONDS:
            guest.noted_at = now
            self._send(Used(session))

    def _shrink(self, resident: int) -> None:
        """Growth that is too slow for one run to be blamed: the oldest guests go until it is gone."""
        while resident > self._most_resident and self._live:
            self.drop_oldest()
            resident = resident_bytes()
        self._resident = resident

    def drop(self, session: str) -> None:
        """End the session's guest, if there is one, and close its file."""
        self._put_back(session)
        guest = self._live.pop(session, None)
        if guest is None:
            return
        self.deaths += guest.dead
        if guest.dead:
            self._sweep(guest)
        head = self._gate.head(session)
        closed = self._closed(session, guest, head)
        # What the guest has kept, and the record has not, comes before.
        self._gate.when_settled(session, lambda: self._send(closed))
        self._gate.forget(session)
        if guest.dead and not _has_descriptors():
            # One guest may have had them all, and this one died for want of one.
            self.drop_all()

    def _sweep(self, guest: LiveGuest) -> None:
        """Remove what a guest has left beside its database: it died before anybody could look."""
        try:
            if guest.directory:
                session_files.remove_foreign(guest.directory)
        except OSError:
            return  # it is looked over after the session's next run

    def _put_back(self, session: str) -> None:
        """What was made ready is not needed: nobody waits for it any more, or nothing may be written."""
        opened = self._ready.pop(session, None)
        if opened is not None:
            self._send(self._untouched(session, opened.head))

    def _closed(self, session: str, guest: LiveGuest, head: Head) -> Closed:
        """Close the file, and say what there is then."""
        if not guest.dead and guest.finish() is None:
            guest.dead = True  # there is nothing that it could be asked
            return self._untouched(session, head)
        return Closed(session, head, 0, 0, 0)

    def _untouched(self, session: str, head: Head) -> Closed:
        """What there is in the place of the session's file."""
        found = session_files.look(self._data_root / session)
        if found is None:
            return Closed(session, head, 0, 0, 0)
        return Closed(session, head, found.st_size, found.st_ino, found.st_mtime_ns)

    def spoil(self, session: str) -> None:
        """What the session's guest has kept is not in the record: it goes, and its file with it."""
        guest = self._live.get(session)
        if guest is not None:
            guest.dead = True
            self.drop(session)

    def note_all(self) -> None:
        """There is another keeper, which knows of no session that is open."""
        for session in self._live:
            self._send(Used(session))

    def drop_oldest(self) -> str | None:
        """End the guest that was used the longest ago; its session, if there was one."""
        oldest = next(iter(self._live), None)
        if oldest is not None:
            self.drop(oldest)
        return oldest

    def drop_all(self, before: float = float("inf")) -> None:
        """End all guests, as many as there is time for: until then, on the monotonic clock."""
        while self._live and time.monotonic() < before:
            self.drop_oldest()
        for session in tuple(self._ready):
            self._put_back(session)

    def tidy(self) -> bool:
        """Housekeeping for an idle moment, one small step a call. Whether there is more to do."""
        horizon = time.monotonic() - self._reuse.idle_seconds
        oldest = next(iter(self._live.values()), None)
        if oldest is not None and oldest.idle_since < horizon:
            self.drop_oldest()
            return True
        if len(self._spare) < self._reuse.spare_guests:
            self._spare.append(self._fresh())
            return True
        return False


def _has_descriptors() -> bool:
    opened: list[int] = []
    try:
        while len(opened) < _DESCRIPTORS_TO_OPEN:
            opened += os.pipe()
    except OSError:
        return False
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return True


def _name_of(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "OSError")

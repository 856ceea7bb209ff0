"""A worker's live guests: one a session, the least recently used dropped, spares kept ready."""

from __future__ import annotations

import errno
import os
import time
from collections import OrderedDict, deque
from contextlib import suppress
from typing import TYPE_CHECKING

from wasm_runtime import session_files
from wasm_runtime.compiled_plans import CompiledPlans
from wasm_runtime.limits import GUEST_BYTES
from wasm_runtime.live_guest import LiveGuest
from wasm_runtime.outcome import NotConfirmed, SessionDamaged, StorageFailed, StorageFull
from wasm_runtime.residency import resident_bytes
from wasm_runtime.sound_files import SoundFiles

if TYPE_CHECKING:
    from pathlib import Path

    from wasm_runtime.engine import Runtime
    from wasm_runtime.limits import GuestReuse
    from wasm_runtime.outcome import Outcome

#: A run that leaves its guest larger by this has had the use of it: the next request gets a fresh one.
_MAX_GROWTH_BYTES = 32 * 1024 * 1024
#: Database and journal, each at the session's limit.
_FILES = 2
#: Reads cannot make files unless they are past the policy, so not each of them is looked after.
_READS_BETWEEN_AUDITS = 16
_MOST_SYNCED = 4096
#: More than a guest needs to open its directory, its database and its journal.
_DESCRIPTORS_TO_OPEN = 8


class Guests:
    """Hands out the live guest of a session. A guest never serves a second session."""

    def __init__(
        self,
        runtime: Runtime,
        reuse: GuestReuse,
        data_root: Path,
        durability: str,
        *,
        enforce_types: bool = False,
    ) -> None:
        self._runtime = runtime
        self._reuse = reuse
        self._data_root = data_root
        self._durability = durability
        self._enforce_types = enforce_types
        self._live: OrderedDict[str, LiveGuest] = OrderedDict()
        self._spare: deque[LiveGuest] = deque()
        self._sound = SoundFiles()
        #: Directories without a database whose names are on disk: see `session_files.ensure`.
        self._synced: dict[str, int] = {}
        self._compiled = CompiledPlans(lambda document: LiveGuest(runtime).compile(document))
        self._resident = resident_bytes()
        #: Two guests at their limit, beside what all the others and the worker itself have.
        self._most_resident = 2 * runtime.limits.memory_bytes + (40 + reuse.live_guests) * GUEST_BYTES

    def __contains__(self, session: object) -> bool:
        return session in self._live

    def __len__(self) -> int:
        return len(self._live)

    @property
    def spare(self) -> int:
        """How many wait for a session."""
        return len(self._spare)

    def get(self, session: str) -> LiveGuest | Outcome:
        """The session's live guest, attached; or why there is none."""
        guest = self._live.get(session)
        if guest is not None:
            self._live.move_to_end(session)
            return guest
        opened = self._opened(session)
        if not isinstance(opened, LiveGuest) and self._live and not _has_descriptors():
            # They have run out, which a guest past the policy can see to: then all guests go.
            self._drop_all()
            opened = self._opened(session)
        if isinstance(opened, SessionDamaged | StorageFailed):
            opened = self._opened(session)  # one failure of the disk may pass
        if not isinstance(opened, LiveGuest):
            return self._set_aside(session, self.explained(session, opened))
        self._live[session] = opened
        if len(self._live) > self._reuse.live_guests:
            self._drop_oldest()
        self._resident = resident_bytes()
        return opened

    def _opened(self, session: str) -> LiveGuest | Outcome:
        try:
            directory = session_files.ensure(self._data_root, session, self._synced)
            found = session_files.look(directory)
        except session_files.SetAside:
            return SessionDamaged("it was set aside")
        except OSError as error:
            return _no_directory(error, self._runtime.limits.session_disk_bytes)
        if len(self._synced) > _MOST_SYNCED:
            self._synced.clear()
        guest = self._spare.popleft() if self._spare else self._fresh()
        problem = guest.attach(
            directory,
            self._durability,
            enforce_types=self._enforce_types,
            found=found,
            sound=self._sound.has(session, found),
        )
        if found.journal:
            problem = problem or _unrecovered(directory)
        if problem is not None:
            return problem
        with suppress(OSError):
            os.utime(directory)  # it is used now: see wasm_runtime/sweeper.py
        return guest

    def _fresh(self) -> LiveGuest:
        return LiveGuest(self._runtime, self._compiled)

    def inspect(self, session: str) -> None:
        """Set a session aside if it is as damaged as a run has said.

        That run's guest is not believed: fresh ones read the whole file before they run anything.
        """
        self.drop(session)
        self._sound.forget(session)
        problem = self._checked(session)
        if isinstance(problem, SessionDamaged):
            problem = self._checked(session)  # one failure of the disk may pass
        if problem is not None:
            self._set_aside(session, self.explained(session, problem))

    def _checked(self, session: str) -> Outcome | None:
        guest = self._opened(session)
        return guest.check() if isinstance(guest, LiveGuest) else guest

    def _set_aside(self, session: str, problem: Outcome) -> Outcome:
        if isinstance(problem, SessionDamaged) and not problem.too_new:
            # What cannot be renamed stays as it is, and answers the same: nothing of it is written.
            with suppress(OSError):
                session_files.set_aside(self._data_root, session)
        return problem

    def sync_names(self, session: str, guest: LiveGuest) -> Outcome | None:
        """After a guest's first commit: see to it that the names of its files are on disk.

        SQLite does so where it has made one, but takes no notice when it fails (os_unix.c, unixSync); and who
        finds the files later cannot tell. Where there is nothing to do it costs microseconds.
        """
        if guest.names_synced:
            return None
        try:
            session_files.sync(self._data_root / session)
        except OSError as error:
            guest.dead = True
            return NotConfirmed(f"its directory: {_name_of(error)}")
        guest.names_synced = True
        return None

    def explained(self, session: str, outcome: Outcome) -> Outcome:
        """What the disk says of an outcome that a guest, which sees little of it, has put down to its file.

        A session that looked damaged twice is damaged if its file can be read. A failed write is one for
        want of space if there is none: the guest's C library makes EIO of most errors.
        """
        directory = self._data_root / session
        try:
            if isinstance(outcome, SessionDamaged):
                session_files.read_through(directory)
            elif isinstance(outcome, StorageFailed) and session_files.is_disk_full(self._data_root):
                return StorageFull(self._runtime.limits.session_disk_bytes)
        except OSError as error:
            if error.errno not in session_files.NOT_A_FILE:
                return StorageFailed(f"its database: {_name_of(error)}")
        return outcome

    def audit(self, session: str, guest: LiveGuest, *, read_only: bool) -> Outcome | None:
        """After a run, before its commit: refuse it if it left more in the directory than may be there."""
        if read_only and guest.audited and guest.uses - guest.audited < _READS_BETWEEN_AUDITS:
            return None
        guest.audited = guest.uses
        limit = self._runtime.limits.session_disk_bytes
        directory = self._data_root / session
        try:
            if session_files.is_within(directory, _FILES * limit):
                return None
            guest.dead = True
            session_files.remove_foreign(directory)
        except OSError as error:
            guest.dead = True
            return StorageFailed(f"its directory: {_name_of(error)}")
        return StorageFull(limit)

    def exists(self, session: str) -> bool:
        """Whether there is anything of the session, in memory or on disk."""
        return session in self._live or session_files.exists(self._data_root, session)

    def release(self, session: str) -> None:
        """After a run: keep the guest for the session's next request, or drop it."""
        guest = self._live.get(session)
        if guest is None:
            return
        resident = resident_bytes()
        grown = resident - self._resident > _MAX_GROWTH_BYTES
        if guest.dead or grown or self._reuse.mode == "never" or guest.uses >= self._reuse.max_uses:
            self.drop(session)
        else:
            guest.idle_since = time.monotonic()
        self._shrink(resident)

    def _shrink(self, resident: int) -> None:
        """Growth that is too slow for one run to be blamed: the oldest guests go until it is gone."""
        while resident > self._most_resident and self._live:
            self._drop_oldest()
            resident = resident_bytes()
        self._resident = resident

    def drop(self, session: str) -> None:
        """End the session's guest, if there is one, and close its files."""
        guest = self._live.pop(session, None)
        if guest is None:
            return
        if not guest.dead:
            self._sound.note(session, self._data_root / session)
            return
        self._sound.forget(session)
        if not _has_descriptors():
            # One guest may have had them all, and this one died for want of one.
            self._drop_all()

    def _drop_oldest(self) -> None:
        self.drop(next(iter(self._live)))

    def _drop_all(self) -> None:
        for session in tuple(self._live):
            self.drop(session)

    def tidy(self) -> bool:
        """Housekeeping for an idle moment, one small step a call. Whether there is more to do."""
        horizon = time.monotonic() - self._reuse.idle_seconds
        oldest = next(iter(self._live.values()), None)
        if oldest is not None and oldest.idle_since < horizon:
            self._drop_oldest()
            return True
        if len(self._spare) < self._reuse.spare_guests:
            self._spare.append(self._fresh())
            return True
        return False


def _no_directory(error: OSError, limit_bytes: int) -> Outcome:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(limit_bytes)
    return StorageFailed(f"its directory: {_name_of(error)}")


def _unrecovered(directory: Path) -> Outcome | None:
    """Why a session that was opened must not be used: its database is still the middle of a transaction.

    SQLite rolls a hot journal back when it opens a file, but takes one that it cannot stat for none.
    """
    try:
        hot = session_files.has_hot_journal(directory)
    except OSError as error:
        return StorageFailed(f"its journal: {_name_of(error)}")
    return StorageFailed("its journal was not rolled back") if hot else None


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

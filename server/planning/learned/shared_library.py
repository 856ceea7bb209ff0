"""The plan library of a cluster: each node has all of it in a file, made of one log that all nodes add to.

1. Whatever changes the library is put behind all that was done before (`Journal.add`), and then it is done
   here, in that order, as at every node. So all files are equal, numbers included.
2. The file is made anew at each start: it is the log's, and nobody's only copy. Now and then whoever has
   added something puts the file itself into the record, and the log begins there: a node that is behind that
   begins with the file.
3. What other nodes have done is read when the record says that there is more, several times a second; before
   a model is asked; and before a session is served that was another node's.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import structlog
from attrs import asdict, evolve

from server.planning.kinds.fingerprint import Versions
from server.planning.learned.library import PlanLibrary, now_text
from server.planning.learned.library_file import LibraryError, open_file
from server.planning.learned.library_rows import Origin, PlanRecord
from server.record.record import RecordError
from server.values.model import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE_NAME: Final = "plans.cluster.db"
_log = structlog.get_logger()


class Journal(Protocol):
    """What was done to the library, for whoever is not on the event loop. All raise RecordError."""

    def add(self, done: str) -> int:
        """The number it has, behind all others."""
        ...

    def since(self, after: int) -> list[tuple[int, bool, str]]:
        """Some of what comes after a number: its own number, whether another node has done it, and what."""
        ...

    def keep(self, revision: int, path: Path) -> None:
        """Have the file in the place of all that was done up to a number."""
        ...

    def fetch(self, path: Path) -> int:
        """Write the file that was kept last; the number that it is of, 0: there is none."""
        ...


class SharedLibrary(PlanLibrary):
    """See the module. `revision` is the number of what was done last here."""

    _journal: Journal
    revision = 0
    #: So often the file takes the place of the log before it.
    every = 2_000
    #: Whether another node has done something since this one has caught up.
    _foreign = False

    @classmethod
    def shared(cls, directory: Path, journal: Journal) -> Self:
        """Raises LibraryError; it catches up when it is first asked to."""
        path = directory / FILE_NAME
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(f"{FILE_NAME}{suffix}").unlink()
        library = cls(path, open_file(path))
        library._journal = journal
        return library

    # What changes it

    def learn(
        self, record: PlanRecord, session: Session, body_shape: str, *, for_person: bool = False
    ) -> int | None:
        number: int | None = self._share("learn", _plain(record), asdict(session), body_shape, for_person)
        return number

    def mark_failures(self, number: int, failures: str, *, quarantined: bool) -> None:
        self._share("mark_failures", number, failures, quarantined)

    def mark_asked(self, number: int, slug_asked: int) -> None:
        self._share("mark_asked", number, slug_asked)

    def pin(self, plan_id: str, *, pinned: bool = True) -> int:
        return int(self._share("pin", plan_id, pinned))

    def edit_text(self, plan_id: str, made: tuple[str, str, str, str], versions: Versions) -> int:
        return int(self._share("edit", plan_id, made, asdict(versions)))

    def keep_source(self, plan_id: str, text: str) -> None:
        self._share("keep_source", plan_id, text)

    def keep_record_rules(self, shown: str, answer: str) -> None:
        self._share("keep_record_rules", shown, answer)

    def keep(self, record: PlanRecord) -> int:
        return int(self._share("keep", _plain(record)))

    def forget(self, plan_id: str) -> int:
        return int(self._share("forget", plan_id))

    def forget_session(self, session: str) -> int:
        return int(self._share("forget_session", session))

    def copy_session(self, source: str, target: Session) -> int:
        return int(self._share("copy_session", source, asdict(target)))

    # The log

    def _share(self, name: str, *arguments: Any) -> Any:
        try:
            revision = self._journal.add(json.dumps([name, *arguments]))
        except RecordError as error:
            raise LibraryError("the plan library of the cluster is out of reach") from error
        result = self._follow(revision)
        if revision % self.every == 0:
            self._keep()
        return result

    def _keep(self) -> None:
        """Put the file into the record. What fails is tried again by whoever is next."""
        copy = self._path.with_name(f"{FILE_NAME}.copy")
        try:
            with closing(sqlite3.connect(copy)) as target:
                self._connection.backup(target)
            self._journal.keep(self.revision, copy)
        except (sqlite3.Error, OSError, RecordError):
            _log.warning("plan library's log not shortened", exc_info=True)
        finally:
            copy.unlink(missing_ok=True)

    def catch_up(self) -> bool:
        self._follow()
        foreign, self._foreign = self._foreign, False
        return foreign

    def _follow(self, until: int = 0) -> Any:
        """Do what was done at all nodes, up to a number at least; what the last of it has given."""
        result: Any = None
        while not until or self.revision < until:
            try:
                some = self._journal.since(self.revision)
            except RecordError as error:
                raise LibraryError("the plan library of the cluster is out of reach") from error
            if some and some[0][0] > self.revision + 1:
                self._begin_with_file()
                continue
            for revision, foreign, done in some:
                if until and revision > until:
                    break
                result = self._do(done)
                self.revision = revision
                self._foreign = self._foreign or foreign
            if not some:
                break
        return result

    def _begin_with_file(self) -> None:
        """The log does not go back as far as what is here. Raises LibraryError."""
        copy = self._path.with_name(f"{FILE_NAME}.copy")
        try:
            revision = self._journal.fetch(copy)
            if revision <= self.revision:
                raise LibraryError("the plan library of the cluster has lost a part of its log")
            self._start_over(copy)
        except (RecordError, OSError) as error:
            raise LibraryError("the plan library of the cluster is out of reach") from error
        finally:
            copy.unlink(missing_ok=True)
        self.revision, self._foreign = revision, True

    def _do(self, done: str) -> Any:
        name, *arguments = json.loads(done)
        if name not in _DONE:
            return None  # a later release's
        try:
            return _DONE[name](super(), *arguments)
        except LibraryError:
            # What is here is not what the others have: all of it is read again.
            self._start_over()
            raise

    def _start_over(self, file: Path | None = None) -> None:
        """With an empty file, or with this one."""
        self._connection.close()
        self.revision = 0
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._path.with_name(f"{self._path.name}{suffix}").unlink()
        if file is not None:
            file.rename(self._path)
        with suppress(sqlite3.Error):
            self._connection = open_file(self._path)


def _plain(record: PlanRecord) -> dict[str, Any]:
    """When it was made is said once, for all nodes."""
    return asdict(record if record.created_at else evolve(record, created_at=now_text()))


def _record(plain: dict[str, Any]) -> PlanRecord:
    origin, versions = Origin(**plain.pop("origin")), Versions(**plain.pop("versions"))
    return PlanRecord(**plain, origin=origin, versions=versions)


#: How each thing is done, by its name in the log; `library` does it to the file alone.
_DONE: Final[dict[str, Callable[..., Any]]] = {
    "learn": lambda library, record, session, shape, for_person: library.learn(
        _record(record), Session(**session), shape, for_person=for_person
    ),
    "mark_failures": lambda library, number, failures, quarantined: library.mark_failures(
        number, failures, quarantined=quarantined
    ),
    "mark_asked": lambda library, number, asked: library.mark_asked(number, asked),
    "pin": lambda library, plan_id, pinned: library.pin(plan_id, pinned=pinned),
    "edit": lambda library, plan_id, made, versions: library.edit_text(
        plan_id, tuple(made), Versions(**versions)
    ),
    "keep_source": lambda library, plan_id, text: library.keep_source(plan_id, text),
    "keep_record_rules": lambda library, shown, answer: library.keep_record_rules(shown, answer),
    "keep": lambda library, record: library.keep(_record(record)),
    "forget": lambda library, plan_id: library.forget(plan_id),
    "forget_session": lambda library, session: library.forget_session(session),
    "copy_session": lambda library, source, target: library.copy_session(source, Session(**target)),
}

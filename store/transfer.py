"""Takes a session's files in and out: export, import, and a description, in a process of its own.

    python -m store.transfer export SESSION_DIR OUT        prints {"collections": [names]}
    python -m store.transfer import IN SESSION_DIR         prints {"collections": [names]}
    python -m store.transfer describe SESSION_DIR          prints {"collections": [{"name": ...}]}
    python -m store.transfer salvage SESSION_DIR.damaged   prints that, with "notes" and "kept"

Nobody may use the session meanwhile: its database has no locks. The session itself is never written
to, nor opened: whoever took over a guest could have left anything in its directory, a symbolic link, a
damaged file, a database with a schema of its own. So it works on a private copy, which is looked over first,
and the service runs this module in a process without anything worth stealing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store import records, salvage
from store.errors import StoreDamaged, StoreError
from store.layout import LayoutError, export_session, import_session
from store.ordinary import (
    JOURNAL_NAME,
    NAMES_ANOTHER_FILE,
    NotOrdinaryError,
    names_another_file,
    open_ordinary,
)
from store.session_store import Session
from store.sqlite import DATABASE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNK = 1024 * 1024
#: More than any session's disk limit; this is not where the limit is enforced.
_PAGE_LIMIT_BYTES = 2**40


class Refused(Exception):
    """What is not done; the message is for the person who asked for it."""


#: What any of them may raise, each with a message for people.
FAILURES = (Refused, salvage.Refused, LayoutError, StoreError, OSError)


def export(session_directory: Path, target: Path) -> list[str]:
    """Write a session's collections to `target`, which must be empty or not there yet; their names.

    Raises FAILURES.
    """
    if target.exists() and any(target.iterdir()):
        raise Refused("the directory to write to is not empty")
    with looked_over(session_directory) as session:
        return export_session(session, target)


def describe(session_directory: Path) -> list[dict[str, Any]]:
    """For each collection its name, the number of records, the next id, fields with types, indexed fields.

    Raises FAILURES.
    """
    with looked_over(session_directory) as session:
        return [_described(session, name) for name in session.plan_view.collections()]


def _described(session: Session, name: str) -> dict[str, Any]:
    table, schema = session.table(name), session.plan_view[name].schema()
    single = {"single": schema["single"]} if "single" in schema else {}
    return {
        "name": name,
        **single,
        "records": table.count(),
        "next_id": table.next_id(),
        "fields": schema["fields"],
        "updated_at": schema["updated_at"],
    }


@contextmanager
def looked_over(session_directory: Path) -> Iterator[Session]:
    """A private copy of the session, opened, with nothing in it but what a session has."""
    with tempfile.TemporaryDirectory() as scratch:
        copy_files(session_directory, Path(scratch))
        journal = Path(scratch) / JOURNAL_NAME
        if journal.exists() and names_another_file(journal):
            raise Refused(NAMES_ANOTHER_FILE)
        session = open_directory(scratch)
        try:
            session.check_file()
            yield session
        finally:
            session.close()


def import_(source: Path, session_directory: Path) -> list[str]:
    """Make a session's database out of the files in `source`; the session must have none yet.

    Raises FAILURES.
    """
    if not source.is_dir():
        raise Refused("what is to be imported is no directory")
    session_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (DATABASE_NAME, JOURNAL_NAME):
        if os.path.lexists(session_directory / name):
            raise Refused(f"the session has data already ({name})")
    with tempfile.TemporaryDirectory(dir=session_directory) as scratch:
        session = open_directory(scratch)
        try:
            names = import_session(session, source)
        finally:
            session.close()
        os.link(Path(scratch) / DATABASE_NAME, session_directory / DATABASE_NAME)
    return names


def copy_files(directory: Path, target: Path) -> None:
    """Copy a session's database, and its journal if there is one, into a directory that has neither.

    Raises Refused where there is no database, StoreDamaged where one of them is no ordinary file.
    """
    for name in (DATABASE_NAME, JOURNAL_NAME):
        _copy(directory, name, target / name)


def open_directory(directory: str, object_members: int = records.NO_LIMIT) -> Session:
    return Session.open(
        directory, page_limit_bytes=_PAGE_LIMIT_BYTES, durability="full", object_members=object_members
    )


def _copy(directory: Path, name: str, target: Path) -> None:
    """Copy a file of a session, which has to be a file: no link, no device, nothing that waits."""
    try:
        source = open_ordinary(directory / name)
    except FileNotFoundError:
        if name == JOURNAL_NAME:
            return
        raise Refused(f"this is no session: there is no {name}") from None
    except NotOrdinaryError:
        raise StoreDamaged(f"{name} is no ordinary file") from None
    except OSError as error:
        raise StoreDamaged(f"{name} is no ordinary file ({error.strerror})") from None
    with source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, _CHUNK)


def _salvaged(damaged: Path) -> dict[str, Any]:
    report = salvage.salvage(damaged)
    collections = [asdict(found) for found in report.collections]
    return {"collections": collections, "notes": report.notes, "kept": report.kept.name}


def told(error: Exception) -> str:
    """The reason, without the path that an OSError has: it is shown to whoever asked the service."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one of them; print JSON, `{"error": "..."}` where it was refused (exit status 1)."""
    parser = argparse.ArgumentParser(prog="store.transfer")
    parser.add_argument("command", choices=("export", "import", "describe", "salvage"))
    parser.add_argument("paths", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    run: dict[str, Any] = {"export": export, "import": import_, "describe": describe}
    found: dict[str, Any]
    try:
        if options.command == "salvage":
            found = _salvaged(*options.paths)
        else:
            found = {"collections": run[options.command](*options.paths)}
    except FAILURES as error:
        found = {"error": told(error)}
    sys.stdout.write(json.dumps(found))
    return int("error" in found)


if __name__ == "__main__":
    sys.exit(main())

"""A session's data as the documented JSON files, and back.

    python -m tools.layout export SESSION_DIR OUT
    python -m tools.layout import IN SESSION_DIR

Stop the service first, or be sure that nobody uses the session: a session's database has no locks. Export
never writes to the session. It works on a private copy, because whoever took over a guest could have left
anything in the session's directory: a symbolic link, a damaged file, a database with a schema of its own.
"""

from __future__ import annotations

import argparse
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from store.errors import StoreDamaged, StoreError
from store.layout import LayoutError, export_session, import_session
from store.session_store import Session
from store.sqlite import DATABASE_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK = 1024 * 1024
_SUPER_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_JOURNAL = f"{DATABASE_NAME}-journal"
#: More than any session's disk limit; a tool is not where the limit is enforced.
_PAGE_LIMIT_BYTES = 2**40


class Refused(Exception):
    """What the command will not do; the message is for the person who called it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0 done, 1 refused, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        names = options.run(options.source, options.target)
    except (Refused, LayoutError, StoreError, OSError) as error:
        print(f"layout: {error}", file=sys.stderr)
        return 1
    print(f"{len(names)} collections: {', '.join(names)}" if names else "no collections")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools.layout", description="A session's data as JSON, and back.")
    commands = parser.add_subparsers(required=True)
    for name, run, source, target in (
        ("export", export, "SESSION_DIR", "OUT"),
        ("import", import_, "IN", "SESSION_DIR"),
    ):
        command = commands.add_parser(name)
        command.add_argument("source", type=Path, metavar=source)
        command.add_argument("target", type=Path, metavar=target)
        command.set_defaults(run=run)
    return parser


def export(session_directory: Path, target: Path) -> list[str]:
    """Write a session's collections to `target`, which must be empty or not there yet."""
    if target.exists() and any(target.iterdir()):
        raise Refused(f"{target} is not empty")
    with tempfile.TemporaryDirectory() as scratch:
        for name in (DATABASE_NAME, _JOURNAL):
            _copy(session_directory, name, Path(scratch) / name)
        _refuse_super_journal(Path(scratch) / _JOURNAL)
        session = _open(scratch)
        try:
            session.check_file()
            return export_session(session, target)
        finally:
            session.close()


def import_(source: Path, session_directory: Path) -> list[str]:
    """Make a session's database out of the files in `source`; the session must have none yet."""
    if not source.is_dir():
        raise Refused(f"{source} is no directory")
    session_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (DATABASE_NAME, _JOURNAL):
        if os.path.lexists(session_directory / name):
            raise Refused(f"{session_directory} has data already ({name})")
    with tempfile.TemporaryDirectory(dir=session_directory) as scratch:
        session = _open(scratch)
        try:
            names = import_session(session, source)
        finally:
            session.close()
        os.link(Path(scratch) / DATABASE_NAME, session_directory / DATABASE_NAME)
    return names


def _refuse_super_journal(journal: Path) -> None:
    """A journal that names a super-journal has SQLite delete the file of that name; ours never has one.

    https://sqlite.org/fileformat.html, "The Rollback Journal"; pager.c, readSuperJournal.
    """
    if journal.exists() and journal.read_bytes().endswith(_SUPER_JOURNAL_MAGIC):
        raise Refused("the session's journal names another file, which an honest guest never writes")


def _open(directory: str) -> Session:
    return Session.open(directory, page_limit_bytes=_PAGE_LIMIT_BYTES, durability="full")


def _copy(directory: Path, name: str, target: Path) -> None:
    """Copy a file of a session, which has to be a file: no link, no device, nothing that waits."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(directory / name, flags)
    except FileNotFoundError:
        if name == _JOURNAL:
            return
        raise Refused(f"{directory} is no session: it has no {name}") from None
    except OSError as error:
        raise StoreDamaged(f"{name} is no ordinary file ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as source, target.open("xb") as copy:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StoreDamaged(f"{name} is no ordinary file")
        while chunk := source.read(_CHUNK):
            copy.write(chunk)


if __name__ == "__main__":
    sys.exit(main())

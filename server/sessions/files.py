"""Sessions' directories in the data root, and what operators do with them: list, copy, put in place, remove.

1. Nobody else may have a session's files open while it is read or replaced: callers hold the session.
2. What replaces a session is made complete in a scratch directory beside it, and then renamed: a crash leaves
   the session as it was, or as it was to be.
3. A scratch directory has a name that no session's directory can have; those that a crash left are removed
   when the next service starts.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from attrs import frozen

from wasm_runtime import session_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRATCH_PREFIX: Final = "scratch-"
#: What `identity` derives.
DIRECTORY: Final = re.compile(r"[0-9a-f]{32}")


@frozen
class Entry:
    """A session's directory, what it holds in bytes, and when its data last changed (Unix time)."""

    directory: str
    size_bytes: int
    changed_at: float


class SessionFiles:
    """Synchronous; every method may raise OSError."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, directory: str) -> Path:
        return self.root / directory

    def exists(self, directory: str) -> bool:
        return self.path(directory).is_dir()

    def has_data(self, directory: str) -> bool:
        """Whether anything was ever written to the session."""
        with suppress(FileNotFoundError):
            return (self.path(directory) / session_files.DATABASE).lstat().st_size > 0
        return False

    def is_new(self, directory: str) -> bool:
        """Whether nothing has ever been run in the session, so that looking into it would make it."""
        return not self.exists(directory) and not self.damaged(directory).exists()

    def names(self) -> list[str]:
        """The directories of all sessions that have one, sorted."""
        return sorted(path.name for path in self.root.iterdir() if DIRECTORY.fullmatch(path.name))

    def entries(self) -> list[Entry]:
        """All sessions that have a directory, by its name."""
        return [self.entry(name) for name in self.names()]

    def set_aside(self) -> list[Entry]:
        """All sessions that were set aside as damaged, by the names of the directories they had."""
        names = (path.name for path in self.root.iterdir() if path.name.endswith(session_files.DAMAGED))
        directories = sorted(name.removesuffix(session_files.DAMAGED) for name in names)
        return [
            self._entry(directory, self.damaged(directory))
            for directory in directories
            if DIRECTORY.fullmatch(directory)
        ]

    def is_set_aside(self, directory: str) -> bool:
        """Whether the session waits to be salvaged, and nothing is in its place."""
        return self.damaged(directory).is_dir() and not self.exists(directory)

    def entry(self, directory: str) -> Entry:
        """Raises FileNotFoundError when there is no such directory."""
        return self._entry(directory, self.path(directory))

    @staticmethod
    def _entry(directory: str, place: Path) -> Entry:
        size = sum(path.lstat().st_size for path in place.iterdir())
        database = place / session_files.DATABASE
        changed = (database if os.path.lexists(database) else place).lstat().st_mtime
        return Entry(directory, size, changed)

    def damaged(self, directory: str) -> Path:
        """Where the session is when it was set aside as damaged."""
        return self.path(f"{directory}{session_files.DAMAGED}")

    def new_scratch(self) -> Path:
        """A path below the data root where there is nothing yet."""
        return self.root / f"{SCRATCH_PREFIX}{secrets.token_hex(8)}"

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """The path of a directory that is not there yet; removed at the end if it then is."""
        path = self.new_scratch()
        try:
            yield path
        finally:
            self.remove_scratch(path)

    @staticmethod
    def remove_scratch(path: Path) -> None:
        """Remove such a directory, if it is there by now."""
        if path.exists():
            session_files.delete(path.parent, path.name)

    def copy(self, directory: str, target: Path) -> bool:
        """Copy a session's files to a directory that is made for it; False: it has no database."""
        return session_files.copy(self.path(directory), target)

    def put(self, prepared: Path, directory: str) -> None:
        """Have a prepared directory take the place of the session's; the one before is removed."""
        with self.scratch() as before:
            if self.exists(directory):
                self.path(directory).rename(before)
            prepared.rename(self.path(directory))

    def remove(self, directory: str) -> None:
        """Remove a session's directory; first it gets out of the way, so no half of it is ever in use."""
        self._remove(self.path(directory))

    def remove_all(self, directory: str) -> None:
        """Remove the session's directory, and what was set aside or salvaged of it."""
        salvaged = self.root.glob(f"{directory}{session_files.SALVAGED}*")
        for path in [*salvaged, self.damaged(directory), self.path(directory)]:
            if path.is_dir():
                self._remove(path)

    def _remove(self, path: Path) -> None:
        with self.scratch() as before:
            path.rename(before)

    def remove_leftovers(self) -> None:
        """Remove the scratch directories of a service that is no more."""
        for path in self.root.glob(f"{SCRATCH_PREFIX}*"):
            with suppress(OSError):
                session_files.delete(path.parent, path.name)

"""What of sessions is files in the data root: scratch, and what releases before the record have left.

`<session>` is a file that was not taken over yet, `<session>.adopted` one that was; `<session>.damaged` was
set aside as damaged, and `<session>.salvaged-<time>` is what was kept of it when it was salvaged. All of them
stay until the operator removes them, or the session is deleted.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from attrs import frozen

from wasm_runtime import session_files

if TYPE_CHECKING:
    from pathlib import Path

SCRATCH_PREFIX: Final = "scratch-"
#: What `identity` derives.
DIRECTORY: Final = re.compile(r"[0-9a-f]{32}")
DAMAGED: Final = ".damaged"
SALVAGED: Final = ".salvaged-"
ADOPTED: Final = ".adopted"
#: What the releases before the record called a session while they removed it.
_REMOVED: Final = ".removed"


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

    def damaged(self, directory: str) -> Path:
        """Where the session is when it was set aside as damaged."""
        return self.root / f"{directory}{DAMAGED}"

    def is_set_aside(self, directory: str) -> bool:
        return self.damaged(directory).is_dir()

    def set_aside(self, directory: str) -> None:
        """Have the session's old file wait to be salvaged."""
        session_files.rename(self.root, directory, f"{directory}{DAMAGED}")

    def salvaged(self, directory: str) -> str:
        """What could be read of what was set aside was taken over; the name of the rest from now on."""
        name = f"{directory}{SALVAGED}{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        session_files.rename(self.root, f"{directory}{DAMAGED}", name)
        return name

    def all_set_aside(self) -> list[Entry]:
        """All sessions that were set aside as damaged, by the names of the directories they had."""
        names = (path.name for path in self.root.iterdir() if path.name.endswith(DAMAGED))
        directories = sorted(name.removesuffix(DAMAGED) for name in names)
        return [self._damaged(directory) for directory in directories if DIRECTORY.fullmatch(directory)]

    def _damaged(self, directory: str) -> Entry:
        place = self.damaged(directory)
        size = sum(path.lstat().st_size for path in place.iterdir())
        return Entry(directory, size, place.lstat().st_mtime)

    def remove_all(self, directory: str) -> None:
        """Remove whatever there is of the session in the old format."""
        for suffix in (f"{SALVAGED}*", DAMAGED, f"{ADOPTED}*", _REMOVED):
            for path in self.root.glob(f"{directory}{suffix}"):
                if path.is_dir():
                    session_files.delete(self.root, path.name)

    def new_scratch(self) -> Path:
        """A path below the data root where there is nothing yet."""
        return self.root / f"{SCRATCH_PREFIX}{secrets.token_hex(8)}"

    @staticmethod
    def remove_scratch(path: Path) -> None:
        """Remove such a directory, if it is there by now."""
        if path.exists():
            session_files.delete(path.parent, path.name)

    def remove_leftovers(self) -> None:
        """Remove what a service that is no more had not finished with."""
        for pattern in (f"{SCRATCH_PREFIX}*", f"*{_REMOVED}"):
            for path in self.root.glob(pattern):
                with suppress(OSError):
                    if path.is_dir() and not path.is_symlink():
                        session_files.delete(path.parent, path.name)
                    else:
                        path.unlink()

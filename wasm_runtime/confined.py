"""Runs a module that needs some files and no more, confined as a worker is: readers of files, the keeper.

    python -m wasm_runtime.confined CONFINEMENT MODULE ARGUMENT...

CONFINEMENT is JSON text, see `Confinement`. The module is imported first, with all that it imports; then
the process confines itself, and ends with what the module's `main(arguments)` gives.

A session's database may be anything that a guest which was taken over has left there, and SQLite is a large
parser of such files. Whoever takes over this process in turn has the files that it was given, nothing else.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import asdict, frozen

from wasm_runtime.confinement import confine_to

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Database, journal, what is read or written, and room for the interpreter's own.
OPEN_FILES = 64


@frozen
class Confinement:
    """Directories to write in, directories and files to read, and the most bytes of one written file.

    `parent` is the process that this one ends with. `ports`: of other machines' TCP, which it may connect to;
    without one it may open no socket at all.
    """

    writable: tuple[str, ...]
    readable: tuple[str, ...]
    file_bytes: int
    parent: int
    open_files: int = OPEN_FILES
    ports: tuple[int, ...] = ()

    def command(self, module: str, *arguments: str) -> list[str]:
        """What starts the module under it: our own interpreter, with nothing from the environment."""
        own = (sys.executable, "-I", "-X", "utf8", "-m", "wasm_runtime.confined")
        return [*own, json.dumps(asdict(self)), module, *arguments]


def main(arguments: Sequence[str]) -> int:
    given, name, *rest = arguments
    confinement = Confinement(**json.loads(given))
    module = importlib.import_module(name)
    # What it writes is data of sessions, and nobody else's to read, whatever the directory lets others do.
    os.umask(0o077)
    own = Path(module.__file__ or __file__).parent
    confine_to(
        writable=list(map(Path, confinement.writable)),
        readable=[own, *map(Path, confinement.readable)],
        file_bytes=confinement.file_bytes,
        open_files=confinement.open_files,
        parent=confinement.parent,
        ports=confinement.ports,
    )
    status: int = module.main(rest)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

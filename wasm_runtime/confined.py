"""Runs a module of ours in a process that has given up what it does not need, as a worker has.

    python -m wasm_runtime.confined ROOT PARENT MODULE [ARGUMENT ...]

The module is imported, and then its `main()` is called. That may read and write below ROOT, a directory; it
starts no program, opens no socket, and ends with the process PARENT. What the kernel has no means for is left
out: see `confinement`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from wasm_runtime.confinement import confine

#: SQLite's random numbers begin with it.
_RANDOM = Path("/dev/urandom")
_OPEN_FILES = 4_096


def main() -> None:
    _, root, parent, module, *arguments = sys.argv
    loaded = importlib.import_module(module)
    confine(
        data_root=Path(root),
        component=_RANDOM,
        file_bytes=sys.maxsize,
        open_files=_OPEN_FILES,
        parent=int(parent),
    )
    sys.argv = [module, *arguments]
    sys.exit(loaded.main())


if __name__ == "__main__":
    main()

"""Gets back what can be read of sessions that the service has set aside as damaged.

    python -m tools.salvage DATA_ROOT              lists them
    python -m tools.salvage DATA_ROOT/<session>.damaged

The service may run: until the second command is done, the session's requests are answered `session-damaged`,
and from then on with what was recovered. The damaged files are kept under another name.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from store.errors import StoreError
from store.salvage import DAMAGED, Refused, salvage

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0 done, 1 refused or failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="tools.salvage", description="What is readable of a damaged session."
    )
    parser.add_argument("directory", type=Path, help="the data root, or a directory in it that was set aside")
    directory = parser.parse_args(arguments).directory
    try:
        if directory.name.endswith(DAMAGED):
            print(salvage(directory).text())
        else:
            print("\n".join(map(str, set_aside(directory))) or "no session was set aside")
    except (Refused, StoreError, OSError) as error:
        print(f"salvage: {error}", file=sys.stderr)
        return 1
    return 0


def set_aside(data_root: Path) -> list[Path]:
    """The directories of the sessions that wait to be salvaged. Raises OSError."""
    return sorted(path for path in data_root.iterdir() if path.name.endswith(DAMAGED))


if __name__ == "__main__":
    sys.exit(main())

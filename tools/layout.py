"""A session's data as the documented JSON files, and back.

    python -m tools.layout export SESSION_DIR OUT
    python -m tools.layout import IN SESSION_DIR

Stop the service first, or be sure that nobody uses the session: a session's database has no locks.
(`metaservice sessions export` does the same with the service running.) See `store.transfer`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from store.transfer import FAILURES, export, import_

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status: 0 done, 1 refused, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        names = options.run(options.source, options.target)
    except FAILURES as error:
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


if __name__ == "__main__":
    sys.exit(main())

"""Writes to a record until it has done all its steps; what is told as durable is told by a call.

    python -m tools.torture.power_writer DIRECTORY SEED STEPS DURABILITY

`stat` of `/durable/<step>` says that the step was acknowledged: whoever listens to the calls of this process
has it in one order with the writes and syncs. The steps follow from the seed (`power_model.steps`).
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from server.record import checkpoints, sqlite_record
from server.record.record import Head, Part
from server.record.sqlite_record import Options, SqliteRecord
from store.change_set import encode
from tools.torture.power_model import Adopt, Commit, Copy, Remove, Rewind, steps

if TYPE_CHECKING:
    from tools.torture.power_model import Step

DURABLE: Final = "/durable/"
ENDED: Final = "/ended"
#: Small, so that many checkpoints happen.
_ENOUGH_PAGES: Final = 60


class _Checkpoints(checkpoints.Checkpoints):
    """Says when a thread has ended, whose last call would otherwise never count as done."""

    def _copy(self) -> None:
        super()._copy()
        with suppress(FileNotFoundError):
            Path(ENDED).stat()


async def write(directory: Path, seed: int, count: int, durability: str) -> None:
    """Raises RecordError where a step is refused, which none is to be."""
    checkpoints.ENOUGH_PAGES = _ENOUGH_PAGES
    checkpoints.COMMITS_BETWEEN_LOOKS = 3
    options = Options(
        "full" if durability == "full" else "relaxed", history_seconds=3600, history_bytes=1024 * 1024
    )
    setattr(sqlite_record, "Checkpoints", _Checkpoints)  # noqa: B010  for this process alone
    record = SqliteRecord(directory / "record.db", options)
    for number, step in enumerate(steps(seed, count)):
        await _do(record, step)
        with suppress(FileNotFoundError):
            Path(f"{DURABLE}{number}").stat()  # noqa: ASYNC240  it is the message
    await record.close()


async def _do(record: SqliteRecord, step: Step) -> None:
    match step:
        case Commit(parts):
            group = [
                Part(each.session, each.base, each.batch, time.time(), "", "", "", encode(each.rows))
                for each in parts
            ]
            results = await record.commit(group)
            assert all(isinstance(result, Head) for result in results), results
        case Copy(source, target):
            await record.copy(source, target)
        case Adopt(session, rows):
            await record.adopt(session, rows, replace=True)
        case Rewind(session, version):
            await record.rewind(session, version)
        case Remove(session):
            await record.remove([session])


def main() -> None:
    directory, seed, count, durability = sys.argv[1:]
    asyncio.run(write(Path(directory), int(seed), int(count), durability))


if __name__ == "__main__":
    main()

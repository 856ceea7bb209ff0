"""`serve --seed db.json`: a file to begin with, in the session of requests that name none."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from server.cli.channel import Ask, LocalChannel, Refusal
from server.cli.db_json import seed_in
from server.cli.offline import opened
from server.cli.progress import Progress
from server.cli.sessions import archived
from server.operations.naming import ANONYMOUS

if TYPE_CHECKING:
    from server.settings.schema import Settings

_TAKEN: Final = 409


async def plant(settings: Settings, seed: Path) -> list[str]:
    """What to tell of it. A session that has data already is left as it is: a restart loses nothing.

    Where a contract is served to it, the records are stored as that has them. Raises Refusal for a file that
    cannot be read, or does not fit, and what `opened` does.
    """
    with tempfile.TemporaryDirectory() as scratch:
        ask, notes = await asyncio.to_thread(_asked, settings, seed, Path(scratch))
        async with opened(settings, Progress(sys.stderr)) as api:
            try:
                found = await LocalChannel(api).call(ask)
            except Refusal as refusal:
                if refusal.problem.get("status") != _TAKEN:
                    raise
                return [f"{seed} is not read: the session has data already, which is kept"]
    told = notes if settings.contract.path is None else found["notes"]
    return [*told, f"{seed}: {', '.join(found['collections'])}"]


def _asked(settings: Settings, seed: Path, scratch: Path) -> tuple[Ask, list[str]]:
    """What stores the file, and what to tell of how it was read. Raises Refusal."""
    if settings.contract.path is not None:
        return Ask("POST", ("sessions", ANONYMOUS, "contract", "seed"), body={"seed": seed_in(seed)}), []
    try:
        archive, notes = archived(seed, scratch)
    except OSError as error:
        raise Refusal({"detail": f"{seed}: {error.strerror}."}) from None
    return Ask("PUT", ("sessions", ANONYMOUS, "import"), upload=archive), list(notes)

"""All sessions from one engine of the record to the other: into a cluster, and out of it.

Each session is copied whole, as it is: records, catalogue, kept answers, settings, and its name. What it was
before stays where it is. It counts for the token that it counted for (`sessions.per_token`).
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from attrs import evolve

from server.operations.keeping import make_keeper
from server.record.record import Exists, Missing, Unavailable

if TYPE_CHECKING:
    from server.record.client import KeeperClient
    from server.sessions.directories import DataRoot
    from server.settings.schema import Settings

Engine: TypeAlias = Literal["sqlite", "postgres"]

_SCRATCH: Final = "scratch-"
#: Where the copying node is found by others: nowhere, since it serves nobody.
_NOWHERE: Final = "http://127.0.0.1:9"


async def copied(settings: Settings, root: DataRoot, *, to: Engine, replace: bool = False) -> dict[str, Any]:
    """`sessions`: how many; `left`: those that were there, and not to be replaced. Raises RecordError."""
    if not settings.record.url:
        raise Missing("no database is named: set record.url (LARS_RECORD_URL)")
    source_engine: Engine = "sqlite" if to == "postgres" else "postgres"
    async with AsyncExitStack() as closing:
        source = await _opened(settings, root, source_engine, closing)
        target = await _opened(settings, root, to, closing)
        names = await source.call("names")
        await target.call("note", names=[[directory, *name] for directory, name in names.items()])
        places = await source.call("places")
        done, left = 0, []
        for entry in (await source.call("sessions"))["sessions"]:
            session = entry["name"]
            if session.startswith(_SCRATCH):
                continue
            try:
                await _copy(source, target, session, root, clustered=to == "postgres", replace=replace)
                if session in places:
                    await target.call("take_place", session=session, token=places[session], most=0)
                done += 1
            except Exists:
                left.append("/".join(filter(None, names.get(session, ["", session]))))
    return {"sessions": done, "left": left}


async def _opened(
    settings: Settings, root: DataRoot, engine: Engine, closing: AsyncExitStack
) -> KeeperClient:
    options = evolve(settings.record, engine=engine, node_url=settings.record.node_url or _NOWHERE)
    keeper = make_keeper(evolve(settings, record=options), root)
    await keeper.start()
    closing.push_async_callback(keeper.close)
    return keeper


async def _copy(
    source: KeeperClient,
    target: KeeperClient,
    session: str,
    root: DataRoot,
    *,
    clustered: bool,
    replace: bool,
) -> None:
    if clustered and "node" in (found := await target.call("claim", session=session)):
        raise Unavailable(f"a node at {found['url']} has a session open: stop all nodes first")
    path = root.path / f"{_SCRATCH}{secrets.token_hex(8)}.rows"
    try:
        await source.call("rows", session=session, path=str(path))
        await target.call("adopt", session=session, path=str(path), replace=replace)
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)
    own = await source.call("settings", session=session)
    for value in own.values():
        text = await source.call("document", digest=value) if isinstance(value, str) else None
        if text is not None:
            await target.call("keep_document", digest=value, text=text)
    if own:
        await target.call("change_settings", session=session, changes=own)

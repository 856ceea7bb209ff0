"""`metaservice nodes` and `metaservice record copy`: a cluster, and the way into it and out of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from server.cli.channel import Ask
from server.cli.options import add, group
from server.cli.output import counted

if TYPE_CHECKING:
    import argparse

    from server.cli.channel import Channel
    from server.cli.options import Commands
    from server.cli.output import Output
    from server.settings.schema import Settings

_ENGINES: Final = ("sqlite", "postgres")


def register(commands: Commands) -> None:
    add(
        commands,
        "nodes",
        nodes,
        "list the nodes of a cluster",
        more="Any node can be asked: it knows those that live, and those that have within the hour.",
    )
    record = group(commands, "record", "have all data in another place")
    copier = add(
        record,
        "copy",
        copy,
        "copy all sessions from the data root's record to the database, or back",
        more="No service may use the data root meanwhile, and none the database. Histories stay where they "
        "are; plans go by `plans export` and `plans import`.",
        alone=True,
    )
    copier.add_argument("--to", choices=_ENGINES, required=True, help="the engine that is to have them")
    copier.add_argument("--replace", action="store_true", help="sessions that are there already, too")


async def nodes(_options: argparse.Namespace, channel: Channel, out: Output) -> int:
    found = await channel.call(Ask("GET", ("nodes",)))
    if out.as_json:
        out.json(found)
        return 0
    rows = [
        (
            each["node"] + (" (asked)" if each["self"] else ""),
            each["url"],
            each["sessions"],
            f"{each['left']:.1f} s" if each["left"] > 0 else "ended",
            each["release"],
        )
        for each in found["nodes"]
    ]
    columns = ("NODE", "ADDRESS", "SESSIONS", "LEASE", "VERSION")
    out.table(columns, rows, empty="This service is alone: its record is a file of its data root.")
    return 0


async def copy(options: argparse.Namespace, settings: Settings, out: Output) -> int:
    """Exit status 1 where a session was there already, and was left as it was."""
    from server.operations.copying import copied  # noqa: PLC0415  most commands do without
    from server.sessions.directories import DataRoot  # noqa: PLC0415

    root = await asyncio.to_thread(DataRoot.open, settings.store.data_path, lock_wait_seconds=0)
    try:
        found = await copied(settings, root, to=options.to, replace=options.replace)
    finally:
        root.close()
    left = found["left"]
    rest = f"; {counted(len(left), 'session')} there already, left as it was" if left else ""
    out.done(found, f"{counted(found['sessions'], 'session')} copied to {options.to}{rest}.")
    return int(bool(left))

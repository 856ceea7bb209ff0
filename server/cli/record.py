"""`metaservice backup`, `restore`, `verify` and `downgrade`: the record as a whole."""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from server.cli.channel import Ask, Refusal
from server.cli.confirm import confirmed
from server.cli.options import add
from server.cli.output import counted
from server.cli.sessions import size

if TYPE_CHECKING:
    import argparse

    from server.cli.channel import Channel
    from server.cli.options import Commands
    from server.cli.output import Output
    from server.settings.schema import Settings


def register(commands: Commands) -> None:
    maker = add(
        commands,
        "backup",
        backup,
        "write sessions, plans and names to one file",
        more="A running service goes on: the file is the record as it was at one moment.",
    )
    maker.add_argument("file", type=Path, metavar="FILE", help="where there is no file yet")
    restorer = add(
        commands,
        "restore",
        restore,
        "make a data root of such a file",
        more="No service may use it meanwhile. What was there is kept as record.db.before-restore.",
        alone=True,
    )
    restorer.add_argument("file", type=Path, metavar="FILE")
    restorer.add_argument("--replace", action="store_true", help="in the place of the record that is there")
    add(commands, "verify", verify, "read the whole record, and say what is not as it was written")
    downgrader = add(
        commands,
        "downgrade",
        downgrade,
        "write every session to the file that releases before the record use",
        more="No service may use the data root meanwhile. The record is kept as record.db.left.",
        alone=True,
    )
    downgrader.add_argument("--yes", action="store_true", help="do not ask")


async def backup(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    target: Path = options.file
    if os.path.lexists(target):  # noqa: ASYNC240  nobody else is in this process
        raise Refusal({"detail": f"{target} is there already."})
    made = await channel.call(Ask("POST", ("record", "backup")))
    part = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        await _fetch(channel, made["name"], made["size_bytes"], part)
        await asyncio.to_thread(_finish, part, target)
    finally:
        part.unlink(missing_ok=True)
        await channel.call(Ask("DELETE", ("record", "backup"), {"name": made["name"]}))
    document = {"file": str(target), "sessions": made["sessions"], "size_bytes": made["size_bytes"]}
    out.done(document, f"{target} has {counted(made['sessions'], 'session')}, {size(made['size_bytes'])}.")
    return 0


async def _fetch(channel: Channel, name: str, total: int, part: Path) -> None:
    """Raises Refusal."""
    part.touch(mode=0o600, exist_ok=False)  # noqa: ASYNC240
    have = 0
    while have < total:
        query = {"name": name, "offset": str(have)}
        await channel.call(Ask("GET", ("record", "backup"), query, save=part, append=True))
        now = part.stat().st_size  # noqa: ASYNC240
        if now == have:
            raise Refusal({"detail": "The service has sent less than there is. Try again."})
        have = now


def _finish(part: Path, target: Path) -> None:
    """Have it on the disk before it has its name. Raises OSError."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.rename(target)


async def verify(_options: argparse.Namespace, channel: Channel, out: Output) -> int:
    """Exit status 1 where something is damaged."""
    found = await channel.call(Ask("GET", ("record", "verify")))
    if out.as_json:
        out.json(found)
    else:
        read = f"{counted(found['sessions'], 'session')}, {counted(found['records'], 'record')} read."
        out.line(read)
        for each in found["damaged"]:
            out.line(f"- {each}", "red")
        if found["files_touched"]:
            many = counted(len(found["files_touched"]), "file")
            out.line(f"{many} changed since closed: made anew when used, nothing is lost.")
        if found["ok"]:
            out.line("All of it is as it was written.")
    return int(not found["ok"])


async def restore(options: argparse.Namespace, settings: Settings, out: Output) -> int:
    from server.planning.learned import library_file  # noqa: PLC0415
    from server.record import backup as backups  # noqa: PLC0415  SQLite, which other commands do without
    from server.sessions.directories import DataRoot  # noqa: PLC0415

    root = await asyncio.to_thread(DataRoot.open, settings.store.data_path, lock_wait_seconds=0)
    async with AsyncExitStack() as closing:
        closing.callback(root.close)
        found = await asyncio.to_thread(
            lambda: backups.restore(options.file, root.path, library_file.faults, replace=options.replace)
        )
    many = f"{counted(found['sessions'], 'session')}, {counted(found['records'], 'record')}"
    out.done({"data_root": str(root.path), **found}, f"{root.path} has {many} from {options.file}.")
    return 0


async def downgrade(options: argparse.Namespace, settings: Settings, out: Output) -> int:
    from server.operations.downgrade import downgraded  # noqa: PLC0415  most commands do without
    from server.sessions.directories import DataRoot  # noqa: PLC0415

    if not options.yes and not confirmed("Write every session's file for an earlier release?"):
        return 1
    root = await asyncio.to_thread(DataRoot.open, settings.store.data_path, lock_wait_seconds=0)
    async with AsyncExitStack() as closing:
        closing.callback(root.close)
        found = await downgraded(settings, root)
    out.done(found, f"{counted(found['sessions'], 'session')} written; the record is {found['record']} now.")
    return 0

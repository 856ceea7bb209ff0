"""`metaservice export --app`: a session's API as a project of its own."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.cli.archives import holds_anything
from server.cli.channel import Ask, Refusal
from server.cli.options import add
from server.cli.output import counted
from server.sessions.tar_files import unpack

if TYPE_CHECKING:
    import argparse

    from server.cli.channel import Channel
    from server.cli.options import Commands
    from server.cli.output import Output

_ANONYMOUS = "~anonymous"
_MOST_NAMES = 20
_MODULES = "app/resources/"
_EXCHANGES = "tests/exchanges.json"


def register(commands: Commands) -> None:
    parser = add(
        commands,
        "export",
        export,
        "eject a session's API as an ordinary project",
        more="It has the learned code, the store, tests, an OpenAPI file and a README, and runs without "
        "this service, a model or WebAssembly.",
    )
    parser.add_argument(
        "--app", type=Path, metavar="DIR", required=True, help="write the project to this directory"
    )
    parser.add_argument(
        "--session",
        metavar="ID",
        help="whose API: its X-Session-ID, token:NAME or @DIRECTORY (default: ~anonymous)",
    )
    parser.add_argument("--with-data", action="store_true", help="with the session's records")
    parser.add_argument(
        "--learned-only", action="store_true", help="without conventions for what nothing was learned for"
    )
    parser.add_argument("--force", action="store_true", help="even if the directory is not empty")


async def export(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    target: Path = options.app
    session = options.session or _ANONYMOUS
    if not options.force and await asyncio.to_thread(holds_anything, target):
        raise Refusal({"detail": f"{target} is not empty; --force writes into it all the same."})
    query = {"data": _flag(options.with_data), "conventions": _flag(not options.learned_only)}
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch) / "app.tar"
        try:
            await channel.call(Ask("GET", ("sessions", session, "app"), query, save=archive))
        except Refusal as refusal:
            if options.session is not None or refusal.problem.get("status") != 404:
                raise
            raise await _which(channel) from None
        names = unpack(archive, target)
    resources = sorted(
        name.removeprefix(_MODULES).removesuffix(".py")
        for name in names
        if name.startswith(_MODULES) and not name.endswith("__init__.py")
    )
    failing = await asyncio.to_thread(_failing, target)
    document = {"directory": str(target), "resources": resources, "files": names, "failing": failing}
    many = counted(len(resources), "resource")
    out.done(document, f"{target} has an application of {many}: {', '.join(resources)}")
    for each in [] if out.as_json else failing:
        line = (
            f"{each['method']} {each['route']} fails on its example, with {each['status']}: {each['failed']}"
        )
        out.line(line, "yellow")
    return 0


async def _which(channel: Channel) -> Refusal:
    """For want of --session: which there are."""
    names = [each["session"] for each in (await channel.call(Ask("GET", ("sessions",))))["sessions"]]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    there_are = f"there are: {', '.join(names[:_MOST_NAMES])}{more}" if names else "there are none yet"
    return Refusal({"status": 404, "detail": f"Say with --session whose API it is; {there_are}."})


def _failing(project: Path) -> list[dict[str, Any]]:
    """The example requests that their handlers failed on."""
    exchanges = json.loads((project / _EXCHANGES).read_text("utf-8"))
    return [
        {name: each[name] for name in ("method", "route", "status", "failed")}
        for each in exchanges
        if "failed" in each
    ]


def _flag(value: bool) -> str:  # noqa: FBT001 - a value is what it is about
    return "true" if value else "false"

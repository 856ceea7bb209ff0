"""`metaservice sessions`: list, show, export, import, fork, log, rewind, set, reset, delete, salvage."""

from __future__ import annotations

import asyncio
import json
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.cli.archives import holds_anything, names_in
from server.cli.channel import Ask, Refusal
from server.cli.confirm import confirmed
from server.cli.db_json import write_layout
from server.cli.options import add, group
from server.cli.output import counted, moment, shortened
from server.cli.plans import state_of
from server.sessions.tar_files import unpack

if TYPE_CHECKING:
    import argparse

    from server.cli.channel import Channel
    from server.cli.options import Commands
    from server.cli.output import Output

#: Of a value in a table.
_MOST_SHOWN = 60
_MOMENT = "a version's number, or a time such as 2026-11-30T12:00:00Z"
_SESSION = (
    "its X-Session-ID; token:NAME for the session of a token, TOKEN/ID for one of its own, "
    "@DIRECTORY where the id is not known"
)


def register(commands: Commands) -> None:
    sessions = group(commands, "sessions", "look after sessions and their data")
    add(sessions, "list", list_sessions, "list the sessions, those that changed last first")
    _one(sessions, "show", show, "show a session's collections, sizes and routes; no records")
    exporter = _one(
        sessions,
        "export",
        export,
        "write a session's records as JSON files",
        more="What it has learned is not in them: that is for `plans export --session`.",
    )
    exporter.add_argument(
        "target", type=Path, metavar="OUT", help="an empty or new directory, or a file that ends in .tar"
    )
    importer = _one(
        sessions,
        "import",
        import_,
        "make a session out of such files, or of json-server's db.json",
    )
    importer.add_argument(
        "source",
        type=Path,
        metavar="IN",
        help="a directory, a tar file, or a .json file: an object of arrays",
    )
    importer.add_argument("--replace", action="store_true", help="in the place of the data that it has")
    forker = _one(
        sessions,
        "fork",
        fork,
        "copy a session's data and what it has learned",
        more="A running service goes on: the copy is the session as it is between two requests.",
    )
    forker.add_argument("to", metavar="NEW", help="the new session's X-Session-ID")
    setter = _one(
        sessions,
        "set",
        set_,
        "set whose words a session's requests are read in, which time it is, which ids it makes",
        more="With a fixed clock and a seed the same requests upon the same data get the same replies.",
    )
    setter.add_argument(
        "--dialect", help="native, auto, or the name of a dialect; none: what the settings say for all"
    )
    setter.add_argument(
        "--clock", metavar="TIME", help="2026-03-01T12:00:00Z, from now on; `real`: the real one"
    )
    setter.add_argument("--seed", metavar="TEXT", help="what ids and tokens are made from; `none`: at random")
    forker.add_argument("--at", metavar="MOMENT", help=f"as it was: {_MOMENT}")
    logger = _one(
        sessions, "log", log, "list a session's versions, the last one first: when, what, by which request"
    )
    logger.add_argument("--limit", type=int, default=20, help="how many (default: %(default)s)")
    logger.add_argument("--before", type=int, metavar="VERSION", help="those before this one")
    logger.add_argument(
        "--record", metavar="COLLECTION/ID", help="those of one record, with what each changed"
    )
    rewinder = _one(
        sessions,
        "rewind",
        rewind,
        "have a session's records be what they were",
        more="That is a new version: it can be rewound, too.",
    )
    rewinder.add_argument("--to", required=True, metavar="MOMENT", help=_MOMENT)
    rewinder.add_argument("--diff", action="store_true", help="only show what differs from then")
    rewinder.add_argument("--yes", action="store_true", help="do not ask")
    for name, run, summary in (
        ("reset", reset, "remove a session's data, and keep what it has learned"),
        ("delete", delete, "remove a session: its data, and what it has learned"),
    ):
        _one(sessions, name, run, summary).add_argument("--yes", action="store_true", help="do not ask")
    _one(sessions, "salvage", salvage, "save what can be read of a damaged session")


def _one(commands: Commands, name: str, run: Any, summary: str, *, more: str = "") -> argparse.ArgumentParser:
    parser = add(commands, name, run, summary, more=more)
    parser.add_argument("session", metavar="SESSION", help=_SESSION)
    return parser


async def list_sessions(_options: argparse.Namespace, channel: Channel, out: Output) -> int:
    found = await channel.call(Ask("GET", ("sessions",)))
    if out.as_json:
        out.json(found)
        return 0
    rows = [
        (
            each["session"],
            size(each["size_bytes"]),
            each["routes"],
            moment(each["changed_at"]),
            f"damaged, {each['remedy']}" if each["damaged"] else "-",
        )
        for each in found["sessions"]
    ]
    out.table(("SESSION", "DATA", "ROUTES", "CHANGED", "STATE"), rows, empty="No sessions yet.")
    return 0


async def show(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    found = await channel.call(Ask("GET", ("sessions", options.session)))
    if out.as_json:
        out.json(found)
        return 0
    out.facts(
        {
            "session": found["session"],
            "directory": found["directory"],
            "data": size(found["size_bytes"]) if "size_bytes" in found else "nothing",
            "changed": moment(found.get("changed_at")),
            **found["settings"],
        }
    )
    out.gap()
    collections = [
        (each["name"], each["records"], each["next_id"], _fields(each["fields"]))
        for each in found["collections"]
    ]
    out.table(("COLLECTION", "RECORDS", "NEXT ID", "FIELDS"), collections, empty="No collections.")
    if found["learned"]:
        out.gap()
    routes = [
        (
            f"{each['method']} {each['route']}",
            each["content"],
            shortened(each["plan"]) if out.rich else each["plan"],
            moment(each["learned_at"]),
            state_of(each),
        )
        for each in found["learned"]
    ]
    if routes or out.rich:
        out.table(("LEARNED ROUTE", "BODY", "PLAN", "LEARNED", "STATE"), routes, empty="No learned routes.")
    return 0


def _fields(fields: dict[str, list[str]]) -> str:
    return ", ".join(f"{name}: {'|'.join(kinds) or '?'}" for name, kinds in sorted(fields.items()))


def size(count: int) -> str:
    """Bytes in words: 0 B, 12.0 KiB, 3.4 MiB."""
    amount, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


async def export(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    ask = ("sessions", options.session, "export")
    target: Path = options.target
    if target.suffix == ".tar":
        await channel.call(Ask("GET", ask, save=target))
        names = names_in(target)
    else:
        if await asyncio.to_thread(holds_anything, target):
            raise Refusal({"detail": f"{target} is not empty."})
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch) / "session.tar"
            await channel.call(Ask("GET", ask, save=archive))
            names = unpack(archive, target)
    collections = [name.removesuffix(".json") for name in names if "/" not in name]
    many = counted(len(collections), "collection")
    document = {"file": str(target), "collections": collections}
    out.done(document, f"{target} has {many}: {', '.join(collections)}")
    if not out.as_json:
        out.line("Learned routes are not in it; `plans export --session` writes these.", "dim")
    return 0


async def import_(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    query = {"replace": "true"} if options.replace else {}
    with tempfile.TemporaryDirectory() as scratch:
        archive, notes = await asyncio.to_thread(archived, options.source, Path(scratch))
        found = await channel.call(Ask("PUT", ("sessions", options.session, "import"), query, upload=archive))
    names = found["collections"]
    out.done(found, f"Session {found['session']} has {counted(len(names), 'collection')}: {', '.join(names)}")
    if not out.as_json:
        for note in notes:
            out.line(note, "dim")
    return 0


def archived(source: Path, scratch: Path) -> tuple[Path, list[str]]:
    """What is imported as a tar file, and what to tell of it. Raises Refusal, OSError."""
    archive, files, notes = source, source, list[str]()
    if source.exists() and not (source.is_file() or source.is_dir()):
        raise Refusal({"detail": f"{source} is neither a file nor a directory. A device need not end."})
    if source.suffix == ".json" and source.is_file():
        files = scratch / "files"
        files.mkdir()
        notes = write_layout(source, files)
    if files.is_dir():
        archive = scratch / "session.tar"
        with tarfile.open(archive, "w") as tar:
            for path in sorted(files.rglob("*.json")):
                tar.add(path, path.relative_to(files).as_posix(), recursive=False)
    return archive, notes


async def fork(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    body = {"to": options.to} | ({} if options.at is None else {"at": options.at})
    found = await channel.call(Ask("POST", ("sessions", options.session, "fork"), body=body))
    routes = counted(found["routes"], "learned route")
    out.done(found, f"Session {found['session']} is a copy of {found['from']}, with {routes}.")
    return 0


async def set_(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    given = {"dialect": options.dialect, "clock": options.clock, "seed": options.seed}
    changes = {name: None if value in _UNSET else value for name, value in given.items() if value}
    if not changes:
        raise Refusal({"detail": "Nothing to set: name --dialect, --clock or --seed."})
    found = await channel.call(Ask("PATCH", ("sessions", options.session, "settings"), body=changes))
    kept = found["settings"]
    said = ", ".join(f"{name} {kept[name]}" if name in kept else f"no {name} of its own" for name in changes)
    out.done(found, f"Session {found['session']} has from now on: {said}.")
    return 0


_UNSET = frozenset({"real", "none"})


async def log(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    query = {"limit": str(options.limit)} | ({"before": str(options.before)} if options.before else {})
    if options.record is not None:
        query["record"] = options.record
    found = await channel.call(Ask("GET", ("sessions", options.session, "log"), query))
    if out.as_json:
        out.json(found)
        return 0
    if options.record is not None:
        _show_record_log(found, out)
        return 0
    rows = [
        (
            each["version"],
            moment(each["at"]),
            each["route"],
            _changes(each["changes"]),
            each["request"] or "-",
            shortened(each["plan"]) if each["plan"] and out.rich else each["plan"] or "-",
        )
        for each in found["versions"]
    ]
    out.table(("VERSION", "AT", "WHAT", "RECORDS", "REQUEST", "PLAN"), rows, empty="No history is kept.")
    return 0


def _show_record_log(found: dict[str, Any], out: Output) -> None:
    rows = [
        (
            each["version"],
            moment(each["at"]) if each["at"] else "-",
            each["what"],
            each["route"] or "-",
            _became(each["fields"]),
            each["request"] or "-",
        )
        for each in found["versions"]
    ]
    out.table(("VERSION", "AT", "WHAT", "BY", "FIELDS", "REQUEST"), rows, empty="No history is kept.")
    if found["next"]:
        out.line(f"Earlier ones: --before {found['next']}")


def _became(fields: list[dict[str, Any]]) -> str:
    """`title: "Old" -> "New"; pages: 12 -> gone`."""
    told = []
    for each in fields:
        before = f"{_short(each['before'])} -> " if "before" in each else ""
        after = _short(each["after"]) if "after" in each else "gone"
        told.append(f"{each['field']}: {before}{after}")
    return "; ".join(told) or "-"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def _changes(changes: dict[str, dict[str, int]]) -> str:
    """`orders +1 ~2 -3`: new, changed and removed records by collection."""
    signs = (("new", "+"), ("changed", "~"), ("removed", "-"))
    return ", ".join(
        " ".join([name, *(f"{sign}{counts[kind]}" for kind, sign in signs if counts[kind])])
        for name, counts in changes.items()
    )


async def rewind(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    ask = ("sessions", options.session, "rewind")
    if options.diff:
        found = await channel.call(Ask("POST", ask, body={"to": options.to, "dry": True}))
        if out.as_json:
            out.json(found)
        else:
            _show_differences(found, out)
        return 0
    question = f"Rewind session {options.session} to {options.to}?"
    if not options.yes and not confirmed(question):
        return 1
    found = await channel.call(Ask("POST", ask, body={"to": options.to}))
    changed = counted(found["changed"], "record")
    out.done(
        found,
        f"Session {found['session']} is as at version {found['to']}: {changed} differ from before. "
        f"This is version {found['version']}.",
    )
    return 0


def _show_differences(found: dict[str, Any], out: Output) -> None:
    if not found["differences"]:
        out.line(f"Its records are those of version {found['to']}.")
    for each in found["differences"]:
        if each["after"] is not None:
            out.line(f"- {each['collection']} {each['after']}", "red")
        if each["before"] is not None:
            out.line(f"+ {each['collection']} {each['before']}", "green")


async def reset(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    if not options.yes and not confirmed(f"Remove all records of session {options.session}?"):
        return 1
    found = await channel.call(Ask("POST", ("sessions", options.session, "reset")))
    out.done(found, f"Session {found['session']} has no data any more.")
    return 0


async def delete(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    question = f"Remove session {options.session}, its records and what it has learned?"
    if not options.yes and not confirmed(question):
        return 1
    found = await channel.call(Ask("DELETE", ("sessions", options.session)))
    routes = counted(found["routes"], "learned route")
    out.done(found, f"Session {found['session']} is gone, and {routes} with it.")
    return 0


async def salvage(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    found = await channel.call(Ask("POST", ("sessions", options.session, "salvage")))
    if out.as_json:
        out.json(found)
    else:
        out.facts(found)
    return 0

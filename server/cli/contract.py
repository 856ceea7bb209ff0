"""`metaservice contract`: what a description says by rule, and which one a session is served by."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.cli.channel import Ask, Refusal
from server.cli.db_json import seed_in
from server.cli.options import add, group
from server.cli.output import counted
from server.contracts.document import ContractError
from server.contracts.files import DocumentLimits
from server.contracts.listing import listed
from server.contracts.served import read_contract
from server.planning.assembly import versions_of_records
from server.planning.learned.library_file import FILE_NAME
from server.planning.prompt import PromptError
from server.planning.record_rules import recall_from

if TYPE_CHECKING:
    import argparse

    from server.cli.channel import Channel
    from server.cli.options import Commands
    from server.cli.output import Output
    from server.contracts.contract import Contract
    from server.settings.schema import Settings


def register(commands: Commands) -> None:
    contract = group(commands, "contract", "serve the API that a description describes")
    checker = add(
        contract,
        "check",
        check,
        "print each operation of a description with what it is by rule, or why it is none",
        more="Nothing is served, and nothing is changed. A file called contract.toml beside it is read, too.",
        alone=True,
    )
    checker.add_argument("file", type=Path, metavar="FILE", help="OpenAPI 3 or Swagger 2.0, JSON or YAML")
    setter = add(
        contract,
        "set",
        set_,
        "serve a description in a session",
        more="Its records stay. Other files that it refers to go with it.",
    )
    setter.add_argument("file", type=Path, metavar="FILE", nargs="?", help="the description")
    setter.add_argument("--session", required=True, metavar="ID", help="the session's X-Session-ID")
    setter.add_argument("--none", action="store_true", help="no contract, whatever the settings say")
    unsetter = add(
        contract, "unset", unset, "serve a session by the settings' contract again, if there is one"
    )
    unsetter.add_argument("--session", required=True, metavar="ID", help="the session's X-Session-ID")
    differ = add(
        contract,
        "diff",
        diff,
        "print what changes for clients, plans and records if a file takes the present contract's place",
        more="Nothing is changed. The exit status is 1 where clients or records would break.",
    )
    differ.add_argument("file", type=Path, metavar="FILE", help="the new description")
    differ.add_argument(
        "--session", metavar="ID", default="", help="one session; else all that have the settings' contract"
    )
    seeder = add(
        contract,
        "seed",
        seed,
        "store records to begin with in a session, as its contract stores them",
        more="FILE is an object of collections, a HAR, or a Postman collection with saved responses.",
    )
    seeder.add_argument("file", type=Path, metavar="FILE", nargs="?", help="a JSON file")
    seeder.add_argument("--examples", action="store_true", help="the description's own examples")
    seeder.add_argument("--session", required=True, metavar="ID", help="the session's X-Session-ID")
    seeder.add_argument("--replace", action="store_true", help="in place of the data that it has")
    shower = add(contract, "show", show, "print the contract that a session is served by")
    shower.add_argument("--session", required=True, metavar="ID", help="the session's X-Session-ID")


async def check(options: argparse.Namespace, settings: Settings, out: Output) -> int:
    contract = await asyncio.to_thread(_read, options.file, settings)
    with suppress(PromptError):
        versions = versions_of_records(settings.planner)
        await asyncio.to_thread(recall_from, Path(settings.store.data_root) / FILE_NAME, contract, versions)
    _print(listed(contract), out)
    return 0


async def set_(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    if options.none == (options.file is not None):
        raise Refusal({"detail": "Name a file, or --none."})
    body: dict[str, Any] = {"document": None}
    if options.file is not None:
        contract = await asyncio.to_thread(_read, options.file, None)
        body = {"name": options.file.name, "document": dict(contract.document.raw)}
    found = await channel.call(Ask("PUT", ("sessions", options.session, "contract"), body=body))
    out.done(found, _sentence(found))
    return 0


async def unset(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    found = await channel.call(Ask("DELETE", ("sessions", options.session, "contract")))
    out.done(found, _sentence(found))
    return 0


async def show(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    found = await channel.call(Ask("GET", ("sessions", options.session, "contract")))
    if found["contract"] is None:
        out.done(found, f"Session {found['session']} has no contract.")
    else:
        _print(found["contract"], out)
    return 0


async def diff(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    contract = await asyncio.to_thread(_read, options.file, None)
    body = {"name": options.file.name, "document": dict(contract.document.raw)}
    where = ("sessions", options.session, "contract", "diff") if options.session else ("contract", "diff")
    found = await channel.call(Ask("POST", where, body=body))
    if out.as_json:
        out.json(found)
    else:
        _print_changes(found, out)
    return 1 if found["breaks"] else 0


def _print_changes(found: dict[str, Any], out: Output) -> None:
    for word in ("added", "removed"):
        for each in found[word]:
            out.line(f"{word}: {each}")
    for each in found["changed"]:
        for change in each["changes"]:
            breaks = "breaks: " if change["breaks"] else ""
            out.line(f"{breaks}{each['operation']} {change['what']}")
    for each in found["plans"]:
        out.line(f"stale: plan {each['plan'][:12]} of {each['route']} in {each['session']}")
    for each in found["rules"]:
        out.line(f"stale: what a model has said of the records of {each}")
    for each in found["records"]:
        place = f"{each['collection']}/{each['id']}{each['pointer']}"
        out.line(f"does not fit: {place} in {each['session']}: {each['keyword']}: {each['detail']}")
    told = (
        counted(len(found["added"]), "operation") + " added",
        f"{len(found['removed'])} removed",
        f"{len(found['changed'])} changed",
        counted(len(found["plans"]), "stale plan"),
        counted(found["records_total"], "record") + " that do not fit",
    )
    out.line(f"{', '.join(told)}: {'this breaks' if found['breaks'] else 'nothing breaks'}.")


async def seed(options: argparse.Namespace, channel: Channel, out: Output) -> int:
    if options.examples == (options.file is not None):
        raise Refusal({"detail": "Name a file, or --examples."})
    body: dict[str, Any] = {"replace": options.replace, "examples": options.examples}
    if options.file is not None:
        body = {"replace": options.replace, "seed": await asyncio.to_thread(seed_in, options.file)}
    found = await channel.call(Ask("POST", ("sessions", options.session, "contract", "seed"), body=body))
    for each in found["notes"] if not out.as_json else ():
        out.line(f"passed over: {each}")
    told = ", ".join(f"{name} {count}" for name, count in found["collections"].items())
    out.done(found, f"Session {found['session']} has now: {told}.")
    return 0


def _read(file: Path, settings: Settings | None) -> Contract:
    """Raises Refusal."""
    limits = None
    if settings is not None:
        chosen = settings.contract
        limits = DocumentLimits(document_bytes=chosen.document_bytes, operations=chosen.operations)
    try:
        return read_contract(file, limits)
    except ContractError as error:
        raise Refusal({"detail": f"{error}."}) from None


def _sentence(found: dict[str, Any]) -> str:
    if found["contract"] is None:
        return f"Session {found['session']} has no contract."
    whole = counted(found["operations"], "operation")
    return f"Session {found['session']} is served by {found['contract']}: {whole}, {found['plain']} by rule."


def _print(found: dict[str, Any], out: Output) -> None:
    if out.as_json:
        out.json(found)
        return
    rows = [
        (
            each["method"],
            each["path"],
            each["role"] if each["plain"] else f"- {each['role']}".rstrip(),
            each["collection"] or "",
            str(each["status"]),
            each["why"],
        )
        for each in found["operations"]
    ]
    out.table(
        ("METHOD", "PATH", "ROLE", "COLLECTION", "STATUS", "WHY NOT BY RULE"), rows, empty="No operations."
    )
    out.gap()
    resources = [
        (
            each["collection"],
            ".".join(each["key"] or ()) or "(beside the record)",
            each["type"],
            each["chosen_by"],
            ", ".join(each["within"]),
            ", ".join(each["made_by"]) or "nothing: examples",
        )
        for each in found["resources"]
    ]
    out.table(("COLLECTION", "KEY", "TYPE", "CHOSEN BY", "WITHIN", "MADE BY"), resources, empty="No records.")
    for each in found["resources"]:
        for rule in each["rules"]:
            out.line(f"{each['collection']}: {rule}.")
    out.gap()
    if found["profile"]["why"]:
        out.line(f"Profile {found['profile']['name']}: {found['profile']['why']}.")
    for each in found["problems"]:
        line = f":{each['line']}" if each["line"] else ""
        out.line(f"{each['file']}{line}: {each['pointer'] or '#'}: {each['what']}")
    for each in found["relaxed"]:
        line = f":{each['line']}" if each["line"] else ""
        out.line(f"{each['file']}{line}: {each['pointer'] or '#'}: relaxed: {each['what']}")
    total = len(found["operations"])
    out.line(f"{found['title'] or found['name']}: {counted(total, 'operation')}, {found['plain']} by rule.")

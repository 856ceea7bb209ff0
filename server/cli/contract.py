"""`metaservice contract`: what a description says by rule, and which one a session is served by."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.cli.channel import Ask, Refusal
from server.cli.options import add, group
from server.cli.output import counted
from server.contracts.document import ContractError
from server.contracts.files import DocumentLimits
from server.contracts.listing import listed
from server.contracts.served import read_contract

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
    shower = add(contract, "show", show, "print the contract that a session is served by")
    shower.add_argument("--session", required=True, metavar="ID", help="the session's X-Session-ID")


async def check(options: argparse.Namespace, settings: Settings, out: Output) -> int:
    found = listed(await asyncio.to_thread(_read, options.file, settings))
    _print(found, out)
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
    out.gap()
    if found["profile"]["why"]:
        out.line(f"Profile {found['profile']['name']}: {found['profile']['why']}.")
    for each in found["problems"]:
        line = f":{each['line']}" if each["line"] else ""
        out.line(f"{each['file']}{line}: {each['pointer'] or '#'}: {each['what']}")
    total = len(found["operations"])
    out.line(f"{found['title'] or found['name']}: {counted(total, 'operation')}, {found['plain']} by rule.")

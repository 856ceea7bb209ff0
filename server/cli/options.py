"""Flags that several commands share, and the commands' own parsers."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.cli.output import Output

    #: A command: asks through the channel, prints; its exit status.
    #: One that is `alone` is given the settings instead.
    Command = Callable[[argparse.Namespace, Any, Output], Awaitable[int]]
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse names it so


def common() -> argparse.ArgumentParser:
    """What every command but `serve` takes."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("where, and how to print")
    group.add_argument("--json", action="store_true", help="print JSON, for scripts")
    group.add_argument(
        "--url",
        metavar="URL",
        default=os.environ.get("METASERVICE_URL"),
        help="ask the service at this address, with the admin token in LARS_ADMIN_TOKEN "
        "(default: METASERVICE_URL, else the data root itself, or the service that uses it)",
    )
    group.add_argument("--config", metavar="FILE", help="settings file (default: ./metaservice.toml)")
    return parser


def add(
    commands: Commands, name: str, run: Command, summary: str, *, more: str = "", **defaults: Any
) -> argparse.ArgumentParser:
    """A command with the common flags. `defaults` are for whoever opens its channel."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.{more and ' '}{more}",
        parents=[common()],
    )
    parser.set_defaults(run=run, **defaults)
    return parser


def group(commands: Commands, name: str, summary: str) -> Commands:
    """A command that has commands."""
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    return parser.add_subparsers(title="commands", required=True, metavar="COMMAND")


def add_request(parser: argparse.ArgumentParser) -> None:
    """What describes a request."""
    parser.add_argument("method", metavar="METHOD", help="GET, POST ...")
    parser.add_argument("path", metavar="PATH", help="with its query, such as '/members?age__gte=30'")
    parser.add_argument(
        "--session", metavar="ID", default="~anonymous", help="whose request it is (default: %(default)s)"
    )
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--body", metavar="TEXT", help="the request's body")
    body.add_argument("--body-file", metavar="FILE", type=Path, help="the request's body, in a file")
    parser.add_argument(
        "--header",
        metavar="'NAME: TEXT'",
        action="append",
        default=[],
        help="a header, such as Content-Type (default: application/json); may be given more than once",
    )


def request_of(options: argparse.Namespace) -> dict[str, Any]:
    """The request that the flags describe. Raises OSError."""
    body = options.body if options.body_file is None else options.body_file.read_text("utf-8")
    headers = {
        name.strip(): text.strip() for name, _, text in (line.partition(":") for line in options.header)
    }
    return {
        "session": options.session,
        "method": options.method,
        "path": options.path,
        "headers": headers,
        "body": body,
    }

"""The keeper of a cluster's node: as `server/record/process.py`, with the record in PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from server.record import process
from server.record.postgres import engine
from server.record.postgres.membership import joined
from server.record.postgres.nodes import Nodes
from server.record.writer import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.record.postgres.membership import Membership
    from server.record.record import Engine

#: Where there is nothing: what clients of PostgreSQL look for at home is not to be had here.
_NOWHERE: Final = "/nonexistent"
_SHORTEST_SECONDS: Final = 1.0


async def opened(
    config: dict[str, Any], report: Callable[[dict[str, Any]], None]
) -> tuple[Engine, Membership]:
    """The record, and this node's part in the cluster. Raises RecordError."""
    os.environ["HOME"] = _NOWHERE
    ttl = config["lease_seconds"]
    options = engine.Options(
        Limits(config["session_bytes"], config["total_bytes"]),
        config["history_seconds"],
        config["history_bytes"],
        max(ttl, _SHORTEST_SECONDS),
    )
    record = await engine.open_record(config["url"], options, kept=Path(config["root"]) / "files.json")
    nodes = Nodes(record.pool, config["node"], config["node_url"], config["release"], ttl)
    return record, await joined(record, nodes, report, before=config["epoch"])


def main(arguments: Sequence[str]) -> int:
    """See the module."""
    return process.main(arguments, opened)

"""The keeper of the record as the settings ask for it: for the service, and for commands without one."""

from __future__ import annotations

import secrets
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from server.operations.naming import session_named
from server.record.client import KeeperClient, KeeperConfig
from server.sessions import transfer

if TYPE_CHECKING:
    from pathlib import Path

    from server.sessions.directories import DataRoot
    from server.settings.schema import Settings


_NODE_FILE: Final = "node"


def node_id(root: Path) -> str:
    """The node's name among others: made once, and kept in its data root."""
    path = root / _NODE_FILE
    if not path.exists():
        path.write_text(secrets.token_hex(8), "ascii")
    return path.read_text("ascii").strip()


def make_keeper(settings: Settings, root: DataRoot) -> KeeperClient:
    """The record's keeper, as the settings ask for it; it is not started yet."""
    store, sessions, record = settings.store, settings.sessions, settings.record
    template = sessions.template and session_named(sessions.template, {}).directory
    return KeeperClient(
        KeeperConfig(
            root.path,
            durability=store.durability,
            session_bytes=settings.sandbox.session_disk_bytes,
            total_bytes=store.total_disk_bytes,
            history_seconds=store.history_hours * 3_600,
            history_bytes=store.history_bytes,
            expire_seconds=sessions.expire_days * 86_400,
            cache_seconds=store.cache_hours * 3_600,
            template=template,
            engine=record.engine,
            url=record.url,
            node=node_id(root.path) if record.engine == "postgres" else "",
            node_url=record.node_url,
            release=version("metaservice") if record.engine == "postgres" else "",
            lease_seconds=record.lease_ms / 1_000,
            inherit=(root.lock_fd,),
        ),
        transfer.rows_of,
    )

"""The keeper of the record as the settings ask for it: for the service, and for commands without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.operations.naming import session_named
from server.record.client import KeeperClient, KeeperConfig
from server.sessions import transfer

if TYPE_CHECKING:
    from server.sessions.directories import DataRoot
    from server.settings.schema import Settings


def make_keeper(settings: Settings, root: DataRoot) -> KeeperClient:
    """The record's keeper, as the settings ask for it; it is not started yet."""
    store, sessions = settings.store, settings.sessions
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
            inherit=(root.lock_fd,),
        ),
        transfer.rows_of,
    )

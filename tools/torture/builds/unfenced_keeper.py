"""A keeper that writes whatever owner and version the record has: the fence of the engine is taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.record.postgres import engine, process

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.record.postgres.changing import There, Writes
    from server.record.postgres.connecting import Connection
    from server.record.record import Head, Part, RecordError
    from store.change_set import ChangeSet


class Unfenced(engine.PostgresRecord):
    async def _not_mine(self, _connection: Connection, _sessions: Iterable[str]) -> set[str]:
        return set()

    async def _quickly(self, _group: Sequence[Part], _read: Sequence[object]) -> dict[str, Head]:
        """What has no other fence than that of its statement goes the long way."""
        return {}

    async def _part(  # noqa: PLR0917  the real one's
        self,
        connection: Connection,
        there: dict[str, There],
        part: Part,
        rows: ChangeSet,  # type: ignore[override]
        writes: Writes,
        total: int,
    ) -> Head | RecordError:
        session = there.get(part.session)
        base = part.base if session is None else session.version
        return await super()._part(connection, there, part._replace(base=base), rows, writes, total)


setattr(engine, "PostgresRecord", Unfenced)  # noqa: B010  mypy knows no other way
main = process.main

"""Which session is in which directory is known later, and noting it costs no request anything."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from server.sessions import names as names_module
from server.sessions.identity import session_for
from server.sessions.names import OLD_FILE, SessionNames

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from server.record.client import KeeperClient

TOUR = session_for("tour", None, "reject")
TOKEN = session_for(None, "ci", "reject")
OWNED = session_for("tour", "ada", "reject", "token")


async def test_names_outlive_the_service(keeper: KeeperClient) -> None:
    """What was noted is known to the next service; what was forgotten is not."""
    first = SessionNames(keeper)
    for session in (TOUR, TOKEN, TOUR, OWNED):
        first.note(session)
    await first.close()
    second = SessionNames(keeper)
    known = await second.all()
    await second.forget(TOUR)
    left = await second.all()
    await second.close()

    assert known == {TOUR.directory: "tour", TOKEN.directory: "token:ci", OWNED.directory: "ada/tour"}
    assert left == {TOKEN.directory: "token:ci", OWNED.directory: "ada/tour"}


async def test_a_forgotten_session_is_noted_again(keeper: KeeperClient) -> None:
    """Forgetting is not for ever: a session that is asked for again has its name again."""
    names = SessionNames(keeper)
    names.note(TOUR)
    await names.forget(TOUR)
    names.note(TOUR)

    assert await names.all() == {TOUR.directory: "tour"}
    await names.close()


async def test_what_is_remembered_is_bounded(keeper: KeeperClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as the limit are in memory and no more; all are in the record."""
    monkeypatch.setattr(names_module, "_MAX_RECENT", 3)
    names = SessionNames(keeper)
    for number in range(3):
        names.note(session_for(f"s{number}", None, "reject"))
    at_the_limit = len(names._recent)
    names.note(TOUR)

    assert (at_the_limit, len(names._recent)) == (3, 3)
    assert len(await names.all()) == 4
    await names.close()


async def test_a_keeper_that_is_not_there_costs_nothing(
    keeper: KeeperClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are then not known; nothing is raised."""
    monkeypatch.setattr("server.record.client._WAIT_SECONDS", 0.01)
    await keeper.close()
    names = SessionNames(keeper)
    names.note(TOUR)
    await names.forget(TOUR)

    assert await names.all() == {}
    names.note(TOKEN)
    await names.close()
    await names.close()
    names.note(TOUR)


async def test_names_of_an_earlier_release_are_taken_over(keeper: KeeperClient, tmp_path: Path) -> None:
    """Once: then the file has another name, and stays."""
    old = tmp_path / OLD_FILE
    with closing(sqlite3.connect(old)) as connection, connection:
        connection.execute("CREATE TABLE sessions (directory TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT")
        connection.execute("INSERT INTO sessions VALUES (?, ?)", (TOUR.directory, TOUR.id))
    names = SessionNames(keeper)
    await names.adopt(tmp_path)
    await names.adopt(tmp_path)

    assert await names.all() == {TOUR.directory: "tour"}
    assert not old.exists()
    assert (tmp_path / f"{OLD_FILE}.adopted").exists()
    await names.close()


async def test_names_that_cannot_be_taken_over_stay_where_they_are(
    keeper: KeeperClient, tmp_path: Path
) -> None:
    (tmp_path / OLD_FILE).write_bytes(b"no database at all, but long enough to be taken for one")
    names = SessionNames(keeper)
    await names.adopt(tmp_path)

    assert await names.all() == {}
    assert (tmp_path / OLD_FILE).exists()
    await names.close()

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from store import sqlite
from store.errors import StoreDamaged, StoreFailed, StoreFull, StoreTooNew
from store.room import SLACK_PAGES
from store.session_store import Session
from tests.unit.store.conftest import LIMIT_BYTES, open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.sqlite import Durability


def filled(directory: Path) -> Path:
    """A session's file with two collections in it."""
    with closing(open_session(directory)) as session:
        session.begin(read_only=False)
        session.plan_view["a"].insert_many([{"n": n} for n in range(50)])
        session.plan_view["b"].insert({"id": "x"})
        session.settle(keep=True)
        session.commit()
        session.ensure_index("a", "n")
    return directory / sqlite.DATABASE_NAME


def tamper(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        for statement in statements:
            connection.execute(statement)


def fill(session: Session) -> int:
    """Insert until the session is full; how many were stored."""
    for stored in range(100):
        session.begin(read_only=False)
        try:
            session.plan_view["things"].insert({"text": "x" * 10_000})
        except StoreFull:
            session.settle(keep=False)
            return stored
        session.settle(keep=True)
        session.commit()
    return 100


@pytest.mark.parametrize(
    ("durability", "synchronous", "journal"), [("full", 2, "truncate"), ("cache", 0, "memory")]
)
def test_the_settings_hold(tmp_path: Path, durability: Durability, synchronous: int, journal: str) -> None:
    """What the module's head promises is what SQLite says it does."""
    database = sqlite.connect(str(tmp_path / "store.db"), page_limit_bytes=LIMIT_BYTES, durability=durability)
    with closing(database):
        settings = {
            name: database.value(f"PRAGMA {name}")
            for name in (
                "locking_mode",
                "journal_mode",
                "synchronous",
                "page_size",
                "max_page_count",
                "query_only",
            )
        }

    assert settings == {
        "locking_mode": "exclusive",
        "journal_mode": journal,
        "synchronous": synchronous,
        "page_size": 4096,
        "max_page_count": LIMIT_BYTES // 4096 + SLACK_PAGES,
        "query_only": 1,
    }


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "#1", "%3f", "é"])
def test_any_directory_will_do(tmp_path: Path, name: str) -> None:
    """A path is a path, also where a URI would read something into it."""
    (tmp_path / name).mkdir()

    assert filled(tmp_path / name).stat().st_size > 0


def test_a_full_session_says_so(tmp_path: Path) -> None:
    """At its limit a session refuses to grow, keeps what it has, and takes writes again after a deletion."""
    with closing(open_session(tmp_path, page_limit_bytes=256 * 1024)) as session:
        store = session.plan_view["things"]
        stored = fill(session)

        assert 10 < stored < 30
        assert store.count() == len(store.search()) == stored
        assert (tmp_path / "store.db").stat().st_size <= 256 * 1024
        session.begin(read_only=False)
        store.delete(1)
        store.insert({"text": "y" * 5_000})
        session.settle(keep=True)
        session.commit()
        assert store.count() == stored


@pytest.mark.parametrize("keep", [True, False])
def test_a_full_session_is_no_success(tmp_path: Path, keep: bool) -> None:
    """A plan that catches the error and replies as if nothing had been does not have its writes kept.

    What others have written before it stays, and the transaction goes on.
    """
    with closing(open_session(tmp_path, page_limit_bytes=256 * 1024)) as session:
        store = session.plan_view["things"]
        session.savepoint()
        store.insert({"before": True})
        session.settle(keep=True)
        session.savepoint()
        store.insert({"part": True})
        with pytest.raises(StoreFull):
            store.insert({"text": "x" * 1_000_000})

        with pytest.raises(StoreFull) if keep else nullcontext():
            session.settle(keep=keep)
        assert not session.lost
        session.commit()
        assert store.search() == [{"id": 1, "before": True}]


@pytest.mark.parametrize("in_group", [True, False])
def test_a_transaction_that_sqlite_gave_up(session: Session, in_group: bool) -> None:
    """After SQLite has rolled back by itself nothing is written or acknowledged; the next request works."""
    store = session.plan_view["things"]
    if in_group:
        session.savepoint()
    store.insert({})
    session._database.run("ROLLBACK")

    with pytest.raises(StoreFull):
        store.insert({})
    with pytest.raises(StoreFull):
        session.settle(keep=True)
    assert store.search() == []
    session.begin(read_only=False)
    assert store.insert({}) == {"id": 1}
    session.settle(keep=True)
    session._database.run("ROLLBACK")
    with pytest.raises(StoreFull):
        session.commit()
    assert session.plan_view.collections() == []


def test_a_batch_in_a_transaction_that_was_given_up(session: Session) -> None:
    """A batch that takes the transaction with it leaves nothing to undo, and says what happened."""
    store = session.plan_view["things"]

    class Bad(dict[str, Any]):
        def items(self) -> Any:
            session._database.run("ROLLBACK")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.insert_many([{}, Bad()])
    with pytest.raises(StoreFull):
        session.settle(keep=True)


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be read as the header of one" * 20, b"\x00" * 4096]
)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no database is damaged, and is left as it was."""
    file = tmp_path / "store.db"
    file.write_bytes(content)

    with pytest.raises(StoreDamaged):
        open_session(tmp_path)
    assert file.read_bytes() == content


def test_a_file_that_should_be_there_and_is_not(tmp_path: Path) -> None:
    """Who knows that there is one gets no blank one in its place."""
    with pytest.raises(StoreFailed, match="gone"):
        Session.open(str(tmp_path), page_limit_bytes=LIMIT_BYTES, durability="cache", file="there")
    filled(tmp_path)
    with closing(
        Session.open(str(tmp_path), page_limit_bytes=LIMIT_BYTES, durability="cache", file="there")
    ) as session:
        session.begin(read_only=True)
        assert session.plan_view["a"].count() == 50


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    """A database that is not ours is not used."""
    tamper(tmp_path / "store.db", "CREATE TABLE t (x)")

    with pytest.raises(StoreDamaged, match="not a session's"):
        open_session(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A file of a later version is not touched by an earlier one."""
    tamper(filled(tmp_path), f"PRAGMA user_version={sqlite.FORMAT_VERSION + 1}")

    with pytest.raises(StoreTooNew, match=f"format {sqlite.FORMAT_VERSION + 1}"):
        open_session(tmp_path)


def test_an_older_format_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening an older file brings it to the format of today, in one transaction."""
    tamper(filled(tmp_path), "PRAGMA user_version=1")
    monkeypatch.setattr(sqlite, "FORMAT_VERSION", 3)
    monkeypatch.setattr(
        sqlite,
        "MIGRATIONS",
        {1: ("UPDATE collections SET next_id = 500",), 2: ("UPDATE collections SET next_id = next_id + 1",)},
    )
    with closing(open_session(tmp_path)) as session:
        session.begin(read_only=False)

        assert session.plan_view["a"].insert({}) == {"id": 501}
        assert session._database.value("PRAGMA user_version") == 3


def test_the_first_format_can_be_opened_for_ever(tmp_path: Path) -> None:
    """A file of format 1, kept as data: its records are there, and it can be written to.

    `tests/data/session-format-1.db` has two collections, one with an index and one with text ids. Files of
    later formats belong beside it once there are such formats.
    """
    shutil.copy(Path(__file__).parents[2] / "data" / "session-format-1.db", tmp_path / "store.db")
    with closing(open_session(tmp_path)) as session:
        session.check_file()
        session.begin(read_only=False)
        members, tags = session.plan_view["members"], session.plan_view["tags"]

        assert [(record["id"], record["name"]) for record in members.search({"age": 30})] == [(1, "Alice")]
        assert tags.get("blue") == {"id": "blue", "uses": 2}
        assert members.insert({"name": "Carol"})["id"] == 4
        # Format 2 may have answers, too; until there are any the file stays what the earlier version reads.
        assert session._database.value("PRAGMA user_version") == 1
        assert set(sqlite.MIGRATIONS) <= set(range(1, sqlite.FORMAT_VERSION))


def test_a_failed_migration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration happens wholly or not at all."""
    tamper(filled(tmp_path), "PRAGMA user_version=1")
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "FORMAT_VERSION", 2)
        patched.setattr(sqlite, "MIGRATIONS", {1: ("UPDATE collections SET next_id = 500", "no SQL")})
        with pytest.raises(sqlite3.OperationalError):
            open_session(tmp_path)

    with closing(open_session(tmp_path)) as session:
        session.begin(read_only=False)
        assert session.plan_view["a"].insert({}) == {"id": 51}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE collections SET name = '../x' WHERE name = 'a'",
        "UPDATE collections SET name = x'ff' WHERE name = 'a'",
        "UPDATE collections SET number = 'one' WHERE name = 'a'",
        "UPDATE collections SET next_id = 'x' WHERE name = 'a'",
        "UPDATE collections SET updated_at = x'00' WHERE name = 'a'",
        "UPDATE collections SET schema = 'x' WHERE name = 'a'",
        "UPDATE collections SET schema = '[]' WHERE name = 'a'",
        "UPDATE collections SET schema = '{\"fields\": {\"a\": 5}}' WHERE name = 'a'",
        "UPDATE collections SET schema = '{\"fields\": 5}' WHERE name = 'a'",
        "UPDATE collections SET indexes = '{}' WHERE name = 'a'",
        "UPDATE collections SET indexes = '[\"a'')--\"]' WHERE name = 'a'",
        "UPDATE collections SET indexes = '[5]' WHERE name = 'a'",
        "DROP TABLE collections",
        "UPDATE sqlite_master SET sql = 'CREATE TABLE collections (name)' WHERE name = 'collections'",
    ],
)
def test_a_forged_catalogue_is_refused(tmp_path: Path, statement: str) -> None:
    """Names and numbers from a file are believed only when they could be ours."""
    tamper(filled(tmp_path), statement)

    with pytest.raises(StoreDamaged):
        open_session(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON c1 BEGIN DELETE FROM c2; END",
        "CREATE TABLE more (x)",
        "CREATE INDEX more ON c1 (upper(doc))",
        "DROP TABLE c1",
        "DROP INDEX k1",
        "UPDATE sqlite_master SET sql = sql || ' STRICT' WHERE name = 'c1'",
    ],
)
def test_a_file_with_other_things_in_it_is_refused(tmp_path: Path, statement: str) -> None:
    """Tools look a file over before they use it: only our tables and indexes, all of them."""
    tamper(filled(tmp_path), statement)
    with closing(open_session(tmp_path)) as session, pytest.raises(StoreDamaged, match="tables"):
        session.check_file()


def test_a_broken_structure_is_found(tmp_path: Path) -> None:
    """Overwritten pages are reported as damage when a tool looks the file over."""
    file = filled(tmp_path)
    content = bytearray(file.read_bytes())
    content[-4096 * 2 : -4096] = b"\xff" * 4096
    file.write_bytes(bytes(content))
    with closing(open_session(tmp_path)) as session, pytest.raises(StoreDamaged):
        session.check_file()


def test_damage_met_on_the_way_is_named(tmp_path: Path) -> None:
    """A record that is no JSON is the file's damage when it is looked into; so is a broken page."""
    tamper(filled(tmp_path), "DROP INDEX x1_0", "UPDATE c1 SET doc = '{' WHERE rowid = 2")
    with closing(open_session(tmp_path)) as session:
        store = session.plan_view["a"]
        reads: list[Callable[[], object]] = [
            lambda: [record["x"] for record in store.search({"x": 1})],
            lambda: [len(record) for record in store.search()],
            lambda: store.get(2) == {},
            lambda: store.update(2, {}),
        ]
        for read in reads:
            session.begin(read_only=False)
            with pytest.raises(StoreDamaged):
                read()


def test_damage_that_a_plan_hides(tmp_path: Path) -> None:
    """A plan that catches the error does not have its other writes kept."""
    tamper(filled(tmp_path), "DROP INDEX x1_0", "UPDATE c1 SET doc = '{' WHERE rowid = 2")
    with closing(open_session(tmp_path)) as session:
        session.savepoint()
        session.plan_view["b"].insert({"id": "y"})
        with pytest.raises(StoreDamaged):
            session.plan_view["a"].search({"x": 1})
        with pytest.raises(StoreDamaged):
            session.settle(keep=True)

        assert session.plan_view["b"].count() == 1


def test_text_that_is_no_utf8_is_damage(tmp_path: Path) -> None:
    """SQLite stores any bytes as text; reading them is where it shows."""
    tamper(filled(tmp_path), "DROP INDEX x1_0", "UPDATE c1 SET doc = CAST(x'ff' AS TEXT) WHERE rowid = 2")
    with closing(open_session(tmp_path)) as session, pytest.raises(StoreDamaged):
        session.plan_view["a"].get(2)


def test_a_commit_cut_short_is_rolled_back(tmp_path: Path) -> None:
    """A journal left by a guest that died in a commit restores what was committed before."""
    live, copy = tmp_path / "live", tmp_path / "copy"
    live.mkdir()
    filled(live)
    with closing(open_session(live, durability="full")) as session:
        session._database.value("PRAGMA cache_size=1")
        session._database.value("PRAGMA cache_spill=1")
        session.begin(read_only=False)
        session.plan_view["a"].insert_many([{"n": n, "text": "x" * 2_000} for n in range(200)])
        shutil.copytree(live, copy)

    assert (copy / "store.db-journal").stat().st_size > 512
    with closing(open_session(copy, durability="full")) as session:
        assert session.plan_view["a"].count() == 50
        session.check_file()

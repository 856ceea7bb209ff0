"""What is the embedded engine's own: damage, a full disk, a sync that fails, its log, old history."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from server.planning.learned import library_file
from server.record import backup, checkpoints, files
from server.record.record import Damaged, Exists, Full, Head, Missing, RecordError, Unavailable, Unknown
from server.record.sqlite_record import Options, SqliteRecord
from store.change_set import ChangeSet
from store.ids import FIRST_TEXT_ROWID
from tests.unit.server.record.rows import first, part, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HISTORY = Options(history_seconds=3600, history_bytes=1024 * 1024)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[SqliteRecord]:
    opened = SqliteRecord(tmp_path / "record.db", HISTORY)
    yield opened
    await opened.close()


async def filled(ledger: SqliteRecord, *sessions: str, text: str = "x") -> None:
    results = await ledger.commit([part(session, 0, first(text)) for session in sessions])
    assert all(isinstance(result, Head) for result in results)


# What is read while something is written


async def test_history_is_told_as_far_as_it_is_written(ledger: SqliteRecord) -> None:
    """The writer knows of a version before any reader sees its rows."""
    await filled(ledger, "a")
    known, more = ledger.writer.known("a"), ChangeSet(puts=(record(2, "y"),))
    assert known is not None
    with ledger.writer.transaction():
        ledger.writer.apply(known, part("a", 1, more), more, time.time())
        head, changes = await ledger.changes("a", since=0, most=9)
        steps = await ledger.steps("a", since=0)
        log = await ledger.log("a", most=9)
        versions, _ = await ledger.record_history("a", "orders", "1", most=9)
        version, _ = await ledger.differences("a", 1, most=9)

    assert (known.version, head.version, version) == (2, 1, 1)
    told = ([each.entry for each in changes], steps, log, versions)
    assert [[each.version for each in found] for found in told] == [[1]] * 4
    assert [each.version for each in await ledger.steps("a", since=1)] == [2]


async def test_what_was_written_is_told_whatever_it_was(ledger: SqliteRecord) -> None:
    """Made, changed, removed, made again, and all at once; beside what another session writes meanwhile."""
    dice = random.Random(7)
    there: dict[str, dict[int, str]] = {"a": {}, "b": {}}
    told: list[list[tuple[int, str | None, str | None]]] = []
    await filled(ledger, "a", "b")
    for name in there:
        there[name] = {row.row: row.doc for row in first("x").puts}
    for step in range(60):
        session = dice.choice("aaab")
        now = there[session]
        cleared = step % 17 == 0
        gone = [] if cleared else dice.sample(sorted(now), min(len(now), dice.randrange(3)))
        kept = set() if cleared else now.keys() - {*gone}
        texts = [FIRST_TEXT_ROWID + step] if step % 3 == 0 else []
        puts = [
            *(record(row, f"{step}") for row in dice.sample(range(1, 12), dice.randrange(1, 5))),
            *(record(row, id_=f"x/{row}") for row in texts),
        ]
        after = {row: now[row] for row in kept} | {each.row: each.doc for each in puts}
        changes = ChangeSet(
            puts=tuple(puts), deletes=tuple((1, row) for row in gone), cleared=(1,) if cleared else ()
        )
        version = len(told) if session == "a" else None
        base = 1 + (version if version is not None else step - len(told))
        (result,) = await ledger.commit([part(session, base, changes)])
        assert isinstance(result, Head), result
        if session == "a":
            told.append(
                [
                    (row, now.get(row), after.get(row))
                    for row in sorted({*gone, *(now if cleared else ()), *(each.row for each in puts)})
                    if row in now or row in after
                ]
            )
        there[session] = after
        since = dice.randrange(len(told) + 1)
        found = await ledger.steps("a", since=1 + since)
        assert [[(each.row, each.before, each.after) for each in one.records] for one in found] == told[
            since:
        ]


async def test_to_tell_what_was_written_takes_the_same_among_many(ledger: SqliteRecord) -> None:
    """Counted in steps of SQLite's machine."""

    async def taken(session: str) -> int:
        def count(connection: sqlite3.Connection) -> int:
            steps = 0

            def step() -> int:
                nonlocal steps
                steps += 1
                return 0

            connection.set_progress_handler(step, 10)
            try:
                found = ledger._seen(session, connection)[1].steps(2)
            finally:
                connection.set_progress_handler(None, 0)
            assert [len(each.records) for each in found] == [1, 1, 1]
            return steps

        return await ledger.read(count)

    async def is_followed(session: str, size: int) -> int:
        rows = tuple(record(row, "x") for row in range(1, size + 1))
        written = (
            first()._replace(puts=rows),
            *(ChangeSet(puts=(record(row, "y"),)) for row in (3, size + 1, 4)),
            ChangeSet(deletes=((1, 2),)),
        )
        for base, changes in enumerate(written):
            (result,) = await ledger.commit([part(session, base, changes)])
            assert isinstance(result, Head), result
        return await taken(session)

    few, many = await is_followed("few", 10), await is_followed("many", 3_000)
    assert many <= few + 10


# The disk


async def test_a_superseded_record_that_is_not_what_was_written_is_told(tmp_path: Path) -> None:
    ledger = SqliteRecord(tmp_path / "record.db", Options(history_seconds=3600.0, history_bytes=10**6))
    for base, text in enumerate(("first", "second")):
        await ledger.commit([part("a", base, first(text))])
    ledger.execute("UPDATE superseded SET doc = replace(doc, 'first', 'other') WHERE row = 1")
    with pytest.raises(Damaged):
        await ledger.record_history("a", "orders", "1", most=9)
    assert (await ledger.record_history("a", "orders", "1", most=1))[0][0].what == "changed"
    await ledger.close()


async def test_when_there_is_no_page_left_only_who_needs_one_fails(ledger: SqliteRecord) -> None:
    """And all is well again when there is room."""
    await filled(ledger, "a", "b", "c")
    pages = ledger.execute("PRAGMA page_count")[0][0]
    ledger.execute(f"PRAGMA max_page_count={pages}")
    big = ChangeSet(puts=(record(2, "x" * 50_000),))
    results = await ledger.commit(
        [part("a", 1, ChangeSet(puts=(record(1, "y"),))), part("b", 1, big), part("c", 1, ChangeSet())]
    )
    assert [type(result) for result in results] == [Head, Full, Head]
    assert isinstance(results[1], Full)
    assert (results[1].reason, results[1].limit_bytes) == ("disk", 0)
    ledger.execute("PRAGMA max_page_count=1000000")
    assert isinstance((await ledger.commit([part("b", 1, big)]))[0], Head)


def failing(ledger: SqliteRecord, monkeypatch: pytest.MonkeyPatch, times: int, code: int) -> list[str]:
    """So many COMMITs fail, as a sync does; what was executed."""
    execute, said = ledger.writer.execute, []

    def failed(sql: str, *arguments: Any) -> sqlite3.Cursor:
        said.append(sql)
        if sql == "COMMIT" and said.count("COMMIT") <= times:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = code
            raise error
        return execute(sql, *arguments)

    monkeypatch.setattr(ledger.writer, "execute", failed)
    return said


async def test_a_sync_that_fails_once_is_tried_again(
    ledger: SqliteRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it may have left in the log is written over by that."""
    failing(ledger, monkeypatch, 1, sqlite3.SQLITE_IOERR_FSYNC)
    [result] = await ledger.commit([part("a", 0, first("x"))])
    assert isinstance(result, Head)
    assert (await ledger.head("a")).version == 1


async def test_a_sync_that_goes_on_failing_is_in_doubt_and_said_to_be(
    ledger: SqliteRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(ledger, monkeypatch, 2, sqlite3.SQLITE_IOERR_FSYNC)
    [result] = await ledger.commit([part("a", 0, first("x"))])
    assert isinstance(result, Unknown)
    assert (await ledger.head("a")).version == 0
    monkeypatch.undo()
    assert isinstance((await ledger.commit([part("a", 0, first("y"))]))[0], Head)


async def test_a_commit_for_which_there_is_no_room_is_in_no_doubt(
    ledger: SqliteRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(ledger, monkeypatch, 2, sqlite3.SQLITE_FULL)
    [result] = await ledger.commit([part("a", 0, first("x"))])
    assert isinstance(result, Full)


# Damage


async def test_a_flipped_bit_is_told_by_its_row_and_costs_no_other_session(
    ledger: SqliteRecord, tmp_path: Path
) -> None:
    await filled(ledger, "a", "b")
    ledger.execute("UPDATE records SET doc = replace(doc, 'x', 'y') WHERE session = 1")
    with pytest.raises(Damaged, match="row 1 of collection 1"):
        await ledger.load("a", tmp_path / "a.db")
    assert not (tmp_path / "a.db").exists()
    with pytest.raises(Damaged):
        await ledger.copy("a", "fork")
    assert (await ledger.head("fork")).version == 0
    await ledger.load("b", tmp_path / "b.db")
    found = backup.verify(ledger.path)
    assert len(found["damaged"]) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE collections SET schema = '{}' WHERE session = 1", "catalogue"),
        ("UPDATE records SET row = 2 WHERE session = 1", "row 2"),
        ("UPDATE records SET collection = 2 WHERE session = 1", "in no collection"),
        ("DELETE FROM records WHERE session = 1", "it says"),
        ("UPDATE sessions SET version = 0 WHERE id = 1", "version 0"),
        ("UPDATE commits SET version = 9 WHERE id = 1", "history ends"),
    ],
)
async def test_a_record_that_is_not_as_it_was_written_is_found(
    ledger: SqliteRecord, change: str, told: str
) -> None:
    await filled(ledger, "a")
    await filled(ledger, "b")
    ledger.execute(change)
    faults = backup.verify(ledger.path)["damaged"]
    assert all(fault.startswith("session a") for fault in faults)
    assert told in faults[0]


async def test_pages_that_are_no_pages_are_damage(tmp_path: Path) -> None:
    """Of the sessions that they are of; the keeper says so and goes on."""
    ledger = SqliteRecord(tmp_path / "record.db")
    await filled(ledger, *(f"s{n}" for n in range(40)), text="x" * 3_000)
    await ledger.close()
    path = tmp_path / "record.db"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    ledger = SqliteRecord(path)
    served, told = 0, []
    for number in range(40):
        into = tmp_path / f"{number}.db"
        try:
            await ledger.load(f"s{number}", into)
            served += 1
        except Damaged as error:
            told.append(ledger.explained(error) is error and not into.exists())
    assert 20 < served < 40
    assert all(told)
    assert backup.verify(path)["damaged"]
    await ledger.close()


async def test_a_disk_that_cannot_read_is_no_damage(
    ledger: SqliteRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite says that the file is malformed; the disk says better."""
    error = files.meaning(sqlite_error(sqlite3.SQLITE_CORRUPT))
    assert isinstance(error, Damaged)
    assert ledger.explained(error) is error

    def fails(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fails)
    assert isinstance(ledger.explained(error), Unavailable)
    assert isinstance(ledger.explained(Damaged("a row is not what was written")), Damaged)


def sqlite_error(code: int) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = code
    return error


async def test_what_is_no_record_is_not_opened(tmp_path: Path) -> None:
    """Nor written to."""
    path = tmp_path / "record.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(RecordError, match="no record"):
        SqliteRecord(path)
    assert path.read_bytes() == before


# The log


async def test_the_log_begins_anew_under_constant_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is copied into the file beside the commits, and so does not grow for ever."""
    monkeypatch.setattr(checkpoints, "ENOUGH_PAGES", 50)
    monkeypatch.setattr(checkpoints, "COMMITS_BETWEEN_LOOKS", 2)
    ledger = SqliteRecord(tmp_path / "record.db")
    await filled(ledger, "a")
    most = shorter = before = 0
    for version in range(1, 600):
        await ledger.commit([part("a", version, ChangeSet(puts=(record(version % 50 + 1, "y" * 500),)))])
        pages = ledger.checkpoints.log_pages
        most, shorter, before = max(most, pages), shorter + (pages < before), pages
    await ledger.close()
    assert shorter >= 1
    assert most < 2_000
    assert not (tmp_path / "record.db-wal").exists()


# History


async def test_old_history_goes_by_its_age_and_what_is_left_can_be_rewound(tmp_path: Path) -> None:
    """The last commit of all stays, so that its number is not given again."""
    ledger = SqliteRecord(tmp_path / "record.db", HISTORY)
    await filled(ledger, "a", "b")
    for version in range(1, 6):
        await ledger.commit([part("a", version, ChangeSet(puts=(record(1, str(version)),)))])
    ledger.execute("UPDATE commits SET at = at - 7200 WHERE version <= 3")
    assert await ledger.prune_history() is False
    assert [each.version for each in await ledger.log("a", most=9)] == [6, 5, 4]
    assert await ledger.log("b", most=9) == []
    with pytest.raises(Missing, match="reaches back to version 4"):
        await ledger.rewind("a", 2)
    await ledger.rewind("a", 3)
    assert ledger.execute("SELECT doc FROM records WHERE session = 1")[0][0] == record(1, "2").doc
    ledger.execute("UPDATE commits SET at = at - 7200")
    await ledger.prune_history()
    assert ledger.execute("SELECT count(*) FROM commits") == [(1,)]
    await ledger.commit([part("b", 1, ChangeSet(puts=(record(2),)))])
    assert [each.version for each in await ledger.log("b", most=9)] == [2]
    await ledger.close()


async def test_history_takes_no_more_than_it_may(tmp_path: Path) -> None:
    ledger = SqliteRecord(tmp_path / "record.db", Options(history_seconds=3600, history_bytes=20_000))
    await filled(ledger, "a")
    for version in range(1, 100):
        await ledger.commit([part("a", version, ChangeSet(puts=(record(1, "x" * 1_000),)))])
    assert ledger.history.size > 50_000
    while await ledger.prune_history():
        pass
    assert ledger.history.size <= 20_000
    counted, ledger.history._size = ledger.history.size, None
    assert ledger.history.size == counted
    assert len(await ledger.log("a", most=1000)) >= 10
    await ledger.close()


async def test_who_has_most_history_loses_the_oldest_of_it(tmp_path: Path) -> None:
    """A session's flood of changes takes nothing from what others can be rewound to."""
    ledger = SqliteRecord(tmp_path / "record.db", Options(history_seconds=3600, history_bytes=20_000))
    await filled(ledger, "a", "b", "c")
    for session in ("b", "c"):
        await ledger.commit([part(session, 1, ChangeSet(puts=(record(1, "changed"),)))])
    for version in range(1, 100):
        await ledger.commit([part("a", version, ChangeSet(puts=(record(1, "x" * 1_000),)))])
    while await ledger.prune_history():
        pass
    assert ledger.history.size <= 20_000
    for session in ("b", "c"):
        assert [each.version for each in await ledger.log(session, most=9)] == [2, 1]
        await ledger.rewind(session, 1)
    kept = await ledger.log("a", most=1_000)
    assert len(kept) >= 10
    assert kept[0].version == 100
    await ledger.rewind("a", 99)
    counted = dict(ledger.history._by_session())
    ledger.history._forget_sizes()
    assert ledger.history._by_session() == {each: size for each, size in counted.items() if size}
    await ledger.close()


# Backups


async def test_a_backup_is_restored_as_another_record(ledger: SqliteRecord, tmp_path: Path) -> None:
    """With an identity of its own: no file made of the first is believed. One that is there stays beside."""
    await filled(ledger, "a")
    made = backup.make(tmp_path, tmp_path / "saved")
    assert made["sessions"] == 1
    root = tmp_path / "other"
    root.mkdir()
    assert backup.restore(tmp_path / "saved", root, library_file.faults)["records"] == 1
    again = SqliteRecord(root / "record.db")
    assert again.identity != ledger.identity
    assert (await again.head("a")).version == 1
    await filled(again, "b")
    await again.close()
    with pytest.raises(Exists):
        backup.restore(tmp_path / "saved", root, library_file.faults)
    backup.restore(tmp_path / "saved", root, library_file.faults, replace=True)
    assert (root / "record.db.before-restore").exists()
    third = SqliteRecord(root / "record.db")
    assert (await third.head("b")).version == 0
    await third.close()


@pytest.mark.parametrize("harm", ["cut", "flipped", "no record", "missing"])
async def test_a_backup_that_is_not_whole_is_not_restored(
    ledger: SqliteRecord, tmp_path: Path, harm: str
) -> None:
    """And leaves the data root as it is."""
    await filled(ledger, "a", text="needle" * 50)
    saved = tmp_path / "saved"
    backup.make(tmp_path, saved)
    data = saved.read_bytes()
    match harm:
        case "cut":
            saved.write_bytes(data[: len(data) // 2])
        case "flipped":
            saved.write_bytes(data.replace(b"needle", b"noodle", 1))
        case "no record":
            saved.write_bytes(b"no database")
        case _:
            saved.unlink()
    root = tmp_path / "other"
    root.mkdir()
    with pytest.raises(RecordError):
        backup.restore(saved, root, library_file.faults)
    assert os.listdir(root) == []


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER DELETE ON caches BEGIN DELETE FROM sessions; END",
        "CREATE VIEW v AS SELECT 1",
        "ALTER TABLE sessions RENAME TO others; CREATE VIEW sessions AS SELECT * FROM others",
        "ALTER TABLE sessions ADD COLUMN more TEXT GENERATED ALWAYS AS (hex(name)) VIRTUAL",
        "CREATE INDEX i ON records (length(doc))",
        "CREATE TABLE other (a); CREATE TRIGGER t AFTER INSERT ON other BEGIN SELECT 1; END",
        "DROP TABLE caches",
        "DROP INDEX records_by_row",
    ],
)
async def test_a_backup_with_a_foreign_schema_is_not_restored(
    ledger: SqliteRecord, tmp_path: Path, script: str
) -> None:
    """Nothing that somebody else wrote is run, in `verify` neither."""
    await filled(ledger, "a")
    saved = tmp_path / "saved"
    backup.make(tmp_path, saved)
    with closing(sqlite3.connect(saved)) as made:
        made.executescript(script)
    assert all(fault.startswith("schema: ") for fault in backup.verify(saved)["damaged"])
    root = tmp_path / "other"
    root.mkdir()
    with pytest.raises(Damaged, match="schema: "):
        backup.restore(saved, root, library_file.faults)
    assert os.listdir(root) == []


@pytest.fixture
def of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backup that the first format's release has made."""
    first_format = files._FORMATS[:1]
    (tmp_path / "before").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(files, "_FORMATS", first_format)
        patched.setattr(files, "FORMAT_VERSION", 1)
        path = tmp_path / "before" / files.NAME
        files.prepare(path)
        with closing(files.connect(path)) as made:
            made.execute("INSERT INTO names VALUES ('a', '', 'shop')")
        backup.make(tmp_path / "before", tmp_path / "saved")
    return tmp_path / "saved"


async def test_a_record_of_the_first_format_is_brought_up_to_today_s(tmp_path: Path, of_before: Path) -> None:
    """Opened in its place, or restored from its backup, once and again."""
    root = tmp_path / "restored"
    root.mkdir()
    assert backup.verify(of_before)["damaged"] == []
    backup.restore(of_before, root, library_file.faults)
    for path in (root / files.NAME, tmp_path / "before" / files.NAME) * 2:
        opened = SqliteRecord(path)
        assert await opened.names() == {"a": ("", "shop")}
        assert await opened.take_place("a", "token", 1)
        await opened.close()
        assert backup.verify(path)["damaged"] == []


@pytest.mark.parametrize("version", [0, -1])
async def test_a_format_that_nobody_writes_is_damage(tmp_path: Path, of_before: Path, version: int) -> None:
    with closing(sqlite3.connect(of_before)) as made:
        made.execute(f"PRAGMA user_version={version}")
    with pytest.raises(Damaged, match=f"format {version}"):
        backup.restore(of_before, tmp_path, library_file.faults)


async def test_a_table_of_a_later_format_in_an_earlier_one_is_foreign(of_before: Path) -> None:
    with closing(sqlite3.connect(of_before)) as made:
        made.execute("CREATE TABLE places (a)")
    assert backup.verify(of_before)["damaged"] == [
        "schema: table 'places' is none that this version makes",
    ]


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TRIGGER t AFTER INSERT ON plans BEGIN UPDATE plans SET pinned = 1; END",
        "CREATE VIEW v AS SELECT 1",
        "ALTER TABLE plans RENAME TO others; CREATE VIEW plans AS SELECT * FROM others",
        "ALTER TABLE plans ADD COLUMN more TEXT GENERATED ALWAYS AS (hex(plan)) VIRTUAL",
        "CREATE INDEX i ON learned (length(session))",
        "CREATE TABLE other (a); CREATE TRIGGER t AFTER INSERT ON other BEGIN SELECT 1; END",
        "DROP TABLE learned",
        "DROP INDEX plans_by_id",
        "DROP TABLE told; CREATE TABLE told (plan, text CHECK (length(text) < 9))",
        "PRAGMA application_id=1",
    ],
)
async def test_a_backup_with_a_foreign_library_is_not_restored(
    ledger: SqliteRecord, tmp_path: Path, script: str
) -> None:
    """Each file in it is looked at; nothing is left in the data root."""
    await filled(ledger, "a")
    library_file.open_file(tmp_path / library_file.FILE_NAME).close()
    sound = tmp_path / "sound"
    backup.make(tmp_path, sound)
    for name, refused in (("first", False), ("second", True)):
        root = tmp_path / name
        root.mkdir()
        if not refused:
            backup.restore(sound, root, library_file.faults)
            assert (root / library_file.FILE_NAME).exists()
            continue
        with closing(sqlite3.connect(tmp_path / library_file.FILE_NAME)) as made:
            made.executescript(script)
        saved = tmp_path / "saved"
        backup.make(tmp_path, saved)
        with pytest.raises(Damaged, match=r"plans\.db is not as this release makes it"):
            backup.restore(saved, root, library_file.faults)
        assert os.listdir(root) == []


async def test_tables_of_others_are_left_alone(ledger: SqliteRecord, tmp_path: Path) -> None:
    await filled(ledger, "a")
    ledger.execute("CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)")
    ledger.execute("CREATE INDEX others ON _litestream_seq (seq)")
    ledger.execute("ANALYZE")
    backup.make(tmp_path, tmp_path / "saved")
    (tmp_path / "other").mkdir()

    assert backup.verify(ledger.path)["damaged"] == []
    assert backup.restore(tmp_path / "saved", tmp_path / "other", library_file.faults)["records"] == 1

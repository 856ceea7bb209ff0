"""A damaged file costs what is on its damaged pages: found out at once, and the rest got back."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from store import pages
from store.errors import StoreDamaged
from store.salvage import LOST_AND_FOUND, Refused, Report, salvage
from store.session_store import Session
from tests.unit.store.conftest import open_session

if TYPE_CHECKING:
    from pathlib import Path

PAGE = 4096
Data = dict[str, dict[Any, dict[str, Any]]]


def fill(directory: Path, members: int = 150) -> Path:
    """Three collections: with an index, with text ids, and with a record that is longer than a page."""
    directory.mkdir()
    session = open_session(directory)
    session.begin(read_only=False)
    store = session.plan_view
    for n in range(members):
        store["members"].insert({"name": f"n{n}", "text": "x" * (n % 50), "n": n})
    for n in range(20):
        store["tags"].insert({"id": f"tag-{n}", "v": n})
    store["long"].insert({"text": "y" * 9_000})
    session.settle(keep=True)
    session.commit()
    session.ensure_index("members", "n")
    session.close()
    return directory


def read(directory: Path) -> Data:
    """Everything, in lists and one by one. Raises StoreDamaged."""
    session = open_session(directory)
    try:
        session.check_file()
        session.begin(read_only=True)
        data: Data = {}
        for name in session.plan_view.collections():
            store = session.plan_view[name]
            listed, total = store.list()
            assert total == len(listed)
            data[name] = {
                record["id"]: dict(record) for record in listed if store.get(record["id"]) == record
            }
        return data
    finally:
        session.close()


def damaged(root: Path, content: bytes) -> Path:
    """A directory as the service sets it aside."""
    directory = root / "s1.damaged"
    directory.mkdir()
    (directory / "store.db").write_bytes(content)
    return directory


def change(content: bytes, at: int, value: bytes) -> bytes:
    return content[:at] + value + content[at + len(value) :]


def found(report: Report) -> dict[str, tuple[int, int, int]]:
    return {one.name: (one.records, one.rows_lost, one.pages_lost) for one in report.collections}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return (fill(tmp_path_factory.mktemp("whole") / "s1") / "store.db").read_bytes()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return read(fill(tmp_path_factory.mktemp("truth") / "s1"))


def sqlite_can_tell(path: Path) -> bool:
    try:
        with sqlite3.connect(path) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error:
        return True
    finally:
        connection.close()
    return answer != ("ok",)


def test_a_flipped_bit_anywhere(tmp_path: Path, whole: bytes, truth: Data) -> None:
    """In headers and across all pages: the right data, or damage; wrong data only where SQLite cannot tell.

    And what was damaged is salvaged but for what one page can hold.
    """
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    headers = {page * PAGE + offset for page in range(len(whole) // PAGE) for offset in range(8)}
    places = {*range(0, 100, 3), *headers, *rng.sample(range(len(whole)), 70)}
    outcomes = {"right": 0, "damaged": 0, "wrong": 0}
    for at in sorted(places):
        directory = damaged(tmp_path, change(whole, at, bytes([whole[at] ^ 1 << rng.randrange(8)])))
        try:
            outcome = "right" if read(directory) == truth else "wrong"
        except StoreDamaged:
            outcome = "damaged"
        except (KeyError, TypeError):
            outcome = "wrong"  # the text of a record lost its id
        outcomes[outcome] += 1
        where = f"bit flip at {at}, seed {seed}"
        assert outcome != "wrong" or not sqlite_can_tell(directory / "store.db"), where
        if outcome == "damaged" and outcomes["damaged"] % 3 == 0:
            report = salvage(directory)
            records = sum(one.records for one in report.collections)
            assert 171 - records <= 85, where
            assert records == 171 or any(not one.whole for one in report.collections), where
            shutil.rmtree(report.kept)
            shutil.rmtree(tmp_path / "s1")
        else:
            shutil.rmtree(directory)

    assert min(outcomes.values()) > 0, outcomes


def test_a_damaged_leaf_costs_its_rows(tmp_path: Path, whole: bytes, truth: Data) -> None:
    """All other rows of all collections come back as they were, with what is known of the collections."""
    leaf = next(n for n in range(2, len(whole) // PAGE + 1) if whole[(n - 1) * PAGE] == 0x0D)
    cells = int.from_bytes(whole[(leaf - 1) * PAGE + 3 : (leaf - 1) * PAGE + 5], "big")
    report = salvage(damaged(tmp_path, change(whole, (leaf - 1) * PAGE, b"\xff" * 100)))
    rescued = read(tmp_path / "s1")

    counts = found(report)
    assert sum(records for records, _, _ in counts.values()) == 171 - cells
    assert sum(lost for _, _, lost in counts.values()) == 1
    assert all(truth[name][key] == record for name, known in rescued.items() for key, record in known.items())
    session = open_session(tmp_path / "s1")
    session.begin(read_only=False)
    assert session.plan_view["members"].insert({"name": "new"})["id"] == 151
    session.close()


def test_a_deep_tree_with_a_damaged_root(tmp_path: Path) -> None:
    """Leaves that no parent names belong to the one table that has lost some."""
    content = (fill(tmp_path / "full", members=5_000) / "store.db").read_bytes()
    root = next(n for n in range(2, 20) if content[(n - 1) * PAGE] == 0x05)
    report = salvage(damaged(tmp_path, change(content, (root - 1) * PAGE, bytes(PAGE))))

    assert found(report)["members"] == (5_000, 0, 1)
    assert len(read(tmp_path / "s1")["members"]) == 5_000


def test_a_pointer_into_another_table(tmp_path: Path) -> None:
    """Rows that two tables claim are nobody's: they are found, and in neither."""
    content = (fill(tmp_path / "full", members=500) / "store.db").read_bytes()
    parsed = pages.Pages(content)
    inner = next(n for n in range(2, parsed.count + 1) if parsed.kind(n) == 0x05)
    long = next(
        n
        for n in range(2, parsed.count + 1)
        if parsed.kind(n) == 0x0D and b"yyyy" in content[(n - 1) * PAGE : n * PAGE]
    )
    (first,) = parsed._pointers(inner)[:1]
    report = salvage(damaged(tmp_path, change(content, first, long.to_bytes(4, "big"))))

    counts = found(report)
    beside = counts[LOST_AND_FOUND][0] - 1  # of the leaf that lost its parent
    assert 0 < beside < 100
    assert (counts["members"][0], counts["long"][0]) == (500 - beside, 0)
    assert {record["salvaged_id"] for record in read(tmp_path / "s1")[LOST_AND_FOUND].values()} == {
        *range(1, beside + 1)
    }


def test_deleted_rows_stay_deleted(tmp_path: Path) -> None:
    """Unused pages still hold what was there; it is not brought back, nor what may be such a page."""
    directory = fill(tmp_path / "full", members=500)
    session = open_session(directory)
    session.begin(read_only=False)
    session.plan_view["members"].delete_all({"id__gt": 100})
    session.settle(keep=True)
    session.commit()
    session.close()
    content = (directory / "store.db").read_bytes()
    report = salvage(damaged(tmp_path, content))
    assert found(report)["members"] == (100, 0, 0)
    shutil.rmtree(tmp_path / "s1")
    shutil.rmtree(report.kept)
    unknown = salvage(damaged(tmp_path, change(content, 36, b"\0\0\0\1")))

    assert found(unknown)["members"] == (100, 0, 0)
    assert any("unused pages is damaged" in note for note in unknown.notes)


def test_a_transaction_cut_short_is_rolled_back_first(tmp_path: Path) -> None:
    """The journal that a crash left belongs to the file."""
    directory = fill(tmp_path / "full")
    session = open_session(directory, durability="full")
    session.begin(read_only=False)
    session._database.run("PRAGMA cache_spill=1")
    session._database.run("PRAGMA cache_size=1")
    session.plan_view["members"].insert_many([{"name": "half", "text": "z" * 500} for _ in range(200)])
    aside = tmp_path / "s1.damaged"
    shutil.copytree(directory, aside)
    session.close()
    assert (aside / "store.db-journal").stat().st_size > 0
    report = salvage(aside)

    assert found(report)["members"] == (150, 0, 0)


def test_nothing_is_thrown_away(tmp_path: Path, whole: bytes) -> None:
    """The damaged file is kept, to the byte, under a name that says when; a second time is refused."""
    broken = change(whole, 0, b"nothing to be read")
    report = salvage(damaged(tmp_path, broken), now=datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC))

    assert report.kept == tmp_path / "s1.salvaged-20261123T120001Z"
    assert (report.kept / "store.db").read_bytes() == broken
    assert {path.name for path in tmp_path.iterdir()} == {"s1", report.kept.name}
    with pytest.raises(Refused, match="no session that was set aside"):
        salvage(tmp_path / "s1.damaged")
    damaged(tmp_path, broken)
    with pytest.raises(Refused, match="in service again"):
        salvage(tmp_path / "s1.damaged")


@pytest.mark.parametrize("content", [b"", b"short", b"no database at all " * 1_000, bytes(PAGE * 3)])
def test_a_file_with_nothing_in_it(tmp_path: Path, content: bytes) -> None:
    """An empty session comes of it, and the report says so."""
    report = salvage(damaged(tmp_path, content))

    assert found(report) == {}
    assert report.notes
    assert read(tmp_path / "s1") == {}


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A link that a guest has left is not followed, and nothing is made."""
    directory = tmp_path / "s1.damaged"
    directory.mkdir()
    (directory / "store.db").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        salvage(directory)
    (directory / "store.db").unlink()
    os.mkfifo(directory / "store.db")
    with pytest.raises(Refused, match="no ordinary file"):
        salvage(directory)

    assert [path.name for path in tmp_path.iterdir()] == ["s1.damaged"]


def test_a_journal_that_names_another_file_is_refused(tmp_path: Path, whole: bytes) -> None:
    """SQLite would delete the file that such a journal names."""
    directory = damaged(tmp_path, whole)
    (directory / "store.db-journal").write_bytes(bytes(600) + bytes.fromhex("d9d505f920a163d7"))

    with pytest.raises(Refused, match="names another file"):
        salvage(directory)


def test_a_record_that_is_not_its_row_s_is_lost_and_counted(tmp_path: Path, whole: bytes) -> None:
    """A document whose id is not the row's address was not written like that."""
    at = whole.index(b'{"id":77,')
    report = salvage(damaged(tmp_path, change(whole, at, b'{"id":78,')))

    assert found(report)["members"] == (149, 1, 0)


def test_varints_of_all_lengths() -> None:
    """One to nine bytes, the last one whole; negative where 64 bits are; cut short they are unreadable."""
    for data, value in (
        (b"\x00", 0),
        (b"\x7f", 127),
        (b"\x81\x00", 128),
        (b"\xff\xff\x7f", 2**21 - 1),
        (b"\xff" * 9, -1),
        (b"\x80" * 8 + b"\x01", 1),
    ):
        assert pages.varint(data, 0) == (value, len(data))
    with pytest.raises(pages.Unreadable):
        pages.varint(b"\xff\xff", 0)


def test_a_session_that_still_opens_is_whole(tmp_path: Path) -> None:
    """`check_file` reads every record: one that is no JSON is damage, even where nobody has asked for it."""
    directory = fill(tmp_path / "s1")
    with sqlite3.connect(directory / "store.db") as connection:
        connection.execute("DROP INDEX x1_0")
        connection.execute("UPDATE collections SET indexes = '[]'")
        connection.execute("UPDATE c1 SET doc = ? WHERE rowid = 9", (json.dumps({"id": 9})[:-1],))
    connection.close()
    session = Session.open(str(directory), page_limit_bytes=2**30)

    with pytest.raises(StoreDamaged, match="not JSON"):
        session.check_file()
    session.close()

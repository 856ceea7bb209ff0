from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store.layout import LayoutError, import_session
from store.session_store import Session
from tools.layout import main

if TYPE_CHECKING:
    from pathlib import Path

#: The files of the document's "Session State Structure", as they stand there.
DOCUMENTED = {
    "users.json": """\
[
  {"id": 1, "name": "Alice", "email": "alice@example.com"},
  {"id": 2, "name": "Bob", "email": "bob@example.com"}
]
""",
    ".schemas/users.json": """\
{
  "fields": ["email", "id", "name"],
  "example": {"id": 2, "name": "Bob", "email": "bob@example.com"},
  "updated_at": "2025-10-10T12:34:56.789012"
}
""",
    ".schemas/users.meta.json": """\
{
  "auto_id": 3
}
""",
}


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory


def read(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text(encoding="utf-8")
        for path in directory.rglob("*")
        if path.is_file()
    }


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def opened(directory: Path) -> Session:
    return Session.open(str(directory), page_limit_bytes=2**26, durability="full")


def made(directory: Path) -> Path:
    """A session with data of all kinds."""
    directory.mkdir()
    with closing(opened(directory)) as session:
        session.begin(read_only=False)
        things = session.plan_view["things"]
        things.insert_many([{"n": n, "text": "é😀\n"} for n in range(2_500)])
        things.delete(2_500)
        session.plan_view["named"].insert_many([{"id": "b"}, {"id": "a", "deep": {"x": [1, None, True]}}])
        session.plan_view["empty"].insert({"gone": 1})
        session.plan_view["empty"].delete_all()
        session.settle(keep=True)
        session.commit()
    return directory


def test_the_documents_files_come_back_byte_for_byte(tmp_path: Path) -> None:
    """Import what the document shows, export it, and there is no difference."""
    source = write(tmp_path / "in", DOCUMENTED)

    assert main(["import", str(source), str(tmp_path / "session")]) == 0
    assert main(["export", str(tmp_path / "session"), str(tmp_path / "out")]) == 0
    assert read(tmp_path / "out") == DOCUMENTED


def test_an_imported_session_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Imported records are found, and the next id is the one the files say."""
    main(["import", str(write(tmp_path / "in", DOCUMENTED)), str(tmp_path / "session")])

    with closing(opened(tmp_path / "session")) as session:
        session.begin(read_only=False)
        users = session.plan_view["users"]
        assert users.search({"name": "Bob"}) == [{"id": 2, "name": "Bob", "email": "bob@example.com"}]
        assert users.insert({"name": "Carol"})["id"] == 3
    assert capsys.readouterr().out == "1 collections: users\n"
    assert names_in(tmp_path / "session") == ["store.db", "store.db-journal"]


def test_a_session_survives_the_journey(tmp_path: Path) -> None:
    """Export, import, export: the same files, empty collections and counters included."""
    session = made(tmp_path / "session")
    for source, target, command in (
        ("session", "one", "export"),
        ("one", "copy", "import"),
        ("copy", "two", "export"),
    ):
        assert main([command, str(tmp_path / source), str(tmp_path / target)]) == 0
    files = read(tmp_path / "one")

    assert files == read(tmp_path / "two")
    assert files["empty.json"] == "[]\n"
    assert json.loads(files[".schemas/empty.json"])["fields"] == ["gone", "id"]
    assert json.loads(files[".schemas/empty.json"])["example"] is None
    assert json.loads(files[".schemas/empty.meta.json"]) == {"auto_id": 2}
    assert json.loads(files[".schemas/things.meta.json"]) == {"auto_id": 2_501}
    assert len(json.loads(files["things.json"])) == 2_499
    assert names_in(session) == ["store.db", "store.db-journal"]


def test_only_the_records_are_needed(tmp_path: Path) -> None:
    """Without its schema files a collection is learned from its records."""
    source = write(tmp_path / "in", {"users.json": '[{"id": 7, "n": 1}, {"n": 2}]'})

    assert main(["import", str(source), str(tmp_path / "session")]) == 0
    with closing(opened(tmp_path / "session")) as session:
        assert session.plan_view["users"].search() == [{"id": 7, "n": 1}, {"id": 8, "n": 2}]
        assert session.plan_view["users"].schema()["fields"] == {"id": ["integer"], "n": ["integer"]}


def test_a_session_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing comes of nothing."""
    (tmp_path / "in").mkdir()

    assert main(["import", str(tmp_path / "in"), str(tmp_path / "session")]) == 0
    assert main(["export", str(tmp_path / "session"), str(tmp_path / "out")]) == 0
    assert read(tmp_path / "out") == {}
    assert capsys.readouterr().out == "no collections\n" * 2


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"users.json": "{"}, "users.json: not JSON"),
        ({"users.json": "[" * 100_000}, "users.json: not JSON"),
        ({"users.json": "{}"}, "users.json: not an array"),
        ({"users.json": "[5]"}, "record 1"),
        ({"users.json": '[{"id": 1}, {"id": "1"}]'}, "record 2"),
        ({"users.json": '[{"a": NaN}]'}, "record 1: field 'a'"),
        ({"users.old.json": "[]"}, "name"),
        ({"users.json": "[]", ".schemas/users.json": "[]"}, "users.json: not an object"),
        ({"users.json": "[]", ".schemas/users.json": '{"fields": [1]}'}, "'fields'"),
        ({"users.json": "[]", ".schemas/users.json": '{"fields": "x"}'}, "'fields'"),
        ({"users.json": "[]", ".schemas/users.json": '{"updated_at": 5}'}, "'updated_at'"),
        ({"users.json": "[]", ".schemas/users.meta.json": '{"auto_id": 0}'}, "'auto_id'"),
        ({"users.json": "[]", ".schemas/users.meta.json": '{"auto_id": true}'}, "'auto_id'"),
        ({"users.json": "[]", ".schemas/users.meta.json": '{"auto_id": "3"}'}, "'auto_id'"),
    ],
)
def test_bad_files_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str], named: str
) -> None:
    """A file that cannot be imported is named, and the session is as if nobody had tried."""
    source = write(tmp_path / "in", {"a.json": "[{}]", **files})

    assert main(["import", str(source), str(tmp_path / "session")]) == 1
    assert named in capsys.readouterr().err
    assert names_in(tmp_path / "session") == []


def test_data_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a session that has data nor a directory with files in it is a target."""
    session = made(tmp_path / "session")
    source = write(tmp_path / "in", DOCUMENTED)
    before = (session / "store.db").read_bytes()

    assert main(["import", str(source), str(session)]) == 1
    assert "has data already" in capsys.readouterr().err
    assert main(["export", str(session), str(source)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert (session / "store.db").read_bytes() == before
    assert read(source) == DOCUMENTED


def test_collections_are_not_merged(tmp_path: Path) -> None:
    """Importing into a session that has a collection of the same name changes nothing."""
    source = write(tmp_path / "in", {**DOCUMENTED, "a.json": "[{}]"})
    with closing(opened(made(tmp_path / "session"))) as session:
        session.begin(read_only=False)
        session.plan_view["users"].insert({"mine": True})
        session.settle(keep=True)
        session.commit()
        with pytest.raises(LayoutError, match="has a collection of this name"):
            import_session(session, source)

        assert session.plan_view["users"].search() == [{"id": 1, "mine": True}]
        assert "a" not in session.plan_view


@pytest.mark.parametrize("command", ["export", "import"])
def test_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """A source that does not exist is refused in words."""

    assert main([command, str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("layout: ")


@pytest.mark.parametrize("name", ["store.db", "store.db-journal"])
def test_links_are_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """A guest can plant a link in its directory; the tool does not read through it, or write."""
    session, other = made(tmp_path / "session"), made(tmp_path / "other")
    (session / name).unlink()
    (session / name).symlink_to(other / name)

    assert main(["export", str(session), str(tmp_path / "out")]) == 1
    assert "no ordinary file" in capsys.readouterr().err
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh" / name).symlink_to(tmp_path / "target")
    assert main(["import", str(write(tmp_path / "in", DOCUMENTED)), str(tmp_path / "fresh")]) == 1
    assert not (tmp_path / "target").exists()


def test_directories_are_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory in the place of the file is refused."""
    (tmp_path / "session" / "store.db").mkdir(parents=True)

    assert main(["export", str(tmp_path / "session"), str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("layout: ")


def test_pipes_are_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is none is refused at once."""
    (tmp_path / "session").mkdir()
    os.mkfifo(tmp_path / "session" / "store.db")

    assert main(["export", str(tmp_path / "session"), str(tmp_path / "out")]) == 1
    assert "no ordinary file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON c1 BEGIN DELETE FROM c1; END",
        "UPDATE collections SET name = '../../x' WHERE number = 1",
        "UPDATE c1 SET doc = '{' WHERE rowid = 1",
        "UPDATE c1 SET doc = '" + "[" * 100_000 + "' WHERE rowid = 1",
    ],
    ids=["trigger", "name", "record", "depth"],
)
def test_a_hostile_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], statement: str
) -> None:
    """What a taken-over guest can write into its file, the tool answers with an error."""
    session = made(tmp_path / "session")
    with closing(sqlite3.connect(session / "store.db", isolation_level=None)) as connection:
        connection.execute(statement)

    assert main(["export", str(session), str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith("layout: ")

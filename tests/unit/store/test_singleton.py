"""One object at a path, in the store: what is noted of it goes wherever its collection goes."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from store.errors import DuplicateId, StoreDamaged
from store.layout import export_session, import_session
from store.salvage import salvage
from tests.unit.store.conftest import open_session

if TYPE_CHECKING:
    from pathlib import Path

    from store.session_store import Session

DARK = {"theme": "dark"}


def make(directory: Path) -> Session:
    """A session with an object that has no id of its own, one that has, and one that was deleted."""
    directory.mkdir()
    session = open_session(directory)
    session.begin(read_only=False)
    for name, record in (("settings", DARK), ("profile", {"id": "me", "n": 1}), ("gone", {"a": 1})):
        single = session.plan_view[name].singleton(make=True)
        assert single is not None
        assert single.replace(record) == record
    deleted = session.plan_view["gone"].singleton()
    assert deleted is not None
    assert deleted.delete()
    session.settle(keep=True)
    session.commit()
    return session


def shown(session: Session) -> dict[str, object]:
    found = {name: session.plan_view[name].singleton() for name in session.plan_view.collections()}
    return {name: "records" if single is None else single.get() for name, single in found.items()}


ALL = {"settings": DARK, "profile": {"id": "me", "n": 1}, "gone": None}


def test_export_and_import(tmp_path: Path) -> None:
    """The documented files tell it, and it is told by nobody else."""
    session = make(tmp_path / "one")
    export_session(session, tmp_path / "files")
    session.close()
    meta = json.loads((tmp_path / "files" / ".schemas" / "settings.meta.json").read_text())
    assert meta == {"auto_id": 2, "single": "made"}
    (tmp_path / "two").mkdir()
    other = open_session(tmp_path / "two")
    import_session(other, tmp_path / "files")
    assert shown(other) == ALL
    other.close()


def test_salvage(tmp_path: Path) -> None:
    """A damaged file is read for it as well."""
    make(tmp_path / "s.damaged").close()
    salvage(tmp_path / "s.damaged")

    session = open_session(tmp_path / "s")
    assert shown(session) == ALL
    session.close()


def test_an_id_that_none_may_have_any_more_is_imported(tmp_path: Path) -> None:
    """What was stored before is not lost for a rule that came later."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "words.json").write_text('[{"id": "search"}]')
    session = open_session(tmp_path)
    import_session(session, tmp_path / "files")

    assert session.plan_view["words"].get("search") == {"id": "search"}
    session.close()


def test_several_records_are_no_object(tmp_path: Path) -> None:
    """Whatever files from elsewhere say."""
    (tmp_path / "files" / ".schemas").mkdir(parents=True)
    (tmp_path / "files" / "words.json").write_text('[{"a": 1}, {"a": 2}]')
    (tmp_path / "files" / ".schemas" / "words.meta.json").write_text('{"single": "made"}')
    session = open_session(tmp_path)
    import_session(session, tmp_path / "files")

    assert shown(session) == {"words": "records"}
    session.close()


def test_a_record_beside_the_object(tmp_path: Path) -> None:
    """There is none; it is undone with its batch, and the note stays."""
    session = make(tmp_path / "one")
    session.begin(read_only=False)
    with pytest.raises(DuplicateId, match="a single object"):
        session.plan_view["settings"].insert({"a": 1})
    with pytest.raises(DuplicateId):
        session.plan_view["gone"].insert_many([{"id": 5}, {"id": 5}])
    assert shown(session) == ALL
    session.plan_view["gone"].insert_many([{"a": 1}, {"a": 2}])
    assert shown(session)["gone"] == "records"
    session.close()


def test_a_note_that_is_none(tmp_path: Path) -> None:
    """The file may come from a guest that a plan has taken over."""
    make(tmp_path / "one").close()
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    session = open_session(tmp_path / "two")
    session.begin(read_only=False)
    session._database.run("UPDATE collections SET schema = ?", ('{"fields": {}, "single": 7}',))
    session.settle(keep=True)
    session.commit()
    session.close()

    with pytest.raises(StoreDamaged, match="not readable"):
        open_session(tmp_path / "two")

"""Answers kept by name: found for a day, with their transaction, within their limit."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store import sqlite
from store.errors import AnswersFull, StoreDamaged
from store.kept_answers import KEPT_SECONDS, ROW_BYTES, KeptAnswer, KeptAnswers
from tests.clock import Clock
from tests.unit.store.conftest import open_session
from tools import layout

if TYPE_CHECKING:
    from pathlib import Path

    from store.session_store import Session

LIMIT = 1024 * 1024


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def answers(session: Session, clock: Clock) -> KeptAnswers:
    return KeptAnswers(session._workspace, clock)


def rows(session: Session) -> int:
    return int(session._database.value("SELECT count(*) FROM answers"))


def test_an_answer_is_found_by_its_name(answers: KeptAnswers) -> None:
    """What was kept is found as it was, and nothing else is."""
    answers.keep("a", "print", "answer \u2603", limit_bytes=LIMIT)

    assert answers.find("a") == KeptAnswer("print", "answer \u2603")
    assert answers.find("b") is None


@pytest.mark.parametrize("direction", [1, -1], ids=["later", "by a clock that went back"])
def test_an_answer_is_kept_for_a_day(answers: KeptAnswers, clock: Clock, direction: int) -> None:
    """To the second; after that its name is free again."""
    answers.keep("a", "print", "first", limit_bytes=LIMIT)
    clock.now += direction * KEPT_SECONDS
    assert answers.find("a") == KeptAnswer("print", "first")
    clock.now += direction

    assert answers.find("a") is None
    answers.keep("a", "print", "second", limit_bytes=LIMIT)
    assert answers.find("a") == KeptAnswer("print", "second")


def test_expired_answers_go_a_few_at_a_time(session: Session, answers: KeptAnswers, clock: Clock) -> None:
    """A new answer takes at most eight old ones away, and none that is not a day old."""
    for number in range(20):
        answers.keep(f"old{number}", "", "", limit_bytes=LIMIT)
    clock.now += KEPT_SECONDS
    answers.keep("young", "", "", limit_bytes=LIMIT)
    assert rows(session) == 21
    clock.now += 1
    left = []
    for number in range(4):
        answers.keep(f"new{number}", "", "", limit_bytes=LIMIT)
        left.append(rows(session))

    assert left == [14, 7, 4, 5]
    assert answers.find("young") is not None


def test_the_limit_counts_what_is_there(session: Session, answers: KeptAnswers, clock: Clock) -> None:
    """Up to the limit an answer is kept; one byte more is refused, and room comes with time."""
    limit = 3 * (ROW_BYTES + 10)
    for name in ("a", "b"):
        answers.keep(name, "", "x" * 10, limit_bytes=limit)
    with pytest.raises(AnswersFull):
        answers.keep("c", "", "x" * 11, limit_bytes=limit)
    assert answers.find("c") is None
    answers.keep("c", "", "x" * 10, limit_bytes=limit)
    with pytest.raises(AnswersFull):
        answers.keep("d", "", "", limit_bytes=limit)

    clock.now += KEPT_SECONDS + 1
    for name in ("d", "e", "f"):
        answers.keep(name, "", "\u2603" * 3, limit_bytes=limit)
    assert rows(session) == 3


def test_an_answer_belongs_to_its_transaction(session: Session) -> None:
    """What is undone takes its answer with it, also in a group, also the table itself."""
    session.savepoint()
    session.plan_view["things"].insert({})
    session.answers.keep("undone", "", "", limit_bytes=LIMIT)
    session.settle(keep=False)
    session.savepoint()
    assert session.answers.find("undone") is None
    session.answers.keep("kept", "", "", limit_bytes=LIMIT)
    session.settle(keep=True)
    session.commit()
    session.begin(read_only=False)
    session.answers.keep("lost", "", "", limit_bytes=LIMIT)
    session.rollback()
    session.begin(read_only=False)

    assert session.answers.find("lost") is None
    assert session.answers.find("kept") == KeptAnswer("", "")
    assert session.plan_view["things"].count() == 0


def test_only_keys_make_the_table(tmp_path: Path) -> None:
    """A session without keys has no table; one with keys and no records is a session like any other."""
    with closing(open_session(tmp_path)) as session:
        session.begin(read_only=False)
        session.plan_view["things"].insert({})
        session.commit()
        assert session._database.value("SELECT count(*) FROM sqlite_master WHERE name = 'answers'") == 0
    (tmp_path / "other").mkdir()
    with closing(open_session(tmp_path / "other")) as session:
        session.begin(read_only=False)
        session.answers.keep("a", "", "", limit_bytes=LIMIT)
        session.commit()
    with closing(open_session(tmp_path / "other")) as session:
        session.check_file()
        session.begin(read_only=False)
        assert session.answers.find("a") is not None
        assert session.plan_view["things"].insert({}) == {"id": 1}


def test_an_older_file_stays_as_it_is_until_it_gets_the_table(tmp_path: Path) -> None:
    """A file of format 1 is read and written without becoming one of format 2; its first key makes it one."""

    def version(session: Session) -> int:
        return int(session._database.value("PRAGMA user_version"))

    with closing(open_session(tmp_path)) as session:
        session.begin(read_only=False)
        session.plan_view["things"].insert({})
        session._database.run("PRAGMA user_version=1")
        session.commit()
    with closing(open_session(tmp_path)) as session:
        session.begin(read_only=False)
        session.plan_view["things"].insert({})
        session.commit()
        assert version(session) == 1
        session.begin(read_only=False)
        session.answers.keep("a", "", "", limit_bytes=LIMIT)
        session.rollback()
        assert version(session) == 1
        session.begin(read_only=False)
        session.answers.keep("a", "", "", limit_bytes=LIMIT)
        session.commit()
    with closing(open_session(tmp_path)) as session:
        assert version(session) == sqlite.FORMAT_VERSION
        session.check_file()
        assert session.plan_view["things"].count() == 2


def test_another_table_of_that_name_is_refused(session: Session) -> None:
    """Tools look the file over: only the table as it is made here."""
    session.plan_view["things"].insert({})
    session._database.run("CREATE VIEW answers AS SELECT 1 AS name")
    with pytest.raises(StoreDamaged, match="tables"):
        session.check_file()


def test_answers_are_no_part_of_an_export(tmp_path: Path) -> None:
    """A session with answers is exported and imported as one without."""
    source, out, target = (tmp_path / name for name in ("source", "out", "target"))
    source.mkdir()
    target.mkdir()
    with closing(open_session(source)) as session:
        session.begin(read_only=False)
        session.plan_view["things"].insert({"n": 1})
        session.answers.keep("a", "", "secret", limit_bytes=LIMIT)
        session.commit()

    assert layout.main(["export", str(source), str(out)]) == 0
    assert sorted(path.name for path in out.rglob("*.json")) == ["things.json"] * 2 + ["things.meta.json"]
    assert not any("secret" in path.read_text() for path in out.rglob("*.json"))
    assert layout.main(["import", str(out), str(target)]) == 0
    with closing(open_session(target)) as session:
        assert session.plan_view["things"].list() == ([{"id": 1, "n": 1}], 1)

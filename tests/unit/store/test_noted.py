"""The store notes every row that a request writes: whoever applies the change sets has what the file has."""

from __future__ import annotations

import ast
import re
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import store as store_package
from store import change_set
from store.errors import StoreError, StoreFull
from store.kept_answers import KEPT_SECONDS, KeptAnswers
from tests.clock import Clock
from tests.unit.store.conftest import open_session
from tests.unit.store.mirror import Mirror, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.session_store import Session

LIMIT = 1024 * 1024
IDS = st.integers(1, 6) | st.sampled_from(["a", "b", "007"])
RECORDS = st.dictionaries(st.sampled_from(["n", "text"]), st.integers(0, 3) | st.just("x"), max_size=2)
NAMES = st.sampled_from(["things", "others"])
#: What a request may do, by name, with what it is given.
STEPS = st.one_of(
    st.tuples(st.just("insert"), NAMES, RECORDS),
    st.tuples(st.just("insert_as"), NAMES, IDS),
    st.tuples(st.just("batch"), NAMES, st.lists(IDS, max_size=3)),
    st.tuples(st.just("update"), NAMES, st.tuples(IDS, RECORDS)),
    st.tuples(st.just("replace"), NAMES, st.tuples(IDS, RECORDS)),
    st.tuples(st.just("delete"), NAMES, IDS),
    st.tuples(st.just("delete_all"), NAMES, st.none() | RECORDS),
    st.tuples(st.just("keep"), NAMES, st.sampled_from(["k1", "k2", "k3"])),
    st.tuples(st.just("wait"), NAMES, st.just(KEPT_SECONDS)),
)
#: A request: what it does, and whether it stays.
REQUESTS = st.tuples(st.lists(STEPS, max_size=6), st.booleans())


class Requests:
    """Runs steps in a session, with a clock of its own for the answers."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.clock = Clock(1_800_000_000.0)
        self.answers = KeptAnswers(session._workspace, self.clock)

    def step(self, name: str, collection: str, given: Any) -> None:
        store = self.session.plan_view[collection]
        steps: dict[str, Callable[[], object]] = {
            "insert": lambda: store.insert(given),
            "insert_as": lambda: store.insert({"id": given}),
            "batch": lambda: store.insert_many([{"id": each} for each in given]),
            "update": lambda: store.update(*given),
            "replace": lambda: store.replace(*given),
            "delete": lambda: store.delete(given),
            "delete_all": lambda: store.delete_all(given),
            "keep": lambda: self.keep(given),
            "wait": lambda: self.clock.advance(given),
        }
        with suppress(StoreError):
            steps[name]()

    def keep(self, name: str) -> None:
        if self.answers.find(name) is None:
            self.answers.keep(name, "f", f"head\n{name}", limit_bytes=LIMIT)


@given(st.lists(REQUESTS, max_size=8), st.booleans())
def test_the_change_sets_are_what_was_written(requests: list[Any], index: bool) -> None:
    """Requests that stay and that are undone, batches that fail within, rows that come and go."""
    mirror = Mirror()
    with TemporaryDirectory() as directory, closing(open_session(Path(directory))) as session:
        made = Requests(session)
        for steps, keep in requests:
            session.savepoint()
            for step in steps:
                made.step(*step)
            session.settle(keep=keep)
            if keep:
                assert change_set.decode(session.told("")) == session.change_set()
                mirror.apply(session.change_set())
            assert vars(rows_of(session)) == vars(mirror)
        if index and session.ensure_index("things", "n"):
            mirror.apply(session.change_set())

        assert vars(rows_of(session)) == vars(mirror)


def test_the_last_write_of_a_row_is_the_one_that_is_told(session: Session) -> None:
    """However often a request has written it; a row that it has made and deleted is deleted."""
    store = session.plan_view["things"]
    for n in range(3):
        store.upsert({"id": 1, "n": n})
    store.insert({"id": 2})
    store.delete(2)
    session.settle(keep=True)
    told = session.change_set()

    assert told.puts == ((1, 1, '{"id":1,"n":2}'),)
    assert told.deletes == ((1, 2),)
    assert [entry.name for entry in told.entries] == ["things"]


def test_a_collection_that_was_emptied_is_told_in_one_row(session: Session) -> None:
    """Not a row for each record; what came after it stays."""
    store = session.plan_view["things"]
    store.insert_many([{} for _ in range(100)])
    session.settle(keep=True)
    session.savepoint()
    store.update(1, {"n": 1})
    store.delete_all()
    store.insert({"n": 2})
    session.settle(keep=True)
    told = session.change_set()

    assert told.cleared == (1,)
    assert told.deletes == ()
    assert told.puts == ((1, 101, '{"id":101,"n":2}'),)


def test_a_refused_request_costs_the_others_nothing(session: Session) -> None:
    """What an earlier request has changed is not read again because a later one was undone."""
    store = session.plan_view["things"]
    store.insert_many([{} for _ in range(100)])
    session.settle(keep=True)
    session.savepoint()
    assert store.count() == 100
    entry = session._catalogue.get("things")
    session.plan_view["others"].insert({})
    session.settle(keep=False)

    assert session._catalogue.get("things") is entry
    assert session._catalogue.get("others") is None
    session.rollback()
    assert session._catalogue.get("things") is None


def test_what_has_no_room_is_refused_before_sqlite_ends_the_transaction(tmp_path: Path) -> None:
    """The request is undone, and what others have written in the same transaction stays."""
    with closing(open_session(tmp_path, page_limit_bytes=LIMIT)) as session:
        store = session.plan_view["things"]
        stored = 0
        while True:
            session.savepoint()
            try:
                store.insert({"text": "x" * (stored * 997 % 9_000)})
            except StoreFull:
                session.settle(keep=False)
                break
            session.settle(keep=True)
            stored += 1

        assert not session.lost
        assert store.count() == stored > 150
        session.commit()
        assert (tmp_path / "store.db").stat().st_size <= LIMIT
        # At the limit a batch is refused as a whole, and room that was made is there.
        session.savepoint()
        with pytest.raises(StoreFull):
            store.insert_many([{"text": "x" * 5_000} for _ in range(3)])
        session.settle(keep=False)
        session.savepoint()
        store.delete_all({"id__gt": 1})
        store.insert_many([{"text": "x" * 5_000} for _ in range(3)])
        session.settle(keep=True)
        assert store.count() == 4


def test_a_large_transaction_is_committed_in_between(tmp_path: Path) -> None:
    """Its journal, which is in memory, would grow with the file otherwise; a small one never is."""
    with closing(open_session(tmp_path)) as session:
        store = session.plan_view["things"]
        sizes = []
        for text in ("x", "x" * 9_000):
            for _ in range(25):
                session.savepoint()
                store.insert_many([{"text": text} for _ in range(100)])
                session.settle(keep=True)
                session.relieve()
            sizes.append((tmp_path / "store.db").stat().st_size)

        assert sizes[0] == 0
        assert sizes[1] > 0


#: Statements that change rows.
_WRITES = re.compile(r"(INSERT|REPLACE) |UPDATE \S+ SET|DELETE FROM")


def test_rows_are_written_in_three_modules_only() -> None:
    """What no change set tells is gone when the session is loaded again: so nobody else writes rows."""
    root = Path(str(store_package.__file__)).parent
    writers = {
        path.name
        for path in root.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _WRITES.match(node.value)
    }

    assert writers == {"table.py", "catalogue.py", "kept_answers.py"}

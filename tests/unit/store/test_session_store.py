from __future__ import annotations

from contextlib import closing, suppress
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.catalogue import MAX_COLLECTIONS
from store.entries import MAX_INDEXES
from store.errors import DuplicateId, ReadOnlyRequest, StoreFull
from store.ids import FIRST_TEXT_ROWID
from store.room import Room
from store.sqlite import Database
from store.workspace import Change
from tests.unit.store.conftest import open_session

if TYPE_CHECKING:
    from store.resource_store import ResourceStore
    from store.session_store import Session


def test_what_is_committed_stays(tmp_path: Path) -> None:
    """A committed request is there after the session was closed; one that was not committed is not."""
    session = open_session(tmp_path)
    session.begin(read_only=False)
    session.plan_view["a"].insert({"n": 1})
    session.settle(keep=True)
    session.commit()
    session.begin(read_only=False)
    session.plan_view["a"].insert({"n": 2})
    session.plan_view["b"].insert({})
    session.settle(keep=True)
    session.close()

    with closing(open_session(tmp_path)) as reopened:
        assert reopened.plan_view.collections() == ["a"]
        assert reopened.plan_view["a"].search() == [{"id": 1, "n": 1}]


def test_a_refused_request_is_undone(session: Session, store: ResourceStore) -> None:
    """Without a savepoint, undoing the request undoes the transaction: across all collections."""
    store.insert({})
    session.plan_view["others"].insert({})
    session.settle(keep=False)
    session.commit()

    assert session.plan_view.collections() == []
    assert session.changes == []


def test_a_group_keeps_the_good_ones(session: Session, store: ResourceStore) -> None:
    """In a group each request has its own verdict, and the next sees what the kept ones wrote."""
    session.settle(keep=True)
    verdicts = [True, False, True, False, False, True]
    for number, keep in enumerate(verdicts):
        session.savepoint()
        store.insert({"n": number})
        session.plan_view[f"only{number}"].insert({})
        session.settle(keep=keep)
    session.commit()

    assert [record["n"] for record in store.search()] == [0, 2, 5]
    assert [record["id"] for record in store.search()] == [1, 2, 3]
    assert session.plan_view.collections() == ["only0", "only2", "only5", "things"]
    assert store.count() == 3


def test_reads_join_a_group(session: Session, store: ResourceStore) -> None:
    """A read in the middle of a group sees its writes, may not write, and ends nothing."""
    session.savepoint()
    store.insert({"n": 1})
    session.settle(keep=True)
    session.begin(read_only=True)
    assert store.count() == 1
    with pytest.raises(ReadOnlyRequest):
        store.insert({})
    session.settle(keep=False)
    session.savepoint()
    store.insert({"n": 2})
    session.settle(keep=True)
    session.commit()

    assert [record["n"] for record in store.search()] == [1, 2]


@pytest.mark.parametrize(
    "write",
    [
        lambda store: store.insert({}),
        lambda store: store.insert_many([]),
        lambda store: store.delete(99),
        lambda store: store.delete_all(),
        lambda store: store.replace(99, {}),
        lambda store: store.update(1, {}),
        lambda store: store.upsert({"id": 1}),
    ],
)
def test_a_read_never_writes(session: Session, store: ResourceStore, write: Any) -> None:
    """Every writing method is refused in a request that may only read, even where it would change nothing."""
    store.insert({"n": 1})
    session.settle(keep=True)
    session.commit()
    session.begin(read_only=True)

    with pytest.raises(ReadOnlyRequest) as refused:
        write(store)
    assert refused.value.status == 500
    assert store.search() == [{"id": 1, "n": 1}]


def test_sqlite_refuses_writes_in_a_read_too(session: Session, store: ResourceStore) -> None:
    """Code that gets past our own check still finds a connection that only reads."""
    store.insert({})
    session.settle(keep=True)
    session.commit()
    session.begin(read_only=True)

    with pytest.raises(ReadOnlyRequest):
        session._database.run("DELETE FROM c1")
    session._workspace.read_only = False
    with pytest.raises(StoreFull):
        store.insert({})


def test_nothing_is_written_outside_a_request(tmp_path: Path) -> None:
    """Before a request has begun and after it was settled there is no writing."""
    with closing(open_session(tmp_path)) as session:
        store = session.plan_view["things"]
        with pytest.raises(ReadOnlyRequest):
            store.insert({})
        session.begin(read_only=False)
        store.insert({})
        session.settle(keep=True)
        with pytest.raises(ReadOnlyRequest):
            store.insert({})
        session.commit()
        with pytest.raises(ReadOnlyRequest):
            store.insert({})


def test_a_request_nobody_settled_is_undone(session: Session, store: ResourceStore) -> None:
    """A new request does not adopt what the last one left behind."""
    session.savepoint()
    store.insert({"left": "behind"})
    session.savepoint()

    assert store.search() == []


def test_a_request_knows_its_changes(session: Session, store: ResourceStore) -> None:
    """Each written record is a change, with its text; another request starts with none."""
    store.insert({"a": 1})
    store.insert_many([{"id": "x"}])
    store.update(1, {"a": 2})
    store.update(1, {"a": 2})
    store.replace("x", {"b": 1})
    store.delete(1)
    store.delete_all()

    assert session.changes == [
        Change("things", "insert", 1, '{"id":1,"a":1}', 1, 1),
        Change("things", "insert", "x", '{"id":"x"}', 1, FIRST_TEXT_ROWID),
        Change("things", "update", 1, '{"id":1,"a":2}', 1, 1),
        Change("things", "replace", "x", '{"id":"x","b":1}', 1, FIRST_TEXT_ROWID),
        Change("things", "delete", 1, None, 1, 1),
        Change("things", "delete", "x", None, 1, FIRST_TEXT_ROWID),
    ]
    session.settle(keep=True)
    assert len(session.changes) == 6
    session.savepoint()
    assert session.changes == []


def test_indexes_are_few_and_safe(session: Session, store: ResourceStore) -> None:
    """Sixteen a collection, each once, and only for fields whose names could never end a quote."""
    store.insert({"a": 1})
    session.settle(keep=True)
    session.commit()

    assert not session.ensure_index("unknown", "a")
    for name in ("a'b", 'a"b', "a b", "", "a..b", "é", "a)", ".".join("a" * 33), "x" * 65):
        assert not session.ensure_index("things", name)
    assert session.ensure_index("things", "a")
    assert not session.ensure_index("things", "a")
    made = [session.ensure_index("things", f"f{number}") for number in range(MAX_INDEXES)]
    assert made == [True] * (MAX_INDEXES - 1) + [False]


def test_indexes_are_known_after_reopening(tmp_path: Path) -> None:
    """An index is used by the next guest, too."""
    with closing(open_session(tmp_path)) as session:
        session.begin(read_only=False)
        session.plan_view["things"].insert({"a": 1})
        session.settle(keep=True)
        session.commit()
        session.ensure_index("things", "a")
    with closing(open_session(tmp_path)) as session:
        assert not session.ensure_index("things", "a")
        assert session.plan_view["things"].search({"a": "1"}) == [{"id": 1, "a": 1}]
        session.check_file()


def test_collections_are_bounded(session: Session) -> None:
    """A plan cannot fill the catalogue."""
    for number in range(MAX_COLLECTIONS):
        session.plan_view[f"c{number}"].insert({})

    with pytest.raises(StoreFull, match="1000 collections"):
        session.plan_view["one_more"].insert({})


def test_rollback_restores_every_cache(session: Session, store: ResourceStore) -> None:
    """Counters, counts, schemas and indexes are after a rollback what the file says, not what was tried."""
    store.insert_many([{"a": 1}, {"id": "t"}])
    session.settle(keep=True)
    session.commit()
    before = (store.count(), store.schema(), session.plan_view.collections())
    session.begin(read_only=False)
    store.insert_many([{"b": 2}, {"id": 77}, {"id": "u"}])
    session.plan_view["new"].insert({})
    assert store.delete_all() == 5
    session.settle(keep=False)

    assert (store.count(), store.schema(), session.plan_view.collections()) == before
    session.begin(read_only=False)
    assert store.insert({}) == {"id": 2}
    assert session.plan_view["new"].insert({}) == {"id": 1}


def test_ending_what_has_not_begun(session: Session, store: ResourceStore) -> None:
    """Commit and rollback with no transaction open do nothing."""
    session.rollback()
    session.rollback()
    session.commit()
    session.begin(read_only=True)
    session.settle(keep=True)
    session.commit()

    assert store.search() == []


class FailingCommit(Database):
    """A database whose disk fills up between the last write and the commit."""

    def run(self, sql: str, params: Any = ()) -> int:
        if sql == "COMMIT":
            raise StoreFull("no room for the last page")
        return super().run(sql, params)


def test_a_failed_commit_is_rolled_back(tmp_path: Path) -> None:
    """Whoever hears of a failed commit knows that nothing of it stays, and the session goes on."""
    with closing(open_session(tmp_path)) as session:
        database = session._database
        session._database = FailingCommit(lambda: database._connection, Room(0))  # type: ignore[arg-type,return-value]
        store = session.plan_view["things"]
        session.begin(read_only=False)
        store.insert({})
        session.settle(keep=True)
        with pytest.raises(StoreFull):
            session.commit()

        assert store.count() == 0
        assert not database.in_transaction


def test_an_index_that_does_not_fit(tmp_path: Path) -> None:
    """Without room for an index there is none, and the records are as they were."""
    with closing(open_session(tmp_path, page_limit_bytes=200 * 1024)) as session:
        session.begin(read_only=False)
        store = session.plan_view["things"]
        store.insert_many([{"text": f"{n:04}" + "x" * 900} for n in range(150)])
        session.settle(keep=True)
        session.commit()
        with pytest.raises(StoreFull):
            session.ensure_index("things", "text")

        assert store.count({"text__startswith": "0149"}) == 1
        assert session.ensure_index("things", "short")


def test_a_reopened_session_counts_nothing_it_need_not(tmp_path: Path) -> None:
    """Writes by id work without counters; when they are asked for, they are right."""
    for step in range(3):
        with closing(open_session(tmp_path)) as session:
            session.begin(read_only=False)
            store = session.plan_view["things"]
            store.insert({"id": step + 1})
            store.delete(step)
            session.settle(keep=True)
            session.commit()

            assert store.count() == 1
            with pytest.raises(KeyError):
                session.table("unknown")


# The property: a session is what its kept requests say, whatever was rolled back between them

OPERATIONS = st.one_of(
    st.tuples(st.just("insert"), st.sampled_from([None, 1, 2, 3, 9, "a", "b"])),
    st.tuples(st.just("batch"), st.sampled_from([None, 2, 5, "b"])),
    st.tuples(st.just("delete"), st.sampled_from([1, 2, 3, 9, "a"])),
    st.tuples(st.just("update"), st.sampled_from([1, 2, "a"])),
    st.tuples(st.just("delete_all"), st.none()),
)
REQUESTS = st.lists(
    st.tuples(st.lists(st.tuples(st.sampled_from(["x", "y"]), OPERATIONS), max_size=4), st.booleans()),
    max_size=6,
)
GROUPS = st.lists(st.tuples(REQUESTS, st.booleans()), max_size=4)


class Model:
    """Collections as dictionaries; the highest id ever kept."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, dict[str, Any]]] = {"x": {}, "y": {}}
        self.highest = {"x": 0, "y": 0}

    def insert(self, name: str, given: Any) -> bool:
        id_ = self.highest[name] + 1 if given is None else given
        if str(id_) in self.records[name]:
            return False
        self.records[name][str(id_)] = {"id": id_}
        if isinstance(id_, int):
            self.highest[name] = max(self.highest[name], id_)
        return True

    def apply(self, name: str, operation: str, given: Any) -> None:
        match operation:
            case "insert":
                self.insert(name, given)
            case "batch":
                trial = deepcopy(self)
                if trial.insert(name, None) and trial.insert(name, given):
                    self.records, self.highest = trial.records, trial.highest
            case "delete":
                self.records[name].pop(str(given), None)
            case "update":
                self.records[name].get(str(given), {})["n"] = 1
            case _:
                self.records[name].clear()


def apply(store: ResourceStore, operation: str, given: Any) -> None:
    record = {} if given is None else {"id": given}
    with suppress(DuplicateId):
        match operation:
            case "insert":
                store.insert(record)
            case "batch":
                store.insert_many([{}, record])
            case "delete":
                store.delete(given)
            case "update":
                store.update(given, {"n": 1})
            case _:
                store.delete_all()


def agree(session: Session, model: Model) -> bool:
    stores = {name: session.plan_view[name] for name in ("x", "y")}
    return all(
        {str(record["id"]): record for record in store.search()} == model.records[name]
        and store.count() == len(model.records[name])
        for name, store in stores.items()
    )


@given(GROUPS)
def test_only_kept_requests_have_happened(groups: list[tuple[Any, bool]]) -> None:
    """Records, counts and ids are those of a model that never saw what was rolled back; reopened, too."""
    kept = Model()
    with TemporaryDirectory() as directory:
        session = open_session(Path(directory))
        for requests, commit in groups:
            session.begin(read_only=False)
            session.settle(keep=True)
            model = deepcopy(kept)
            for operations, keep in requests:
                session.savepoint()
                trial = deepcopy(model)
                for name, (operation, given_id) in operations:
                    apply(session.plan_view[name], operation, given_id)
                    trial.apply(name, operation, given_id)
                assert agree(session, trial)
                session.settle(keep=keep)
                model = trial if keep else model
                assert agree(session, model)
            if commit:
                session.commit()
                kept = model
            else:
                session.rollback()
            assert agree(session, kept)
        session.close()
        with closing(open_session(Path(directory))) as reopened:
            assert agree(reopened, kept)
            reopened.check_file()
            reopened.begin(read_only=False)
            assert reopened.plan_view["x"].insert({}) == {"id": kept.highest["x"] + 1}

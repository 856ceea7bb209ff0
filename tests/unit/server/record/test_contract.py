"""What every engine of the record has to do."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import pytest

from server.record import lives
from server.record.record import (
    MOST_SETTINGS_BYTES,
    Exists,
    Fenced,
    Full,
    Head,
    Invalid,
    Missing,
    Record,
    RecordError,
)
from server.record.steps import MOST_RECORDS
from store.change_set import ChangeSet, RecordRow
from store.dump import of_session
from store.ids import FIRST_TEXT_ROWID
from store.session_store import Session
from tests.unit.server.record.conftest import LIMITS
from tests.unit.server.record.rows import answer, entry, first, part, record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.server.record.conftest import Engine


async def committed(ledger: Record, session: str, base: int, rows: ChangeSet) -> Head:
    [result] = await ledger.commit([part(session, base, rows)])
    assert isinstance(result, Head), result
    return result


async def rows_of(ledger: Record, session: str, where: Path) -> list[ChangeSet]:
    """What a guest would find: from the file that the record makes."""
    directory = where / f"loaded-{secrets.token_hex(4)}"
    directory.mkdir()
    await ledger.load(session, directory / "store.db")
    opened = Session.open(str(directory), page_limit_bytes=2**30, file="there")
    try:
        opened.check_file()
        return list(of_session(opened))
    finally:
        opened.close()


# Versions


async def test_a_session_that_is_not_there_is_at_version_0(ledger: Record) -> None:
    assert await ledger.head("a") == Head(ledger.identity, 0, "")


async def test_each_commit_makes_the_version_after_its_base_and_leaves_its_batch(ledger: Record) -> None:
    [one, two] = await ledger.commit(
        [part("a", 0, first("x"), batch="1" * 32), part("a", 1, ChangeSet(puts=(record(2),)), batch="2" * 32)]
    )
    assert one == Head(ledger.identity, 1, "1" * 32)
    assert two == Head(ledger.identity, 2, "2" * 32)
    assert await ledger.head("a") == two


@pytest.mark.parametrize("base", [0, 2, 7])
async def test_a_part_upon_another_version_is_fenced_and_writes_nothing(
    ledger: Record, tmp_path: Path, base: int
) -> None:
    await committed(ledger, "a", 0, first("x"))
    before = await rows_of(ledger, "a", tmp_path)
    [refused] = await ledger.commit([part("a", base, ChangeSet(puts=(record(1, "other"),)))])
    assert isinstance(refused, Fenced)
    assert await rows_of(ledger, "a", tmp_path) == before
    assert (await ledger.head("a")).version == 1


async def test_a_session_that_is_not_there_has_no_version_to_write_upon(ledger: Record) -> None:
    [refused] = await ledger.commit([part("a", 1, first("x"))])
    assert isinstance(refused, Fenced)
    assert (await ledger.head("a")).version == 0


async def test_one_that_is_refused_costs_the_rest_of_its_group_nothing(
    ledger: Record, tmp_path: Path
) -> None:
    """And who comes after it in its own session is fenced, since it builds on what is not there."""
    await committed(ledger, "a", 0, first("x"))
    results = await ledger.commit(
        [
            part("b", 0, first("before")),
            part("a", 1, ChangeSet(puts=(record(1, number=9),))),  # no such collection
            part("a", 2, ChangeSet(puts=(record(2),))),
            part("c", 0, first("after")),
        ]
    )
    assert [type(result) for result in results] == [Head, Invalid, Fenced, Head]
    assert [(await ledger.head(each)).version for each in "abc"] == [1, 1, 1]
    assert (await rows_of(ledger, "c", tmp_path))[1].puts == (record(1, "after"),)


async def test_a_change_set_of_nothing_is_a_version_too(ledger: Record) -> None:
    assert (await committed(ledger, "a", 0, ChangeSet())).version == 1


async def test_what_is_no_change_set_is_refused(ledger: Record) -> None:
    broken = part("a", 0, ChangeSet())._replace(changes="p 1")
    [refused] = await ledger.commit([broken])
    assert isinstance(refused, Invalid)


# Rows


async def test_what_was_committed_is_what_is_loaded(ledger: Record, tmp_path: Path) -> None:
    rows = ChangeSet(
        entries=(entry(indexes='["text"]'), entry(2, "people")),
        puts=(record(1), record(7, "é\\u0000\u2028"), record(FIRST_TEXT_ROWID, number=2, id_="ada")),
        answers=(answer(1), answer(2)),
    )
    await committed(ledger, "a", 0, rows)
    loaded = await rows_of(ledger, "a", tmp_path)
    assert tuple(each for chunk in loaded for each in chunk.entries) == rows.entries
    assert tuple(each for chunk in loaded for each in chunk.puts) == rows.puts
    assert tuple(each for chunk in loaded for each in chunk.answers) == rows.answers


async def test_a_session_without_records_is_a_file_that_is_there(ledger: Record, tmp_path: Path) -> None:
    await committed(ledger, "a", 0, first("x"))
    await ledger.reset("a")
    assert await rows_of(ledger, "a", tmp_path) == [ChangeSet()]


async def test_deletions_come_before_what_is_put(ledger: Record, tmp_path: Path) -> None:
    await committed(ledger, "a", 0, first("one", "two", "three"))
    await committed(
        ledger, "a", 1, ChangeSet(cleared=(1,), deletes=((1, 2),), puts=(record(2, "again"), record(9)))
    )
    loaded = await rows_of(ledger, "a", tmp_path)
    assert loaded[1].puts == (record(2, "again"), record(9))


async def test_answers_that_are_purged_go_before_others_come(ledger: Record, tmp_path: Path) -> None:
    """The highest number of the log is given again when its row had expired."""
    await committed(ledger, "a", 0, ChangeSet(entries=(entry(),), answers=(answer(1), answer(2))))
    await committed(ledger, "a", 1, ChangeSet(purged=(1, 2), answers=(answer(2, "later"),)))
    loaded = await rows_of(ledger, "a", tmp_path)
    assert loaded[1].answers == (answer(2, "later"),)


@pytest.mark.parametrize(
    "lie",
    [
        ChangeSet(entries=(entry(2, "orders"),)),
        ChangeSet(entries=(entry(1, "people"),)),
        ChangeSet(puts=(record(1, number=2),)),
        ChangeSet(answers=(answer(1),)),
    ],
    ids=["a second number", "another's number", "no collection", "an answer's number again"],
)
async def test_rows_that_contradict_what_is_there_are_refused(
    ledger: Record, tmp_path: Path, lie: ChangeSet
) -> None:
    await committed(ledger, "a", 0, first("x")._replace(answers=(answer(1),)))
    before = await rows_of(ledger, "a", tmp_path)
    [refused] = await ledger.commit([part("a", 1, lie)])
    assert isinstance(refused, Invalid)
    assert await rows_of(ledger, "a", tmp_path) == before


async def test_two_text_ids_that_are_the_same_do_not_keep_a_session_from_being_loaded(
    ledger: Record, tmp_path: Path
) -> None:
    """Only a guest that lies makes them; it harms itself."""
    rows = ChangeSet(
        entries=(entry(),),
        puts=(record(FIRST_TEXT_ROWID, id_="a"), record(FIRST_TEXT_ROWID + 1, id_="a")),
    )
    await committed(ledger, "a", 0, rows)
    assert len((await rows_of(ledger, "a", tmp_path))[1].puts) == 1


async def test_a_large_collection_is_loaded_without_indexes_and_says_so(
    ledger: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.record.caches.MOST_INDEXED", 2)
    for count, indexes in ((2, '["text"]'), (3, "[]")):
        session = f"s{count}"
        rows = first(*("x" * count))._replace(entries=(entry(indexes='["text"]'),))
        await committed(ledger, session, 0, rows)
        assert (await rows_of(ledger, session, tmp_path))[0].entries[0].indexes == indexes


async def test_a_session_that_is_not_there_is_not_loaded(ledger: Record, tmp_path: Path) -> None:
    with pytest.raises(Missing):
        await ledger.load("a", tmp_path / "store.db")
    assert not (tmp_path / "store.db").exists()


# Limits


def filling(size: int, row: int = 1) -> ChangeSet:
    """A record so that the session comes to `size` bytes."""
    bare = 8 + len(record(row, "").doc)
    catalogue = len("orders" + json.dumps({"fields": {}}) + "[]") + 8
    return ChangeSet(entries=(entry(),), puts=(record(row, "x" * (size - bare - catalogue)),))


async def test_a_session_is_full_at_its_limit_and_not_before(ledger: Record) -> None:
    most = LIMITS.session_bytes
    assert (await committed(ledger, "a", 0, filling(most))).version == 1
    [refused] = await ledger.commit([part("b", 0, filling(most + 1))])
    assert isinstance(refused, Full)
    assert (refused.reason, refused.limit_bytes) == ("session", most)
    assert (await ledger.head("b")).version == 0


async def test_all_sessions_together_are_full_at_theirs(ledger: Record) -> None:
    for session in "abc":
        await committed(ledger, session, 0, filling(LIMITS.total_bytes // 3))
    assert await ledger.total_bytes() == LIMITS.total_bytes
    [refused] = await ledger.commit([part("d", 0, first("x"))])
    assert isinstance(refused, Full)
    assert (refused.reason, refused.limit_bytes) == ("total", LIMITS.total_bytes)


async def test_who_is_full_can_still_delete(ledger: Record) -> None:
    await committed(ledger, "a", 0, filling(LIMITS.session_bytes))
    await committed(ledger, "a", 1, ChangeSet(deletes=((1, 1),)))
    assert await ledger.total_bytes() < 100


async def test_sizes_are_those_of_the_rows_after_every_change(ledger: Record) -> None:
    """Put, changed, deleted, cleared, answered, purged, forked, reset, removed: it adds up to nothing."""
    await committed(ledger, "a", 0, first("one", "zwei ä", "three")._replace(answers=(answer(1),)))
    await committed(ledger, "a", 1, ChangeSet(puts=(record(1, "longer by some"),)))
    await committed(ledger, "a", 2, ChangeSet(deletes=((1, 2),)))
    once = await ledger.total_bytes()
    await ledger.copy("a", "b")
    assert await ledger.total_bytes() == 2 * once
    await committed(ledger, "a", 3, ChangeSet(cleared=(1,), purged=(1,)))
    await ledger.reset("b")
    await ledger.remove(["a"])
    assert await ledger.total_bytes() == 0


# Restarts


async def test_what_was_committed_is_there_after_a_restart(engine: Engine, tmp_path: Path) -> None:
    ledger = await engine()
    identity = ledger.identity
    head = await committed(ledger, "a", 0, first("x"))
    await ledger.close()
    again = await engine()
    assert again.identity == identity
    assert await again.head("a") == head
    assert (await rows_of(again, "a", tmp_path))[1].puts == (record(1),)
    assert await again.total_bytes() > 0
    await again.close()


# Whole sessions


async def test_adopting_what_was_loaded_makes_the_same_session(ledger: Record, tmp_path: Path) -> None:
    await committed(
        ledger,
        "a",
        0,
        ChangeSet(
            entries=(entry(next_id=44), entry(2, "people", indexes='["text"]')),
            puts=(record(3), record(FIRST_TEXT_ROWID, number=2, id_="x")),
            answers=(answer(5),),
        ),
    )
    rows = await rows_of(ledger, "a", tmp_path)
    await ledger.adopt("b", rows)
    assert await rows_of(ledger, "b", tmp_path) == rows


async def test_a_session_with_data_is_only_replaced_when_asked_to(ledger: Record, tmp_path: Path) -> None:
    await committed(ledger, "a", 0, first("old", "two"))
    with pytest.raises(Exists):
        await ledger.adopt("a", [first("new")])
    assert len((await rows_of(ledger, "a", tmp_path))[1].puts) == 2
    head = await ledger.adopt("a", [first("new")], replace=True)
    assert head.version == 2
    assert (await rows_of(ledger, "a", tmp_path))[1].puts == (record(1, "new"),)


async def test_rows_that_end_in_an_error_leave_the_session_as_it_was(ledger: Record, tmp_path: Path) -> None:
    await committed(ledger, "a", 0, first("old"))
    before = await rows_of(ledger, "a", tmp_path)
    with pytest.raises(RecordError):
        await ledger.adopt("a", [first("new"), ChangeSet(puts=(record(1, number=5),))], replace=True)
    assert await rows_of(ledger, "a", tmp_path) == before
    assert (await ledger.head("a")).version == 1


async def test_a_fork_is_the_session_and_goes_its_own_way(ledger: Record, tmp_path: Path) -> None:
    await committed(ledger, "a", 0, first("x", "y")._replace(answers=(answer(1),)))
    await ledger.copy("a", "b")
    assert await rows_of(ledger, "b", tmp_path) == await rows_of(ledger, "a", tmp_path)
    await committed(ledger, "b", 1, ChangeSet(deletes=((1, 1),)))
    assert len((await rows_of(ledger, "a", tmp_path))[1].puts) == 2
    with pytest.raises(Exists):
        await ledger.copy("a", "b")
    with pytest.raises(Missing):
        await ledger.copy("nobody", "c")


async def test_a_session_that_was_removed_begins_anew(ledger: Record) -> None:
    await committed(ledger, "a", 0, first("x"))
    assert await ledger.remove(["a", "nobody"]) == ["a"]
    assert (await ledger.head("a")).version == 0
    assert [each async for each in ledger.sessions()] == []
    await committed(ledger, "a", 0, first("y"))
    assert [entry.version for entry in await ledger.log("a", most=9)] == [1]


async def test_only_who_was_not_used_for_so_long_is_removed(ledger: Record) -> None:
    await committed(ledger, "a", 0, first("x"))
    [found] = [each async for each in ledger.sessions()]
    assert await ledger.remove(["a"], unused_since=found.used_at) == []
    assert await ledger.remove(["a"], unused_since=found.used_at + 1) == ["a"]


async def test_a_list_has_every_session_once(ledger: Record) -> None:
    names = [f"s{n}" for n in range(7)]
    await ledger.commit([part(name, 0, first("x")) for name in names])
    found = [each async for each in ledger.sessions()]
    assert sorted(each.name for each in found) == names
    assert all(each.size_bytes > 0 and each.version == 1 for each in found)


async def test_collections_are_described_with_counts_and_next_ids(ledger: Record) -> None:
    rows = first("x", "y")._replace(entries=(entry(next_id=1), entry(2, "people", next_id=12)))
    await committed(ledger, "a", 0, rows)
    found = await ledger.collections("a")
    assert [(each.name, each.records, each.next_id) for each in found] == [
        ("orders", 2, 3),
        ("people", 0, 12),
    ]


async def test_settings_belong_to_a_session(ledger: Record) -> None:
    """One that has no data can have them; they stay with whatever is done to its data, and end with it."""
    assert await ledger.settings("a") == {}
    assert await ledger.change_settings("a", {"dialect": "odata"}) == {"dialect": "odata"}
    assert await ledger.settings("a") == {"dialect": "odata"}
    assert (await committed(ledger, "a", 0, first("x"))).version == 1
    await ledger.adopt("a", [first("y")], replace=True)
    await ledger.reset("a")
    await ledger.rewind("a", 1)
    assert await ledger.settings("a") == {"dialect": "odata"}
    await ledger.remove(["a"])
    assert await ledger.settings("a") == {}


async def test_settings_are_changed_one_by_one(ledger: Record) -> None:
    """None takes one out; where one is not what was expected nothing happens."""
    await ledger.change_settings("a", {"dialect": "odata", "clock": 1})
    assert await ledger.change_settings("a", {"clock": None, "seed": {"n": 1}}) == {
        "dialect": "odata",
        "seed": {"n": 1},
    }
    late = await ledger.change_settings("a", {"dialect": "other"}, expected={"dialect": None})
    assert late["dialect"] == "odata"
    done = await ledger.change_settings("a", {"dialect": "other"}, expected={"dialect": "odata"})
    assert done == await ledger.settings("a") == {"dialect": "other", "seed": {"n": 1}}


async def test_settings_have_a_limit(ledger: Record) -> None:
    """As JSON; what is refused changes nothing."""
    room = MOST_SETTINGS_BYTES - len('{"a": ""}')
    assert await ledger.change_settings("a", {"a": "x" * room})
    with pytest.raises(Invalid, match="65536 bytes"):
        await ledger.change_settings("a", {"a": "x" * (room + 1)})
    assert len((await ledger.settings("a"))["a"]) == room


async def test_settings_go_with_a_copy(ledger: Record) -> None:
    """A fork has its source's; a template's session keeps what was set for it before."""
    await committed(ledger, "a", 0, first("x"))
    await committed(ledger, "a", 1, first("y"))
    await ledger.change_settings("a", {"dialect": "odata", "clock": 1})
    for target in ("fork", "begun"):
        await ledger.change_settings(target, {"dialect": "own"})
    await ledger.copy("a", "fork")
    await ledger.copy("a", "then", at=1)
    await ledger.copy("a", "begun", missing_ok=True)
    assert await ledger.settings("fork") == await ledger.settings("then") == {"dialect": "odata", "clock": 1}
    assert await ledger.settings("begun") == {"dialect": "own", "clock": 1}


# History


async def test_the_log_says_what_each_version_changed(ledger: Record) -> None:
    await committed(ledger, "a", 0, first("x", "y", "z"))
    await committed(ledger, "a", 1, ChangeSet(deletes=((1, 1),), puts=(record(2, "n"), record(4))))
    found = await ledger.log("a", most=9)
    assert [(each.version, each.changes) for each in found] == [
        (2, {"orders": (1, 1, 1)}),
        (1, {"orders": (3, 0, 0)}),
    ]
    assert found[0].route == "POST /orders"
    assert found[0].request == "request-1"
    assert [each.version for each in await ledger.log("a", most=1)] == [2]
    assert [each.version for each in await ledger.log("a", most=9, before=2)] == [1]


async def four_versions(ledger: Record) -> None:
    await committed(ledger, "a", 0, first("one", "two", "three"))
    await committed(ledger, "a", 1, ChangeSet(puts=(record(1, "changed"), record(4, "new"))))
    await committed(
        ledger, "a", 2, ChangeSet(entries=(entry(2, "people"), entry(next_id=9)), deletes=((1, 2),))
    )
    await committed(ledger, "a", 3, ChangeSet(cleared=(1,), puts=(record(9, "last"),)))


async def test_what_each_version_has_touched(ledger: Record) -> None:
    """The addresses of what was new, changed or removed in it; of very many, that it was."""
    await four_versions(ledger)
    text = FIRST_TEXT_ROWID
    await committed(ledger, "a", 4, ChangeSet(puts=(record(text, id_="x/1"), record(text + 1, id_="0"))))
    await committed(ledger, "a", 5, ChangeSet(deletes=((1, text),)))
    await committed(ledger, "a", 6, ChangeSet(puts=tuple(record(row) for row in range(20, 85))))
    await committed(ledger, "a", 7, ChangeSet(entries=(entry(indexes='["text"]'),)))
    head, found = await ledger.changes("a", since=0, most=99)

    assert head == await ledger.head("a")
    assert [(each.entry.version, each.records) for each in found] == [
        (1, {"orders": [1, 2, 3]}),
        (2, {"orders": [1, 4]}),
        (3, {"orders": [2]}),
        (4, {"orders": [1, 3, 4, 9]}),
        (5, {"orders": ["0", "x/1"]}),
        (6, {"orders": ["x/1"]}),
        (7, {"orders": None}),
        (8, {}),
    ]
    assert [each.entry for each in reversed(found)] == await ledger.log("a", most=99)
    some = (await ledger.changes("a", since=2, most=2))[1]
    assert [each.entry.version for each in some] == [3, 4]
    assert (await ledger.changes("a", since=8, most=9))[1] == []


async def test_changes_reach_back_as_far_as_history(engine: Engine) -> None:
    """Further back, or ahead of what there is: that is said."""
    without = await engine(history_seconds=0)
    await committed(without, "a", 0, first("x"))
    with pytest.raises(Missing):
        await without.changes("a", since=0, most=9)
    with pytest.raises(Missing):
        await without.changes("a", since=2, most=9)
    assert (await without.changes("a", since=1, most=9))[1] == []
    with pytest.raises(Missing):
        await without.changes("b", since=0, most=9)
    await without.close()


async def test_what_each_version_did_to_records(ledger: Record) -> None:
    """As they were before and after; what was made and removed meanwhile is told, too."""
    await four_versions(ledger)
    text = FIRST_TEXT_ROWID
    await committed(ledger, "a", 4, ChangeSet(puts=(record(text, id_="x/1"), record(9, "later"))))
    await committed(ledger, "a", 5, ChangeSet(deletes=((1, text),), entries=(entry(indexes='["text"]'),)))
    one, two, three, four = (record(row, value).doc for row, value in FOUR)
    found = await ledger.steps("a", since=1)

    assert [each.version for each in found] == [2, 3, 4, 5, 6]
    assert [[(each.row, each.before, each.after) for each in step.records] for step in found] == [
        [(1, one, record(1, "changed").doc), (4, None, four)],
        [(2, two, None)],
        [
            (1, record(1, "changed").doc, None),
            (3, three, None),
            (4, four, None),
            (9, None, record(9, "last").doc),
        ],
        [(9, record(9, "last").doc, record(9, "later").doc), (text, None, record(text, id_="x/1").doc)],
        [(text, record(text, id_="x/1").doc, None)],
    ]
    assert {each.collection for step in found for each in step.records} == {"orders"}
    assert await ledger.steps("a", since=6) == []
    assert (await ledger.steps("a", since=4))[0] == found[3]


FOUR = ((1, "one"), (2, "two"), (3, "three"), (4, "new"))


async def test_steps_are_told_as_far_as_they_are_few(engine: Engine) -> None:
    """1,000 rows are told, 1,001 are not; nor is what was before the history, or is ahead."""
    ledger = await engine()
    rows = tuple(record(row, "0") for row in range(1, 101))
    await committed(ledger, "a", 0, first()._replace(puts=rows))
    for version in range(1, MOST_RECORDS // 100):
        rows = tuple(record(row, str(version)) for row in range(1, 101))
        await committed(ledger, "a", version, ChangeSet(puts=rows))
    assert sum(len(each.records) for each in await ledger.steps("a", since=1)) == MOST_RECORDS - 100
    await committed(ledger, "a", 10, ChangeSet(puts=(record(1, "more"),)))
    with pytest.raises(Missing, match="more was written"):
        await ledger.steps("a", since=1)
    assert len(await ledger.steps("a", since=10)) == 1
    with pytest.raises(Missing):
        await ledger.steps("a", since=12)
    await ledger.close()
    without = await engine(history_seconds=0)
    await committed(without, "b", 0, first("x"))
    with pytest.raises(Missing):
        await without.steps("b", since=0)
    await without.close()


async def told_of(ledger: Record, id_: str, **asked: int) -> list[tuple[int, str, str | None]]:
    """(version, what happened, the record's text then)."""
    found, _ = await ledger.record_history("a", "orders", id_, **{"most": 99, **asked})
    return [(each.version, each.what, each.doc and json.loads(each.doc)["text"]) for each in found]


async def test_a_record_s_own_history(ledger: Record) -> None:
    """Made, changed, removed and made anew; which request it was; a page of it, and the next."""
    await four_versions(ledger)
    await committed(ledger, "a", 4, ChangeSet(puts=(record(1, "anew"),)))
    await committed(ledger, "a", 5, ChangeSet(puts=(record(9, "other"),)))

    assert await told_of(ledger, "1") == [
        (5, "new", "anew"),
        (4, "removed", None),
        (2, "changed", "changed"),
        (1, "new", "one"),
    ]
    assert await told_of(ledger, "2") == [(3, "removed", None), (1, "new", "two")]
    assert await told_of(ledger, "9") == [(6, "changed", "other"), (4, "new", "last")]
    assert await told_of(ledger, "7") == []
    found, more = await ledger.record_history("a", "orders", "1", most=2)
    assert ([each.version for each in found], more) == ([5, 4], True)
    found, more = await ledger.record_history("a", "orders", "1", most=2, before=4)
    assert ([each.version for each in found], more) == ([2, 1], False)
    entries = {each.version: each for each in await ledger.log("a", most=9)}
    for each in found:
        entry = entries[each.version]
        assert (each.at, each.request, each.route, each.plan) == (
            entry.at,
            "request-1",
            "POST /orders",
            "plan-1",
        )


async def test_a_record_with_a_text_as_its_id(ledger: Record) -> None:
    """Made anew it is another row; ids that are a part of others, or of other texts, are not it."""
    text = FIRST_TEXT_ROWID
    odd = 'a"b/\u00e9'
    first_rows = (record(text, "abc", id_="x"), record(text + 1, "x", id_="xy"), record(text + 2, id_=odd))
    await committed(ledger, "a", 0, ChangeSet(entries=(entry(),), puts=first_rows))
    await committed(ledger, "a", 1, ChangeSet(deletes=((1, text),)))
    await committed(ledger, "a", 2, ChangeSet(puts=(record(text + 3, "again", id_="x"),)))
    await committed(ledger, "a", 3, ChangeSet(puts=(record(text + 2, "odd", id_=odd),)))
    await committed(
        ledger, "a", 4, ChangeSet(deletes=((1, text + 3),), puts=(record(text + 4, "at once", id_="x"),))
    )

    assert await told_of(ledger, "x") == [
        (5, "changed", "at once"),
        (3, "new", "again"),
        (2, "removed", None),
        (1, "new", "abc"),
    ]
    assert await told_of(ledger, "xy") == [(1, "new", "x")]
    assert await told_of(ledger, odd) == [(4, "changed", "odd"), (1, "new", "x")]
    assert await told_of(ledger, "") == []
    assert await told_of(ledger, "a\x00b") == []


async def test_a_record_s_history_is_of_one_collection(ledger: Record) -> None:
    """And goes through a reset and a rewind."""
    await committed(ledger, "a", 0, first("x"))
    both = ChangeSet(entries=(entry(2, "people"),), puts=(record(1, "of people", number=2),))
    await committed(ledger, "a", 1, both)
    await ledger.reset("a")
    assert await told_of(ledger, "1") == [(3, "removed", None), (1, "new", "x")]
    await ledger.rewind("a", 2)
    assert await told_of(ledger, "1") == [(4, "new", "x"), (3, "removed", None), (1, "new", "x")]
    people, _ = await ledger.record_history("a", "people", "1", most=9)
    assert [(each.version, each.what) for each in people] == [(4, "new"), (3, "removed"), (2, "new")]
    assert people[0].route == "rewind to version 2"
    assert (await ledger.record_history("a", "nothing", "1", most=9)) == ([], False)
    with pytest.raises(Missing):
        await ledger.record_history("b", "orders", "1", most=9)


async def test_a_record_s_history_before_there_was_one(engine: Engine) -> None:
    """What was written while no history was kept is told, and no more than that."""
    without = await engine(history_seconds=0)
    await committed(without, "a", 0, first("x"))
    assert await told_of(without, "1") == [(1, "kept", "x")]
    await without.close()
    ledger = await engine()
    await committed(ledger, "a", 1, ChangeSet(puts=(record(1, "y"),)))
    assert await told_of(ledger, "1") == [(2, "changed", "y"), (1, "kept", "x")]
    found, _ = await ledger.record_history("a", "orders", "1", most=9)
    assert (found[1].at, found[1].route) == (None, "")
    await ledger.close()


async def test_a_record_s_history_has_an_end(ledger: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that come to more than so many bytes are not told at once, but two always are."""
    await committed(ledger, "a", 0, first("x"))
    for version in range(1, 5):
        await committed(ledger, "a", version, ChangeSet(puts=(record(1, str(version) * 100),)))
    monkeypatch.setattr(lives, "MOST_BYTES", 50)
    found, more = await ledger.record_history("a", "orders", "1", most=99)
    assert ([each.version for each in found], more) == ([5, 4], True)
    monkeypatch.setattr(lives, "MOST_BYTES", 10_000)
    found, more = await ledger.record_history("a", "orders", "1", most=99)
    assert (len(found), more) == (5, False)


async def test_changes_of_what_is_no_more(ledger: Record) -> None:
    """A reset and a rewind have touched all records that they took or brought back."""
    await committed(ledger, "a", 0, first("x", "y"))
    await ledger.reset("a")
    await ledger.rewind("a", 1)
    found = (await ledger.changes("a", since=1, most=9))[1]

    assert [each.records for each in found] == [{"orders": [1, 2]}, {"orders": [1, 2]}]


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_a_rewind_brings_the_records_of_then_back(ledger: Record, tmp_path: Path, version: int) -> None:
    """And is a version of its own, which can be rewound in turn."""
    expected = {
        1: {1: "one", 2: "two", 3: "three"},
        2: {1: "changed", 2: "two", 3: "three", 4: "new"},
        3: {1: "changed", 3: "three", 4: "new"},
        4: {9: "last"},
    }
    await four_versions(ledger)
    head = await ledger.rewind("a", version)
    assert head.version == 5
    assert await texts(ledger, "a", tmp_path) == expected[version]
    await ledger.rewind("a", 4)
    assert await texts(ledger, "a", tmp_path) == expected[4]
    await ledger.rewind("a", 5)
    assert await texts(ledger, "a", tmp_path) == expected[version]


async def texts(ledger: Record, session: str, where: Path) -> dict[int, str]:
    chunks = await rows_of(ledger, session, where)
    return {put.row: json.loads(put.doc)["text"] for chunk in chunks for put in chunk.puts}


async def test_after_a_rewind_no_id_is_given_twice(ledger: Record, tmp_path: Path) -> None:
    await four_versions(ledger)
    await ledger.rewind("a", 1)
    found = await ledger.collections("a")
    assert [(each.name, each.records, each.next_id) for each in found] == [
        ("orders", 3, 10),
        ("people", 0, 1),
    ]


async def test_a_rewind_forgets_the_answers_that_were_kept(ledger: Record, tmp_path: Path) -> None:
    await committed(ledger, "a", 0, first("x")._replace(answers=(answer(1),)))
    await committed(ledger, "a", 1, ChangeSet(puts=(record(2),)))
    await ledger.rewind("a", 1)
    assert not any(chunk.answers for chunk in await rows_of(ledger, "a", tmp_path))


async def test_a_reset_and_a_replacement_can_be_rewound(ledger: Record, tmp_path: Path) -> None:
    await committed(ledger, "a", 0, first("one", "two"))
    await ledger.reset("a")
    assert await ledger.collections("a") == []
    _, found = await ledger.differences("a", 1, most=9)
    assert [(each.collection, each.row, each.after) for each in found] == [
        ("orders", 1, None),
        ("orders", 2, None),
    ]
    await ledger.adopt("a", [first("other")])
    await ledger.rewind("a", 1)
    assert await texts(ledger, "a", tmp_path) == {1: "one", 2: "two"}


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_a_fork_of_an_earlier_version(ledger: Record, tmp_path: Path, version: int) -> None:
    await four_versions(ledger)
    await ledger.copy("a", "b", at=version)
    await ledger.rewind("a", version)
    assert await texts(ledger, "b", tmp_path) == await texts(ledger, "a", tmp_path)


async def test_differences_to_an_earlier_version(ledger: Record) -> None:
    await four_versions(ledger)
    version, found = await ledger.differences("a", 2, most=9)
    assert version == 2
    before = {each.row: each.before and json.loads(each.before)["text"] for each in found}
    after = {each.row: each.after and json.loads(each.after)["text"] for each in found}
    assert before == {1: "changed", 2: "two", 3: "three", 4: "new", 9: None}
    assert after == {1: None, 2: None, 3: None, 4: None, 9: "last"}
    assert len((await ledger.differences("a", 2, most=2))[1]) == 2


async def test_a_moment_in_time_is_the_version_that_was_there(ledger: Record, tmp_path: Path) -> None:
    await four_versions(ledger)
    second = (await ledger.log("a", most=9))[2]
    assert second.version == 2
    version, _ = await ledger.differences("a", second.at, most=9)
    assert version == 2
    with pytest.raises(Missing):
        await ledger.rewind("a", second.at - 10_000.0)


@pytest.mark.parametrize("version", [0, -1, 5, 2**70])
async def test_versions_that_never_were(ledger: Record, version: int) -> None:
    await four_versions(ledger)
    with pytest.raises(Missing):
        await ledger.rewind("a", version)
    assert (await ledger.head("a")).version == 4


async def test_without_history_nothing_is_kept_of_the_past(engine: Engine) -> None:
    ledger = await engine(history_seconds=0)
    await four_versions(ledger)
    assert await ledger.log("a", most=9) == []
    with pytest.raises(Missing):
        await ledger.rewind("a", 2)
    await ledger.close()


async def test_a_time_without_history_is_not_made_up(engine: Engine) -> None:
    """History that was off for a while begins anew: what was written meanwhile has superseded nothing."""
    for history_seconds, base in ((3600.0, 0), (0.0, 1), (3600.0, 2)):
        ledger = await engine(history_seconds=history_seconds)
        rows = first("x") if base == 0 else ChangeSet(puts=(record(1, f"at {base}"),))
        await committed(ledger, "a", base, rows)
        if base == 2:
            assert [each.version for each in await ledger.log("a", most=9)] == [3]
            with pytest.raises(Missing):
                await ledger.rewind("a", 1)
            await ledger.rewind("a", 2)
        await ledger.close()


async def test_a_session_deleted_takes_its_history_with_it(ledger: Record) -> None:
    await four_versions(ledger)
    await ledger.remove(["a"])
    await committed(ledger, "a", 0, first("new"))
    assert [each.version for each in await ledger.log("a", most=9)] == [1]
    with pytest.raises(Missing):
        await ledger.rewind("a", 3)


async def test_no_row_is_lost_among_many(ledger: Record, tmp_path: Path) -> None:
    """More than are looked at together."""
    chunks = [ChangeSet(entries=(entry(),))]
    chunks += [
        ChangeSet(puts=tuple(RecordRow(1, row, f'{{"id":{row}}}') for row in range(start, start + 100)))
        for start in range(1, 1_000, 100)
    ]
    await ledger.adopt("a", chunks)
    loaded = await rows_of(ledger, "a", tmp_path)
    assert [put.row for chunk in loaded for put in chunk.puts] == list(range(1, 1_001))

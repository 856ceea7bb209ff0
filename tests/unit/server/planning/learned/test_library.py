"""The plan library: what is kept, what is bounded, and what a bad file costs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import threading
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from structlog.testing import capture_logs

from server.planning.kinds.shape import shape_of
from server.planning.learned import library as library_module
from server.planning.learned import library_file
from server.planning.learned.library import MAX_ROUTES, MAX_VALUES_PLANS, PlanLibrary
from server.planning.learned.library_file import FILE_NAME, FORMAT_VERSION, LibraryError
from server.planning.learned.library_rows import PERSON, Origin, UnreadablePlan, pattern
from server.planning.learned.library_thread import LibraryThread
from server.planning.learned.routes import body_shape
from server.values.model import Session
from tests.unit.server.planning.plans import CODE, VERSIONS, a_plan, a_record, a_session
from tests.unit.server.planning.requests import a_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.planning.learned.library_rows import PlanRecord

SESSION = a_session()
GET = a_record(a_request(path="/members/1"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


@pytest.fixture
def library(path: Path) -> Iterator[PlanLibrary]:
    library = PlanLibrary.open(path)
    yield library
    library.close()


def learn(library: PlanLibrary, session: Session = SESSION, **more: Any) -> int | None:
    return library.learn(evolve(GET, **more), session, "null")


def find(library: PlanLibrary, *fingerprints: str, session: str = "") -> PlanRecord | None:
    """The first of them."""
    return next(library.find(*fingerprints, session=session), None)


# -- what is kept ----------------------------------------------------------------------------------


def test_a_plan_is_found_by_its_fingerprint(library: PlanLibrary) -> None:
    """What one session has learned, every session's planner finds, whole."""
    learn(library)
    found = find(library, GET.fingerprint)

    assert found is not None
    assert found == evolve(GET, number=found.number, created_at=found.created_at)
    assert found.plan().code.text == a_plan().code.text
    assert found.query_keys() == ()
    assert find(library, "other") is None


def test_the_first_fingerprint_that_has_a_plan_decides(library: PlanLibrary) -> None:
    """The exact kind of request comes before the one for any query."""
    learn(library)
    learn(library, fingerprint="any", plan_id="x", query="*")

    exact, other = find(library, GET.fingerprint, "any"), find(library, "none", "any")
    assert exact is not None
    assert other is not None
    assert (exact.plan_id, other.plan_id) == (GET.plan_id, "x")
    assert other.query_keys() is None


def test_the_oldest_plan_is_found_unless_one_is_pinned(library: PlanLibrary) -> None:
    """What one session had made again does not replace what is good for others; a person's word does."""
    learn(library)
    learn(library, plan_id="newer")
    oldest = find(library, GET.fingerprint)
    library.pin("newer")
    pinned = find(library, GET.fingerprint)

    assert oldest is not None
    assert pinned is not None
    assert (oldest.plan_id, pinned.plan_id, pinned.pinned) == (GET.plan_id, "newer", True)


def test_a_plan_in_quarantine_in_two_sessions_is_found_last(library: PlanLibrary) -> None:
    """What one session makes of it is that session's; what two make of it, others need not try."""
    numbers = [library.learn(GET, a_session(number), "null") for number in (2, 3)]
    learn(library, plan_id="newer")
    found = []
    for number in numbers:
        assert number is not None
        library.mark_failures(number, "[]", quarantined=True)
        found.append(find(library, GET.fingerprint, session=a_session(4).directory))

    assert [each and each.plan_id for each in found] == [GET.plan_id, "newer"]


def test_a_session_has_one_plan_for_a_route(library: PlanLibrary) -> None:
    """Learning again replaces; the names of slots make no other route, another query does."""
    learn(library)
    learn(library, plan_id="b", route="/members/{number:int}")
    learn(library, plan_id="c", query='["q"]', fingerprint="f2")

    assert [route.plan.plan_id for route in library.routes_of(SESSION.directory)] == ["b", "c"]
    assert library.routes_of(a_session(2).directory) == []


def test_sessions_learn_for_themselves(library: PlanLibrary) -> None:
    """One plan, and a route for each; a person sees whose."""
    learn(library)
    learn(library, a_session(2))

    assert [plan.plan_id for plan in library.plans()] == [GET.plan_id]
    assert [route.session_id for route in library.learned_from(GET.plan_id)] == ["s1", "s2"]


def test_everything_is_there_after_a_restart(library: PlanLibrary, path: Path) -> None:
    """Plans, routes, failures, questions and pins outlive the process."""
    number = learn(library)
    assert number is not None
    learn(library, plan_id="b", route="/a/{id:int}")
    library.mark_failures(number, '["s"]', quarantined=True)
    library.mark_asked(number, 2)
    library.pin("b")
    before = library.plans(), library.routes_of(SESSION.directory)
    library.close()

    again = PlanLibrary.open(path)
    assert (again.plans(), again.routes_of(SESSION.directory)) == before
    route = again.routes_of(SESSION.directory)[0]
    assert (route.failed_shapes(), route.quarantined, route.slug_asked) == ({"s"}, True, 2)
    again.close()


def test_a_plan_in_quarantine_is_not_found_by_its_session(library: PlanLibrary) -> None:
    """Else the planner would get back what has just failed; others may have it."""
    number = learn(library)
    assert number is not None
    library.mark_failures(number, '["a","b","c"]', quarantined=True)

    assert find(library, GET.fingerprint, session=SESSION.directory) is None
    assert find(library, GET.fingerprint, session=a_session(2).directory) is not None


def test_values_plans_are_one_sessions_own(library: PlanLibrary) -> None:
    """A plan for one request is found by no fingerprint, and another for that request replaces it."""
    learn(library, values_key="k1", needs="values")
    learn(library, values_key="k1", needs="values", plan_id="b", route="/other")

    assert find(library, GET.fingerprint) is None
    assert [plan.plan_id for plan in library.plans()] == ["b"]
    assert [route.plan.plan_id for route in library.routes_of(SESSION.directory)] == ["b"]


@pytest.mark.parametrize(
    ("route", "expected"),
    [("/", "/"), ("/a", "/a"), ("/a/{id:int}/b/{x:slug}", "/a/{int}/b/{slug}"), ("/{int:text}", "/{text}")],
)
def test_patterns(route: str, expected: str) -> None:
    """A pattern is a template without names."""
    assert pattern(route) == expected


# -- no values -------------------------------------------------------------------------------------


def test_no_value_of_a_request_is_in_the_file(library: PlanLibrary, path: Path) -> None:
    """Must show 2: a canary in every value of a request is nowhere in the library's files."""
    canary = "CANARY-7f3a"
    ctx = a_request(
        "POST",
        f"/members/{canary}/notes",
        query={"q": canary, "r": [canary, canary]},
        headers={"authorization": canary, "if-match": canary},
        body={"name": canary, "n": [{"x": canary}]},
    )
    plan = a_plan("/members/{member_id:text}/notes", "REPLY = make_response(201, ctx['body_json'])")
    library.learn(a_record(ctx, plan), SESSION, body_shape(shape_of(ctx)))
    library.learn(a_record(ctx, plan, values_key="k"), SESSION, body_shape(shape_of(ctx)))
    files = list(path.parent.iterdir())

    assert path in files
    assert all(canary.encode() not in file.read_bytes() for file in files)
    assert any(b"member_id" in file.read_bytes() for file in files)


# -- what people do --------------------------------------------------------------------------------


def test_plans_are_listed_by_pages(library: PlanLibrary) -> None:
    """A page begins after the last number of the one before."""
    for name in "abc":
        learn(library, plan_id=name, fingerprint=name)
    first = library.plans(limit=2)

    assert [plan.plan_id for plan in first] == ["a", "b"]
    assert [plan.plan_id for plan in library.plans(limit=2, after=first[-1].number)] == ["c"]


def test_show_has_every_fingerprint(library: PlanLibrary) -> None:
    """One plan may answer several kinds of request."""
    learn(library)
    learn(library, fingerprint="f2")

    assert [plan.fingerprint for plan in library.show(GET.plan_id)] == [GET.fingerprint, "f2"]
    assert library.show("none") == []


def test_a_pinned_plan_stays(library: PlanLibrary) -> None:
    """Learning another plan for its route changes nothing, until it is unpinned."""
    learn(library)
    assert library.pin(GET.plan_id) == 1
    assert learn(library, plan_id="b", fingerprint="f2") is None
    assert [route.plan.plan_id for route in library.routes_of(SESSION.directory)] == [GET.plan_id]

    library.pin(GET.plan_id, pinned=False)
    learn(library, plan_id="b", fingerprint="f2")
    assert [route.plan.plan_id for route in library.routes_of(SESSION.directory)] == ["b"]


def test_a_persons_plan_stays(library: PlanLibrary) -> None:
    """Learning another one for its route changes nothing; what a person brings takes its place."""
    learn(library, origin=Origin(PERSON, ""))
    assert learn(library, plan_id="b", fingerprint="f2") is None
    assert [route.plan.plan_id for route in library.routes_of(SESSION.directory)] == [GET.plan_id]

    assert library.learn(evolve(GET, plan_id="c", fingerprint="f3"), SESSION, "null", for_person=True)
    assert [route.plan.plan_id for route in library.routes_of(SESSION.directory)] == ["c"]
    library.pin("c")
    assert library.learn(evolve(GET, plan_id="d", fingerprint="f4"), SESSION, "null", for_person=True) is None


@pytest.mark.parametrize("kept", [{"origin": Origin(PERSON, "")}, {"pinned": True}])
@pytest.mark.parametrize("by", ["planner", "person"])
def test_a_refused_plan_holds_no_route(library: PlanLibrary, kept: dict[str, Any], by: str) -> None:
    """It answers nothing; another one takes the route, and the refused one stays in the library."""
    learn(library, **kept, text=GET.text.replace("REPLY", "import os; REPLY"))
    new = evolve(GET, plan_id="b")

    assert library.learn(new, SESSION, "null", for_person=by == "person")
    assert [route.plan.plan_id for route in library.routes_of(SESSION.directory)] == ["b"]
    assert [plan.plan_id for plan in library.plans()] == [GET.plan_id, "b"]


def test_plans_are_found_in_order(library: PlanLibrary) -> None:
    """Each fingerprint's in turn, so that the first that may run can be taken."""
    learn(library, plan_id="any", fingerprint="any")
    for name in ("old", "mine", "fixed", "new"):
        learn(library, plan_id=name, origin=Origin(PERSON if name == "mine" else "openai", ""))
    library.pin("fixed")

    found = [plan.plan_id for plan in library.find(GET.fingerprint, "none", "any")]
    assert found == ["fixed", "mine", "old", "new", "any"]


def test_a_persons_plan_is_found_first(library: PlanLibrary) -> None:
    """Before a newer one of the model; behind a pinned one."""
    learn(library, origin=Origin(PERSON, ""))
    learn(library, plan_id="newer")
    found = find(library, GET.fingerprint)
    assert found is not None
    assert found.plan_id == GET.plan_id

    library.pin("newer")
    pinned = find(library, GET.fingerprint)
    assert pinned is not None
    assert pinned.plan_id == "newer"


def test_pinning_lifts_the_quarantine(library: PlanLibrary) -> None:
    """Who pins a plan wants it served."""
    number = learn(library)
    assert number is not None
    library.mark_failures(number, '["a","b","c"]', quarantined=True)
    library.pin(GET.plan_id)
    (route,) = library.routes_of(SESSION.directory)

    assert not route.quarantined
    assert route.failed_shapes() == set()
    assert find(library, GET.fingerprint, session=SESSION.directory) is not None


def test_an_edited_plan_is_everywhere(library: PlanLibrary) -> None:
    """The routes that had the old program have the new one; another route's plan is not touched."""
    learn(library)
    edited = a_plan(code="REPLY = make_response(410)")

    assert (library.in_use(GET.plan_id), library.in_use(edited.id)) == (True, False)
    assert library.edit(GET.plan_id, a_plan("/other", code=CODE), VERSIONS) == 0
    assert library.edit(GET.plan_id, edited, VERSIONS) == 1
    (route,) = library.routes_of(SESSION.directory)
    assert route.plan.plan_id == edited.id
    assert (library.in_use(GET.plan_id), library.in_use(edited.id)) == (False, True)
    assert route.plan.plan().code.text == edited.code.text


def test_forgetting_a_plan_forgets_its_routes(library: PlanLibrary) -> None:
    """Nothing is left that points at it, and other plans stay."""
    learn(library)
    learn(library, a_session(2))
    learn(library, plan_id="b", fingerprint="f2", query='["q"]')

    assert library.forget(GET.plan_id) == 1
    assert [route.plan.plan_id for route in library.routes_of(SESSION.directory)] == ["b"]
    assert library.routes_of(a_session(2).directory) == []


def test_forgetting_a_session_keeps_what_is_shared(library: PlanLibrary) -> None:
    """The plans that others may have stay; those for its own requests go."""
    learn(library)
    learn(library, values_key="k", plan_id="own")
    learn(library, a_session(2))

    assert library.forget_session(SESSION.directory) == 2
    assert library.routes_of(SESSION.directory) == []
    assert [plan.plan_id for plan in library.plans()] == [GET.plan_id]
    assert len(library.routes_of(a_session(2).directory)) == 1


# -- limits ----------------------------------------------------------------------------------------


def test_a_sessions_routes_are_bounded(library: PlanLibrary) -> None:
    """The oldest go first, but not the pinned one or a person's, and their plans stay for others."""
    for number in range(MAX_ROUTES + 3):
        origin = Origin(PERSON, "") if number == 1 else GET.origin
        learn(library, plan_id=f"p{number}", fingerprint=f"f{number}", query=f'["k{number}"]', origin=origin)
        if number == 0:
            library.pin("p0")
    kept = [route.plan.plan_id for route in library.routes_of(SESSION.directory)]

    assert kept == ["p0", "p1", *(f"p{number}" for number in range(3, MAX_ROUTES + 3))]
    assert library.show("p2") != []


def test_a_sessions_values_plans_are_bounded(library: PlanLibrary) -> None:
    """The oldest answer to a single request goes with its plan, and no route goes for it."""
    learn(library)
    for number in range(MAX_VALUES_PLANS + 2):
        learn(library, plan_id=f"p{number}", values_key=f"k{number}")
    kept = [route.plan.plan_id for route in library.routes_of(SESSION.directory)]

    assert kept == [GET.plan_id, *(f"p{number}" for number in range(2, MAX_VALUES_PLANS + 2))]
    assert library.show("p0") == []


def test_all_plans_are_bounded(path: Path) -> None:
    """The oldest plan makes room, but neither one that is kept nor the one just learned."""
    library = PlanLibrary.open(path, max_plans=3)
    for name in "abcde":
        learn(library, plan_id=name, fingerprint=name, origin=Origin(PERSON if name == "b" else "openai", ""))
        library.pin("a")

    assert [plan.plan_id for plan in library.plans()] == ["a", "b", "e"]
    library.close()


# -- the file --------------------------------------------------------------------------------------


def test_the_file_is_for_its_owner_alone(library: PlanLibrary, path: Path) -> None:
    """With its journals; a file that was more open is closed."""
    learn(library)
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    assert len(list(path.parent.iterdir())) == 3

    library.close()
    path.chmod(0o644)
    PlanLibrary.open(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def garbage(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)


def cut(path: Path) -> None:
    PlanLibrary.open(path).close()
    os.truncate(path, path.stat().st_size // 2)


def flipped(path: Path) -> None:
    PlanLibrary.open(path).close()
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)


def torn(path: Path) -> None:
    library = PlanLibrary.open(path)
    for number in range(200):
        learn(library, plan_id=f"p{number}", fingerprint=f"f{number}")
    library.close()
    with path.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)


def miscounted(path: Path) -> None:
    """The number of free pages (https://sqlite.org/fileformat.html, offset 36)."""
    PlanLibrary.open(path).close()
    with path.open("r+b") as file:
        file.seek(36)
        file.write(b"\x00\x00\x00\x05")


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE plans (x)")
    other.close()


def pragma(text: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        PlanLibrary.open(path).close()
        with sqlite3.connect(path) as file:
            file.execute(text)
        file.close()

    return change


def linked(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("precious")
    path.symlink_to(target)


BAD_FILES = [
    garbage,
    cut,
    flipped,
    torn,
    miscounted,
    foreign,
    pragma(f"PRAGMA user_version = {FORMAT_VERSION + 1}"),
    pragma("PRAGMA user_version = 0"),
    pragma("PRAGMA user_version = -5"),
    pragma("ALTER TABLE learned DROP COLUMN failures"),
    pragma("DROP TABLE learned"),
    pragma("CREATE TRIGGER t AFTER INSERT ON plans BEGIN UPDATE plans SET pinned = 1; END"),
    pragma("CREATE VIEW v AS SELECT 1"),
    pragma("ALTER TABLE plans ADD COLUMN more TEXT GENERATED ALWAYS AS (hex(plan)) VIRTUAL"),
    Path.mkdir,
    linked,
]


@pytest.mark.parametrize("spoil", BAD_FILES)
def test_a_bad_file_is_set_aside(spoil: Callable[[Path], None], path: Path) -> None:
    """A fresh library is made, the old file is kept, and the log says so."""
    spoil(path)
    with capture_logs() as logs:
        library = PlanLibrary.open(path)
    learn(library)

    assert len(library.plans()) == 1
    assert os.path.lexists(path.with_name(f"{FILE_NAME}.damaged-1"))
    assert [line["event"] for line in logs] == ["plan library set aside"]
    library.close()


def test_a_link_is_not_followed(path: Path) -> None:
    """What it points at is left as it was."""
    linked(path)
    PlanLibrary.open(path).close()

    assert path.with_name("target").read_text() == "precious"
    assert not path.is_symlink()


def test_each_bad_file_is_kept(path: Path) -> None:
    """The second does not overwrite the first."""
    for _ in range(2):
        garbage(path)
        PlanLibrary.open(path).close()

    assert {file.name for file in path.parent.iterdir()} == {
        FILE_NAME,
        f"{FILE_NAME}.damaged-1",
        f"{FILE_NAME}.damaged-2",
    }


def test_an_empty_file_is_a_new_library(path: Path) -> None:
    """A start that was killed before its first page has lost nothing."""
    path.touch()
    with capture_logs() as logs:
        PlanLibrary.open(path).close()

    assert logs == []


def test_damage_found_later_is_set_aside_too(path: Path) -> None:
    """The operation fails, the next one has a fresh library."""
    library = PlanLibrary.open(path)
    for number in range(200):
        learn(library, plan_id=f"p{number}", fingerprint=f"f{number}")
    library.close()
    library = PlanLibrary.open(path)
    library._connection.execute("PRAGMA shrink_memory")  # else it would answer from its cache
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))

    with capture_logs() as logs, pytest.raises(LibraryError):
        library.plans(limit=1000)
    learn(library)

    assert [line["event"] for line in logs] == ["plan library set aside"]
    assert [plan.plan_id for plan in library.plans()] == [GET.plan_id]
    library.close()


def test_damage_that_cannot_be_set_aside(path: Path) -> None:
    """With its directory gone the library fails, operation by operation, and nothing worse."""
    library = PlanLibrary.open(path)
    shutil.rmtree(path.parent)
    with pytest.raises(LibraryError, match="cannot be opened"):
        library._start_over()

    with pytest.raises(LibraryError):
        library.plans()


def test_a_place_that_cannot_be_used(tmp_path: Path) -> None:
    """Whoever starts the service is told."""
    with pytest.raises(LibraryError, match="cannot be opened"):
        PlanLibrary.open(tmp_path / "missing" / FILE_NAME)


def test_a_failure_in_the_middle_changes_nothing(library: PlanLibrary) -> None:
    """The plan is not kept if the route cannot be."""
    with pytest.raises(LibraryError):
        library.learn(GET, Session(b"\xff", "d"), "null")  # type: ignore[arg-type]

    assert library.plans() == []
    learn(library)
    assert len(library.plans()) == 1


def test_an_error_that_is_not_sqlites_changes_nothing_either(library: PlanLibrary) -> None:
    """Whatever ends the work ends the transaction."""
    with pytest.raises(AttributeError):
        library.learn(GET, None, "null")  # type: ignore[arg-type]

    learn(library)
    assert len(library.plans()) == 1


def test_a_migration_takes_an_old_file_along(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an older version has learned is there in the next format."""
    library = PlanLibrary.open(path)
    learn(library)
    library.close()
    monkeypatch.setattr(library_file, "FORMAT_VERSION", 2)
    monkeypatch.setattr(library_file, "MIGRATIONS", {1: ("ALTER TABLE plans ADD COLUMN note TEXT",)})

    again = PlanLibrary.open(path)
    assert [plan.plan_id for plan in again.plans()] == [GET.plan_id]
    assert again._rows("PRAGMA user_version", ()) == [(2,)]
    again.close()


def test_a_migration_that_fails_is_undone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a format is none."""
    PlanLibrary.open(path).close()
    monkeypatch.setattr(library_file, "FORMAT_VERSION", 2)
    steps = ("ALTER TABLE plans ADD COLUMN note TEXT", "no SQL")
    monkeypatch.setattr(library_file, "MIGRATIONS", {1: steps})
    with pytest.raises(LibraryError):
        PlanLibrary.open(path)

    monkeypatch.undo()
    PlanLibrary.open(path).close()


@pytest.mark.parametrize(
    ("change", "read"),
    [
        ({"text": "{"}, "plan"),
        ({"text": "[]"}, "plan"),
        ({"text": "{}"}, "plan"),
        ({"text": '{"action":"a","resource":"r","route":"/","code":{"text":"x"},"evil":1}'}, "plan"),
        ({"text": '{"action":"a","resource":"r","route":"/","code":"x"}'}, "plan"),
        ({"text": '{"action":"a","resource":"r","route":"/","code":{"text":"x"},"needs":"all"}'}, "plan"),
        ({"text": "[" * 5000}, "plan"),
        ({"query": "q"}, "query_keys"),
        ({"query": "5"}, "query_keys"),
    ],
)
def test_edited_rows(change: dict[str, Any], read: str) -> None:
    """What somebody has written into a row is believed only as far as it can be read."""
    with pytest.raises(UnreadablePlan):
        getattr(evolve(GET, **change), read)()


# -- the thread ------------------------------------------------------------------------------------


async def test_work_is_done_on_one_other_thread_in_order(library: PlanLibrary) -> None:
    """The event loop never waits for the disk, and nothing overtakes."""
    thread = LibraryThread(library)
    threads: set[str] = set()
    order: list[int] = []

    def work(number: int) -> Callable[[PlanLibrary], int]:
        def note(_: PlanLibrary) -> int:
            threads.add(threading.current_thread().name)
            order.append(number)
            return number

        return note

    results = await asyncio.gather(*(thread.run(work(number)) for number in range(20)))
    thread.post(work(20))
    await thread.close()

    assert results == list(range(20))
    assert order == list(range(21))
    assert len(threads) == 1
    assert threading.current_thread().name not in threads


async def test_many_at_once(library: PlanLibrary) -> None:
    """Whatever sessions learn at the same time, each has it afterwards."""
    thread = LibraryThread(library)
    sessions = [a_session(number) for number in range(50)]
    await asyncio.gather(*(thread.run(partial(learn, session=session)) for session in sessions))
    counts = await thread.run(lambda lib: [len(lib.routes_of(session.directory)) for session in sessions])

    assert counts == [1] * 50
    assert len(await thread.run(lambda lib: lib.plans())) == 1
    await thread.close()


async def test_a_closed_library(library: PlanLibrary) -> None:
    """It says so, takes no notes any more, and can be closed again."""
    thread = LibraryThread(library)
    await thread.close()
    await thread.close()
    thread.post(lambda lib: lib.pin("x"))

    with pytest.raises(LibraryError, match="closed"):
        await thread.run(lambda lib: lib.plans())


async def test_a_note_that_fails_is_logged(library: PlanLibrary) -> None:
    """Nobody waits for it, so nobody else could say."""
    library.close()
    thread = LibraryThread(library)
    with capture_logs() as logs:
        thread.post(lambda lib: lib.pin("x"))
        await thread.close()

    assert [line["event"] for line in logs] == ["plan library not written"]


# -- views ------------------------------------------------------------------------------------------


def test_the_view_of_a_plan_is_kept_beside_it(library: PlanLibrary) -> None:
    """It goes with the plan; a session that shares the plan is told the same of it."""
    first = learn(library, view="wide")
    shared = library.learn(evolve(GET, view=""), a_session(2), "null")
    assert first is not None
    assert shared is not None

    assert (library.view_of(first), library.view_of(shared)) == ("wide", "wide")
    library.forget(GET.plan_id)
    assert library.view_of(first) == ""


def test_a_library_from_before_there_were_views(path: Path) -> None:
    """It opens as it is, with all that it has; of its plans no view is known, of new ones it is."""
    before = PlanLibrary.open(path)
    number = learn(before)
    before.close()
    with closing(sqlite3.connect(path)) as file:
        file.execute("DROP TABLE views")
    library = PlanLibrary.open(path)
    newer = learn(library, plan_id="b", fingerprint="f2", query='["q"]', view="narrow")
    views = [library.view_of(each or 0) for each in (number, newer)]
    kept = len(library.routes_of(SESSION.directory))
    library.close()

    assert (views, kept) == (["", "narrow"], 2)
    assert not list(path.parent.glob("*.damaged-*"))


# -- what models say of contracts' records -----------------------------------------------------------


def test_answers_about_records_stay_as_they_were_first(library: PlanLibrary, path: Path) -> None:
    """By the digest of the question, also after a restart."""
    library.keep_record_rules("a", "{}")
    library.keep_record_rules("a", "[]")
    library.close()
    with closing(PlanLibrary.open(path)) as again:
        assert (again.record_rules("a"), again.record_rules("b")) == ("{}", None)


def test_how_many_answers_are_kept(library: PlanLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go."""
    monkeypatch.setattr(library_module, "MAX_RECORD_RULES", 2)
    for name in "abc":
        library.keep_record_rules(name, name)

    assert [library.record_rules(name) for name in "abc"] == [None, "b", "c"]

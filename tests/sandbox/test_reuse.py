"""Live guests: reused for their own session only, dropped when used up, and nothing leaks between runs."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from store.keeper_wire import Head, Opened
from tests.sandbox.programs import BYPASS
from wasm_runtime.limits import GuestReuse, Limits
from wasm_runtime.outcome import (
    Completed,
    GuestFailed,
    OutOfFuel,
    Raised,
    StorageFull,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from tests.sandbox.conftest import Sandbox


def body(outcome: object) -> bytes | None:
    assert isinstance(outcome, Completed), outcome
    return outcome.body


def test_a_namespace_lives_for_one_run(sandbox: Sandbox) -> None:
    """What a plan binds, prints or changes in its inputs is gone for the next."""
    sandbox.run('leak = 1\nctx["leak"] = 1\nlen = None\nREPLY = make_response(200, 1)')

    seen = sandbox.run(
        'try:\n    x = leak\nexcept NameError:\n    x = "gone"\n'
        'REPLY = make_response(200, [x, "leak" in ctx, len("ab")])'
    )
    assert body(seen) == b'["gone",false,2]'


def test_sessions_see_only_their_own(sandbox: Sandbox) -> None:
    """Two sessions with the same collection have different records, ids from 1 in each."""
    insert = 'REPLY = make_response(201, store.insert(ctx["body_json"]))'

    assert body(sandbox.run(insert, session="a", body={"n": 1})) == b'{"id":1,"n":1}'
    assert body(sandbox.run(insert, session="b", body={"n": 2})) == b'{"id":1,"n":2}'
    listing = "REPLY = make_response(200, store.list()[0])"
    assert body(sandbox.run(listing, session="a", read_only=True)) == b'[{"id":1,"n":1}]'


def test_a_bypass_reaches_no_other_session(sandbox: Sandbox) -> None:
    """With the policy off, the guest's whole world is its own directory: no host file, no neighbour."""
    sandbox.run('REPLY = make_response(201, store.insert({"secret": 1}))', session="victim")
    attack = (
        BYPASS
        + "os = load('os')\nfound = []\n"
        + "for path in ('/', '..', '../victim', '/session/..', '/session/../victim/store.db', '/etc'):\n"
        + "    for look in (os.listdir, os.stat, real['open']):\n"
        + "        try:\n            found.append(str(look(path)))\n"
        + "        except real['OSError']:\n            pass\n"
        + "REPLY = make_response(200, [found, dict(os.environ), os.listdir('/session')])"
    )

    assert body(sandbox.run(attack, session="attacker")) == b'[[],{},["store.db"]]'


def test_a_damaged_interpreter_is_its_own_sessions(sandbox: Sandbox) -> None:
    """T12: what a bypass breaks in its guest, no other session's guest has."""
    sandbox.run(
        BYPASS + "real['len'] = None\nload('sys').modules.clear()\nREPLY = make_response(200, 1)",
        session="bad",
    )

    assert body(sandbox.run('REPLY = make_response(200, len("abc"))', session="good")) == b"3"


@pytest.mark.parametrize(
    "reuse", [GuestReuse(mode="never", spare_guests=0), GuestReuse(max_uses=1, spare_guests=0)]
)
def test_guests_that_are_not_reused_serve_the_same(
    make_sandbox: Callable[..., Sandbox], reuse: GuestReuse
) -> None:
    """A fresh guest for every request sees all that the ones before it committed."""
    sandbox = make_sandbox(reuse=reuse)
    for expected in (b"1", b"2", b"3"):
        sandbox.run("REPLY = make_response(201, store.insert({}))")
        assert len(sandbox.guests) == 0
        assert body(sandbox.run("REPLY = make_response(200, store.count())", read_only=True)) == expected


def test_the_least_recently_used_guest_goes_first(make_sandbox: Callable[..., Sandbox]) -> None:
    """Live guests are bounded; a dropped session is simply opened again."""
    sandbox = make_sandbox(reuse=GuestReuse(live_guests=2, spare_guests=0))
    for session in ("a", "b", "c", "a"):
        sandbox.run('REPLY = make_response(201, store.insert({"n": 1}))', session=session)
        assert len(sandbox.guests) <= 2

    assert body(sandbox.run("REPLY = make_response(200, store.count())", session="a", read_only=True)) == b"2"


def test_idle_guests_are_dropped_and_spares_kept_ready(make_sandbox: Callable[..., Sandbox]) -> None:
    """Housekeeping takes one small step a call, until there is nothing to do."""
    sandbox = make_sandbox(reuse=GuestReuse(idle_seconds=0.0, spare_guests=2))
    sandbox.run("REPLY = make_response(200, 1)")

    steps = 0
    while sandbox.guests.tidy():
        steps += 1

    assert steps == 3
    assert len(sandbox.guests) == 0


def test_a_file_that_was_closed_is_opened_again(sandbox: Sandbox) -> None:
    """It has all that was kept, and nobody makes it anew."""
    insert = 'REPLY = make_response(201, store.insert({"n": 1}))'
    count = "REPLY = make_response(200, store.count())"
    for expected in (b"1", b"2"):
        sandbox.run(insert)
        sandbox.guests.drop("s1")
        before = (sandbox.root / "s1" / "store.db").stat()
        assert body(sandbox.run(count, read_only=True)) == expected
        assert (sandbox.root / "s1" / "store.db").stat().st_ino == before.st_ino


def test_a_file_that_was_touched_is_made_anew(sandbox: Sandbox) -> None:
    """Whatever somebody has put in its place, the session is what the record has."""
    sandbox.run('REPLY = make_response(201, store.insert({"n": 1}))')
    path = sandbox.root / "s1" / "store.db"
    for spoil in (
        lambda: path.write_bytes(b"not a database, certainly not " * 300),
        path.unlink,
        lambda: (path.unlink(), path.mkdir()),
        lambda: (path.unlink(), path.symlink_to("/etc/hostname")),
        lambda: (path.parent / "store.db-journal").write_bytes(b"x" * 5000),
    ):
        sandbox.guests.drop("s1")
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        spoil()

        count = sandbox.run("REPLY = make_response(200, store.count())", read_only=True)
        assert body(count) == b"1"


def test_a_file_that_is_gone_when_it_is_opened_is_not_an_empty_session(sandbox: Sandbox) -> None:
    """Between the record's answer and the guest nobody looks: the file is made anew."""
    sandbox.run('REPLY = make_response(201, store.insert({"n": 1}))')
    for what, expected in (("store.count()", b"1"), ('store.insert({})["id"]', b"2")):
        sandbox.guests.drop("s1")
        assert sandbox.open("s1") is None
        (sandbox.root / "s1" / "store.db").unlink()

        assert body(sandbox.run(f"REPLY = make_response(200, {what})")) == expected


def test_a_session_that_has_no_records_any_more_has_a_file(sandbox: Sandbox) -> None:
    """Its version is not 0: a file without tables would be taken for one that is gone."""
    sandbox.run('REPLY = make_response(201, store.insert({"n": 1}))')
    sandbox.run("REPLY = make_response(200, store.delete(1))")
    for _ in range(2):
        sandbox.guests.drop("s1")
        (sandbox.root / "s1" / "store.db").unlink()
        count = sandbox.run("REPLY = make_response(200, store.count())", read_only=True)
        assert body(count) == b"0"


@pytest.mark.parametrize(
    "end", ["n = 0\nwhile True:\n    n += 1", "x = 'x' * 2**29", "f = lambda: f()\nf()\nREPLY = 1"]
)
def test_a_guest_that_ended_badly_takes_nothing_along(make_sandbox: Callable[..., Sandbox], end: str) -> None:
    """What was kept before is in the record, and nowhere else: its guest has never written it to the file."""
    sandbox = make_sandbox(Limits(fuel=500_000_000))
    for n in range(3):
        sandbox.run('REPLY = make_response(201, store.insert(ctx["body_json"]))', body={"n": n})
    ended = sandbox.run(f"store.insert({{}})\n{end}")

    assert not isinstance(ended, Completed)
    look = "REPLY = make_response(200, [store.count(), store.get(3)])"
    assert body(sandbox.run(look, read_only=True)) == b'[3,{"id":3,"n":2}]'
    assert sandbox.live_rows() == sandbox.keeper.rows("s1")


@pytest.mark.parametrize("mode", ["session", "never"])
def test_an_empty_session_opens_no_file_until_something_is_written(
    make_sandbox: Callable[..., Sandbox], mode: Literal["session", "never"]
) -> None:
    """Reads find nothing, and so does a write that is undone before it is one; then it works like any."""
    sandbox = make_sandbox(reuse=GuestReuse(mode=mode, spare_guests=0))
    look = "REPLY = make_response(200, [store.count(), store.get(1), store.search({'n': 1})])"

    assert body(sandbox.run(look, read_only=True)) == b"[0,null,[]]"
    assert os.listdir(sandbox.root / "s1") == []
    assert body(sandbox.run('REPLY = make_response(201, store.insert({"n": 1}))')) == b'{"id":1,"n":1}'
    assert body(sandbox.run(look, read_only=True)) == b'[1,{"id":1,"n":1},[{"id":1,"n":1}]]'
    sandbox.guests.drop("s1")
    assert (sandbox.root / "s1" / "store.db").stat().st_size > 0


def test_a_plan_is_the_same_compiled_here_or_elsewhere(sandbox: Sandbox) -> None:
    """From the second session on a guest gets the code ready made: result, and lines of errors, as before."""
    code = 'n = ctx["body_json"]["n"]\nREPLY = make_response(200, 12 // n)'
    for session in ("a", "b", "c"):
        assert body(sandbox.run(code, session=session, body={"n": 4})) == b"3"
        failed = sandbox.run(code, session=session, body={"n": 0})
        assert isinstance(failed, Raised)
        assert (failed.error_type, failed.line) == ("ZeroDivisionError", 2)
    assert len(sandbox.guests._compiled) == 1


def test_what_does_not_compile_is_said_by_every_guest(sandbox: Sandbox) -> None:
    """The policy lets none through. Who compiles for others has no answer, and theirs is the same."""
    outcomes = [sandbox.run("REPLY = (", session=session) for session in ("a", "b", "c")]

    assert outcomes == [GuestFailed("SyntaxError")] * 3


def test_guests_differ_in_what_is_random(sandbox: Sandbox) -> None:
    """A snapshot freezes state; what is random must not be part of it."""
    code = "REPLY = make_response(200, [uuid4(), new_token()])"

    assert body(sandbox.run(code, session="a")) != body(sandbox.run(code, session="b"))


def test_secrets_are_hashed_on_the_host(sandbox: Sandbox) -> None:
    """hash_secret and verify_secret work in the guest, a few times a request."""
    code = (
        'h = hash_secret("pa")\nREPLY = make_response(200, [verify_secret("pa", h), verify_secret("pb", h)])'
    )

    assert body(sandbox.run(code)) == b"[true,false]"


def test_many_plans_are_compiled_again_when_dropped(sandbox: Sandbox) -> None:
    """A live guest keeps a bounded number of plans; the host knows which, and loads the others again."""
    for _ in range(2):
        for number in range(300):
            assert body(sandbox.run(f"REPLY = make_response(200, {number})")) == str(number).encode()


@pytest.mark.parametrize("name", ["", "..", "a/b", "../s1", "a.b", "a" * 65, "\u00e9"])
def test_only_derived_names_become_directories(sandbox: Sandbox, name: str) -> None:
    """The last door before the disk knows the grammar of its own names."""
    sandbox.guests.ready(name, Opened(1, name, Head("", 0, ""), 0, new=True))
    with pytest.raises(ValueError, match="derived"):
        sandbox.guests.get(name)


def test_a_directory_is_the_owners_alone(sandbox: Sandbox) -> None:
    """It is made with mode 0700."""
    sandbox.run("REPLY = make_response(201, store.insert({}))", session="a")

    assert (sandbox.root / "a").stat().st_mode & 0o777 == 0o700


def test_a_guest_that_has_grown_is_not_kept(sandbox: Sandbox) -> None:
    """Wasm memory never shrinks: a run that used much of it gives its guest up; a small one keeps it."""
    sandbox.run("REPLY = make_response(200, 1)", session="small")
    assert len(sandbox.guests) == 1

    sandbox.run('x = "x" * (80 * 1024 * 1024)\nREPLY = make_response(200, 1)', session="large")
    assert len(sandbox.guests) == 1


def test_files_beside_the_store_are_refused_and_removed(sandbox: Sandbox) -> None:
    """Past the policy, a plan's own files cost it its run; the data that was there is there."""
    sandbox.run('REPLY = make_response(201, store.insert({"n": 1}))')
    for attack in (
        "real['open']('/session/more', 'wb').write(b'x' * 1000000)\n",
        "load('os').makedirs('/session/a/b/c')\n",
        "load('os').symlink('store.db', '/session/link')\n",
    ):
        code = BYPASS + attack + 'store.insert({"n": 2})\nREPLY = make_response(201, 1)'
        assert isinstance(sandbox.run(code), StorageFull)
        assert set(os.listdir(sandbox.root / "s1")) <= {"store.db", "store.db-journal"}

    assert body(sandbox.run("REPLY = make_response(200, store.count())", read_only=True)) == b"1"


def test_files_of_a_guest_that_dies_go_with_it(make_sandbox: Callable[..., Sandbox]) -> None:
    """Its run had no end after which somebody could look, and the next one may be long from now."""
    sandbox = make_sandbox(Limits(fuel=500_000_000))
    sandbox.run('REPLY = make_response(201, store.insert({"n": 1}))')
    code = (
        BYPASS
        + "for n in range(50):\n    real['open'](f'/session/f{n}', 'wb').close()\nwhile True:\n    pass"
    )

    assert isinstance(sandbox.run(code), OutOfFuel)

    assert set(os.listdir(sandbox.root / "s1")) <= {"store.db", "store.db-journal"}
    assert body(sandbox.run("REPLY = make_response(200, store.count())", read_only=True)) == b"1"


def test_descriptors_that_one_guest_keeps_are_freed(sandbox: Sandbox) -> None:
    """A guest that holds every descriptor of the process is dropped when the next session needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # The limit is on numbers, and this process has many open when all tests run in it.
    highest = max(int(number) for number in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 60, hard))
    try:
        greedy = (
            BYPASS + "os = load('os')\nkept = []\n"
            "try:\n    while True:\n        kept.append(os.open('/session/store.db', os.O_RDONLY))\n"
            "except real['OSError']:\n    pass\n"
            "load('sys').kept = kept\nREPLY = make_response(200, len(kept))"
        )
        sandbox.run('REPLY = make_response(201, store.insert({"n": 1}))')
        sandbox.run(greedy)
        assert body(sandbox.run("REPLY = make_response(200, 1)", session="other")) == b"1"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_session_begins_with_nothing_of_the_rehearsal(sandbox: Sandbox) -> None:
    """The snapshot has served requests; of their records there is nothing in memory or on disk."""
    seen = 'session_store.collections(), "rehearsal" in session_store, session_store["rehearsal"].count()'

    assert body(sandbox.run(f"REPLY = make_response(200, [{seen}])", read_only=True)) == b"[[],false,0]"
    assert os.listdir(sandbox.root / "s1") == []

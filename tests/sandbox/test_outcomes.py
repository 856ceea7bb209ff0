"""How runs end: each limit is its own outcome, on both sides of it, and the next run is healthy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sandbox.programs import BYPASS
from wasm_runtime.limits import MIB, Limits
from wasm_runtime.outcome import (
    BadReply,
    Completed,
    GuestFailed,
    Outcome,
    OutOfFuel,
    OutOfMemory,
    OutOfTime,
    OutputTooLarge,
    Raised,
    SessionDamaged,
    StackExhausted,
    StorageFull,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sandbox.conftest import Sandbox

#: A session's directory, as those are called that the service derives.
OLD = "0123456789abcdef" * 2
DEEP = "x = []\nfor _ in range(200000):\n    x = [x]\n"
SMALL = Limits(fuel=2_000_000_000, wall_ms=20_000)


def healthy(sandbox: Sandbox) -> None:
    """The session answers, and holds what it held."""
    outcome = sandbox.run("REPLY = make_response(200, store.list())", read_only=True)
    assert isinstance(outcome, Completed)
    assert outcome.body == b'[[{"id":1,"name":"kept"}],1]'


@pytest.fixture
def small(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    sandbox = make_sandbox(SMALL)
    stored = sandbox.run('REPLY = make_response(201, store.insert({"name": "kept"}))')
    assert isinstance(stored, Completed)
    assert stored.committed
    return sandbox


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("while True:\n    pass", OutOfFuel(SMALL.fuel)),
        ("while True:\n    print('x' * 1000)", OutOfFuel(SMALL.fuel)),
        ("while True:\n    try:\n        1 / 0\n    except Exception:\n        pass", OutOfFuel(SMALL.fuel)),
        ("x = 10 ** 10 ** 8\nREPLY = make_response(200, 1)", OutOfFuel(SMALL.fuel)),
        ('x = "x" * 10 ** 9\nREPLY = make_response(200, 1)', OutOfMemory(SMALL.memory_bytes)),
        ("x = [0] * 10 ** 9\nREPLY = make_response(200, 1)", OutOfMemory(SMALL.memory_bytes)),
        ("rows = []\nwhile True:\n    rows.append('x' * 10 ** 6)", OutOfMemory(SMALL.memory_bytes)),
        (DEEP + "REPLY = make_response(200, x)", StackExhausted()),
        (DEEP + "store.insert({'x': x})\nREPLY = make_response(200, 1)", None),
        (DEEP + "REPLY = make_response(200, x == [[x]])", StackExhausted()),
        (
            "x = ()\nfor _ in range(200000):\n    x = (x,)\nd = {x: 1}\nREPLY = make_response(200, 1)",
            StackExhausted(),
        ),
        ("x = 1", BadReply("REPLY must be a dict made by make_response")),
        ("REPLY = make_response(200, float('nan'))", None),
        ("1 / 0", Raised("plan", "ZeroDivisionError", 1, 500, "")),
    ],
)
def test_each_ending_has_its_outcome(small: Sandbox, code: str, outcome: Outcome | None) -> None:
    """A hostile program ends as a named outcome, keeps nothing, and the session's next run works."""
    ended = small.run('store.insert({"name": "lost"})\n' + code)

    assert not isinstance(ended, Completed | GuestFailed)
    if isinstance(outcome, Raised):
        assert isinstance(ended, Raised)
        assert (ended.blame, ended.error_type, ended.line) == ("plan", outcome.error_type, 2)
    elif outcome is not None:
        assert ended == outcome
    healthy(small)


def test_time_runs_out_before_fuel(make_sandbox: Callable[..., Sandbox]) -> None:
    """With fuel to spare, the epoch deadline ends a run; a shorter one completes."""
    sandbox = make_sandbox(Limits(fuel=10**15, wall_ms=300))

    assert isinstance(sandbox.run("REPLY = make_response(200, sum(range(1000)))"), Completed)
    assert sandbox.run("while True:\n    pass") == OutOfTime(300)
    assert isinstance(sandbox.run("REPLY = make_response(200, 1)"), Completed)


def test_the_fuel_limit_holds_on_both_sides(make_sandbox: Callable[..., Sandbox]) -> None:
    """What a run needs is enough; a tenth of it is not. Fuel used is reported."""
    loop = "n = 0\nfor i in range(100000):\n    n += i\nREPLY = make_response(200, n)"
    used = make_sandbox(Limits(fuel=10**10)).run(loop)

    assert isinstance(used, Completed)
    assert used.fuel > 100_000
    assert isinstance(make_sandbox(Limits(fuel=used.fuel * 2)).run(loop), Completed)
    assert make_sandbox(Limits(fuel=used.fuel // 2)).run(loop) == OutOfFuel(used.fuel // 2)


def test_the_memory_limit_holds_on_both_sides(make_sandbox: Callable[..., Sandbox]) -> None:
    """A text that fits is made; one that does not is an outcome."""
    sandbox = make_sandbox(Limits(memory_bytes=128 * MIB))

    assert isinstance(sandbox.run('x = "x" * (60 * 1024 * 1024)\nREPLY = make_response(200, 1)'), Completed)
    assert sandbox.run('x = "x" * (130 * 1024 * 1024)\nREPLY = make_response(200, 1)') == OutOfMemory(
        128 * MIB
    )


def test_the_reply_limit_holds_on_both_sides(make_sandbox: Callable[..., Sandbox]) -> None:
    """A body of exactly the limit is sent; one byte more is refused with both figures, and rolled back."""
    sandbox = make_sandbox(Limits(result_bytes=1000))

    assert isinstance(sandbox.run('REPLY = make_response(200, "x" * 998)'), Completed)
    assert sandbox.run('store.insert({})\nREPLY = make_response(200, "x" * 999)') == OutputTooLarge(
        1001, 1000
    )
    counted = sandbox.run("REPLY = make_response(200, store.count())", read_only=True)
    assert isinstance(counted, Completed)
    assert counted.body == b"0"


def test_printing_is_cut_and_no_error(make_sandbox: Callable[..., Sandbox]) -> None:
    """The first bytes are kept for the log, in whole characters; the rest is dropped."""
    sandbox = make_sandbox(Limits(stdout_bytes=10))
    within = sandbox.run('print("12345", "789")\nREPLY = make_response(200, 1)')
    over = sandbox.run('for _ in range(1000):\n    print("\u00e9" * 1000)\nREPLY = make_response(200, 1)')

    assert isinstance(within, Completed)
    assert within.stdout == "12345 789\n"
    assert isinstance(over, Completed)
    assert over.stdout == "\u00e9" * 5


def test_the_disk_limit_is_an_outcome_and_keeps_what_was_there(make_sandbox: Callable[..., Sandbox]) -> None:
    """A session that is full refuses the write that does not fit, reads on, and shrinks again."""
    sandbox = make_sandbox(Limits(session_disk_bytes=1 * MIB))
    insert = 'REPLY = make_response(201, store.insert({"pad": "x" * ctx["body_json"]})["id"])'

    assert isinstance(sandbox.run(insert, body=500_000), Completed)
    assert sandbox.run(insert, body=900_000) == StorageFull(1 * MIB)
    counted = sandbox.run("REPLY = make_response(200, store.count())", read_only=True)
    assert isinstance(counted, Completed)
    assert counted.body == b"1"
    assert isinstance(sandbox.run("REPLY = make_response(200, store.delete(1))"), Completed)
    assert isinstance(sandbox.run(insert, body=500_000), Completed)


def test_a_flipped_bit_is_that_sessions_alone(sandbox: Sandbox) -> None:
    """All through a file that is open, and so is not made anew: an answer, or one from a new file."""
    insert = 'REPLY = make_response(201, store.insert_many([{"n": n} for n in range(20)]))'
    listed = "REPLY = make_response(200, store.list(limit=30)[0])"
    for session in ("s1", "other"):
        sandbox.run(insert, session=session)
        sandbox.guests.drop(session)
    right = sandbox.run(listed, read_only=True)
    assert isinstance(right, Completed)
    path = sandbox.root / "s1" / "store.db"
    for at in range(0, path.stat().st_size, 401):
        sandbox.guests.drop("s1")
        sandbox.open("s1")
        flipped = bytearray(path.read_bytes())
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        outcome = sandbox.run(listed, read_only=True)
        assert isinstance(outcome, Completed | Raised | BadReply), at
        other = sandbox.run(listed, session="other", read_only=True)
        assert isinstance(other, Completed)
        assert other.body == right.body
        sandbox.guests.spoil("s1")

    again = sandbox.run(listed, read_only=True)
    assert isinstance(again, Completed)
    assert again.body == right.body


def test_damage_that_a_run_meets_is_gone_when_it_runs_again(sandbox: Sandbox) -> None:
    """In the middle of a file that is open: the request does not hear of it, and neither does a later one."""
    fill = "REPLY = make_response(200, len(store.insert_many([{'t': 'x' * 900} for n in range(600)])))"
    assert isinstance(sandbox.run(fill), Completed)
    sandbox.guests.drop("s1")
    sandbox.open("s1")
    path = sandbox.root / "s1" / "store.db"
    content = bytearray(path.read_bytes())
    content[100 * 4096 : 101 * 4096] = b"\xff" * 4096
    path.write_bytes(content)
    before = sandbox.run("REPLY = make_response(200, store.get(1)['id'])", read_only=True)
    met = sandbox.run("REPLY = make_response(200, len(store.list()[0]))", read_only=True)

    assert isinstance(before, Completed)
    assert isinstance(met, Completed)
    assert met.body == b"600"
    assert path.read_bytes()[100 * 4096 : 101 * 4096] != b"\xff" * 4096


def test_a_plan_that_lies_about_damage_loses_nothing(sandbox: Sandbox) -> None:
    """What a run says of the file is not believed: a fresh guest opens it, and finds it whole."""
    sandbox.run("REPLY = make_response(201, store.insert({}))")
    lie = BYPASS + (
        "error = load('sys').modules['store.errors'].StoreDamaged('it is all gone')\n"
        "def lie(*_):\n    raise error\n"
        "load('sys').modules['guest.session'].GuestSession._execute = lie\n"
        "REPLY = make_response(200, 1)"
    )
    sandbox.run(lie)
    assert isinstance(sandbox.run("REPLY = make_response(200, 1)"), Completed)

    counted = sandbox.run("REPLY = make_response(200, store.count())", read_only=True)
    assert isinstance(counted, Completed)
    assert counted.body == b"1"


@pytest.mark.parametrize("content", [b"no database " * 1_000, b"SQLite format 3\0" + bytes(5_000)])
def test_a_file_of_before_that_is_damaged_is_left_alone(
    sandbox_over: Callable[[Path], Sandbox], tmp_path: Path, content: bytes
) -> None:
    """It cannot be taken over: each request is told, and it stays for somebody to salvage."""
    old = tmp_path / OLD
    old.mkdir()
    (old / "store.db").write_bytes(content)
    sandbox = sandbox_over(tmp_path)
    look = "REPLY = make_response(200, 1)"
    outcomes = [sandbox.run(look, session=OLD, read_only=read) for read in (True, False)]

    assert all(isinstance(outcome, SessionDamaged) for outcome in outcomes)
    assert isinstance(sandbox.run(look, session="other"), Completed)


def test_a_catch_all_cannot_outlive_the_memory_limit(small: Sandbox) -> None:
    """Catching MemoryError in a loop is allowed; fuel ends it."""
    code = 'while True:\n    try:\n        x = "x" * 10 ** 9\n    except MemoryError:\n        pass'

    assert small.run(code) == OutOfFuel(SMALL.fuel)
    healthy(small)


def test_a_guest_that_exits_is_a_failed_guest(small: Sandbox) -> None:
    """Code that has got past the policy can end its own guest, and nothing else."""
    for attack in ("load('os')._exit(0)", "load('os').abort()"):
        assert isinstance(
            small.run(BYPASS + attack + "\nREPLY = make_response(200, 1)"), GuestFailed | Raised
        )
        healthy(small)

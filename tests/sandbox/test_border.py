"""What a guest hands to the host, and what it asks of it: neither harms the worker, whatever it is."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.programs import BYPASS
from wasm_runtime.limits import MIB, Limits
from wasm_runtime.outcome import BadReply, Completed, GuestFailed, OutputTooLarge, Raised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox.conftest import Sandbox
    from wasm_runtime.outcome import Outcome

WRITES = 'store.insert({"n": 1})\n'
HASHES = WRITES + 'REPLY = make_response(201, hash_secret("a"))'
CAUGHT = WRITES + 'try:\n    hash_secret("a")\nexcept Exception:\n    pass\nREPLY = make_response(201)'
COUNT = "REPLY = make_response(200, store.count())"
LIMITS = Limits(result_bytes=100_000, stdout_bytes=100)


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """The most bytes that Python has had in use since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def count(outcome: Outcome) -> bytes | None:
    assert isinstance(outcome, Completed), outcome
    return outcome.body


def test_a_long_reply_is_not_read(make_sandbox: Callable[..., Sandbox], peak: Callable[[], int]) -> None:
    """Its size is all that the host looks at; what it wrote is undone, and the guest goes on."""
    sandbox = make_sandbox(LIMITS)
    outcome = sandbox.run(WRITES + 'REPLY = make_response(200, "x" * 50_000_000)')

    assert outcome == OutputTooLarge(50_000_002, 100_000)
    assert peak() < 4 * MIB
    assert count(sandbox.run(COUNT, read_only=True)) == b"0"
    assert "s1" in sandbox.guests


@pytest.mark.parametrize(("size", "fits"), [(99_998, True), (99_999, False)])
def test_the_limit_is_that_of_the_body(
    make_sandbox: Callable[..., Sandbox], size: int, *, fits: bool
) -> None:
    """What stands beside it in the answer has a limit of its own."""
    sandbox = make_sandbox(LIMITS)
    outcome = sandbox.run(f'print("é" * 100)\nREPLY = make_response(200, "x" * {size})', read_only=True)

    assert isinstance(outcome, Completed) is fits
    assert fits or outcome == OutputTooLarge(size + 2, 100_000)


@pytest.mark.parametrize("size", [200_000, 50_000_000])
def test_long_headers_are_not_read(
    make_sandbox: Callable[..., Sandbox], peak: Callable[[], int], size: int
) -> None:
    """A reply whose headers have no end is refused."""
    sandbox = make_sandbox(LIMITS)
    outcome = sandbox.run(f'REPLY = make_response(200, 1, {{"X-Long": "x" * {size}}})')

    assert outcome == BadReply("its headers and the like take more than 131672 bytes")
    assert peak() < 4 * MIB


def test_a_group_s_long_reply_is_not_read(
    make_sandbox: Callable[..., Sandbox], peak: Callable[[], int]
) -> None:
    """The group comes to nothing, each runs alone, and only the one with the long reply has the harm."""
    sandbox = make_sandbox(LIMITS)
    long = 'REPLY = make_response(200, "x" * ctx["body_json"])'
    sandbox.run(long, body=10)
    outcomes = sandbox.group([sandbox.job(long, body=size) for size in (10, 20_000_000, 10)])

    assert [type(each) for each in outcomes] == [Completed, OutputTooLarge, Completed]
    assert peak() < 4 * MIB


@pytest.mark.parametrize("forged", ["\x1e" * 2_000_000, '{"ok":true}' * 200_000, "\n" * 2_000_000])
def test_a_forged_answer_is_not_read(
    make_sandbox: Callable[..., Sandbox], peak: Callable[[], int], forged: str
) -> None:
    """What a guest answers that has been taken over: its session's next request has another guest."""
    sandbox = make_sandbox(LIMITS)
    unit, times = forged[: len(forged) // (200_000 if "ok" in forged else 2_000_000)], 2_000_000
    attack = (
        f"{BYPASS}session = load('guest.session', fromlist=['x'])\n"
        f"session.GuestSession._answer = lambda *_: {unit!r} * {times}\nREPLY = make_response(200)"
    )
    outcome = sandbox.run(attack)

    assert isinstance(outcome, BadReply | GuestFailed | OutputTooLarge)
    assert peak() < 8 * MIB


@pytest.mark.parametrize("error", [MemoryError(), ValueError("memory limit exceeded"), KeyboardInterrupt()])
@pytest.mark.parametrize("code", [HASHES, CAUGHT], ids=["raised", "caught"])
def test_a_failing_host_function_ends_the_run(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: str
) -> None:
    """Whatever the plan makes of it: nothing is written, and the session's next request has another guest."""

    def fails(*_: Any, **__: Any) -> bytes:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "scrypt", fails)
        failed = sandbox.run(code)

    assert failed == GuestFailed(f"a host function has failed: {type(error).__name__}")
    assert count(sandbox.run(COUNT, read_only=True)) == b"0"
    assert isinstance(sandbox.run(HASHES), Completed)


def test_a_failing_host_function_harms_one_of_a_group(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others of its group are served."""
    sandbox.run(WRITES + "REPLY = make_response(201)")
    plan = WRITES + 'if ctx["body_json"]:\n    hash_secret("a")\nREPLY = make_response(201)'
    sandbox.run(plan, body=False)

    def fails(*_: Any, **__: Any) -> bytes:
        raise MemoryError

    monkeypatch.setattr(hashlib, "scrypt", fails)
    outcomes = sandbox.group([sandbox.job(plan, body=hashes) for hashes in (False, True, False)])

    assert [type(each) for each in outcomes] == [Completed, GuestFailed, Completed]
    assert count(sandbox.run(COUNT, read_only=True)) == b"4"


def test_an_exception_at_the_border_is_an_outcome(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the host's own code around the call, such as one that finds no memory for an answer."""
    from wasm_runtime.texts import Text

    def fails(*_: Any) -> str:
        raise MemoryError

    assert isinstance(sandbox.run(WRITES + "REPLY = make_response(201)"), Completed)
    with monkeypatch.context() as patch:
        patch.setattr(Text, "convert_from_c", fails)
        failed = sandbox.run(WRITES + "REPLY = make_response(201)")

    assert isinstance(failed, GuestFailed)
    assert "MemoryError" in failed.reason
    assert count(sandbox.run(COUNT, read_only=True)) == b"1"


@pytest.mark.parametrize(
    ("arguments", "derives"),
    [
        ("'x' * 1024, 's' * 128", True),
        ("'é' * 1024, 's'", True),
        ("'x' * 1025, 's'", False),
        ("'x', 's' * 129", False),
        ("'x' * 40_000_000, 's'", False),
        ("'x', 's' * 40_000_000", False),
    ],
)
def test_long_arguments_are_not_read(
    sandbox: Sandbox, peak: Callable[[], int], arguments: str, *, derives: bool
) -> None:
    """The host looks at their lengths first."""
    code = f"{BYPASS}key = load('wit_world').derive_key({arguments})\nREPLY = make_response(200, len(key))"
    outcome = sandbox.run(code)

    assert count(outcome) == (b"64" if derives else b"0")
    assert peak() < 4 * MIB


def test_a_run_may_hash_four_times(sandbox: Sandbox) -> None:
    """The fifth time is the plan's fault; the next run has four again."""
    four = 'REPLY = make_response(200, len([hash_secret("a") for _ in range(4)]))'

    assert count(sandbox.run(four)) == b"4"
    assert isinstance(sandbox.run(four.replace("4", "5")), Raised)
    assert count(sandbox.run(four)) == b"4"

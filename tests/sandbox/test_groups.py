"""Requests that queue for one session share a call of its guest, and nobody else's fate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sandbox.programs import BYPASS
from wasm_runtime.limits import Limits
from wasm_runtime.outcome import BadReply, Completed, Outcome, OutOfFuel, Raised, StorageFull
from wasm_runtime.queues import Queues

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Sandbox

INSERT = 'REPLY = make_response(201, store.insert(ctx["body_json"]))'
REFUSE = 'store.insert({"n": "refused"})\nREPLY = make_response(409, "no")'
KEEP = 'store.insert({"n": "kept"})\nREPLY = make_response(409, "yes", keep=True)'
LOOP = 'store.insert({"n": "loop"})\nwhile True:\n    pass'
NAMES = 'REPLY = make_response(200, [r["n"] for r in store.list()[0]])'


def statuses(outcomes: list[Outcome]) -> list[int | str]:
    return [
        outcome.status if isinstance(outcome, Completed | Raised) else type(outcome).__name__
        for outcome in outcomes
    ]


def names(sandbox: Sandbox) -> bytes | None:
    outcome = sandbox.run(NAMES, read_only=True)
    assert isinstance(outcome, Completed)
    return outcome.body


def test_each_request_settles_on_its_own_reply(sandbox: Sandbox) -> None:
    """In one transaction, a 409 undoes its own writes and no others; `keep` keeps them."""
    outcomes = sandbox.group(
        [
            sandbox.job(INSERT, body={"n": "a"}),
            sandbox.job(REFUSE),
            sandbox.job(NAMES, read_only=True),
            sandbox.job(KEEP),
            sandbox.job("1 / 0"),
            sandbox.job(INSERT, body={"n": "b"}),
            sandbox.job(NAMES, read_only=True),
        ]
    )

    assert statuses(outcomes) == [201, 409, 200, 409, 500, 201, 200]
    reads = [outcome.body for outcome in outcomes if isinstance(outcome, Completed) and outcome.status == 200]
    assert reads == [b'["a"]', b'["a","kept","b"]']
    assert names(sandbox) == b'["a","kept","b"]'


def test_a_trap_undoes_the_group_and_the_others_run_again(make_sandbox: Callable[..., Sandbox]) -> None:
    """Each alone: the culprits get their outcomes, the others are all there, once."""
    limits = Limits(fuel=500_000_000)
    sandbox = make_sandbox(limits)
    outcomes = sandbox.group(
        [
            sandbox.job(INSERT, body={"n": "a"}),
            sandbox.job(LOOP),
            sandbox.job(INSERT, body={"n": "b"}),
            sandbox.job(LOOP),
            sandbox.job(INSERT, body={"n": "c"}),
        ]
    )

    assert statuses(outcomes) == [201, "OutOfFuel", 201, "OutOfFuel", 201]
    assert outcomes[1] == OutOfFuel(limits.fuel)
    assert names(sandbox) == b'["a","b","c"]'


def test_what_does_not_fit_fails_alone(make_sandbox: Callable[..., Sandbox]) -> None:
    """Whoever has no room is refused; those that fit are kept."""
    sandbox = make_sandbox(Limits(session_disk_bytes=1024 * 1024))
    big = 'store.insert({"n": "big", "pad": "x" * 2000000})\nREPLY = make_response(201, 1)'
    outcomes = sandbox.group(
        [sandbox.job(INSERT, body={"n": "a"}), sandbox.job(big), sandbox.job(INSERT, body={"n": "b"})]
    )

    assert statuses(outcomes) == [201, "StorageFull", 201]
    assert isinstance(outcomes[1], StorageFull)
    assert names(sandbox) == b'["a","b"]'


def test_an_answer_that_is_too_large_is_undone_alone(make_sandbox: Callable[..., Sandbox]) -> None:
    """The guest sees it itself, and lives on; the others stay."""
    sandbox = make_sandbox(Limits(result_bytes=1000))
    large = 'store.insert({"n": "large"})\nREPLY = make_response(201, "x" * 2000)'
    outcomes = sandbox.group(
        [sandbox.job(INSERT, body={"n": "a"}), sandbox.job(large), sandbox.job(INSERT, body={"n": "b"})]
    )

    assert statuses(outcomes) == [201, "OutputTooLarge", 201]
    assert len(sandbox.guests) == 1
    assert names(sandbox) == b'["a","b"]'


def test_a_guest_that_answers_for_others_gets_no_group(sandbox: Sandbox) -> None:
    """Past the policy, a plan can put another answer into each: then each run is judged alone."""
    forged = BYPASS + (
        "session = load('guest.session', fromlist=['run'])\n"
        'more = chr(30) + \'{"ok":true,"status":299}\' + chr(10) + "2"\n'
        'session.encode_reply = lambda *_: ({"status": 200}, "1" + more)\n'
        "REPLY = make_response(200, 1)"
    )
    outcomes = sandbox.group([sandbox.job(forged), sandbox.job(INSERT, body={"n": "a"})])

    assert statuses(outcomes) == [200, "BadReply"]
    assert statuses([sandbox.run(INSERT, session="s2", body={"n": "a"})]) == [201]
    sandbox.guests.drop("s1")
    assert names(sandbox) == b"[]"


def test_answers_are_given_in_order(sandbox: Sandbox) -> None:
    """Reads and writes of a group, each seeing what came before it."""
    jobs = [
        sandbox.job(NAMES, read_only=True),
        sandbox.job(INSERT, body={"n": "a"}),
        sandbox.job(INSERT, body={"n": "b"}),
        sandbox.job(NAMES, read_only=True),
    ]
    outcomes = sandbox.group(jobs)

    assert sandbox.order == [job.id for job in jobs]
    assert [o.body for o in outcomes if isinstance(o, Completed) and o.status == 200] == [b"[]", b'["a","b"]']


def test_new_and_slow_plans_run_alone(sandbox: Sandbox) -> None:
    """A plan joins a group only after it has run here, and quickly (as it does some time on any machine)."""
    quick, slow = "REPLY = make_response(200, 1)", "REPLY = make_response(200, sum(range(3000000)))"

    def joins(code: str, session: str = "s1") -> bool:
        return sandbox.runner.may_join(session, sandbox.job(code))

    assert not joins(quick)
    for _ in range(100):
        sandbox.run(slow)
        sandbox.run(quick)
        if joins(quick):
            break
    assert joins(quick)
    assert not joins(quick, "s2")
    assert not joins(slow)


def test_a_safe_request_cannot_write(sandbox: Sandbox) -> None:
    """T24: in a read-only run every write is refused, caught or not."""
    sandbox.run(INSERT, body={"n": "a"})
    attack = (
        "for change in (1, 2, 3):\n    try:\n        store.delete(1)\n    except Exception:\n        pass\n"
        "REPLY = make_response(200, store.count())"
    )

    tried = sandbox.run(attack, read_only=True)
    assert isinstance(tried, Completed)
    assert (tried.body, tried.changed, tried.committed) == (b"1", 0, False)
    assert isinstance(
        sandbox.run("store.delete_all()\nREPLY = make_response(200, 1)", read_only=True), Raised
    )
    assert names(sandbox) == b'["a"]'


def test_a_read_that_claims_changes_is_refused(sandbox: Sandbox) -> None:
    """T24: a guest that was taken over lets its writes through; the reply, and the guest, go no further."""
    sandbox.run(INSERT, body={"n": "a"})
    attack = BYPASS + (
        "session = load('guest.app').app._live._session\n"
        "session.begin(read_only=False)\n"
        "store.delete(1)\n"
        "REPLY = make_response(200, store.count())"
    )

    assert sandbox.run(attack, read_only=True) == BadReply(
        "a request that may only read says that it has written"
    )
    assert names(sandbox) == b'["a"]'


def test_nothing_is_written_while_there_is_no_room(sandbox: Sandbox) -> None:
    """Reads go on; a write is refused before it runs, and its guest lives on. Then there is room again."""
    sandbox.run(INSERT, body={"n": "a"})
    guest = sandbox.guest()
    sandbox.runner.full = StorageFull(1024, whole=True)
    outcomes = sandbox.group([sandbox.job(INSERT, body={"n": "b"}), sandbox.job(NAMES, read_only=True)])

    assert outcomes[0] == StorageFull(1024, whole=True)
    assert statuses(outcomes[1:]) == [200]
    assert sandbox.guest() is guest
    sandbox.runner.full = None
    assert statuses([sandbox.run(INSERT, body={"n": "b"})]) == [201]
    assert names(sandbox) == b'["a","b"]'


def test_a_file_that_was_made_ready_for_nothing_is_put_back(sandbox: Sandbox) -> None:
    """Its one job is refused before it runs: the session is nobody's then, and its file may make room."""
    sandbox.run(INSERT, body={"n": "a"})
    sandbox.runner.let_go("s1")
    sandbox.runner.full = StorageFull(1024, whole=True)
    sandbox.run(INSERT, body={"n": "b"})

    assert "s1" not in sandbox.guests
    assert sandbox.keeper.call("reset", session="s1")


def test_sessions_take_turns(sandbox: Sandbox) -> None:
    """A session with many requests waits its turn like one with few; what a turn left comes first then."""
    queues = Queues()
    jobs = {name: [sandbox.job(INSERT) for _ in range(3)] for name in ("busy", "b", "c")}
    for name in ("busy", "busy", "busy", "b", "c"):
        queues.add(name, jobs[name].pop(0))
    turns = []
    while turn := queues.take(sandbox.runner):
        turns.append((turn[0], [job.id for job in turn[1]]))
        if len(turns) == 1:
            queues.give_back(*turn)

    assert [name for name, _ in turns] == ["busy", "b", "c", "busy", "busy", "busy"]
    assert [ids for name, ids in turns if name == "busy"] == [[1], [1], [2], [3]]


def test_an_index_appears_after_a_few_searches(sandbox: Sandbox) -> None:
    """Searches on a field of a large collection ask for an index, made between requests."""
    many = 'store.insert_many([{"n": "x", "k": i} for i in range(1200)])\nREPLY = make_response(201, 1)'
    sandbox.run(many)
    for _ in range(8):
        sandbox.run('REPLY = make_response(200, store.search({"k": 7}))', read_only=True)

    assert sandbox.runner.maintain()
    assert not sandbox.runner.maintain()
    after = sandbox.run('REPLY = make_response(200, store.search({"k": 7}))', read_only=True)
    assert isinstance(after, Completed)
    assert after.body == b'[{"id":8,"n":"x","k":7}]'


#: The clock of the guest's turns is the test's from here on, however quick the machine is: it stands still.
STOP_CLOCK = (
    BYPASS + "turns = load('sys').modules['guest.session']\nturns.test_time = 0.0\n"
    "turns.perf_counter = lambda turns=turns: turns.test_time\nREPLY = make_response(200, turns.TURN_SECONDS)"
)
#: Takes three fifths of a turn, by that clock; and more than all of it.
_PART, _WHOLE = (
    BYPASS
    + "turns = load('sys').modules['guest.session']\n"
    + f"turns.test_time += turns.TURN_SECONDS * {share}\n"
    for share in (0.6, 1.1)
)


def test_a_group_that_takes_long_makes_way(sandbox: Sandbox) -> None:
    """After its time is up it keeps what is done and gives the rest back, in order and without a trace."""
    assert isinstance(sandbox.run(STOP_CLOCK), Completed)
    jobs = [sandbox.job(_PART + INSERT, body={"n": name}) for name in "abcd"]
    left = sandbox.turn("s1", jobs)
    sandbox.settle()

    assert left == jobs[2:]
    assert len(sandbox.outcomes) == 1 + 2
    assert names(sandbox) == b'["a","b"]'


def test_a_group_within_its_time_is_run_whole(sandbox: Sandbox) -> None:
    """Where the clock stands still there is time for all."""
    assert isinstance(sandbox.run(STOP_CLOCK), Completed)
    assert sandbox.turn("s1", [sandbox.job(INSERT, body={"n": name}) for name in "abcd"]) == []
    sandbox.settle()
    assert names(sandbox) == b'["a","b","c","d"]'


def test_a_long_read_ends_the_turn_of_the_writes_before_it(sandbox: Sandbox) -> None:
    """The writes that a read has waited with are kept before the rest is given back."""
    assert isinstance(sandbox.run(STOP_CLOCK), Completed)
    jobs = [
        sandbox.job(INSERT, body={"n": "a"}),
        sandbox.job(_WHOLE + "REPLY = make_response(200, store.count())", read_only=True),
        sandbox.job(INSERT, body={"n": "b"}),
    ]
    left = sandbox.turn("s1", jobs)
    sandbox.settle()

    assert left == jobs[2:]
    assert statuses([sandbox.outcomes[job.id] for job in jobs[:2]]) == [201, 200]
    sandbox.guests.drop("s1")
    assert names(sandbox) == b'["a"]'

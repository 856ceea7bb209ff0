"""In the real guest: keys and preconditions hold with the transaction, alone and in groups."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from server.values.entity_tags import etag_of
from tests.sandbox import programs
from wasm_runtime.limits import GuestReuse, Limits
from wasm_runtime.outcome import BadReply, Completed, Outcome, OutOfFuel, Raised, StorageFull, Unmet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.conftest import Sandbox
    from wasm_runtime.runner import Job

INSERT = 'REPLY = make_response(201, store.insert(ctx["body_json"]))'
UPDATE = 'REPLY = make_response(200, store.update(params["id"], ctx["body_json"]))'
REPLACE = 'REPLY = make_response(200, store.replace(params["id"], ctx["body_json"]))'
COUNT = "REPLY = make_response(200, store.count())"


def conditioned(
    sandbox: Sandbox,
    code: str,
    asked: dict[str, Any],
    *,
    identifier: str | None = None,
    route: str = "/members",
    **request: Any,
) -> Job:
    document = json.loads(programs.document(code)) | {"identifier": identifier, "route": route}
    job = sandbox.job(code, **request)
    return evolve(
        job,
        plan_id=f"{job.plan_id}{identifier}{route}",
        document=json.dumps(document),
        request=f"?{json.dumps(asked)}\n{job.request}",
    )


def run(sandbox: Sandbox, code: str, asked: dict[str, Any], **request: Any) -> Outcome:
    (outcome,) = sandbox.group([conditioned(sandbox, code, asked, **request)])
    return outcome


def keyed(name: str, fingerprint: str = "f") -> dict[str, Any]:
    return {"key": name, "fingerprint": fingerprint}


def count(sandbox: Sandbox) -> int:
    outcome = sandbox.run(COUNT, read_only=True)
    assert isinstance(outcome, Completed)
    assert outcome.body is not None
    return int(outcome.body)


def tag(body: bytes | None) -> str:
    assert body is not None
    return etag_of(body, "application/json").strip('"')


@pytest.mark.parametrize("mode", ["session", "never"])
def test_a_retry_gets_the_first_answer(make_sandbox: Callable[..., Sandbox], mode: str) -> None:
    """The same status, headers and body; nothing runs, whichever guest and plan serve it."""
    sandbox = make_sandbox(reuse=GuestReuse(mode=mode, spare_guests=0))  # type: ignore[arg-type]
    first = run(
        sandbox,
        'REPLY = make_response(201, store.insert({"n": 1}), {"Location": "/members/1"})\nprint("ran")',
        keyed("a"),
    )
    again = run(sandbox, "1 / 0", keyed("a"))

    assert isinstance(first, Completed)
    assert isinstance(again, Completed)
    assert (first.replayed, again.replayed, first.stdout, again.stdout) == (False, True, "ran\n", "")
    for name in ("status", "headers", "body", "record", "committed"):
        assert getattr(first, name) == getattr(again, name)
    assert again.changed == 0
    assert count(sandbox) == 1


def test_another_request_under_the_key_is_refused(sandbox: Sandbox) -> None:
    """Nothing of it runs, and the first answer stays."""
    run(sandbox, INSERT, keyed("a"), body={"n": 1})

    assert run(sandbox, INSERT, keyed("a", "other"), body={"n": 2}) == Unmet("key-reused")
    assert count(sandbox) == 1
    assert isinstance(run(sandbox, INSERT, keyed("a"), body={"n": 1}), Completed)


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ('store.insert({})\nREPLY = make_response(409, "no")', Completed),
        ("store.insert({})\n1 / 0", Raised),
        ("store.insert({})\nREPLY = 1", BadReply),
        ("store.insert({})\nwhile True:\n    pass", OutOfFuel),
        ('store.insert({"pad": "x" * 3000000})\nREPLY = make_response(201, 1)', StorageFull),
    ],
)
def test_what_was_not_kept_is_tried_again(
    make_sandbox: Callable[..., Sandbox], code: str, ended: type[Outcome]
) -> None:
    """No effect, no answer: a retry is the first try."""
    sandbox = make_sandbox(Limits(fuel=500_000_000, session_disk_bytes=1024 * 1024))

    assert isinstance(run(sandbox, code, keyed("a")), ended)
    second = run(sandbox, INSERT, keyed("a"), body={"n": 1})
    assert isinstance(second, Completed)
    assert (second.status, second.replayed) == (201, False)


def test_a_kept_refusal_is_an_answer(sandbox: Sandbox) -> None:
    """`keep=True` commits what a 409 wrote, so a retry gets that 409."""
    code = 'store.insert({})\nREPLY = make_response(409, "no", keep=True)'
    run(sandbox, code, keyed("a"))
    again = run(sandbox, code, keyed("a"))

    assert isinstance(again, Completed)
    assert (again.status, again.body, again.replayed) == (409, b'"no"', True)
    assert count(sandbox) == 1


def test_a_plan_that_writes_nothing_is_answered_once_too(sandbox: Sandbox) -> None:
    """In a session that has no file yet: a token that was handed out is the same one for a retry."""
    code = "REPLY = make_response(200, new_token())"
    first, again = run(sandbox, code, keyed("a")), run(sandbox, code, keyed("a"))

    assert isinstance(first, Completed)
    assert isinstance(again, Completed)
    assert first.body == again.body
    assert count(sandbox) == 0


def test_retries_in_one_group(sandbox: Sandbox) -> None:
    """In one transaction, too: the first runs, the others get its answer, after the commit."""
    run(sandbox, INSERT, {}, body={"n": 0})
    jobs = [conditioned(sandbox, INSERT, keyed("a"), body={"n": 1}) for _ in range(8)]
    outcomes = [outcome for outcome in sandbox.group(jobs) if isinstance(outcome, Completed)]

    assert [outcome.replayed for outcome in outcomes] == [False] + [True] * 7
    assert {outcome.body for outcome in outcomes} == {b'{"id":2,"n":1}'}
    assert count(sandbox) == 2


def test_a_group_that_is_undone_keeps_no_answer(make_sandbox: Callable[..., Sandbox]) -> None:
    """A trap rolls the group back; the others run again, each key once."""
    sandbox = make_sandbox(Limits(fuel=500_000_000))
    jobs = [
        conditioned(sandbox, INSERT, keyed("a"), body={"n": 1}),
        sandbox.job("while True:\n    pass"),
        conditioned(sandbox, INSERT, keyed("a"), body={"n": 1}),
    ]
    first, trap, again = sandbox.group(jobs)

    assert isinstance(trap, OutOfFuel)
    assert isinstance(first, Completed)
    assert isinstance(again, Completed)
    assert (first.replayed, again.replayed) == (False, True)
    assert count(sandbox) == 1


def test_a_full_log_refuses_the_next_key_alone(make_sandbox: Callable[..., Sandbox]) -> None:
    """At its limit a request with a key is undone; one without a key, and a retry, are served."""
    sandbox = make_sandbox(Limits(idempotency_bytes=1_000))
    outcomes = [run(sandbox, INSERT, keyed(f"k{n}"), body={"n": n}) for n in range(4)]

    assert [type(outcome) for outcome in outcomes] == [Completed] * 3 + [Unmet]
    assert outcomes[3] == Unmet("answers-full")
    assert count(sandbox) == 3
    assert isinstance(run(sandbox, INSERT, keyed("k0"), body={"n": 0}), Completed)
    assert isinstance(sandbox.run(INSERT, body={"n": 9}), Completed)


def test_what_a_write_returns_is_what_is_read_next(sandbox: Sandbox) -> None:
    """Insert, change, replace and a change that changes nothing: each reply is the record as it is stored."""
    read = 'REPLY = make_response(200, store.get(params["id"]))'
    looked_into = INSERT + '\nx = REPLY["body"]["id"]'
    for code, body in [
        (looked_into, {"n": 1.50, "t": "\u00e9", "o": {"a": [1, None]}}),
        (UPDATE, {"n": 2}),
        (UPDATE, {"n": 2}),
        (REPLACE, {"m": 1}),
    ]:
        written = sandbox.run(code, params={"id": 1}, body=body)
        found = sandbox.run(read, params={"id": 1}, read_only=True)
        assert isinstance(written, Completed)
        assert isinstance(found, Completed)
        assert written.record
        assert written.body == found.body


@pytest.mark.parametrize(
    "code",
    [
        'store.insert({})\nREPLY = make_response(200, {"done": True})',
        'REPLY = make_response(201, {**store.insert({}), "more": 1})',
        "REPLY = make_response(201, store.insert_many([{}, {}]))",
        "store.insert({})\nREPLY = make_response(204)",
    ],
)
def test_other_replies_are_no_records(sandbox: Sandbox, code: str) -> None:
    """A body that is not the stored record has not the record's tag."""
    outcome = sandbox.run(code)
    assert isinstance(outcome, Completed)
    assert not outcome.record


@pytest.mark.parametrize(
    ("asked", "id_", "expected"),
    [
        ({"match": ["TAG"]}, 1, "runs"),
        ({"match": ["x", "TAG"]}, 1, "runs"),
        ({"match": ["*"]}, 1, "runs"),
        ({"match": ["x"]}, 1, "if-match"),
        ({"match": []}, 1, "if-match"),
        ({"match": ["*"]}, 2, "if-match"),
        ({"match": ["TAG"]}, 2, "if-match"),
        ({"none_match": ["*"]}, 1, "if-none-match"),
        ({"none_match": ["TAG"]}, 1, "if-none-match"),
        ({"none_match": ["x"]}, 1, "runs"),
        ({"none_match": ["*"]}, 2, "runs"),
        ({"none_match": ["TAG"]}, 2, "runs"),
        ({"match": ["x"], "none_match": ["*"]}, 1, "if-match"),
        ({"match": ["TAG"], "none_match": ["*"]}, 1, "if-none-match"),
        ({"match": ["*"]}, None, "runs"),
        ({"match": ["TAG"]}, None, "if-match"),
        ({"none_match": ["*"]}, None, "if-none-match"),
        ({"none_match": ["x"]}, None, "if-none-match"),
    ],
)
def test_preconditions(sandbox: Sandbox, asked: dict[str, Any], id_: int | None, expected: str) -> None:
    """On the record that is there (1), on one that is not (2), and where the plan names none."""
    made = sandbox.run(INSERT, body={"n": 1})
    assert isinstance(made, Completed)
    asked = {
        name: [tag(made.body) if each == "TAG" else each for each in tags] for name, tags in asked.items()
    }
    identifier = None if id_ is None else "{id}"
    outcome = run(sandbox, INSERT, asked, identifier=identifier, params={"id": id_}, body={"n": 2})

    assert outcome == Unmet(expected) if expected != "runs" else isinstance(outcome, Completed)  # type: ignore[arg-type]
    assert count(sandbox) == (2 if expected == "runs" else 1)


@pytest.mark.parametrize(
    ("route", "identifier", "params", "expected"),
    [
        ("/members/{id:int}", None, {"id": 1}, "runs"),
        ("/members/{id:int}", None, {"id": 2}, "if-match"),
        ("/members/{member_id:int}/cancel", "{member_id}", {"member_id": 1}, "runs"),
        ("/members/{member_id:int}/cancel", None, {"member_id": 1}, "if-match"),
        ("/members/{slug}", None, {"slug": "al"}, "runs"),
        ("/members/{slug}", "{slug}", {"slug": "al"}, "runs"),
        ("/members/{slug}", None, {"slug": "bo"}, "if-match"),
        ("/members/{slug}", None, {"slug": "twice"}, "if-match"),
        ("/members/{a__b}", None, {"a__b": "al"}, "if-match"),
    ],
)
def test_which_record_a_plan_is_about(
    sandbox: Sandbox, route: str, identifier: str | None, params: dict[str, Any], expected: str
) -> None:
    """The identifier's, else the last slot's of the route: by its id, or by the field of the slot's name."""
    made = sandbox.run(INSERT, body={"slug": "al"})
    for id_ in (8, 9):
        sandbox.run(INSERT, body={"id": id_, "slug": "twice"})
    assert isinstance(made, Completed)
    outcome = run(
        sandbox, COUNT, {"match": [tag(made.body)]}, identifier=identifier, route=route, params=params
    )

    assert outcome == Unmet("if-match") if expected == "if-match" else isinstance(outcome, Completed)


def test_the_first_of_a_group_wins(sandbox: Sandbox) -> None:
    """Requests with the same tag in one transaction: one is done, the others see what it has done."""
    made = sandbox.run(INSERT, body={"n": 1})
    assert isinstance(made, Completed)
    asked = {"match": [tag(made.body)]}

    def job(n: int, asked: dict[str, Any]) -> Job:
        return conditioned(sandbox, UPDATE, asked, identifier="{id}", params={"id": 1}, body={"n": n})

    sandbox.group([job(1, asked)])
    outcomes = sandbox.group([job(n, asked) for n in range(2, 10)])

    assert isinstance(outcomes[0], Completed)
    assert outcomes[1:] == [Unmet("if-match")] * 7
    after = sandbox.run('REPLY = make_response(200, store.get(1)["n"])', read_only=True)
    assert isinstance(after, Completed)
    assert after.body == b"2"


def test_a_retry_is_known_before_its_condition_fails(sandbox: Sandbox) -> None:
    """The first try has changed the record's tag; its retry gets its answer, not 412."""
    made = sandbox.run(INSERT, body={"n": 1})
    assert isinstance(made, Completed)
    asked = {**keyed("a"), "match": [tag(made.body)]}
    request: dict[str, Any] = {"identifier": "{id}", "params": {"id": 1}, "body": {"n": 2}}
    first, again = (run(sandbox, UPDATE, asked, **request) for _ in range(2))

    assert isinstance(first, Completed)
    assert isinstance(again, Completed)
    assert (first.body, again.replayed) == (again.body, True)
    assert run(sandbox, UPDATE, {"match": asked["match"]}, **request) == Unmet("if-match")

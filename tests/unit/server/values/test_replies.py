from __future__ import annotations

from typing import Any

import orjson
import pytest

from server.values import errors
from server.values.replies import PROBLEM, error_reply, problem_reply, reply_to
from tests.fakes import completed
from wasm_runtime import outcome as outcomes
from wasm_runtime.outcome import Outcome, Raised


def test_a_completed_run_is_its_own_reply() -> None:
    """Status, headers and bytes go out as the plan meant them."""
    reply = reply_to(completed({"id": 1}, status=201, headers=(("Location", "/members/1"),)), "r1")

    assert (reply.status, reply.headers) == (201, (("Location", "/members/1"),))
    assert (reply.body, reply.media_type) == (b'{"id":1}', "application/json")


def test_an_error_of_a_plan_with_a_dict_is_sent_as_it_is() -> None:
    """A plan may have its own error format."""
    reply = reply_to(completed({"errors": ["taken"]}, status=409), "r1")

    assert (reply.body, reply.media_type) == (b'{"errors":["taken"]}', "application/json")


@pytest.mark.parametrize(
    ("outcome", "title", "detail"),
    [
        (completed("No member 7.", status=404, headers=(("Allow", "GET"),)), "Not Found", "No member 7."),
        (completed(None, status=409), "Conflict", "Conflict"),
        (completed("odd", status=599), "Status 599", "odd"),
        (Raised("request", "KeyError", 3, 422, "name is missing"), "Unprocessable Entity", "name is missing"),
        (Raised("store", "DuplicateId", 1, 409, "id 1 exists"), "Conflict", "id 1 exists"),
    ],
)
def test_an_error_that_is_a_text_becomes_a_problem(outcome: Any, title: str, detail: str) -> None:
    """Compared whole: RFC 9457 with `error` beside `detail`; headers stay."""
    reply = reply_to(outcome, "r1")

    assert reply.media_type == PROBLEM
    assert reply.status == outcome.status
    assert reply.headers == getattr(outcome, "headers", ())
    assert orjson.loads(reply.body or b"") == {
        "type": "about:blank",
        "title": title,
        "status": outcome.status,
        "detail": detail,
        "error": detail,
        "request_id": "r1",
    }


@pytest.mark.parametrize(
    ("outcome", "status", "slug", "members"),
    [
        (
            Raised("plan", "ZeroDivisionError", 4, 500, ""),
            500,
            "plan-failed",
            {"error_type": "ZeroDivisionError", "line": 4},
        ),
        (Raised("plan", "<b>", 1, 500, ""), 500, "plan-failed", {"error_type": "Exception", "line": 1}),
        (outcomes.Unmet("if-match"), 412, "precondition-failed", {"header": "if-match"}),
        (outcomes.Unmet("if-none-match"), 412, "precondition-failed", {"header": "if-none-match"}),
        (outcomes.Unmet("key-reused"), 422, "idempotency-key-reused", {}),
        (outcomes.Unmet("answers-full"), 507, "idempotency-full", {}),
        (outcomes.OutOfFuel(5), 504, "out-of-fuel", {"limit": 5}),
        (outcomes.OutOfTime(8_000, killed=True), 504, "out-of-time", {"limit": 8_000}),
        (outcomes.OutOfMemory(9), 500, "out-of-memory", {"limit": 9}),
        (outcomes.StackExhausted(), 500, "stack-exhausted", {}),
        (outcomes.OutputTooLarge(7, 6), 422, "reply-too-large", {"size": 7, "limit": 6, "hint": "limit="}),
        (outcomes.BadReply("no status"), 500, "bad-reply", {}),
        (outcomes.StorageFull(3), 507, "storage-full", {"limit": 3}),
        (outcomes.SessionDamaged("page 7 of /data/x"), 500, "session-damaged", {}),
        (outcomes.GuestFailed("trap at 0x1"), 500, "guest-failed", {}),
        (outcomes.StorageFailed("EIO of /data/x"), 503, "storage-failed", {}),
        (outcomes.NotConfirmed("EIO of /data/x"), 503, "not-confirmed", {}),
        (outcomes.WorkerLost(), 503, "worker-lost", {}),
        (outcomes.WorkerLost(written=False), 503, "worker-lost", {}),
        (outcomes.WorkerLost(written=True), 503, "worker-lost", {}),
        (outcomes.Overloaded("too many requests wait"), 503, "overloaded", {}),
    ],
)
def test_every_other_ending_is_an_error_of_its_own(
    outcome: Outcome, status: int, slug: str, members: dict[str, Any]
) -> None:
    """The table outcome -> problem; 503 says when to come back, and no inner reason gets out (T23)."""
    with pytest.raises(errors.ServiceError) as caught:
        reply_to(outcome, "r1")
    error = caught.value

    assert (error.status, error.slug, error.members) == (status, slug, members)
    assert error.headers == ({"Retry-After": "1"} if status == 503 else {})
    assert "/data/x" not in error.detail
    assert "0x1" not in error.detail


def test_an_error_of_ours_is_a_problem_with_a_type() -> None:
    """Compared whole."""
    reply = error_reply(errors.OutOfFuel("Too much.", limit=5, headers={"X-A": "b"}), "r1")

    assert (reply.status, reply.headers, reply.media_type) == (504, (("X-A", "b"),), PROBLEM)
    assert orjson.loads(reply.body or b"") == {
        "type": "/_meta/problems/out-of-fuel",
        "title": "The plan ran out of fuel",
        "status": 504,
        "detail": "Too much.",
        "error": "Too much.",
        "request_id": "r1",
        "limit": 5,
    }


def test_a_problem_without_words_says_its_phrase() -> None:
    """There is always a detail to show."""
    assert orjson.loads(problem_reply(418, "", "r1").body or b"")["detail"] == "I'm a Teapot"

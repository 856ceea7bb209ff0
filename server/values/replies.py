"""Replies that are not a plan's own words: problem documents, and what each outcome of a run means."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

import orjson

from server.values import errors
from server.values.model import Reply
from wasm_runtime import outcome as outcomes
from wasm_runtime.outcome import Completed, Raised

if TYPE_CHECKING:
    from server.values.errors import ServiceError
    from wasm_runtime.outcome import Outcome

PROBLEM = "application/problem+json"
_LOST = {
    None: "The worker was lost with this request under way; whether it was written is not known.",
    False: "The worker was lost with this request under way; nothing was written.",
    True: "The worker was lost with this request under way; it was written, and its answer is lost.",
}
_FULL = "The session has used its {} bytes of storage."
_DISK_FULL = "The service's disk is full; it only answers reads."
_ALL_FULL = "All sessions together have used the service's {} bytes of storage; it only answers reads."
_STORAGE = "The disk failed under the session's file; nothing was written."
_UNCONFIRMED = "The commit did not come to its end; whether the request was written is not known."
_DAMAGED = "The session's data is damaged; it is kept for the operator to salvage."
_TOO_NEW = "The session's data was written by a later version of the service."
_TYPE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


#: The outcomes without a reply or an exception of the plan in them.
Ended: TypeAlias = (
    outcomes.Unmet
    | outcomes.OutOfFuel
    | outcomes.OutOfTime
    | outcomes.OutOfMemory
    | outcomes.StackExhausted
    | outcomes.BadReply
    | outcomes.BreaksContract
    | outcomes.StorageFull
    | outcomes.StorageFailed
    | outcomes.NotConfirmed
    | outcomes.SessionDamaged
    | outcomes.GuestFailed
    | outcomes.WorkerLost
    | outcomes.Overloaded
)


def error_reply(error: ServiceError, request_id: str) -> Reply:
    """The RFC 9457 problem document of an error of ours."""
    body = orjson.dumps(error.problem(request_id))
    return Reply(error.status, tuple(error.headers.items()), body, PROBLEM)


def problem_reply(
    status: int, detail: str, request_id: str, headers: tuple[tuple[str, str], ...] = ()
) -> Reply:
    """A problem without a type of its own."""
    return Reply(status, headers, orjson.dumps(problem_document(status, detail, request_id)), PROBLEM)


def problem_document(status: int, detail: str, request_id: str) -> dict[str, Any]:
    """A problem without a type of its own: RFC 9457 §4.2.1 asks for the status phrase as its title."""
    title = phrase(status)
    return {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail or title,
        "error": detail or title,
        "request_id": request_id,
    }


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def reply_to(outcome: Outcome, request_id: str, *, writes: bool = False) -> Reply:
    """What the client is told about a run. Raises the ServiceError that the outcome means."""
    match outcome:
        case Completed():
            return _completed(outcome, request_id)
        case Raised(blame="store", errors=[_, *_]):
            where = [{"pointer": pointer, "detail": reason} for pointer, reason in outcome.errors]
            raise errors.TypeMismatch(outcome.detail, errors=where)
        case Raised(blame="request" | "store"):
            return problem_reply(outcome.status, outcome.detail, request_id)
        case Raised():
            raise _plan_failed(outcome)
        case outcomes.OutputTooLarge(size, limit):
            raise _too_large(size, limit, writes=writes)
        case _:
            raise _error(outcome)


def _completed(outcome: Completed, request_id: str) -> Reply:
    """The plan's reply; from 400 on, a body that is a text (or missing) becomes a problem document."""
    body, headers = outcome.body, outcome.headers
    if outcome.replayed:
        headers = (*headers, ("Idempotent-Replayed", "true"))
    if outcome.status >= 400 and (body is None or body.startswith(b'"')):
        detail: str = "" if body is None else orjson.loads(body)
        return problem_reply(outcome.status, detail, request_id, headers)
    return Reply(outcome.status, headers, body, record=outcome.record)


def _plan_failed(raised: Raised) -> ServiceError:
    """Where it failed, never what the exception said (T23)."""
    error_type = raised.error_type if _TYPE_NAME.fullmatch(raised.error_type) else "Exception"
    detail = f"The plan's code raised {error_type} in line {raised.line}."
    return errors.PlanFailed(detail, error_type=error_type, line=raised.line)


def _error(outcome: Ended) -> ServiceError:  # noqa: C901, PLR0912 - the table outcome -> error, a case a row
    """Reasons that come from the guest's machinery or from the disk stay in the log."""
    match outcome:
        case outcomes.Unmet(reason):
            return _unmet(reason)
        case outcomes.OutOfFuel(limit):
            return errors.OutOfFuel(f"The plan used up its {limit} units of fuel.", limit=limit)
        case outcomes.OutOfTime(limit):
            return errors.OutOfTime(f"The plan did not end within {limit} ms.", limit=limit)
        case outcomes.OutOfMemory(limit):
            return errors.OutOfMemory(f"The plan needed more than {limit} bytes of memory.", limit=limit)
        case outcomes.StackExhausted():
            return errors.StackExhausted("The plan's data or calls nested too deeply.")
        case outcomes.BadReply(reason):
            return errors.BadReply(f"The plan's reply was refused: {reason}.")
        case outcomes.BreaksContract(status, violations):
            return _breaks_contract(status, violations)
        case outcomes.StorageFull(0, False):
            return errors.StorageFull(_DISK_FULL, limit="disk")
        case outcomes.StorageFull(limit, whole):
            return errors.StorageFull((_ALL_FULL if whole else _FULL).format(limit), limit=limit)
        case outcomes.StorageFailed():
            return errors.StorageFailed(_STORAGE, headers={"Retry-After": "1"})
        case outcomes.NotConfirmed():
            return errors.NotConfirmed(_UNCONFIRMED, headers={"Retry-After": "1"})
        case outcomes.SessionDamaged(_, too_new):
            return errors.SessionDamaged(_TOO_NEW if too_new else _DAMAGED)
        case outcomes.GuestFailed():
            return errors.GuestFailed("The sandbox ended unexpectedly; nothing was written.")
        case outcomes.WorkerLost(written):
            return errors.WorkerLost(_LOST[written], headers={"Retry-After": "1"})
        case outcomes.Overloaded(reason):
            return errors.Overloaded(f"The request was not started: {reason}.", headers={"Retry-After": "1"})
        case _:
            assert_never(outcome)


def _breaks_contract(status: int, violations: tuple[tuple[str, str, str], ...]) -> ServiceError:
    where = [
        {"pointer": pointer, "keyword": keyword, "detail": detail} for pointer, keyword, detail in violations
    ]
    return errors.ContractBroken(
        f"The reply ({status}) is none that the contract has; nothing was written.", errors=where
    )


def _too_large(size: int, limit: int, *, writes: bool) -> ServiceError:
    """A list can be asked for in pages; of what was written no body need come back."""
    hint = "Prefer: return=minimal" if writes else "limit="
    remedy = f"ask for none with {hint}" if writes else f"ask for less with {hint}"
    detail = f"The reply has {size} bytes, and {limit} are allowed; {remedy}."
    return errors.ReplyTooLarge(detail, size=size, limit=limit, hint=hint)


def _unmet(reason: outcomes.Precondition) -> ServiceError:
    match reason:
        case "if-match":
            detail = "What is stored here has no tag that If-Match lists; it was changed, or is not there."
            return errors.PreconditionFailed(detail, header=reason)
        case "if-none-match":
            detail = "There is something here that If-None-Match rules out."
            return errors.PreconditionFailed(detail, header=reason)
        case "key-reused":
            return errors.KeyReused(
                "This Idempotency-Key came with another body or query before; use a new one."
            )
        case "answers-full":
            return errors.AnswersFull("The session has no room to keep another answer for retries.")
        case _:
            assert_never(reason)

"""From what an HTTP call ended in to the error of ours it is, in words that may stand in a log.

Of an answer only its status, its wait and its error code (when it is one of those we know) get into a
`Failure`'s reason: a message may quote the prompt or the key. The message itself is kept in `complaint`, to
find out what the server does not know (see dialect), and goes no further.
"""

from __future__ import annotations

import math
import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2
from attrs import field, frozen

from server.planning.providers.base import AnswerUnusable, ProviderDeadline, ProviderDown, ProviderError
from server.planning.providers.causes import EVERYONES, PASSING, STATUS_OF_CODE, Cause, cause_of
from server.planning.providers.complaint import Complaint, complaint_in, complaint_of
from server.planning.providers.connection import AnswerRefused, NotAllowed

LONGEST_RETRY_AFTER_SECONDS: Final = 3_600.0

_KNOWN_CODES: Final = (
    # https://platform.openai.com/docs/guides/error-codes
    frozenset({"insufficient_quota", "invalid_api_key", "model_not_found", "rate_limit_exceeded"})
    | {"context_length_exceeded", "unsupported_parameter", "unsupported_value", "content_filter"}
    # https://platform.claude.com/docs/en/api/errors
    | {"authentication_error", "permission_error", "not_found_error", "billing_error", "rate_limit_error"}
    | {"overloaded_error", "api_error", "request_too_large", "timeout_error"}
    # llama.cpp, LiteLLM, Groq, Azure, Google
    | {"exceed_context_size_error", "unavailable_error", "no_db_connection", "json_validate_failed"}
    | {"model_decommissioned", "deploymentnotfound", "resource_exhausted", "unavailable"}
    # Last, as they say least.
    | {"invalid_request_error", "server_error", "invalid_argument"}
)
_SAYING_LITTLE: Final = frozenset({"invalid_request_error", "server_error", "invalid_argument", "api_error"})
#: In the order in which they are believed. LiteLLM hands on what the provider behind it has asked for.
_WAITS: Final = (
    ("retry-after-ms", 1_000.0),
    ("retry-after", 1.0),
    ("llm_provider-retry-after-ms", 1_000.0),
    ("llm_provider-retry-after", 1.0),
)
_HARDLY_PASSING: Final = frozenset({Cause.KEY, Cause.UNPAID, Cause.MODEL, Cause.CONTEXT, Cause.OUTPUT})
#: The server found that the model's JSON is none: another try may be better, and it is the model's doing.
_MODEL_FAILED: Final = frozenset({"json_validate_failed", "tool_use_failed"})


@frozen
class Failure:
    """A call without an answer to read. `retry`: the same call may succeed in a while.

    `everyones`: it would be so whatever is asked, as far as can be told. `answer` is what the model wrote,
    where it is to blame; `tokens` were spent, `output_tokens` of them by the model.
    """

    kind: type[ProviderDown | ProviderDeadline | AnswerUnusable]
    reason: str
    retry: bool = False
    retry_after: float | None = None
    status: int = 0
    complaint: Complaint = field(factory=Complaint, repr=False)
    cause: Cause = Cause.FAILED
    everyones: bool = False
    answer: str = field(default="", repr=False)
    tokens: int = 0
    output_tokens: int = 0

    @property
    def said(self) -> str:
        return self.complaint.said

    def error(self, *, calls: int, tokens: int = 0, output_tokens: int = 0) -> ProviderError:
        spent: dict[str, Any] = {"calls": calls, "tokens": tokens, "output_tokens": output_tokens}
        if issubclass(self.kind, AnswerUnusable):
            return self.kind(self.reason, answer=self.answer, **spent)
        return self.kind(
            self.reason,
            retry_after=self.retry_after,
            cause=self.cause.value,
            everyones=self.everyones,
            **spent,
        )


def down(cause: Cause, *, retry: bool = False, detail: str = "", everyones: bool = False) -> Failure:
    """The failure that a cause is which no status says."""
    reason = f"{cause.words} ({detail})" if detail else cause.words
    return Failure(ProviderDown, reason, retry=retry, cause=cause, everyones=everyones)


def of_status(response: httpx2.Response) -> Failure:
    """The failure that an answer other than 2xx is."""
    complaint = complaint_in(response.content)
    waits = [_wait(response.headers.get(name, ""), unit) for name, unit in _WAITS]
    wait = next((each for each in waits if each is not None), None)
    return _failure(response.status_code, complaint, wait)


def of_document(document: Any) -> Failure:
    """The failure that a body is which says that it is an error, whatever status it came with."""
    complaint = complaint_of(document)
    named = (status for code, status in STATUS_OF_CODE.items() if code in complaint.codes)
    status = complaint.status or next(named, None)
    if status is None:
        # Words alone: what they do not name may be anything, and may pass.
        status = 502 if cause_of(400, complaint).cause is Cause.REFUSED else 400
    return _failure(status, complaint, None)


def of_connection(cause: BaseException | None) -> Failure:
    """The failure that a call is which ended without a whole answer."""
    match cause:
        case AnswerRefused():
            return Failure(ProviderDown, str(cause), cause=Cause.TOO_LONG)
        case NotAllowed():
            return Failure(ProviderDown, str(cause), cause=Cause.NOT_ALLOWED, everyones=True)
        case httpx2.TimeoutException() if not isinstance(cause, httpx2.ConnectTimeout):
            return Failure(ProviderDeadline, Cause.LATE.words, cause=Cause.LATE)
        case _:
            # A connection that broke within an answer may have been broken by what was asked.
            reached = not isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
            return down(Cause.UNREACHABLE, retry=True, detail=_how(cause), everyones=not reached)


def _how(cause: BaseException | None) -> str:
    """What ended a connection, in words of ours: the exception's own may name what was sent, or where."""
    text = str(cause).lower()
    if "certificate" in text:
        return "its certificate is not trusted here"
    if any(words in text for words in ("name or service", "name resolution", "getaddrinfo", "no address")):
        return "its host's name is not known here"
    return type(cause).__name__


def _failure(status: int, complaint: Complaint, wait: float | None) -> Failure:
    if status < 500 and complaint.codes & _MODEL_FAILED:
        reason = f"the model's JSON is none (status {status}{_code(complaint)})"
        return Failure(
            AnswerUnusable,
            reason,
            retry=True,
            status=status,
            complaint=complaint,
            cause=Cause.ANSWER,
            answer=complaint.failed,
        )
    found = cause_of(status, complaint)
    passing = status >= 500 or status in PASSING
    return Failure(
        ProviderDown,
        f"{found.cause.words} (status {status}{_code(complaint)})",
        retry=passing and found.cause not in _HARDLY_PASSING,
        retry_after=_bounded(complaint.wait) if wait is None else wait,
        status=status,
        complaint=complaint,
        cause=found.cause,
        everyones=found.sure and found.cause in EVERYONES,
    )


def _code(complaint: Complaint) -> str:
    known = sorted(complaint.codes & _KNOWN_CODES, key=lambda code: (code in _SAYING_LITTLE, code))
    return f", {known[0]}" if known else ""


def _wait(text: str, unit: float) -> float | None:
    """Seconds out of Retry-After (RFC 9110 §10.2.3: seconds or a date) or its kin, at most an hour."""
    text = text.strip()
    number = _number(text) if text[:1].isdigit() else _until(text)
    return _bounded(None if number is None else number / unit)


def _bounded(seconds: float | None) -> float | None:
    if seconds is None or not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _until(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None

"""From what an HTTP call ended in to the error of ours it is, in words that may stand in a log.

Of an answer only its status, its Retry-After and its error code (when it is one of those we know) get into
a `Failure`'s reason: a message may quote the prompt or the key. The message itself is kept in `said`, to find
out what the server does not know (see dialect), and goes no further.
"""

from __future__ import annotations

import math
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import httpx2
import orjson
from attrs import frozen

from server.planning.providers.base import AnswerUnusable, ProviderDeadline, ProviderDown, ProviderError
from server.planning.providers.connection import AnswerRefused, NotAllowed

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_RETRY_AFTER_SECONDS: Final = 3_600.0

_MAX_SAID: Final = 2_000
_MAX_DEPTH: Final = 6
#: Where servers say what is wrong; `input` of pydantic's errors is left out, as it quotes the request.
_SAYING: Final = frozenset({"error", "message", "msg", "detail", "param", "loc", "code", "type", "object"})
_QUOTED_INPUT: Final = re.compile(r"""['"]input['"]\s*:.*""", re.DOTALL)
_KNOWN_CODES: Final = frozenset(
    # https://platform.openai.com/docs/guides/error-codes
    {"insufficient_quota", "invalid_api_key", "model_not_found", "rate_limit_exceeded", "server_error"}
    | {"context_length_exceeded", "invalid_request_error", "unsupported_parameter", "unsupported_value"}
    # https://platform.claude.com/docs/en/api/errors
    | {"authentication_error", "permission_error", "not_found_error", "billing_error", "rate_limit_error"}
    | {"overloaded_error", "api_error", "request_too_large", "timeout_error"}
)


@frozen
class Failure:
    """A call without an answer to read. `retry`: the same call may succeed in a while."""

    kind: type[ProviderDown | ProviderDeadline | AnswerUnusable]
    reason: str
    retry: bool = False
    retry_after: float | None = None
    status: int = 0
    said: str = ""

    def error(self, *, calls: int, tokens: int = 0) -> ProviderError:
        if issubclass(self.kind, AnswerUnusable):
            return self.kind(self.reason, calls=calls, tokens=tokens)
        return self.kind(self.reason, retry_after=self.retry_after, calls=calls, tokens=tokens)


def of_status(response: httpx2.Response) -> Failure:
    """The failure that an answer other than 2xx is."""
    status, message = response.status_code, _said(response.content)
    reason = f"{_meaning(status)} (status {status}{_code(message)})"
    wait = _retry_after(response.headers)
    if status in {401, 402, 403} or 300 <= status < 400:
        return Failure(ProviderDown, reason, status=status)
    if status in {408, 429} or status >= 500:
        return Failure(ProviderDown, reason, retry=True, retry_after=wait, status=status, said=message)
    return Failure(AnswerUnusable, reason, status=status, said=message)


def of_connection(cause: BaseException | None) -> Failure:
    """The failure that a call is which ended without a whole answer."""
    match cause:
        case AnswerRefused() if cause.status < 500:
            return Failure(AnswerUnusable, str(cause))
        case NotAllowed() | AnswerRefused():
            return Failure(ProviderDown, str(cause))
        case httpx2.TimeoutException() if not isinstance(cause, httpx2.ConnectTimeout):
            return Failure(ProviderDeadline, "no answer within the deadline")
        case _:
            return Failure(ProviderDown, f"the connection failed ({type(cause).__name__})", retry=True)


def _meaning(status: int) -> str:
    match status:
        case 401 | 403:
            return "the provider does not accept the key"
        case 402:
            return "the provider wants to be paid"
        case 429:
            return "the provider limits our rate"
        case _ if 300 <= status < 400:
            return "the provider redirects, which is not followed"
        case _ if status >= 500 or status == 408:
            return "the provider failed"
        case _:
            return "the provider refuses the request"


def _code(message: str) -> str:
    known = [word for word in re.findall(r"\w+", message) if word in _KNOWN_CODES]
    return f", {known[-1]}" if known else ""


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds out of Retry-After (RFC 9110 §10.2.3: seconds or a date), at most an hour."""
    text = headers.get("retry-after", "").strip()
    seconds = _number(text) if text[:1].isdigit() else _until(text)
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


def _said(body: bytes) -> str:
    """The messages in an error's body; empty when it is not JSON."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    said = " ".join(_QUOTED_INPUT.sub("", text) for text in _messages(document, _MAX_DEPTH))
    return said[:_MAX_SAID].lower()


def _messages(value: Any, depth: int) -> Iterator[str]:
    match value:
        case str():
            yield value[:_MAX_SAID]
        case list() if depth:
            for item in value[:16]:
                yield from _messages(item, depth - 1)
        case dict() if depth:
            for name in _SAYING.intersection(value):
                yield from _messages(value[name], depth - 1)
        case _:
            return

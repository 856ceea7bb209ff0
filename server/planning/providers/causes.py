"""Why a provider did not serve a call: one of a few causes, each with words that may stand in a log.

Only what a model wrote can be a bad plan. All that is told apart here is the doing of a server, a key, an
address, a context or a network: the client gets 503 (504 when it is late), and nothing is remembered.

A code decides, then the status, then the server's words. Words may quote the request, so a cause that was
found by them is `sure` of nothing: it names the failure, and keeps no one else from the provider.
"""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from server.planning.providers.complaint import Complaint


class Cause(enum.Enum):
    """The value is the cause's name in the log."""

    KEY = "key"
    UNPAID = "unpaid"
    MODEL = "model"
    PATH = "path"
    CONTEXT = "context"
    OUTPUT = "output"
    RATE = "rate"
    NO_DEPLOYMENT = "no-deployment"
    FILTER = "filter"
    REDIRECT = "redirect"
    REFUSED = "refused"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    NOT_ALLOWED = "not-allowed"
    TOO_LONG = "too-long"
    PROTOCOL = "protocol"
    EMPTY = "empty"
    LATE = "late"
    #: The model's doing, not the provider's.
    ANSWER = "answer"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS: Final = {
    Cause.KEY: "the provider does not accept the key",
    Cause.UNPAID: "the provider wants to be paid",
    Cause.MODEL: "the provider does not know the model that the settings name",
    Cause.PATH: "the provider has no such page: the path in base_url is wrong",
    Cause.CONTEXT: "the prompt and planner.max_output_tokens do not fit into the model's context",
    Cause.OUTPUT: "planner.max_output_tokens is more than the model may write",
    Cause.RATE: "the provider limits our rate",
    Cause.NO_DEPLOYMENT: "the gateway has nobody left to ask: its own log says why",
    Cause.FILTER: "a filter of the provider stopped it",
    Cause.REDIRECT: "the provider redirects, which is not followed",
    Cause.REFUSED: "the provider refuses the request",
    Cause.FAILED: "the provider failed",
    Cause.UNREACHABLE: "the connection failed",
    Cause.NOT_ALLOWED: "the settings do not allow the provider's address",
    Cause.TOO_LONG: "the answer is too long, or compressed",
    Cause.PROTOCOL: "the answer is not of the provider's protocol",
    Cause.EMPTY: "the answer is empty",
    Cause.LATE: "no answer within the deadline",
    Cause.ANSWER: "the model's answer is no plan",
}

#: Causes that would be the same for every request, when it is sure that they are the causes.
EVERYONES: Final = frozenset(
    {Cause.KEY, Cause.UNPAID, Cause.MODEL, Cause.PATH, Cause.RATE, Cause.NO_DEPLOYMENT, Cause.REDIRECT}
    | {Cause.FAILED, Cause.UNREACHABLE, Cause.NOT_ALLOWED, Cause.PROTOCOL}
)

#: Words of the servers' own, in `code`, `type`, `status` or `reason`.
_BY_CODE: Final[dict[str, Cause]] = {
    **dict.fromkeys(
        (
            *("invalid_api_key", "authentication_error", "no_db_connection", "auth_error", "api_key_invalid"),
            *("permission_error", "unauthenticated", "permission_denied", "incorrect_api_key"),
        ),
        Cause.KEY,
    ),
    **dict.fromkeys(("insufficient_quota", "billing_error", "budget_exceeded"), Cause.UNPAID),
    **dict.fromkeys(
        ("model_not_found", "invalid_model", "deploymentnotfound", "model_decommissioned", "modelnotfound"),
        Cause.MODEL,
    ),
    **dict.fromkeys(
        (
            *("context_length_exceeded", "exceed_context_size_error", "context_exceeded"),
            *("request_too_large", "contextwindowexceedederror", "string_above_max_length"),
        ),
        Cause.CONTEXT,
    ),
    **dict.fromkeys(
        (
            "content_filter",
            "responsibleaipolicyviolation",
            "content_policy_violation",
            "data_inspection_failed",
        ),
        Cause.FILTER,
    ),
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "resource_exhausted"), Cause.RATE),
    **dict.fromkeys(("overloaded_error", "unavailable_error", "unavailable"), Cause.FAILED),
}

#: Status of a failure whose body names a type and no number; Anthropic's list, and Google's.
STATUS_OF_CODE: Final[dict[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "api_error": 500,
    "server_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "invalid_argument": 400,
    "unauthenticated": 401,
    "permission_denied": 403,
    "not_found": 404,
    "resource_exhausted": 429,
    "unavailable": 503,
    "deadline_exceeded": 504,
}

_BY_WORDS: Final = (
    (Cause.NO_DEPLOYMENT, re.compile(r"no (healthy )?deployments? available")),
    (
        Cause.CONTEXT,
        re.compile(
            r"context[ _](length|window|size)|maximum context|exceed_context|prompt (is )?too long"
            r"|too many (input )?tokens|input token count|request too large|input is too long"
            r"|longer than the (model|context)|larger than .{0,40}context|too large for model with"
            r"|num_ctx|reduce the length|inputs? tokens? \+|context the overflows"
        ),
    ),
    (
        Cause.OUTPUT,
        re.compile(
            r"max_(completion_)?tokens\W.{0,40}(too large|too high|at most|exceed|maximum|must be less|> ?\d)"
            r"|maximum (allowed )?(number of )?(output|completion) tokens"
            r"|(output|completion) tokens.{0,20}(at most|maximum)"
        ),
    ),
    (Cause.KEY, re.compile(r"api key|api_key|no connected db|authenticat|unauthorized|invalid x-api-key")),
    (
        Cause.UNPAID,
        re.compile(
            r"credit balance|insufficient (balance|credit|quota|funds)|exceeded your current quota|billing"
        ),
    ),
    (
        Cause.MODEL,
        re.compile(
            r"invalid model|\bmodel: \S|allowed providers|model name|model id|unknown model|no such model"
            r"|model not (exist|found)"
            r"|model.{0,200}(does ?n[o']t exist|not exist|not found|is not supported|not a valid)"
            r"|model.{0,200}decommissioned"
            r"|try pulling|no models? loaded|unsupported model"
        ),
    ),
    (Cause.FILTER, re.compile(r"content (management|filter)|flagged|moderation|safety")),
    (Cause.PATH, re.compile(r"unexpected endpoint|unknown request url|invalid url|no such (page|route)")),
)


@frozen
class Found:
    """`sure`: not by words that may quote the request."""

    cause: Cause
    sure: bool


def cause_of(status: int, complaint: Complaint) -> Found:
    """Why an answer with this status is none."""
    by_words = next((cause for cause, words in _BY_WORDS if words.search(complaint.said)), None)
    by_code = next((cause for code, cause in _BY_CODE.items() if code in complaint.codes), None)
    # Groq answers a single request of too many tokens with the code of its rate limit.
    if by_code is not None and not (by_words in _NARROW and by_code in {Cause.RATE, Cause.FAILED}):
        return Found(by_code, sure=True)
    return _by_status(status, complaint, by_words) or Found(by_words or Cause.REFUSED, sure=False)


#: What is about one request alone.
_NARROW: Final = frozenset({Cause.CONTEXT, Cause.FILTER, Cause.OUTPUT})


def _missing(complaint: Complaint, by_words: Cause | None) -> Cause:
    """What a 404 says is missing: the model, where it says so, and the page, where it says nothing else."""
    if by_words is Cause.MODEL:
        return Cause.MODEL
    says_more = len(complaint.said.split()) > _FEW_WORDS and not _OF_A_PATH.search(complaint.said)
    return Cause.REFUSED if says_more else Cause.PATH


#: As many as "404 the requested resource not found" has.
_FEW_WORDS: Final = 6
_OF_A_PATH: Final = re.compile(r"\b(url|uri|path|page|route|endpoint|resource|method)\b")


def _by_status(status: int, complaint: Complaint, by_words: Cause | None) -> Found | None:
    """What the status alone says; None where there are only words."""
    if 300 <= status < 400:
        return Found(Cause.REDIRECT, sure=True)
    if by_words in _NARROW:
        return None
    match status:
        case 401 | 403:
            return Found(Cause.KEY, sure=True)
        case 402:
            return Found(Cause.UNPAID, sure=True)
        case 404 | 405 | 410:
            return Found(_missing(complaint, by_words), sure=True)
        case 413:
            return Found(Cause.CONTEXT, sure=False)
        case 429:
            return Found(Cause.NO_DEPLOYMENT if by_words is Cause.NO_DEPLOYMENT else Cause.RATE, sure=True)
        case 502 | 503 | 529:
            return Found(Cause.FAILED, sure=True)
        case _ if status >= 500 or status in PASSING:
            return Found(Cause.FAILED, sure=False)
        case _:
            return None


#: Below 500, and passing all the same: 409 is OpenAI's for a lock, 498 Groq's for a full house.
PASSING: Final = frozenset({408, 409, 425, 429, 498, 499})

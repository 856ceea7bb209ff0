"""All ways in which a simulated provider misbehaves, and what each must become in the service."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from attrs import frozen

from server.planning.providers.base import AnswerUnusable, ProviderDeadline, ProviderDown

if TYPE_CHECKING:
    from server.planning.providers.base import ProviderError


@frozen
class Pinned:
    """`what` the provider does, and the `error` that a provider class raises then; None: an answer.

    `retried`: after all calls that it may make. `status`: the HTTP status of the simulator's answer.
    """

    what: str
    error: type[ProviderError] | None
    retried: bool = False
    status: int = 200


def _status(what: str, status: int, error: type[ProviderError], *, retried: bool = False) -> Pinned:
    return Pinned(f"{status}: {what}", error, retried, status)


class Fault(enum.Enum):
    RATE_LIMITED = _status("no Retry-After", 429, ProviderDown, retried=True)
    RATE_LIMITED_BRIEFLY = _status("Retry-After: 1", 429, ProviderDown, retried=True)
    RATE_LIMITED_LONG = _status("Retry-After: 1800", 429, ProviderDown)
    SERVER_ERROR = _status("server error", 500, ProviderDown, retried=True)
    UNAVAILABLE = _status("unavailable", 503, ProviderDown, retried=True)
    OVERLOADED = _status("overloaded", 529, ProviderDown, retried=True)
    BAD_KEY = _status("key unknown", 401, ProviderDown)
    FORBIDDEN = _status("key lacks the right", 403, ProviderDown)
    UNPAID = _status("nothing paid", 402, ProviderDown)
    BAD_REQUEST = _status("request refused", 400, ProviderDown)
    NO_MODEL = _status("model unknown", 404, ProviderDown)
    REDIRECT = Pinned("redirects to itself", ProviderDown, status=307)
    RESET = Pinned("closes the connection without an answer", ProviderDown, retried=True)
    TORN = Pinned("closes the connection within the answer", ProviderDown, retried=True)
    HANG = Pinned("never answers", ProviderDeadline)
    SLOW_DRIP = Pinned("answers a byte at a time, for ever", ProviderDeadline)
    CUT_BODY = Pinned("sends half a JSON document", ProviderDown, retried=True)
    NOT_JSON = Pinned("sends a web page", ProviderDown)
    TEN_MEGABYTES = Pinned("sends 10 MB", ProviderDown)
    COMPRESSED = Pinned("sends gzip that nobody asked for", ProviderDown)
    EMPTY_CHOICES = Pinned("answers with no choices, no content", ProviderDown, retried=True)
    REFUSAL = Pinned("the model refuses", AnswerUnusable)
    CUT_OFF = Pinned("the model stops at the most tokens", AnswerUnusable)
    CUT_JSON = Pinned("the model writes half a plan", AnswerUnusable)
    PROSE = Pinned("the model writes prose", AnswerUnusable)
    #: An answer for the provider class; that it is no plan is found when it is decoded.
    WRONG_SCHEMA = Pinned("the model writes another JSON object", None)
    NO_STRICT_SCHEMA = Pinned("400 for a JSON schema, else answers", None)
    NO_JSON_FORMAT = Pinned("400 for any parameter on the format, else answers", None)
    NO_TEMPERATURE = Pinned("400 for a temperature, else answers", None)
    OTHER_TOKEN_CAP = Pinned("400 for max_tokens, else answers; Anthropic's knows no other", None)

    @property
    def error(self) -> type[ProviderError] | None:
        """What a provider class raises when the fault stays; None: it comes to an answer."""
        return self.value.error

    @property
    def retried(self) -> bool:
        """Whether a provider class uses all the calls it may make."""
        return self.value.retried

    @property
    def reply_status(self) -> int | None:
        """What the service answers where no convention steps in; None: the fault comes to an answer."""
        if self is Fault.WRONG_SCHEMA:
            return 502
        if self.error is None:
            return None
        if issubclass(self.error, ProviderDown):
            return 503
        return 504 if issubclass(self.error, ProviderDeadline) else 502

    @property
    def status(self) -> int:
        return self.value.status


#: To parametrise tests over.
FAULTS: Final = tuple(Fault)

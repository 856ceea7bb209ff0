"""Everything that can go wrong, and the status and problem type each one has.

    ServiceError
    ├── BadRequest 400
    │   ├── InvalidJson, InvalidPath, InvalidQuery, InvalidHeader
    │   └── SessionMissing, SessionInvalid
    ├── Unauthorized 401, OriginRefused 403, TooManySessions 403
    ├── NotFound 404
    │   └── NotLearned
    ├── MethodNotAllowed 405
    ├── NotAcceptable 406
    ├── RequestTimeout 408
    ├── Conflict 409
    ├── PreconditionFailed 412
    ├── PayloadTooLarge 413, UriTooLong 414, UnsupportedMediaType 415
    ├── MisdirectedRequest 421
    ├── Unprocessable 422
    │   └── TypeMismatch, ReplyTooLarge, KeyReused
    ├── OverBudget, RateLimited 429
    ├── ContractBroken 500
    ├── PlanFailed 500, BadReply 500, OutOfMemory 500, StackExhausted 500, GuestFailed 500, SessionDamaged 500
    ├── NotPlannable 501
    ├── PlanRefused 502
    ├── Unavailable 503
    │   ├── Starting, StorageFailed, NotConfirmed
    │   └── WorkerLost, Overloaded, ProviderUnavailable
    ├── DeadlineExceeded 504
    │   └── OutOfTime, OutOfFuel, ProviderTimeout
    └── StorageFull 507
        └── AnswersFull

A problem type is stable: `/_meta/problems/<slug>`. Details are written for the person who sent
the request; they hold no path of this host, no secret, and no text from an exception in a plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class ServiceError(Exception):
    """A request that ends without the plan's own reply. `headers` go out with the response."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.headers = headers or {}
        #: Further members of the problem document (RFC 9457 §3.2), such as `limit` or `allow`.
        self.members = members

    def problem(self, request_id: str) -> dict[str, Any]:
        """The RFC 9457 document, with the `error` member the service has always had."""
        return {
            "type": f"/_meta/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "error": self.detail,
            "request_id": request_id,
            **self.members,
        }


class BadRequest(ServiceError):
    status, slug, title = 400, "bad-request", "Bad request"


class InvalidJson(BadRequest):
    slug, title = "invalid-json", "Invalid JSON"


class InvalidPath(BadRequest):
    slug, title = "invalid-path", "Invalid path"


class InvalidQuery(BadRequest):
    slug, title = "invalid-query", "Invalid query"


class InvalidHeader(BadRequest):
    slug, title = "invalid-header", "Invalid header"


class SessionMissing(BadRequest):
    slug, title = "session-missing", "Session identifier missing"


class SessionInvalid(BadRequest):
    slug, title = "session-invalid", "Session identifier invalid"


class Unauthorized(ServiceError):
    status, slug, title = 401, "unauthorized", "Authentication required"


class OriginRefused(ServiceError):
    status, slug, title = 403, "origin-refused", "Not open to this page"


class TemplateClosed(ServiceError):
    status, slug, title = 403, "template-closed", "The template is the operators'"


class TooManySessions(ServiceError):
    status, slug, title = 403, "too-many-sessions", "The token has all the sessions it may"


class NotFound(ServiceError):
    status, slug, title = 404, "not-found", "Not found"


class NotLearned(NotFound):
    slug, title = "not-learned", "Route not learned"


class MethodNotAllowed(ServiceError):
    """Says which methods there are, in `Allow` (RFC 9110 §15.5.6) and for people."""

    status, slug, title = 405, "method-not-allowed", "Method not allowed"

    def __init__(self, allow: Iterable[str], says: str = "This path takes {}.", *, reason: str = "") -> None:
        """`says` has `{}` for the methods; `reason`: why one is not there that other settings would give."""
        methods = list(allow)
        shown = ", ".join(methods)
        members = {"reason": reason} if reason else {}
        detail = f"{says.format(shown)} {reason}".rstrip()
        super().__init__(detail, headers={"Allow": shown}, allow=methods, **members)


class NotAcceptable(ServiceError):
    status, slug, title = 406, "not-acceptable", "Not acceptable"


class RequestTimeout(ServiceError):
    status, slug, title = 408, "request-timeout", "Request not received in time"


class Conflict(ServiceError):
    status, slug, title = 409, "conflict", "Conflict"


class PreconditionFailed(ServiceError):
    status, slug, title = 412, "precondition-failed", "Precondition failed"


class PayloadTooLarge(ServiceError):
    status, slug, title = 413, "payload-too-large", "Request body too large"


class UriTooLong(ServiceError):
    status, slug, title = 414, "uri-too-long", "Path or query too long"


class UnsupportedMediaType(ServiceError):
    status, slug, title = 415, "unsupported-media-type", "Unsupported media type"


class MisdirectedRequest(ServiceError):
    status, slug, title = 421, "misdirected-request", "Not served under this name"


class Unprocessable(ServiceError):
    status, slug, title = 422, "unprocessable", "Request does not fit"


class TypeMismatch(Unprocessable):
    slug, title = "type-mismatch", "A field has another type than was learned"


class ReplyTooLarge(Unprocessable):
    slug, title = "reply-too-large", "Reply too large"


class KeyReused(Unprocessable):
    slug, title = "idempotency-key-reused", "Idempotency-Key used for another request"


class OverBudget(ServiceError):
    status, slug, title = 429, "over-budget", "Planning budget used up"


class RateLimited(ServiceError):
    status, slug, title = 429, "rate-limited", "Too many requests"


class PlanFailed(ServiceError):
    slug, title = "plan-failed", "The plan for this route failed"


class BadReply(ServiceError):
    slug, title = "bad-reply", "The plan's reply is not acceptable"


class ContractBroken(ServiceError):
    slug, title = "contract-broken", "The plan's reply is none that the contract has"


class OutOfMemory(ServiceError):
    slug, title = "out-of-memory", "The plan ran out of memory"


class StackExhausted(ServiceError):
    slug, title = "stack-exhausted", "The plan nested too deeply"


class GuestFailed(ServiceError):
    slug, title = "guest-failed", "The sandbox failed"


class SessionDamaged(ServiceError):
    slug, title = "session-damaged", "The session's data file is damaged"


class NotPlannable(ServiceError):
    status, slug, title = 501, "not-plannable", "No convention covers this request"


class PlanRefused(ServiceError):
    status, slug, title = 502, "plan-refused", "No acceptable plan from the model"


class Unavailable(ServiceError):
    status, slug, title = 503, "unavailable", "Temporarily unavailable"


class Starting(Unavailable):
    slug, title = "starting", "The service is starting"


class StorageFailed(Unavailable):
    slug, title = "storage-failed", "The session's storage failed"


class NotConfirmed(Unavailable):
    slug, title = "not-confirmed", "The write could not be confirmed"


class WorkerLost(Unavailable):
    slug, title = "worker-lost", "The sandbox worker was lost"


class Overloaded(Unavailable):
    slug, title = "overloaded", "Too many requests are waiting"


class ProviderUnavailable(Unavailable):
    slug, title = "provider-unavailable", "The planner's provider is unavailable"


class DeadlineExceeded(ServiceError):
    status, slug, title = 504, "deadline-exceeded", "Deadline exceeded"


class OutOfTime(DeadlineExceeded):
    slug, title = "out-of-time", "The plan ran out of time"


class OutOfFuel(DeadlineExceeded):
    slug, title = "out-of-fuel", "The plan ran out of fuel"


class ProviderTimeout(DeadlineExceeded):
    slug, title = "provider-timeout", "The planner's provider did not answer in time"


class StorageFull(ServiceError):
    status, slug, title = 507, "storage-full", "The session's storage is full"


class AnswersFull(StorageFull):
    slug, title = "idempotency-full", "No room to keep the answer for retries"


def of_records(collection: str, method: str) -> str:
    """The reason why a collection with records is not replaced or changed as a whole."""
    return f"{collection} holds records; {method} goes to one of them, /{collection}/{{id}}."

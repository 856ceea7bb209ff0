"""What to do about each problem type, and what it means: for the page behind its `type` member."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.values.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

MEANINGS: dict[str, str] = {
    "internal": "Something failed that should not have. The log has more under the request's id.",
    "bad-request": "The request cannot be understood as it was sent.",
    "invalid-json": "The body is not JSON as RFC 8259 has it, or two readers could read it differently "
    "(a key twice, numbers out of range, nesting deeper than 64). `line` and `column` say where.",
    "invalid-path": "The path holds a broken percent code, bytes that are not UTF-8, a control character, "
    "a backslash, or a `.` or `..` step.",
    "invalid-query": "The query cannot be decoded, or has too many pairs.",
    "invalid-header": "A header was sent twice, or holds a value that it cannot have. `header` names it.",
    "session-missing": "Nothing says whose data the request is about. Send X-Session-ID.",
    "session-invalid": "X-Session-ID must be one header of 1 to 128 letters, digits, `_` or `-`, starting "
    "with a letter or a digit.",
    "unauthorized": "The service asks for a bearer token, in Authorization or in X-Service-Token.",
    "origin-refused": "A browser asks whether scripts of a page of `origin` may use the service, and CORS is "
    "off or lists others. The operator can list it: `cors.origins`, LARS_CORS_ORIGINS, or `serve --cors`.",
    "template-closed": "The session is the one that every new session begins as a copy of "
    "(sessions.template). Where client tokens are set, no client changes it: an operator does, by the "
    "console or `metaservice sessions import`.",
    "too-many-sessions": "The token has `limit` sessions, and may have no more (sessions.per_token). Those "
    "that it has go on. One that is deleted, or expires, makes room; an operator can delete it.",
    "not-found": "There is nothing at this path.",
    "not-learned": "This route has not been learned, and planning new ones is switched off.",
    "method-not-allowed": "The path exists, but not for this method. Allow lists those it has.",
    "not-acceptable": "No representation fits the Accept header; `available` lists those there are. "
    "Replies are JSON, and lists that are read also CSV or newline-delimited JSON.",
    "request-timeout": "The request's body did not arrive in time.",
    "conflict": "An operator's request contradicts what there is: a session that has data already, "
    "a pinned plan.",
    "precondition-failed": "If-Match lists no tag of what is stored now, or If-None-Match does, or says that "
    "nothing may be there. `header` names it. Nothing was done: read again, and decide anew.",
    "payload-too-large": "The request's body is larger than `limit` bytes.",
    "uri-too-long": "The path or the query is longer than `limit` bytes.",
    "unsupported-media-type": "The body's type or encoding is not taken. Send JSON in UTF-8, uncompressed; "
    "a form; or, with PATCH, a JSON Patch or a JSON Merge Patch.",
    "misdirected-request": "The Host header holds a name that the service is not served under, `host`. A "
    "service that listens to its own machine alone takes that machine's names, such as localhost, so that "
    "no page on another site can have its own name lead here. The operator can add names: `server.hosts`.",
    "unprocessable": "The request is well formed, but does not fit what is stored or expected.",
    "type-mismatch": "`schema.enforce` is on, and a field has a type that its collection has not learned. "
    "Each of `errors` has the `pointer` (RFC 6901) to such a field. Nothing was written.",
    "reply-too-large": "The reply would be larger than `limit` bytes (as a table: cells); nothing was "
    "written. Ask for less, with `limit=` for instance.",
    "idempotency-key-reused": "The Idempotency-Key came before, in the last 24 hours, to the same path with "
    "another body, query or Authorization. Nothing was done: a new request needs a new key.",
    "rate-limited": "The token, or the session, has sent as many requests as it may; Retry-After says "
    "when it may again.",
    "over-budget": "The planner's budget is used up. Routes that are already learned go on working.",
    "plan-failed": "The code planned for this route raised `error_type` in `line`. Nothing was written.",
    "bad-reply": "The code planned for this route gave a reply that breaks a rule. Nothing was written.",
    "contract-broken": "The code planned for this operation gave a reply that the contract does not have: "
    "`errors` say where. Nothing was written.",
    "out-of-memory": "The plan needed more memory than it may have. Nothing was written.",
    "stack-exhausted": "The plan's data or calls nested too deeply. Nothing was written.",
    "guest-failed": "The sandbox ended in a way that no rule explains. Nothing was written.",
    "session-damaged": "The session's data file is damaged. It is set aside, whole, and the session answers "
    "this until the operator has salvaged it. Other sessions are unhurt.",
    "not-plannable": "No convention covers this request, and no model is there to plan it.",
    "plan-refused": "The model gave no plan that the policy accepts.",
    "unavailable": "The service cannot do this at the moment.",
    "starting": "The service is not ready yet: it builds the sandboxed Python, once after an upgrade. `step` "
    "says what it does, `seconds` for how long already. Nothing was done: send the request again. "
    "`metaservice build` does it beforehand.",
    "storage-failed": "The disk failed under the session's file. Nothing was written; others are unhurt.",
    "not-confirmed": "The disk failed or was too slow for the commit. Whether it was written is not known.",
    "worker-lost": "The worker died with this request under way. `detail` says if it was written, if known.",
    "overloaded": "Too many requests wait; this one was not started and may be sent again.",
    "provider-unavailable": "The model that plans new routes cannot be reached, or does not serve now.",
    "deadline-exceeded": "The request took longer than it may.",
    "out-of-time": "The plan ran longer than it may. Nothing was written.",
    "out-of-fuel": "The plan did more work than it may. Nothing was written.",
    "provider-timeout": "The model that plans new routes did not answer in time.",
    "storage-full": "There is no room: in the session, in all of them together, or on the disk. Nothing was "
    "written.",
    "idempotency-full": "The session keeps as many answers to requests with an Idempotency-Key as it may "
    "in 24 hours. Nothing was written. Send the request without a key, or later.",
}

#: What to do about each, in a sentence or two that begin with it.
REMEDIES: dict[str, str] = {
    "internal": "Look into the log under the request's id; it has the cause. A read may be sent again.",
    "bad-request": "Mend what `detail` names, and send it again.",
    "invalid-json": "Mend the body at `line` and `column`, and send it again.",
    "invalid-path": "Percent-encode what is no plain character, as UTF-8, and leave out `.` and `..` steps.",
    "invalid-query": "Percent-encode the query as UTF-8, and send fewer pairs.",
    "invalid-header": "Send the header that `header` names once, with a value that it can have.",
    "session-missing": "Send X-Session-ID with a name of your choice.",
    "session-invalid": "Choose another name: letters, digits, `_` and `-`.",
    "unauthorized": "Send the token as `Authorization: Bearer TOKEN`, or as `X-Service-Token: TOKEN`.",
    "origin-refused": "Have the operator list the page's origin: `cors.origins`, LARS_CORS_ORIGINS, "
    "or `serve --cors`.",
    "too-many-sessions": "Go on in a session that the token has. For another one have the operator delete "
    "one that is not needed any more (`metaservice sessions delete`), or raise `sessions.per_token`.",
    "template-closed": "Choose another session. An operator changes this one: in the console, or by "
    "`metaservice sessions import`.",
    "not-found": "Check the path and its ids. A list of the collection shows what there is.",
    "not-learned": "Use a route that is known: /docs lists them. Or ask the operator to switch "
    "learning on (`planner.learn`).",
    "method-not-allowed": "Use a method that Allow lists.",
    "not-acceptable": "Ask for a media type that `available` lists, or send no Accept header.",
    "request-timeout": "Send it again, over a better connection or in smaller pieces.",
    "conflict": "Read what `detail` says is there already. Where you mean to replace it, say "
    "so: `--replace`, `--force`.",
    "precondition-failed": "Read the resource again, make your change upon what it is now, and send it "
    "with the new ETag.",
    "payload-too-large": "Send less at a time. The operator can raise the limit.",
    "uri-too-long": "Shorten the path or the query.",
    "unsupported-media-type": "Send JSON in UTF-8 with `Content-Type: application/json`, and no "
    "Content-Encoding.",
    "misdirected-request": "Use the service's own name, such as localhost. The operator can add names: "
    "`server.hosts`.",
    "unprocessable": "Mend what `detail` names, and send it again.",
    "type-mismatch": "Send each field that `errors` points to with a type that the collection has. "
    "The operator can switch the check off: `schema.enforce`.",
    "reply-too-large": "Ask for less: add `limit=`, `fields=` or a filter to the query.",
    "idempotency-key-reused": "Send the new request with a new key.",
    "rate-limited": "Wait as long as Retry-After says, and send it again.",
    "over-budget": "Use what has been learned, or wait for the next hour. The operator can raise "
    "the budget: `planner.calls_per_hour` and its kin.",
    "plan-failed": "An operator can read and mend the code: in the console under Routes, or by "
    "`metaservice plans show`.",
    "bad-reply": "An operator can read and mend the code: in the console under Routes, or by "
    "`metaservice plans show`.",
    "contract-broken": "An operator can read and mend the code: in the console under Routes, or by "
    "`metaservice plans show`.",
    "out-of-memory": "Ask for less at a time. The operator can raise the limit: `sandbox.memory_bytes`.",
    "stack-exhausted": "Nest the data less deeply.",
    "guest-failed": "Send it again. If it fails again, an operator finds the run in the log under "
    "the request's id.",
    "session-damaged": "An operator saves what can be read: `metaservice sessions salvage SESSION`.",
    "not-plannable": "Ask for a collection or a record, as in `GET /members?age__gte=30`. Or have "
    "the operator set a model's key.",
    "plan-refused": "Send it again, or say more plainly by its path and names what it is to do.",
    "unavailable": "Wait as long as Retry-After says, and send it again.",
    "starting": "Wait as long as Retry-After says, and send it again.",
    "storage-failed": "Have the operator look at the disk (`metaservice doctor`), then send it again.",
    "not-confirmed": "Read what is stored now before you send it again; with an Idempotency-Key, "
    "just send it again.",
    "worker-lost": "Send it again where `detail` says that nothing was written; else read first.",
    "overloaded": "Wait as long as Retry-After says, and send it again.",
    "provider-unavailable": "Send it again later. Routes that are learned go on working.",
    "deadline-exceeded": "Send it again later, or ask for less at a time.",
    "out-of-time": "Ask for less at a time: a filter, or `limit=`. The operator can raise the limit.",
    "out-of-fuel": "Ask for less at a time: a filter, or `limit=`. The operator can raise the limit.",
    "provider-timeout": "Send it again later. Routes that are learned go on working.",
    "storage-full": "Delete what is not needed, or have the operator raise the quota or free the disk.",
    "idempotency-full": "Send it without a key, or later.",
}


def all_types() -> dict[str, type[ServiceError]]:
    """Every problem type by its slug."""
    return {error.slug: error for error in _with_subclasses(ServiceError)}


def _with_subclasses(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield error
    for subclass in error.__subclasses__():
        yield from _with_subclasses(subclass)

"""The host's last word on what a guest answered, before anything is committed.

A guest is untrusted once a plan has run in it, so nothing here believes it: the answer may be no
JSON, claim any status, or carry any header.

1. A status is an int from 200 to 599; a body that goes with 204 or 304 is dropped.
2. A header leaves only if its name is on the list and its value is plain printable ASCII. `Location` is a
   path of this service. What does not pass is dropped, the reply is not.
3. A body is JSON in UTF-8, within the size limit and at most 64 deep.
4. Nothing is parsed before its length is known to be within its limit.
5. A reply that its contract does not have is reported, or none at all (wasm_runtime/schemas.py).
6. What was written is told behind the body, if it is kept and only then. It passes whole, or the guest has
   lied: rows of the form that the store gives them (store/change_set.py), documents that are the records of
   their rows. What leaves here was written anew, by us.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast, get_args

import orjson
from attrs import frozen

from store.change_set import RECORD_DEPTH, SEPARATOR, ChangeSetError, decode, encode
from store.ids import FIRST_TEXT_ROWID, MAX_INT_ID, address_of
from store.reads import WHOLE
from wasm_runtime import read_set
from wasm_runtime.nesting import depth_within
from wasm_runtime.outcome import (
    BadReply,
    BreaksContract,
    GuestFailed,
    Outcome,
    OutOfMemory,
    OutputTooLarge,
    Precondition,
    Raised,
    SessionDamaged,
    StackExhausted,
    StorageFailed,
    StorageFull,
    Unmet,
)

if TYPE_CHECKING:
    from wasm_runtime.limits import Limits
    from wasm_runtime.schemas import Rules, Violation

_HEADERS = frozenset(
    {
        "allow", "cache-control", "content-language", "deprecation", "etag", "last-modified", "link",
        "location", "preference-applied", "retry-after", "sunset", "vary", "x-total-count",
    }
)  # fmt: skip
#: Names of the `X-` kind are a plan's own to choose, except those the service or a browser gives meaning to.
_OWN_HEADER = re.compile(r"x-[a-z0-9]+(-[a-z0-9]+)*")
#: Front servers and browsers take orders by such names: which file to send, where to go, what to allow.
_RESERVED = re.compile(
    r"^x-(plan|contract|dialect|fuel|request-id|session|service|real-ip|ua-)"
    r"|accel|archive|content|dns|file|forward|frame|host|lighttpd|litespeed|location|method|original|override"
    r"|path|permitted|powered|proxy|redirect|rewrite|ur[il]|xss"
)
#: Names that clients of other tools read a list's place by, and the grammar of each.
_RANGED = {
    "content-range": re.compile(
        r"([A-Za-z][A-Za-z0-9_-]{0,63} )?(\d{1,15}-\d{1,15}|\*)/(\d{1,15}|\*)", re.ASCII
    ),
    "accept-ranges": re.compile(r"[a-z]{1,32}"),
    "range-unit": re.compile(r"[a-z]{1,32}"),
    "access-control-expose-headers": re.compile(r"[A-Za-z0-9-]{1,64}(, [A-Za-z0-9-]{1,64}){0,31}"),
}
#: A plan's data is its session's: no shared cache may keep it.
_SHARED_CACHING = re.compile(r"public|s-maxage", re.IGNORECASE)
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_LOCATION = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
#: RFC 9110 §8.8.3, in ASCII.
_ENTITY_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')
_MAX_HEADERS = 32
_MAX_VALUE = 1024
_MAX_NAME = 256
_MAX_ERRORS = 32
#: The change set of most requests: one record with an id that is a number, which is the reply's body.
_BODY_ALONE = re.compile(r"p ([1-9][0-9]{0,8}) ([1-9][0-9]{0,15}) =")
#: A pointer to a field with the longest name that is learned, in UTF-8.
_MAX_POINTER = 512
#: Kinds of rows that no plan reads; they come last in a change set.
_NOTHING_READABLE = ("x ", "a ")
_NO_BODY = frozenset({204, 304})
_TOO_MUCH_TOLD = "it tells of changes where nothing is kept"


@frozen
class Answer:
    """A reply that may be sent. `keep` says whether the run's writes are to stay."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    keep: bool
    changed: int
    stdout: str
    unindexed: tuple[tuple[str, str], ...]
    #: The body is a record as it is stored; a guest that says so falsely misleads its own session alone.
    record: bool = False
    #: It was given before, to a request with the same Idempotency-Key; nothing has run.
    replayed: bool = False
    #: Where the body breaks its contract, which is only reported.
    violations: tuple[Violation, ...] = ()
    #: What the record is to keep, as the text of a change set; "": nothing.
    changes: str = ""
    #: What the reply was made of, and what was touched, as `read_set` has it; "": not known, and nothing.
    reads: str = ""
    touched: str = ""


#: What a guest may say was asked for and does not hold.
UNMET = frozenset(get_args(Precondition))


def judge(text: str, limits: Limits, rules: Rules | None = None) -> Answer | Outcome:
    """What a guest's answer amounts to; an `Answer` if it is a reply that passes every rule.

    `rules` are those of the request's contract.
    """
    said, told, changes = text.partition(SEPARATOR)
    head, _, body = said.partition("\n")
    meta = _head(head, limits)
    if not isinstance(meta, dict):
        return meta
    if meta.get("ok") is True:
        return _reply(meta, body, changes, limits, rules)
    return GuestFailed(_TOO_MUCH_TOLD) if told else _failure(meta, limits)


def judge_too_long(beginning: str, size: int, limits: Limits) -> Outcome:
    """What an answer of so many bytes amounts to, of which no more is read than its beginning."""
    head, line_end, _ = beginning.partition("\n")
    meta = _head(head, limits) if line_end else _head_too_long(limits)
    if not isinstance(meta, dict):
        return meta
    if meta.get("ok") is not True:
        return _failure(meta, limits)
    return OutputTooLarge(size - len(head.encode()) - 1, limits.result_bytes)


def _head(head: str, limits: Limits) -> dict[str, Any] | Outcome:
    if len(head) > limits.line_bytes:
        return _head_too_long(limits)
    try:
        meta = orjson.loads(head)
    except ValueError:
        return GuestFailed("its answer is not JSON")
    return meta if isinstance(meta, dict) else GuestFailed("its answer is not an object")


def _head_too_long(limits: Limits) -> Outcome:
    return BadReply(f"its headers and the like take more than {limits.head_bytes} bytes")


def judge_index(text: str, limits: Limits) -> str | Outcome:
    """What a guest has answered that was to make an index: the checked text of what changed; "": nothing."""
    said, _, changes = text.partition(SEPARATOR)
    if said == '{"ok":true}':
        return _checked_changes(changes, "", None, limits)
    judged = judge(text, limits)
    return GuestFailed("it replied where it had nothing to say") if isinstance(judged, Answer) else judged


def _reply(
    meta: dict[str, Any], body: str, changes: str, limits: Limits, rules: Rules | None
) -> Answer | Outcome:
    status = meta.get("status")
    if type(status) is not int or not 200 <= status <= 599:
        return BadReply("the status must be an integer from 200 to 599")
    encoded, value = None, None
    if body and status not in _NO_BODY:
        encoded = body.encode("utf-8", "surrogatepass")
        if len(encoded) > limits.result_bytes:
            return OutputTooLarge(len(encoded), limits.result_bytes)
        try:
            value = orjson.loads(encoded)
        except ValueError:
            return BadReply("the body is not JSON in UTF-8")
        if not depth_within(encoded, limits.reply_depth):
            return BadReply(f"the body is nested deeper than {limits.reply_depth} levels")
    violations = () if rules is None else rules.broken(status, value, encoded)
    if rules is not None and violations and rules.enforce:
        return BreaksContract(status, tuple((each.pointer, each.keyword, each.detail) for each in violations))
    keep = status < 400 or meta.get("keep") is True
    if changes and not keep:
        return GuestFailed(_TOO_MUCH_TOLD)
    checked = _checked_changes(changes, body, value, limits)
    if not isinstance(checked, str):
        return checked
    return Answer(
        status=status,
        headers=clean_headers(meta.get("headers")),
        body=encoded,
        keep=keep,
        changed=_count(meta.get("changed")),
        stdout=_text(meta.get("stdout"), limits.stdout_bytes),
        unindexed=_searches(meta.get("unindexed")),
        record=meta.get("record") is True,
        replayed=meta.get("replayed") is True,
        violations=violations,
        changes=checked,
        reads=read_set.checked(meta["reads"]) if "reads" in meta else "",
        touched=_touched(meta, checked),
    )


def _touched(meta: dict[str, Any], changes: str) -> str:
    """Of a change set that no honest guest says nothing of, all of the session."""
    if not changes or changes.startswith(_NOTHING_READABLE):
        return ""
    return (read_set.checked(meta["touched"]) if "touched" in meta else "") or WHOLE


def _checked_changes(text: str, body: str, value: Any, limits: Limits) -> str | Outcome:
    """A change set's text, written anew. `value`: what the body is the JSON of."""
    if not text:
        return ""
    only = _BODY_ALONE.fullmatch(text)
    if only is not None and isinstance(value, dict) and body.count("[") + body.count("{") <= RECORD_DEPTH:
        number, row = only.groups()
        if type(value.get("id")) is int and value["id"] == int(row) <= MAX_INT_ID:
            return f"p {number} {row} {body}"
    if len(text) > limits.change_bytes:
        return GuestFailed("it tells more than a request may write")
    try:
        told = decode(text, body or None)
    except ChangeSetError as error:
        return GuestFailed(f"what it tells of its changes: {error}")
    for number, row, doc in told.puts:
        try:
            record = value if doc is body else orjson.loads(doc)
        except ValueError:
            return GuestFailed(f"record {row} of collection {number} is not JSON")
        if not _is_record_of(record, row) or not depth_within(doc.encode(), RECORD_DEPTH):
            return GuestFailed(f"record {row} of collection {number} is none, or is another's")
    return encode(told)


def _is_record_of(value: Any, row: int) -> bool:
    address = address_of(value.get("id")) if isinstance(value, dict) else None
    return address == row if row < FIRST_TEXT_ROWID else isinstance(address, str)


def clean_headers(headers: Any) -> tuple[tuple[str, str], ...]:
    """The headers of a plan that may leave, with their names as the plan wrote them."""
    if not isinstance(headers, dict):
        return ()
    clean = [(name, value) for name, value in headers.items() if _may_leave(name, value)]
    return tuple(clean[:_MAX_HEADERS])


def _may_leave(name: Any, value: Any) -> bool:
    if not isinstance(name, str) or not isinstance(value, str) or len(value) > _MAX_VALUE:
        return False
    if not name.isascii():  # lower() makes an ASCII k of a Kelvin sign
        return False
    lower = name.lower()
    if lower == "location":
        return _LOCATION.fullmatch(value) is not None
    if lower == "etag":
        return _ENTITY_TAG.fullmatch(value) is not None
    if lower == "cache-control" and _SHARED_CACHING.search(value):
        return False
    if lower in _RANGED:
        return _RANGED[lower].fullmatch(value) is not None
    known = lower in _HEADERS or (
        len(lower) <= 64 and _OWN_HEADER.fullmatch(lower) is not None and not _RESERVED.search(lower)
    )
    return known and _VALUE.fullmatch(value) is not None


def _failure(meta: dict[str, Any], limits: Limits) -> Outcome:
    reason = _text(meta.get("reason"), 200)
    match meta.get("kind"):
        case "raised":
            return _raised(meta, limits)
        case "unmet":
            return _unmet(meta.get("reason"))
        case "bad-reply":
            return BadReply(reason)
        case "large":
            return OutputTooLarge(_count(meta.get("size")), limits.result_bytes)
        case "memory":
            return OutOfMemory(limits.memory_bytes)
        case "stack":
            return StackExhausted()
        case kind:
            return _fault_of_the_store(kind, reason, limits)


def _fault_of_the_store(kind: Any, reason: str, limits: Limits) -> Outcome:
    match kind:
        case "full":
            return StorageFull(limits.session_disk_bytes)
        case "storage":
            return StorageFailed(reason)
        case "damaged":
            return SessionDamaged(reason)
        case "too-new":
            return SessionDamaged(reason, too_new=True)
        case _:
            return GuestFailed(reason or "its answer has no known kind")


def _unmet(reason: Any) -> Outcome:
    if not isinstance(reason, str) or reason not in UNMET:
        return GuestFailed("a precondition that nobody knows")
    return Unmet(cast("Precondition", reason))


def _raised(meta: dict[str, Any], limits: Limits) -> Outcome:
    blame, status = meta.get("blame"), meta.get("status")
    if blame not in ("plan", "request", "store") or type(status) is not int or not 400 <= status <= 599:
        return GuestFailed("its answer about an exception is malformed")
    return Raised(
        blame=blame,
        error_type=_text(meta.get("type"), 64),
        line=_count(meta.get("line")),
        status=status,
        detail="" if blame == "plan" else _text(meta.get("detail"), 512),
        stdout=_text(meta.get("stdout"), limits.stdout_bytes),
        errors=_pointed(meta.get("errors")) if blame == "store" else (),
    )


def _pointed(value: Any) -> tuple[tuple[str, str], ...]:
    """Pairs of a JSON pointer and a reason; what is no such pair is left out."""
    if not isinstance(value, list):
        return ()
    pairs = [pair for pair in value[:_MAX_ERRORS] if isinstance(pair, list) and len(pair) == 2]
    texts = [(_text(pointer, _MAX_POINTER), _text(reason, 200)) for pointer, reason in pairs]
    return tuple((pointer, reason) for pointer, reason in texts if pointer.startswith("/") and reason)


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 2**31 else 0


def _text(value: Any, most_bytes: int) -> str:
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace")[:most_bytes].decode("utf-8", "ignore")


def _searches(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        return ()
    pairs = [pair for pair in value[:8] if isinstance(pair, list) and len(pair) == 2]
    return tuple((a, b) for a, b in pairs if _is_name(a) and _is_name(b))


def _is_name(value: Any) -> bool:
    """Of a collection, or of a field: what is longer has no index."""
    return isinstance(value, str) and len(value) <= _MAX_NAME

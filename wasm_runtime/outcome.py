"""How a run can end. Everything a guest does is one of these; none of them is an exception.

Every outcome but `Completed(committed=True)` has left the session as it was; of `WorkerLost` and
`NotConfirmed` nobody knows.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen


@frozen
class Completed:
    """The plan replied, and the reply passed the check on the trusted side.

    `body` is JSON as the guest wrote it, in UTF-8 (None: no body). `changed` counts the records written
    (zero when it was rolled back). In microseconds of the worker's clock: `micros` the guest's run, its share
    of it where requests ran together; `queue_micros` the wait for it, for others and for the guest;
    `settle_micros` the commit, that of all of them.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    committed: bool
    changed: int
    fuel: int
    micros: int
    stdout: str = ""
    #: The body is a record just as it is stored.
    record: bool = False
    #: Given before to a request with the same Idempotency-Key: nothing has run now, or was written.
    replayed: bool = False
    queue_micros: int = 0
    settle_micros: int = 0
    #: The session's version that the run has seen, or has made.
    version: int = 0
    #: What the reply was made of, and what the run has touched, as `wasm_runtime.read_set` reads it. "": that
    #: is not known of a reply, and nothing was touched.
    reads: str = ""
    touched: str = ""
    #: Where the body breaks its contract: a pointer, a keyword and what that says, each.
    violations: tuple[tuple[str, str, str], ...] = ()


@frozen
class Raised:
    """The plan ended with an exception, located in its code.

    `blame` is `request` where the exception came out of reading the request's body or query
    (then `status` is the 4xx it means and `detail` names the key), `store` where the store refused
    (`status` as the store's error says), and `plan` otherwise (`detail` is then empty: the text of a
    plan's exception never leaves the guest). `errors` are pairs of a JSON pointer and a reason, where
    the store says so finely what it refused.
    """

    blame: Literal["plan", "request", "store"]
    error_type: str
    line: int
    status: int
    detail: str
    fuel: int = 0
    micros: int = 0
    stdout: str = ""
    errors: tuple[tuple[str, str], ...] = ()
    queue_micros: int = 0
    settle_micros: int = 0


Precondition: TypeAlias = Literal["if-match", "if-none-match", "key-reused", "answers-full"]


@frozen
class Unmet:
    """What the request asked for beforehand does not hold, so nothing was run, or nothing kept.

    `answers-full`: the answer cannot be kept for retries, as the request's Idempotency-Key asks.
    """

    reason: Precondition


@frozen
class OutOfFuel:
    limit: int


@frozen
class OutOfTime:
    limit_ms: int
    #: The epoch deadline ended it, or the worker had to be killed.
    killed: bool = False


@frozen
class OutOfMemory:
    limit_bytes: int


@frozen
class StackExhausted:
    pass


@frozen
class OutputTooLarge:
    size: int
    limit: int


@frozen
class BadReply:
    """REPLY is not a reply: `reason` says which rule it breaks, without its contents."""

    reason: str


@frozen
class BreaksContract:
    """The reply is none that the request's contract has, and that is enforced.

    `violations` as `Completed` has them.
    """

    status: int
    violations: tuple[tuple[str, str, str], ...]


@frozen
class StorageFull:
    """No room for what the run would write. `whole`: the limit is that of all sessions together."""

    limit_bytes: int
    whole: bool = False


@frozen
class StorageFailed:
    """The disk, or the way to it, failed before anything was committed. The next try may not."""

    reason: str


@frozen
class NotConfirmed:
    """The commit did not come to its end. Whether the request was written is not known."""

    reason: str


@frozen
class SessionDamaged:
    """The session's file cannot be read as a database; it is kept, as it is, for somebody to salvage.

    `too_new`: nothing is wrong with it, a later version of the service wrote it.
    """

    reason: str
    too_new: bool = False


@frozen
class GuestFailed:
    """A trap or an answer that no rule of ours explains; the guest was dropped."""

    reason: str


@frozen
class WorkerLost:
    """The worker died with this request under way.

    `written`: whether it is in the record, and only its answer is lost; None: nobody knows.
    """

    written: bool | None = None


@frozen
class Overloaded:
    """The queue is full, or no worker came back in time; the request was not started."""

    reason: str


Outcome: TypeAlias = (
    Completed
    | Raised
    | Unmet
    | OutOfFuel
    | OutOfTime
    | OutOfMemory
    | StackExhausted
    | OutputTooLarge
    | BadReply
    | BreaksContract
    | StorageFull
    | StorageFailed
    | NotConfirmed
    | SessionDamaged
    | GuestFailed
    | WorkerLost
    | Overloaded
)

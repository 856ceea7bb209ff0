r"""The wire format between the API process and a worker. Pure: bytes to values and back.

A frame is a 4-byte little-endian length (of what follows), one byte of kind, and its fields:

    CONFIG  JSON                                    to the worker, first and once
    SCHEMAS id \0 text                              to the worker, before the first JOB that names them
    PLAN    plan id \0 document                     to the worker, before the first JOB that names it
    FORGET  plan id                                 to the worker
    JOB     u64 job, u64 sent, u8 flags, session \0 plan id \0 request id \0 route \0 fixed \0 judged \0
            request                                 to the worker
    STOP                                            to the worker: finish what is queued, then end
    READY   JSON                                    from the worker: it can take jobs
    RESULT  u64 job, u32 length, outcome as JSON, body           from the worker
    DROP    JSON, a session                         to the worker: let go of the session's files
    DROPPED JSON, a session                         from the worker: nothing of it is open any more
    DONE    u64 job, u16 status, u8 flags, u64 fuel, u64 micros, u64 queue micros,      from the worker
            u64 settle micros, u64 changed, u64 version, u32 length,
            headers, output, reads and touched as JSON (nothing: there are none), body

`sent` is the system's monotonic clock in nanoseconds, which both ends share. DONE is a RESULT that completed:
nearly all are.

Both ends are ours, so a frame that does not decode is a bug: FrameError, and the connection ends.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, TypeAlias, assert_never

import orjson
from attrs import asdict, frozen

from wasm_runtime import outcome as outcomes
from wasm_runtime.outcome import Completed, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIG, PLAN, FORGET, JOB, STOP, READY, RESULT, DONE, DROP, DROPPED, SCHEMAS = range(1, 12)
#: No frame comes near this; a length beyond it means the stream is not ours.
MAX_FRAME_BYTES = 256 * 1024 * 1024
#: Flags of JOB, and of DONE.
_READ_ONLY, _ALONE, _DRY_RUN, _UNHEARD = 1, 2, 4, 8
_COMMITTED, _HAS_BODY, _RECORD, _REPLAYED = 1, 2, 4, 8

_LENGTH = struct.Struct("<I")
_JOB = struct.Struct("<QQB")
_RESULT = struct.Struct("<QI")
_DONE = struct.Struct("<QHBQQQQQQI")


class FrameError(Exception):
    """The other end sent what is no frame."""


@frozen
class JobFrame:
    """One request for a worker. `request` is JSON text for the guest; `alone`: it shares no call of it.

    `request_id` and `route` are for the session's log, and hold no zero character, and neither does `fixed`:
    JSON of the session's clock, seed and the version that its sequence begins at, or nothing. Likewise
    `judged`: JSON of `schemas` (an id), `keys`, `enforce` and `bare`, see `wasm_runtime.schemas.Rules`.
    `unheard`: nobody wants to know what its reply was made of.
    """

    job: int
    session: str
    plan_id: str
    read_only: bool
    request: str
    alone: bool = False
    dry_run: bool = False
    sent_ns: int = 0
    request_id: str = ""
    route: str = ""
    fixed: str = ""
    judged: str = ""
    unheard: bool = False


@frozen
class SchemasFrame:
    """A contract's schemas for replies, as `server.contracts.schemas` has prepared them."""

    id: str
    text: str


@frozen
class PlanFrame:
    plan_id: str
    document: str


@frozen
class ForgetFrame:
    plan_id: str


@frozen
class ResultFrame:
    job: int
    outcome: Outcome


@frozen
class JsonFrame:
    """CONFIG, READY, DROP or DROPPED: something that is seldom said, as JSON."""

    kind: int
    value: Any


@frozen
class StopFrame:
    pass


Frame: TypeAlias = JobFrame | PlanFrame | SchemasFrame | ForgetFrame | ResultFrame | JsonFrame | StopFrame


def encode(frame: Frame) -> bytes:
    """The frame as it travels, length included."""
    kind, rest = _parts(frame)
    return b"%b%c%b" % (_LENGTH.pack(len(rest) + 1), kind, rest)


def _parts(frame: Frame) -> tuple[int, bytes]:
    match frame:
        case JobFrame():
            flags = _READ_ONLY * frame.read_only | _ALONE * frame.alone | _DRY_RUN * frame.dry_run
            flags |= _UNHEARD * frame.unheard
            head = _JOB.pack(frame.job, frame.sent_ns, flags)
            whose = f"{frame.session}\0{frame.plan_id}\0{frame.request_id}\0{frame.route}"
            return JOB, head + f"{whose}\0{frame.fixed}\0{frame.judged}\0{frame.request}".encode()
        case ResultFrame(job, Completed() as outcome):
            return DONE, _encode_done(job, outcome)
        case ResultFrame():
            return RESULT, _encode_result(frame)
        case SchemasFrame():
            return SCHEMAS, f"{frame.id}\0{frame.text}".encode()
        case PlanFrame():
            return PLAN, f"{frame.plan_id}\0{frame.document}".encode()
        case ForgetFrame():
            return FORGET, frame.plan_id.encode()
        case JsonFrame():
            return frame.kind, orjson.dumps(frame.value)
        case StopFrame():
            return STOP, b""
        case _ as never:
            assert_never(never)


def _encode_result(frame: ResultFrame) -> bytes:
    meta = orjson.dumps({"is": type(frame.outcome).__name__, **asdict(frame.outcome)})
    return _RESULT.pack(frame.job, len(meta)) + meta


def _encode_done(job: int, done: Completed) -> bytes:
    told = (done.headers, done.stdout, done.violations, done.reads, done.touched)
    more = orjson.dumps(told) if any(told) else b""
    flags = _COMMITTED * done.committed | _HAS_BODY * (done.body is not None)
    flags |= _RECORD * done.record | _REPLAYED * done.replayed
    times = (done.micros, done.queue_micros, done.settle_micros)
    head = _DONE.pack(job, done.status, flags, done.fuel, *times, done.changed, done.version, len(more))
    return b"%b%b%b" % (head, more, done.body or b"")


class Decoder:
    """Frames out of a stream of bytes, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raises FrameError."""
        stream: bytes | bytearray = data
        if self._buffer:
            self._buffer += data
            stream = self._buffer
        start, size = 0, len(stream)
        while (end := _end_of_frame(stream, start, size)) is not None:
            yield _decode(stream[start + _LENGTH.size], bytes(stream[start + _LENGTH.size + 1 : end]))
            start = end
        if stream is self._buffer:
            del self._buffer[:start]
        else:
            self._buffer += stream[start:]


def _end_of_frame(stream: bytes | bytearray, start: int, size: int) -> int | None:
    if size - start < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack_from(stream, start)
    if not 1 <= length <= MAX_FRAME_BYTES:
        raise FrameError(f"a frame of {length} bytes")
    end: int = start + _LENGTH.size + length
    return end if end <= size else None


def _decode(kind: int, rest: bytes) -> Frame:
    try:
        return _DECODERS[kind](rest)
    except (ValueError, LookupError, TypeError, struct.error) as error:
        raise FrameError(f"a frame of kind {kind} that does not decode") from error


def _decode_plan(rest: bytes) -> PlanFrame:
    plan_id, document = rest.split(b"\0", 1)
    return PlanFrame(plan_id.decode(), document.decode())


def _decode_schemas(rest: bytes) -> SchemasFrame:
    schemas_id, text = rest.split(b"\0", 1)
    return SchemasFrame(schemas_id.decode(), text.decode())


def _decode_stop(rest: bytes) -> StopFrame:
    if rest:
        raise ValueError("STOP carries nothing")
    return StopFrame()


def _decode_job(rest: bytes) -> JobFrame:
    job, sent_ns, flags = _JOB.unpack_from(rest)
    session, plan_id, request_id, route, fixed, judged, request = rest[_JOB.size :].split(b"\0", 6)
    return JobFrame(
        job,
        session.decode(),
        plan_id.decode(),
        bool(flags & _READ_ONLY),
        request.decode(),
        bool(flags & _ALONE),
        bool(flags & _DRY_RUN),
        sent_ns,
        request_id.decode(),
        route.decode(),
        fixed.decode(),
        judged.decode(),
        bool(flags & _UNHEARD),
    )


def _decode_result(rest: bytes) -> ResultFrame:
    job, length = _RESULT.unpack_from(rest)
    members = orjson.loads(rest[_RESULT.size : _RESULT.size + length])
    kind = _OUTCOMES[members.pop("is")]
    if kind is outcomes.BreaksContract:
        members["violations"] = _triples(members["violations"])
    if kind is outcomes.Raised:
        members["errors"] = tuple((pointer, reason) for pointer, reason in members["errors"])
    return ResultFrame(job, kind(**members))


def _triples(found: Any) -> tuple[tuple[str, str, str], ...]:
    return tuple((pointer, keyword, detail) for pointer, keyword, detail in found)


def _decode_done(rest: bytes) -> ResultFrame:
    job, status, flags, fuel, micros, queue, settle, changed, version, length = _DONE.unpack_from(rest)
    start = _DONE.size + length
    headers: tuple[tuple[str, str], ...] = ()
    violations: tuple[tuple[str, str, str], ...] = ()
    stdout = reads = touched = ""
    if length:
        pairs, stdout, broken, reads, touched = orjson.loads(rest[_DONE.size : start])
        violations = _triples(broken)
        headers = tuple((name, value) for name, value in pairs)
    completed = Completed(
        status=status,
        headers=headers,
        body=rest[start:] if flags & _HAS_BODY else None,
        committed=flags & _COMMITTED > 0,
        changed=changed,
        fuel=fuel,
        micros=micros,
        stdout=stdout,
        record=flags & _RECORD > 0,
        replayed=flags & _REPLAYED > 0,
        queue_micros=queue,
        settle_micros=settle,
        version=version,
        reads=reads,
        touched=touched,
        violations=violations,
    )
    return ResultFrame(job, completed)


_OUTCOMES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        outcomes.Raised,
        outcomes.Unmet,
        outcomes.OutOfFuel,
        outcomes.OutOfTime,
        outcomes.OutOfMemory,
        outcomes.StackExhausted,
        outcomes.OutputTooLarge,
        outcomes.BadReply,
        outcomes.BreaksContract,
        outcomes.StorageFull,
        outcomes.StorageFailed,
        outcomes.NotConfirmed,
        outcomes.SessionDamaged,
        outcomes.GuestFailed,
        outcomes.WorkerLost,
        outcomes.Overloaded,
    )
}

_DECODERS: dict[int, Callable[[bytes], Frame]] = {
    CONFIG: lambda rest: JsonFrame(CONFIG, orjson.loads(rest)),
    PLAN: _decode_plan,
    SCHEMAS: _decode_schemas,
    FORGET: lambda rest: ForgetFrame(rest.decode()),
    JOB: _decode_job,
    STOP: _decode_stop,
    READY: lambda rest: JsonFrame(READY, orjson.loads(rest)),
    RESULT: _decode_result,
    DONE: _decode_done,
    DROP: lambda rest: JsonFrame(DROP, orjson.loads(rest)),
    DROPPED: lambda rest: JsonFrame(DROPPED, orjson.loads(rest)),
}

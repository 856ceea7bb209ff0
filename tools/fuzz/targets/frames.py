"""What one end encodes the other decodes; any bytes give the same frames or FrameError however split."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from wasm_runtime import frames
from wasm_runtime.frames import Decoder, Frame, FrameError
from wasm_runtime.outcome import Completed, GuestFailed, OutOfTime, Raised

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 2**31, 2**32, 2**63, 2**64 - 1]))
_COUNTS = st.integers(0, 2**53)
_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
_BYTES = st.binary(max_size=40).map(lambda data: data.decode("latin-1"))
_KINDS: dict[str, Callable[..., Frame]] = {
    "job": frames.JobFrame,
    "plan": frames.PlanFrame,
    "forget": frames.ForgetFrame,
    "config": lambda value: frames.JsonFrame(frames.CONFIG, value),
    "ready": lambda value: frames.JsonFrame(frames.READY, value),
    "stop": frames.StopFrame,
    "completed": lambda job, status, headers, body, committed, count, out: frames.ResultFrame(
        job,
        Completed(
            status, tuple((name, value) for name, value in headers),
            None if body is None else body.encode("latin-1"), committed, count, count, count, out,
        ),
    ),
    "raised": lambda job, blame, kind, count, detail: frames.ResultFrame(
        job, Raised(blame, kind, count, 400, detail)
    ),
    "late": lambda job, limit, killed: frames.ResultFrame(job, OutOfTime(limit, killed)),
    "failed": lambda job, reason: frames.ResultFrame(job, GuestFailed(reason)),
}  # fmt: skip
_JSON = st.dictionaries(
    _TEXTS, st.one_of(_TEXTS, _COUNTS, st.none(), st.lists(_TEXTS, max_size=2)), max_size=3
)
_FRAMES = st.one_of(
    st.tuples(st.just("job"), _NUMBERS, _NAMES, _NAMES, st.booleans(), _TEXTS),
    st.tuples(st.just("plan"), _NAMES, _TEXTS),
    st.tuples(st.just("forget"), _TEXTS),
    st.tuples(st.sampled_from(["config", "ready"]), _JSON),
    st.just(("stop",)),
    st.tuples(
        st.just("completed"), _NUMBERS, st.integers(200, 599),
        st.lists(st.tuples(_NAMES, _TEXTS), max_size=2), st.none() | _BYTES, st.booleans(), _COUNTS, _TEXTS,
    ),
    st.tuples(
        st.just("raised"), _NUMBERS, st.sampled_from(["plan", "request", "store"]), _NAMES, _COUNTS, _TEXTS
    ),
    st.tuples(st.just("late"), _NUMBERS, _COUNTS, st.booleans()),
    st.tuples(st.just("failed"), _NUMBERS, _TEXTS),
)  # fmt: skip
#: Heads of frames, so that noise has a length that is right now and then.
_NOISE = st.lists(
    st.one_of(
        _BYTES,
        st.builds(
            lambda kind, rest: (len(rest) + 1).to_bytes(4, "little").decode("latin-1") + chr(kind) + rest,
            st.integers(0, 9),
            _BYTES,
        ),
        st.sampled_from(["\0\0\0\0", "\xff\xff\xff\xff", "\1\0\0\0\5", "\0\0\0\x10", "\0\0\0\x11"]),
    ),
    max_size=3,
).map("".join)
INPUTS = st.fixed_dictionaries(
    {
        "frames": st.lists(_FRAMES.map(list), max_size=4),
        "noise": _NOISE,
        "damage": st.none() | st.tuples(st.integers(0, 300), st.integers(0, 255)).map(list),
        "cuts": st.lists(st.integers(0, 400), max_size=6),
    }
)


def hold(value: dict[str, Any]) -> None:
    sent = [_KINDS[kind](*fields) for kind, *fields in value["frames"]]
    stream = b"".join(map(frames.encode, sent))
    assert _decoded(_pieces(stream, value["cuts"])) == (sent, False)
    damaged = _damaged(stream, value["damage"]) + value["noise"].encode("latin-1")
    whole, broken = _decoded([damaged])
    assert _decoded(_pieces(damaged, value["cuts"])) == (whole, broken)
    assert _decoded([damaged[at : at + 1] for at in range(len(damaged))]) == (whole, broken)


def _damaged(stream: bytes, damage: list[int] | None) -> bytes:
    if damage is None or not stream:
        return stream
    at = damage[0] % len(stream)
    return stream[:at] + bytes([damage[1]]) + stream[at + 1 :]


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return [data[start:end] for start, end in itertools.pairwise(places)]


def _decoded(pieces: list[bytes]) -> tuple[list[Frame], bool]:
    """The frames, and whether the stream broke off with a FrameError. Whatever else is raised is a find."""
    decoder, found = Decoder(), []
    try:
        for piece in pieces:
            for frame in decoder.feed(piece):
                found.append(frame)  # noqa: PERF402  those before an error count
    except FrameError:
        return found, True
    return found, False

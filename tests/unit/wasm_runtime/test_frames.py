"""The wire format: what one end encodes the other decodes, in whatever pieces it arrives."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasm_runtime import frames
from wasm_runtime.frames import Decoder, FrameError
from wasm_runtime.outcome import (
    BadReply,
    BreaksContract,
    Completed,
    GuestFailed,
    NotConfirmed,
    OutOfFuel,
    OutOfMemory,
    OutOfTime,
    OutputTooLarge,
    Overloaded,
    Raised,
    SessionDamaged,
    StackExhausted,
    StorageFailed,
    StorageFull,
    Unmet,
    WorkerLost,
)

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
texts = st.text(st.characters(codec="utf-8"), max_size=50)
ids = st.integers(0, 2**64 - 1)
counts = st.integers(0, 2**40)

violations = st.lists(st.tuples(texts, names, texts), max_size=3).map(tuple)

outcomes = st.one_of(
    st.builds(
        Completed,
        status=st.integers(200, 599),
        headers=st.lists(st.tuples(names, texts), max_size=3).map(tuple),
        body=st.none() | st.binary(max_size=100),
        committed=st.booleans(),
        changed=counts,
        fuel=counts,
        micros=counts,
        stdout=texts,
        record=st.booleans(),
        replayed=st.booleans(),
        violations=violations,
    ),
    st.builds(Unmet, st.sampled_from(["if-match", "if-none-match", "key-reused", "answers-full"])),
    st.builds(
        Raised,
        blame=st.sampled_from(["plan", "request", "store"]),
        error_type=names,
        line=counts,
        status=st.integers(400, 599),
        detail=texts,
        fuel=counts,
        micros=counts,
        stdout=texts,
        queue_micros=counts,
        settle_micros=counts,
    ),
    st.builds(OutOfFuel, counts),
    st.builds(OutOfTime, counts, st.booleans()),
    st.builds(OutOfMemory, counts),
    st.just(StackExhausted()),
    st.builds(OutputTooLarge, counts, counts),
    st.builds(BadReply, texts),
    st.builds(BreaksContract, st.integers(200, 599), violations),
    st.builds(StorageFull, counts),
    st.builds(StorageFailed, texts),
    st.builds(NotConfirmed, texts),
    st.builds(SessionDamaged, texts),
    st.builds(GuestFailed, texts),
    st.builds(WorkerLost),
    st.builds(Overloaded, texts),
)
all_frames = st.one_of(
    st.builds(frames.JobFrame, ids, names, names, st.booleans(), texts, st.booleans(), st.booleans(), ids),
    st.builds(
        frames.JobFrame, ids, names, names, st.booleans(), texts, fixed=names, judged=names, route=names
    ),
    st.builds(frames.SchemasFrame, names, texts),
    st.builds(frames.PlanFrame, names, texts),
    st.builds(frames.ForgetFrame, names),
    st.builds(frames.ResultFrame, ids, outcomes),
    st.builds(
        frames.JsonFrame,
        st.sampled_from([frames.CONFIG, frames.READY, frames.DROP, frames.DROPPED]),
        st.dictionaries(names, counts),
    ),
    st.just(frames.StopFrame()),
)


@given(st.lists(all_frames, max_size=5), st.integers(1, 64))
def test_frames_survive_any_fragmentation(sent: list[frames.Frame], piece: int) -> None:
    """Whatever is encoded is decoded, equal and in order, however the bytes are cut."""
    stream = b"".join(frames.encode(frame) for frame in sent)
    decoder = Decoder()

    received = [
        frame for at in range(0, len(stream), piece) for frame in decoder.feed(stream[at : at + piece])
    ]

    assert received == sent


@pytest.mark.parametrize(
    "frame",
    [
        frames.JobFrame(1, "s", "p", True, "{}", True, True, 2**64 - 1),
        frames.JobFrame(1, "s", "p", True, "{}", unheard=True),
        frames.JobFrame(1, "s", "p", True, "{}", fixed='{"seed": "7"}', judged='{"keys": {}}'),
        frames.SchemasFrame("d", "{}"),
        frames.PlanFrame("p", "{}"),
        frames.ForgetFrame("p"),
        frames.JsonFrame(frames.READY, {"pid": 1}),
        frames.StopFrame(),
        frames.ResultFrame(1, WorkerLost()),
        frames.ResultFrame(1, Raised("store", "TypeMismatch", 2, 422, "d", errors=(("/a", "b"),))),
        frames.ResultFrame(1, BreaksContract(200, (("/a", "type", "b"),))),
        frames.ResultFrame(1, Completed(200, (), b"{}", False, 0, 1, 2)),
        frames.ResultFrame(1, Completed(200, (), b"{}", False, 0, 1, 2, violations=(("", "required", "b"),))),
        frames.ResultFrame(1, Completed(204, (("A", "b"),), None, True, 3, 1, 2, "out", True, True, 3, 4)),
    ],
)
def test_each_kind_of_frame_survives(frame: frames.Frame) -> None:
    """Every kind, whatever the generated ones happen to be."""
    assert list(Decoder().feed(frames.encode(frame))) == [frame]


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_frame_error(data: bytes) -> None:
    """Invariant: a stream either decodes or raises FrameError; nothing else."""
    try:
        list(Decoder().feed(data))
    except FrameError:
        return


@pytest.mark.parametrize(
    "rest",
    [
        b"\x63",  # no such kind
        bytes([frames.STOP]) + b"x",
        bytes([frames.JOB]) + b"short",
        bytes([frames.PLAN]) + b"no separator",
        bytes([frames.CONFIG]) + b"{",
        bytes([frames.RESULT]) + struct.pack("<QI", 1, 14) + b'{"is":"Nobody"',
        bytes([frames.RESULT]) + struct.pack("<QI", 1, 19) + b'{"is":"OutOfFuel"} ',
    ],
)
def test_a_malformed_frame_is_named(rest: bytes) -> None:
    """A frame that does not decode raises, with its kind."""
    with pytest.raises(FrameError, match="frame of kind"):
        list(Decoder().feed(struct.pack("<I", len(rest)) + rest))


@pytest.mark.parametrize("length", [0, frames.MAX_FRAME_BYTES + 1])
def test_an_impossible_length_ends_the_stream(length: int) -> None:
    """No memory is set aside on the word of a length that no frame of ours has."""
    with pytest.raises(FrameError, match=f"{length} bytes"):
        list(Decoder().feed(struct.pack("<I", length)))


def test_the_longest_frame_is_awaited() -> None:
    """A frame at the limit is not refused; it is waited for."""
    assert list(Decoder().feed(struct.pack("<I", frames.MAX_FRAME_BYTES) + b"x")) == []

"""Counts in a component's data: those of the snapshot's objects are set, and nothing else is touched."""

from __future__ import annotations

import struct

import pytest

from wasm_runtime.immortal import SnapshotError, make_immortal

IMMORTAL = 0x50000000
KIND, OTHER = 0x2000, 0x2100
BASE = 0x1000


def leb(number: int) -> bytes:
    out = bytearray()
    while True:
        number, byte = number >> 7, number & 0x7F
        if number == 0 and byte < 0x40:
            return bytes([*out, byte])
        out.append(byte | 0x80)


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + leb(len(content)) + content


def component(*segments: tuple[int, bytes], flags: int = 0) -> bytearray:
    """A component with a custom section, a module without data, and, one component deeper, one with it."""
    data = leb(len(segments))
    for address, content in segments:
        data += bytes([flags, 0x41]) + leb(address) + b"\x0b" + leb(len(content)) + content
    preamble, outer = b"\0asm\1\0\0\0", b"\0asm\x0d\0\1\0"
    inner = outer + section(1, preamble + section(5, b"\1\0\1") + section(11, data))
    return bytearray(outer + section(0, b"\4name") + section(1, preamble) + section(4, inner))


def words(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def listing(own: int, *pairs: tuple[int, int]) -> bytes:
    return b"IMMORTAL OBJECTS" + words(own, len(pairs), *(word for pair in pairs for word in pair))


def objects(*counts_and_kinds: tuple[int, int]) -> bytes:
    """Of eight bytes each."""
    return b"".join(words(count, kind) for count, kind in counts_and_kinds)


def counts(binary: bytearray, segment: bytes) -> list[int]:
    """The counts of the objects that were `segment`; they are followed by 16 marker bytes."""
    end = binary.index(b"-end of objects-")
    return [count for count, _ in struct.iter_unpack("<II", binary[end - len(segment) : end])]


def test_counts_are_set_and_no_address_is_overwritten() -> None:
    """Living objects are made immortal; what was freed, or has become another, is left as it is."""
    things = objects(
        (1, KIND), (65_535, KIND), (65_536, KIND), (0, KIND), (3, OTHER), (IMMORTAL, KIND), (7, KIND)
    )
    listed = [(BASE + 8 * n, KIND) for n in range(6)]
    binary = component((BASE, things + b"-end of objects-"), (0x9000, listing(0x9000, *listed)))

    assert make_immortal(binary) == 2
    assert counts(binary, things) == [IMMORTAL, IMMORTAL, 65_536, 0, 3, IMMORTAL, 7]


def test_a_copy_of_the_list_is_no_list() -> None:
    """What was left where it was made says another address than its own, and may be half overwritten."""
    things = objects((1, KIND), (1, KIND))
    stale, true = listing(0x9000, (BASE, KIND)), listing(0x9000, (BASE + 8, KIND))
    binary = component((BASE, things + b"-end of objects-"), (0x5000, stale), (0x9000, true))

    assert make_immortal(binary) == 1
    assert counts(binary, things) == [1, IMMORTAL]


def test_a_list_may_go_over_segments() -> None:
    """Zeros between them are left out, within a pair and within an object's count."""
    whole = listing(0x9000, (BASE + 8, 0x10000))
    assert whole[-4:] == b"\0\0\1\0"
    things = objects((1, KIND), (1, 0x10000))
    parts = ((0x9000, whole[:-4]), (0x9000 + len(whole) - 2, whole[-2:]))
    binary = component((BASE, things + b"-end of objects-"), *parts)

    assert make_immortal(binary) == 1
    assert counts(binary, things) == [1, IMMORTAL]


def test_a_count_that_is_not_all_there_is_left() -> None:
    """Its last bytes are zeros that no segment has: there is no room to write in."""
    segments = ((BASE, b"\1"), (BASE + 4, words(KIND)), (0x9000, listing(0x9000, (BASE, KIND))))
    binary = component(*segments)
    before = bytes(binary)

    assert make_immortal(binary) == 0
    assert bytes(binary) == before


@pytest.mark.parametrize(
    ("binary", "reason"),
    [
        (component((BASE, b"nothing of the kind")), "no list"),
        (component((BASE, listing(BASE + 1, (BASE, KIND)))), "no list"),
        (component((BASE, listing(BASE)), flags=1), "fixed place"),
        (bytearray(b"\0asm\x0d\0\1\0" + section(1, b"\0asm\1\0\0\0")), "no data"),
    ],
)
def test_what_is_not_of_our_making_is_refused(binary: bytearray, reason: str) -> None:
    """The build then fails, and says so: a guest without it would only be larger and slower."""
    with pytest.raises(SnapshotError, match=reason):
        make_immortal(binary)

"""Makes the objects of a guest's snapshot immortal (PEP 683), so that guests do not write to them.

CPython counts references in the objects themselves, so a guest that looks at an object writes to it, and has
a copy of its memory page from then on. An object whose count is beyond a limit is not counted, and nothing in
Python can set a count; here it is set in the data segments of the component's module that has the memory.

The guest lists the addresses of its objects (guest/snapshot.py): a mark, the list's own address, the number
of pairs, and pairs of an object's address and its type's. Whatever has become of an object since, nothing but
a count is ever overwritten: what has not the type it had is left alone, and so is a count that could be
something else, as the C library and CPython use the first words of what is freed for addresses.

https://webassembly.github.io/spec/core/binary/modules.html, and for components
https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

#: _Py_IMMORTAL_INITIAL_REFCNT where a pointer has 32 bits (CPython 3.14, Include/refcount.h).
_IMMORTAL = 5 << 28
#: No object of the snapshot is referred to so often, and no address is so low.
_MOST_REFERENCES = 0x10000
_MARK = b"IMMORTAL OBJECTS"
_COUNT, _PAIR = struct.Struct("<I"), struct.Struct("<II")
_MODULE_SECTION, _COMPONENT_SECTION, _DATA_SECTION = 1, 4, 11
#: `i32.const`, before the offset of an active segment; `end` comes after it.
_CONST = 0x41

#: Where something begins and ends in the file.
_Span: TypeAlias = tuple[int, int]


class SnapshotError(Exception):
    """The component is not what the build expects: it says what is missing."""


@frozen
class _Segment:
    """Bytes of the memory: their address, their place in the file, how many."""

    address: int
    place: int
    size: int


def make_immortal(component: bytearray) -> int:
    """Change a component in place; the number of objects that are immortal now. Raises SnapshotError."""
    segments = sorted(_segments(component), key=lambda segment: segment.address)
    memory = _memory(component, segments)
    made = 0
    for address, kind in _listed(memory):
        count, found_kind = _PAIR.unpack_from(memory, address)
        if found_kind == kind and 0 < count < _MOST_REFERENCES:
            made += _set_count(component, segments, address)
    return made


def _memory(component: bytearray, segments: list[_Segment]) -> bytearray:
    """A guest's memory; between the segments there are zeros."""
    last = segments[-1]
    memory = bytearray(last.address + last.size)
    for each in segments:
        memory[each.address : each.address + each.size] = component[each.place : each.place + each.size]
    return memory


def _listed(memory: bytearray) -> list[tuple[int, int]]:
    """The pairs of the guest's list. Raises SnapshotError."""
    start = memory.find(_MARK)
    while start >= 0:
        own_address, count = _PAIR.unpack_from(memory, start + len(_MARK))
        if own_address == start:  # and not what was left of it where it was made
            first = start + len(_MARK) + _PAIR.size
            return list(_PAIR.iter_unpack(memory[first : first + count * _PAIR.size]))
        start = memory.find(_MARK, start + 1)
    raise SnapshotError("the guest has no list of its objects")


def _set_count(component: bytearray, segments: list[_Segment], address: int) -> bool:
    segment = segments[bisect_right(segments, address, key=lambda each: each.address) - 1]
    offset = address - segment.address
    if offset + _COUNT.size > segment.size:
        return False  # zeros at the end of a segment are left out
    _COUNT.pack_into(component, segment.place + offset, _IMMORTAL)
    return True


def _segments(component: bytearray) -> Iterator[_Segment]:
    """The active data segments of the one module that has any. Raises SnapshotError."""
    for module in _modules(component, (0, len(component))):
        for kind, (start, _) in _sections(component, module):
            if kind == _DATA_SECTION:
                yield from _data(component, start)
                return
    raise SnapshotError("the component has no data")


def _modules(component: bytearray, span: _Span) -> Iterator[_Span]:
    """The core modules of a component, and of those within it."""
    for kind, inner in _sections(component, span):
        if kind == _MODULE_SECTION:
            yield inner
        elif kind == _COMPONENT_SECTION:
            yield from _modules(component, inner)


def _sections(component: bytearray, span: _Span) -> Iterator[tuple[int, _Span]]:
    """After eight bytes of preamble: an id, a size, and as many bytes."""
    place, end = span[0] + 8, span[1]
    while place < end:
        size, start = _number(component, place + 1)
        yield component[place], (start, start + size)
        place = start + size


def _data(component: bytearray, place: int) -> Iterator[_Segment]:
    count, place = _number(component, place)
    for _ in range(count):
        if (component[place], component[place + 1]) != (0, _CONST):
            raise SnapshotError("a data segment is not at a fixed place of the first memory")
        address, place = _number(component, place + 2)  # signed, but no address is so high
        size, place = _number(component, place + 1)  # after `end`
        yield _Segment(address, place, size)
        place += size


def _number(data: bytearray, place: int) -> tuple[int, int]:
    """A number in LEB128, and what comes after it."""
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place

"""A database file read page by page, without SQLite, for what SQLite refuses to read.

Rules, from https://sqlite.org/fileformat.html, "B-tree Pages" and "Record Format":

1. A page belongs to a tree when a parent in the tree points at it, and its keys are within the parent's
   bounds. So one wrong pointer does not carry another table's rows over: a page of two trees is nobody's.
2. A leaf that no parent and no freelist has is an orphan: a parent of it was damaged. If the freelist is not
   whole, an orphan may as well be a page of deleted rows, and is not to be trusted.
3. A page is damaged when it has no kind that fits its place. Where a cell cannot be decoded, or cells and
   free space do not add up to the page, the other cells are read all the same.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_BYTES = 4096
_HEADER_BYTES = 100
_INNER_INDEX, _INNER_TABLE, _LEAF_INDEX, _LEAF_TABLE = 0x02, 0x05, 0x0A, 0x0D
_INNER = frozenset({_INNER_INDEX, _INNER_TABLE})
#: The most of a payload that is on the page itself: in the leaf of a table, in an index.
_MOST_LOCAL = {_LEAF_TABLE: PAGE_BYTES - 35, _LEAF_INDEX: (PAGE_BYTES - 12) * 64 // 255 - 23}
_MOST_LOCAL[_INNER_INDEX] = _MOST_LOCAL[_LEAF_INDEX]
_LEAST_LOCAL = (PAGE_BYTES - 12) * 32 // 255 - 23
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_LOWEST, _HIGHEST = -(2**63), 2**63 - 1
_MAX_PAYLOAD = 2**30
#: What a smaller cell takes up all the same, so that it can become a free block.
_LEAST_CELL = 4


class Unreadable(Exception):
    """Bytes that are not what stands at this place in a whole file."""


@dataclass(slots=True)
class Row:
    """A decoded row. `rowid` is 0 in an index, which has none."""

    rowid: int
    values: list[Any]


@dataclass(slots=True)
class Tree:
    """What was found of one b-tree: its leaves, and where it was not readable."""

    leaves: list[int] = field(default_factory=list)
    #: Pages that are not what their place asks for, and pointers to no page.
    damaged: set[int] = field(default_factory=set)


class Pages:
    """The pages of a file, by number from 1."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.count = len(data) // PAGE_BYTES
        self._parents: dict[int, set[int]] = defaultdict(set)

    def kind(self, number: int) -> int:
        return self._data[self._start(number)]

    def tree(self, root: int, *, index: bool = False) -> Tree:
        """Follow a tree from its root. All trees have to be followed before `rows` can be asked for any."""
        tree, seen = Tree(), set()
        waiting = [(root, _LOWEST, _HIGHEST)]
        while waiting:
            number, low, high = waiting.pop()
            if not 1 <= number <= self.count or number in seen:
                tree.damaged.add(number)
                continue
            seen.add(number)
            try:
                fits = self._fits(number, low, high, index=index)
            except Unreadable:
                fits = False
            if not fits:
                tree.damaged.add(number)
                continue
            self._parents[number].add(root)
            if self.kind(number) in _INNER:
                waiting += self._children(number, low, high)
            if index or self.kind(number) == _LEAF_TABLE:
                tree.leaves.append(number)
        return tree

    def is_shared(self, number: int) -> bool:
        """Whether more than one tree has the page, so that nobody knows whose it is."""
        return len(self._parents[number]) > 1

    def orphans(self) -> list[int]:
        """Leaves of tables that no tree has. Raises Unreadable if the freelist cannot tell deleted ones."""
        free = self._free()
        return [
            number
            for number in range(2, self.count + 1)
            if self.kind(number) == _LEAF_TABLE and number not in free and not self._parents[number]
        ]

    def rows(self, number: int) -> Iterator[Row | None]:
        """The rows of a page; None for each that cannot be decoded, and where some must be missing."""
        try:
            pointers, space = self._pointers(number), self._cell_space(number)
        except Unreadable:
            yield None
            return
        for at in pointers:
            try:
                row, end = self._row(number, at)
            except Unreadable:
                space = 0
                yield None
            else:
                space -= max(end - at, _LEAST_CELL)
                yield row
        if space > 0:
            yield None

    def _start(self, number: int) -> int:
        return (number - 1) * PAGE_BYTES + (_HEADER_BYTES if number == 1 else 0)

    def _pointers(self, number: int) -> list[int]:
        """Where the cells are, in the file. Raises Unreadable."""
        start = self._start(number)
        header = 12 if self.kind(number) in _INNER else 8
        (cells,) = struct.unpack_from(">H", self._data, start + 3)
        page, end = (number - 1) * PAGE_BYTES, number * PAGE_BYTES
        if start + header + 2 * cells > end:
            raise Unreadable
        offsets = struct.unpack_from(f">{cells}H", self._data, start + header)
        return [page + offset for offset in offsets]

    def _cell_space(self, number: int) -> int:
        """The bytes of a page that its cells take up, by its header and its list of free blocks."""
        start, page = self._start(number), (number - 1) * PAGE_BYTES
        free, _, content, fragments = struct.unpack_from(">HHHB", self._data, start + 1)
        space: int = PAGE_BYTES - content - fragments
        before = 0
        while free:
            if not before < free <= PAGE_BYTES - _LEAST_CELL:
                raise Unreadable
            before = free
            free, size = struct.unpack_from(">HH", self._data, page + free)
            space -= size
        return space

    def _fits(self, number: int, low: int, high: int, *, index: bool) -> bool:
        """Whether a page can be at this place: of a fitting kind, with keys in order and within bounds."""
        kind = self.kind(number)
        if index:
            return kind in (_INNER_INDEX, _LEAF_INDEX)
        if kind not in (_INNER_TABLE, _LEAF_TABLE):
            return False
        keys = [low, *self._keys(number)]
        rising = all(one < other for one, other in pairwise(keys))
        return rising and (kind == _INNER_TABLE or keys[-1] <= high)

    def _keys(self, number: int) -> list[int]:
        """The rowids of a table's page, without those that cannot be decoded."""
        skip = 4 if self.kind(number) == _INNER_TABLE else 0
        keys = []
        for at in self._pointers(number):
            if skip == 0:
                _, position = self._varint(at)
            else:
                position = at + skip
            keys.append(self._varint(position)[0])
        return keys

    def _children(self, number: int, low: int, high: int) -> Iterator[tuple[int, int, int]]:
        """The pages below one, each with the bounds of its keys: above the first, up to the second."""
        (last,) = struct.unpack_from(">I", self._data, self._start(number) + 8)
        for at in self._pointers(number):
            child = self._word(at)
            if self.kind(number) == _INNER_TABLE:
                key, _ = self._varint(at + 4)
                yield child, low, key
                low = key
            else:
                yield child, low, high
        yield last, low, high

    def _row(self, number: int, at: int) -> tuple[Row, int]:
        """The row of a cell, and where on the page the cell ends. Raises Unreadable."""
        kind = self.kind(number)
        size, position = self._varint(at + (4 if kind == _INNER_INDEX else 0))
        rowid = 0
        if kind == _LEAF_TABLE:
            rowid, position = self._varint(position)
        if kind == _INNER_TABLE or not 0 <= size <= _MAX_PAYLOAD:
            raise Unreadable
        payload, end = self._payload(kind, size, position, number * PAGE_BYTES)
        return Row(rowid, _values(payload)), end

    def _payload(self, kind: int, size: int, position: int, page_end: int) -> tuple[bytes, int]:
        local = size
        if size > _MOST_LOCAL[kind]:
            fitted = _LEAST_LOCAL + (size - _LEAST_LOCAL) % (PAGE_BYTES - 4)
            local = fitted if fitted <= _MOST_LOCAL[kind] else _LEAST_LOCAL
        if position + local > page_end:
            raise Unreadable
        parts = [self._data[position : position + local]]
        end = position + local + (4 if size > local else 0)
        left = size - local
        following = self._word(position + local) if left else 0
        while left > 0:
            if not 1 < following <= self.count:
                raise Unreadable
            start = (following - 1) * PAGE_BYTES
            parts.append(self._data[start + 4 : start + 4 + min(left, PAGE_BYTES - 4)])
            left -= PAGE_BYTES - 4
            following = self._word(start)
        if following:
            raise Unreadable  # the chain goes on where it has to end: it is not this row's
        return b"".join(parts), end

    def _free(self) -> set[int]:
        """The pages that are in no use. Raises Unreadable unless there are as many as the header says."""
        trunk, expected = struct.unpack_from(">II", self._data, 32)
        free: set[int] = set()
        while trunk:
            if not 1 < trunk <= self.count or trunk in free:
                raise Unreadable
            free.add(trunk)
            start = (trunk - 1) * PAGE_BYTES
            following, leaves = struct.unpack_from(">II", self._data, start)
            if leaves > PAGE_BYTES // 4 - 2:
                raise Unreadable
            free.update(struct.unpack_from(f">{leaves}I", self._data, start + 8))
            trunk = following
        if len(free) != expected:
            raise Unreadable
        return free

    def _word(self, at: int) -> int:
        if at + 4 > len(self._data):
            raise Unreadable
        word: int = struct.unpack_from(">I", self._data, at)[0]
        return word

    def _varint(self, at: int) -> tuple[int, int]:
        return varint(self._data, at)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A signed 64-bit integer of one to nine bytes, and where what follows it starts. Raises Unreadable."""
    value = 0
    for length in range(9):
        if at + length >= len(data):
            raise Unreadable
        byte = data[at + length]
        if length == 8:
            value = value << 8 | byte
        else:
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                break
    return value - 2**64 if value >= 2**63 else value, at + length + 1


def _values(payload: bytes) -> list[Any]:
    """The columns of a record. Raises Unreadable unless header and values use up the payload to the byte."""
    header_bytes, at = varint(payload, 0)
    if not at <= header_bytes <= len(payload):
        raise Unreadable
    kinds = []
    while at < header_bytes:
        kind, at = varint(payload, at)
        kinds.append(kind)
    values = []
    for kind in kinds:
        value, at = _value(payload, at, kind)
        values.append(value)
    if at != len(payload):
        raise Unreadable
    return values


def _value(payload: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (0, 8, 9):
        return {0: None, 8: 0, 9: 1}[kind], at
    if kind in _INTEGER_BYTES:
        end = at + _INTEGER_BYTES[kind]
        return int.from_bytes(payload[at:end], "big", signed=True), end
    if kind < 12:
        raise Unreadable  # a fraction, or a kind that is reserved: no column of ours
    end = at + (kind - 12) // 2
    text = payload[at:end]
    if end > len(payload) or kind % 2 == 0:
        raise Unreadable
    try:
        return text.decode("utf-8"), end
    except UnicodeDecodeError:
        raise Unreadable from None

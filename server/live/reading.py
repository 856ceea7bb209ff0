"""Whether a change has touched what a reply was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.live.changes import Touched
    from wasm_runtime.read_set import ReadSet


def is_touched(reads: ReadSet | None, touched: Touched) -> bool:
    """Of a reply of which nobody knows what it was made of (None), anything may have been touched.

    A collection that has records among those that are named is not meant as a whole; see `Touched` and
    `wasm_runtime.read_set.ReadSet`.
    """
    if reads is None or touched.whole or reads.whole:
        return True
    if 0 < touched.version <= reads.version:
        return False  # the reply has seen it
    for collection in touched.collections & reads.collections:
        written = {address for name, address in touched.records if name == collection}
        read = {address for name, address in reads.records if name == collection}
        if not written or not read or written & read:
            return True
    return False

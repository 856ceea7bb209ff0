"""Whether a change has touched what a reply was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wasm_runtime.read_set import have_in_common

if TYPE_CHECKING:
    from server.live.changes import Touched
    from wasm_runtime.read_set import ReadSet


def is_touched(reads: ReadSet | None, touched: Touched) -> bool:
    """Of a reply of which nobody knows what it was made of (None), anything may have been touched."""
    if reads is None:
        return True
    has_seen_it = 0 < touched.version <= reads.version and not (touched.whole or reads.whole)
    return not has_seen_it and have_in_common(reads, touched)

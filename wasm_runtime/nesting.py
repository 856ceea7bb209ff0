"""How deep JSON text nests, and what of it stands outside of its texts.

Counted in C: a loop over a large list's brackets would take milliseconds.
"""

from __future__ import annotations

_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_MARKS = bytes(sorted(set(range(256)) - set(b"[]{}")))


def depth_within(text: bytes, limit: int) -> bool:
    """Whether what is JSON text nests at most `limit` deep; brackets inside its texts do not count.

    Each round takes the innermost pairs away.
    """
    if text.count(b"[") + text.count(b"{") <= limit:
        return True
    brackets = without_texts(text).translate(_TO_SQUARE, _NO_MARKS)
    for _ in range(limit):
        if not brackets:
            break
        brackets = brackets.replace(b"[]", b"")
    return not brackets


def without_texts(text: bytes) -> bytes:
    """What is JSON text, less its quoted texts. Numbers stay apart: a comma or a colon is between them."""
    if b"\\" in text:  # then a quote may be part of a text
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    return b"".join(text.split(b'"')[::2])

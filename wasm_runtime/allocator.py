"""The C library's allocator, told what it cannot know of a worker."""

from __future__ import annotations

import ctypes

#: From malloc.h; see mallopt(3).
_M_ARENA_MAX = -8


def share_one_heap() -> None:
    """Have all threads take their memory from one heap; to be called before there are any.

    Wasmtime makes calls on files in threads that come and go, of which one or two are busy at a time. glibc
    would give each of up to eight for every core a heap of its own, and keep it for ever: a worker would
    go on growing for hours, the more so the more cores there are. Without glibc it does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)

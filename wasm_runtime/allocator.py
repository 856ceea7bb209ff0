"""The C library's allocator, told what it cannot know of these processes."""

from __future__ import annotations

import ctypes

#: From malloc.h; see mallopt(3).
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
#: glibc's own to begin with.
_LARGE_BYTES = 128 * 1024


def share_one_heap() -> None:
    """Have all threads take their memory from one heap; to be called before there are any.

    Wasmtime makes calls on files in threads that come and go, of which one or two are busy at a time. glibc
    would give each of up to eight for every core a heap of its own, and keep it for ever: a worker would
    go on growing for hours, the more so the more cores there are. Without glibc it does nothing.
    """
    _set(_M_ARENA_MAX, 1)


def give_back_large_blocks() -> None:
    """Have a large body's memory be the system's again as soon as it is freed.

    glibc maps a large block on its own at first. When such a one is freed it raises the size from which it
    does, up to 32 MiB: from then on bodies lie in the heap, among what stays. Without glibc it does nothing.
    """
    _set(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def _set(option: int, value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(option, value)

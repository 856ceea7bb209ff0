"""How much memory this process holds. A guest's memory never shrinks, so large ones must go."""

from __future__ import annotations

import mmap
import os

_STATM = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def resident_bytes() -> int:
    """Resident memory, shared pages included (proc(5), statm, second field); a system call, 2 us."""
    return int(os.pread(_STATM, 128, 0).split(b" ", 2)[1]) * mmap.PAGESIZE

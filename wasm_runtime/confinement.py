"""What a worker takes from itself before it runs the first guest: the third wall, under policy and wasm.

Each step that the kernel refuses is reported, not fatal: the first two walls do not depend on it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def confine(*, file_bytes: int, open_files: int, parent: int) -> dict[str, bool]:
    """Apply every restriction; what could be enforced, by name.

    `file_bytes` bounds any one file (RLIMIT_FSIZE), `open_files` the descriptors. There is no RLIMIT_AS:
    each guest reserves 4 GiB of address space that it never touches.
    """
    _ignore_terminal_signals()
    enforced = {
        "dies_with_parent": _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        "no_new_privileges": _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "file_size": _limit(resource.RLIMIT_FSIZE, file_bytes),
        "open_files": _limit(resource.RLIMIT_NOFILE, open_files),
        "no_core_dumps": _limit(resource.RLIMIT_CORE, 0),
    }
    if os.getppid() != parent:
        # The parent died before the first line above: nobody would ever end this process.
        os._exit(1)
    return enforced


def _ignore_terminal_signals() -> None:
    """The parent decides when a worker ends, so that what is in flight can be answered."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _prctl(option: int, value: int) -> bool:
    try:
        return bool(ctypes.CDLL(None).prctl(option, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def _limit(which: int, most: int) -> bool:
    _, hard = resource.getrlimit(which)
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    try:
        resource.setrlimit(which, (value, value))
    except (OSError, ValueError):
        return False
    return True

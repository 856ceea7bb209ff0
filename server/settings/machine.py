"""What the machine, or the container, leaves to this service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def cores() -> int:
    """Processors that it may use: what a container or taskset leaves, where the platform can tell."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes(cgroups: Path = _CGROUPS, own_cgroup: Path = _OWN_CGROUP) -> int:
    """Memory that it may use: the machine's, or the least that a cgroup above it has for a limit.

    https://docs.kernel.org/admin-guide/cgroup-v2.html, "memory.max"; limits of version 1 are not looked for.
    """
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([physical, *_limits(cgroups, own_cgroup)])


def _limits(cgroups: Path, own_cgroup: Path) -> Iterator[int]:
    try:
        lines = own_cgroup.read_text("utf-8").splitlines()
    except OSError:
        return
    own = next((line[3:] for line in lines if line.startswith("0::/")), "/")
    for group in (cgroups / own[1:], *(cgroups / own[1:]).parents):
        if group.is_relative_to(cgroups):
            try:
                yield int((group / "memory.max").read_text("ascii"))
            except (OSError, ValueError):  # ValueError: "max", which is none
                continue

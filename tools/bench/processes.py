"""What the kernel knows of a process: its children, its time on a processor, its memory.

proc(5): https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Of all its threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def family(pid: int) -> dict[str, list[int]]:
    """A service's processes by what they do: the workers, and the one that answers."""
    workers = [child for child in children(pid) if b"wasm_runtime.worker" in _command_line(child)]
    return {"api": [pid], "workers": workers} if workers else {"server": [pid]}


def cpu_seconds(pid: int) -> float:
    """User and system time, of all threads, to a hundredth."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def memory(pid: int) -> dict[str, int]:
    """Bytes by kind: Rss, Pss, Private_Clean, Private_Dirty and more."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size.split()[0]) * 1024 for name, _, size in (line.partition(":") for line in lines)}


def private_bytes(pid: int) -> int:
    """What would be free without this process."""
    sizes = memory(pid)
    return sizes["Private_Clean"] + sizes["Private_Dirty"]


@contextmanager
def share_cores(most: int) -> Iterator[list[int]]:
    """Keep this process, and all that it starts meanwhile, on the same few cores; which they are."""
    all_cores = os.sched_getaffinity(0)
    cores = sorted(all_cores)[:most]
    os.sched_setaffinity(0, cores)
    try:
        yield cores
    finally:
        os.sched_setaffinity(0, all_cores)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""

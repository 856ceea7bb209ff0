"""What a service process is started with, and what the kernel knows of it: workers, processor time, memory.

proc(5): https://man7.org/linux/man-pages/man5/proc.5.html
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TICKS = os.sysconf("SC_CLK_TCK")
_STOP_SECONDS: Final = 60.0

#: How the variables begin that set the service or its command up, and must not come from outside.
SETTINGS: Final = ("OPENAI_", "ANTHROPIC_", "LARS_", "METASERVICE_", "OTEL_", "SANDBOX_DATA_ROOT")


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """For a service: this process's environment without anything that sets one up, and these settings.

    Where the guest is built is left as it is: what is built here is found there.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)}
    return kept | guest_environment() | dict(settings)


@contextmanager
def serving(scratch: Path, **variables: str) -> Iterator[tuple[int, str]]:
    """A service with its data below `scratch`, on a port of its own; its process and its URL.

    Raises RuntimeError where it does not start.
    """
    settings = {"SANDBOX_DATA_ROOT": str(scratch / "data"), "LARS_PORT": "0", **variables}
    log = scratch / "log"
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "server", "serve"],
            cwd=scratch,
            env={**environment(settings), "PYTHONPATH": str(Path.cwd())},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            said = process.stdout.readline().split()
            if not said:
                raise RuntimeError(log.read_text().strip())
            yield process.pid, said[1]
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def guest_environment() -> dict[str, str]:
    """What of this process's environment says where the guest is built."""
    names = ("HOME", "XDG_CACHE_HOME", "LARS_CACHE_DIR")
    return {name: os.environ[name] for name in names if name in os.environ}


def toml(tables: Mapping[str, Mapping[str, object]]) -> str:
    """A file of settings by table. JSON's texts, numbers, booleans and lists of these are TOML's too."""
    return "\n".join(
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items()), ""])
        for name, settings in tables.items()
    )


def workers_of(parent: int) -> list[int]:
    """The sandbox workers of a service, found as anybody would: by parent and command line."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _parent_of(pid) == parent and is_worker(pid)]


def keepers_of(parent: int) -> list[int]:
    """The keeper of a service's record, likewise; there may be none for a moment."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if _parent_of(pid) == parent and is_keeper(pid)]


def is_keeper(pid: int) -> bool:
    """Whichever engine its record has."""
    return _runs(pid, b"server.record.process") or _runs(pid, b"server.record.postgres.process")


def is_worker(pid: int) -> bool:
    """A process that has ended has an empty command line or none."""
    return _runs(pid, b"wasm_runtime.worker")


def _runs(pid: int, module: bytes) -> bool:
    try:
        return module in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def family(pid: int) -> dict[str, list[int]]:
    """A service's processes by what they do: the workers, and the one that answers."""
    workers = workers_of(pid)
    return {"api": [pid], "workers": workers, "keeper": keepers_of(pid)} if workers else {"server": [pid]}


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


def rss_bytes(pid: int, kind: str = "VmRSS") -> int:
    """A process's memory by a line of its status; 0 for one that has ended.

    `RssAnon` leaves out what guests only share: each maps the same image of the interpreter, and VmRSS
    counts that anew for every guest.
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{kind}:")), 0)


def guests_in(pid: int) -> int:
    """How many guests a worker has, by what it maps: each has the image of a guest's memory to write to."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return 0
    return sum(line.endswith(".cwasm") and " rw-p " in line for line in lines)


def bytes_beside_guests(pid: int) -> int:
    """A worker's private memory without its guests' own: what they have written to of their images."""
    try:
        lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    except OSError:
        return 0
    size, of_guest = 0, False
    for line in lines:
        name, value = line.split(maxsplit=2)[:2]
        if not name.endswith(":"):
            of_guest = line.endswith(".cwasm")
        elif name == "Anonymous:" and not of_guest:
            size += int(value) * 1024
    return size


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


def is_running(pid: int) -> bool:
    """Not ended, nor merely waiting to be noticed."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def _parent_of(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(status.rpartition(")")[2].split()[1])

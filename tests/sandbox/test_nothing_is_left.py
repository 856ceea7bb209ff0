"""A worker does not grow: what guests held is given back when they end, not at some later collection.

Counted, with Python's own collector switched off: objects, file descriptors, memory mappings.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.processes import bytes_beside_guests, guests_in, rss_bytes
from wasm_runtime.limits import MIB, Limits
from wasm_runtime.outcome import Completed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sandbox.conftest import Sandbox
    from wasm_runtime.live_guest import LiveGuest

LIMITS = Limits(fuel=500_000_000, wall_ms=20_000)
DEEP = "x = []\nfor _ in range(200000):\n    x = [x]\nREPLY = make_response(200, x)"
#: Each ends a guest in another way.
FATAL = {
    "fuel": "while True:\n    pass",
    "stack": DEEP,
    "memory": 'x = "x" * 10 ** 9\nREPLY = make_response(200, 1)',
}


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def held(sandbox: Sandbox) -> dict[str, int]:
    """What this process holds of the kernel's for its guests: open files of their sessions, and memories.

    Only what is below the sessions' directories counts: other tests of this process open and close their own.
    """
    targets = (target_of(number) for number in os.listdir("/proc/self/fd"))
    files = sum(target.startswith(str(sandbox.root)) for target in targets)
    return {"files": files, "guests": guests_in(os.getpid())}


def target_of(descriptor: str) -> str:
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except FileNotFoundError:  # it has been closed since it was listed
        return ""


def guest_of(sandbox: Sandbox, session: str) -> weakref.ref[LiveGuest]:
    return weakref.ref(sandbox.guest(session))


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("code", FATAL.values(), ids=FATAL)
def test_a_guest_that_traps_is_gone_at_once(make_sandbox: Callable[..., Sandbox], code: str) -> None:
    """With its memory, its session's files and its mappings, which may be hundreds of MiB."""
    sandbox = make_sandbox(LIMITS)
    sandbox.run("REPLY = make_response(200, 1)")  # the runtime's first guest opens files for all of them
    sandbox.guests.drop("s1")
    before = held(sandbox)
    guest = guest_of(sandbox, "s1")
    with_guest = held(sandbox)
    assert with_guest["guests"] == before["guests"] + 1
    assert with_guest["files"] > before["files"]

    assert not isinstance(sandbox.run(code), Completed)

    assert guest() is None
    # Wasmtime closes a file in the thread that worked on it last, which may be a moment later.
    ends = time.monotonic() + 10
    while (now := held(sandbox)) != before and time.monotonic() < ends:
        time.sleep(0.01)
    assert now == before


@pytest.mark.usefixtures("no_collector")
def test_a_guest_that_is_dropped_is_gone_at_once(sandbox: Sandbox) -> None:
    sandbox.run("REPLY = make_response(200, 1)")
    guest = guest_of(sandbox, "s1")

    sandbox.guests.drop("s1")

    assert guest() is None


def test_a_guests_own_memory_is_told_from_the_rest(sandbox: Sandbox) -> None:
    """What the soak takes for it comes with a guest, and goes with it."""

    def guests_bytes() -> int:
        return rss_bytes(os.getpid(), "RssAnon") - bytes_beside_guests(os.getpid())

    before = guests_bytes()
    sandbox.run("REPLY = make_response(200, 1)")
    assert guests_bytes() > before + MIB // 2

    sandbox.guests.drop("s1")

    assert guests_bytes() < before + MIB // 8


# --- the allocator ----------------------------------------------------------------------------

#: Threads that hold memory all at once, and how many heaps (malloc_info(3)) they have it from.
HEAPS = """
import ctypes, sys, threading
from wasm_runtime import allocator
if sys.argv[1] == "shared":
    allocator.share_one_heap()
libc, met = ctypes.CDLL(None), threading.Barrier(9)
def work():
    libc.malloc(ctypes.c_size_t(1000))
    met.wait()
    met.wait()
for _ in range(8):
    threading.Thread(target=work).start()
met.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
met.wait()
"""


def said(program: str, *arguments: str) -> str:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_threads_share_one_heap() -> None:
    """Left to itself, the allocator gives several of eight threads a heap each, and keeps all of them."""
    assert said(HEAPS, "apart").count("<heap ") > 1
    assert said(HEAPS, "shared").count("<heap ") == 1

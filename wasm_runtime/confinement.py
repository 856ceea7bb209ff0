"""What a worker takes from itself before it runs the first guest: the third wall, under policy and wasm.

What reads a session's files outside a guest takes the same from itself: see `confined`.

1. Each step that the kernel refuses is reported, not fatal: the first two walls do not depend on it.
2. Landlock, the seccomp filter and `no_new_privs` hold for the thread that asked and for those it starts. So
   a worker confines itself before it has a second thread: before the engine, whose threads open the files.
3. The rest of the world is then: the data root, to read and write; the interpreter, its library and the built
   guest, to read; the descriptors it was born with. Nothing can be executed.

https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from landlockpy import AccessFS, AccessNet, LandlockError, Ruleset, Scope, abi_version

from wasm_runtime import system_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

_READ = AccessFS.READ_FILE | AccessFS.READ_DIR
#: What session directories need: files made, cut, removed; directories made, renamed, removed. No links.
_WRITE = (
    _READ
    | AccessFS.WRITE_FILE
    | AccessFS.TRUNCATE
    | AccessFS.MAKE_REG
    | AccessFS.MAKE_DIR
    | AccessFS.REMOVE_FILE
    | AccessFS.REMOVE_DIR
    | AccessFS.REFER
)
_TCP = AccessNet.CONNECT_TCP | AccessNet.BIND_TCP
#: Oldest Landlock ABI that knows each part.
_FILES_ABI, _TCP_ABI, _SCOPE_ABI = 1, 4, 6


def confine(
    *,
    data_root: Path,
    component: Path,
    file_bytes: int,
    open_files: int,
    parent: int,
    without: Container[str] = (),
) -> dict[str, bool]:
    """Confine a worker, which has its sessions to write and the guest to read, as `confine_to` does.

    There is no RLIMIT_AS: each guest reserves 4 GiB of address space that it never touches.
    """
    return confine_to(
        writable=(data_root,),
        readable=(component,),
        file_bytes=file_bytes,
        open_files=open_files,
        parent=parent,
        without=without,
    )


def confine_to(
    *,
    writable: Iterable[Path],
    readable: Iterable[Path],
    file_bytes: int,
    open_files: int,
    parent: int,
    ports: Iterable[int] = (),
    without: Container[str] = (),
) -> dict[str, bool]:
    """Apply every restriction but those named in `without`; what could be enforced, by name.

    `writable` and `readable` are there already, directories with all that is in them; the interpreter's own
    are added. `file_bytes` bounds any one file (RLIMIT_FSIZE), `open_files` the descriptors. `ports` may be
    connected to over TCP, and then names may be asked for over UDP. To be called while there is one thread.
    """
    ports = tuple(ports)
    _ignore_terminal_signals()
    steps: dict[str, Callable[[], bool]] = {
        "dies_with_parent": lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
        "no_new_privileges": lambda: _prctl(_PR_SET_NO_NEW_PRIVS, 1),
        "file_size": lambda: _limit(resource.RLIMIT_FSIZE, file_bytes),
        "open_files": lambda: _limit(resource.RLIMIT_NOFILE, open_files),
        "no_core_dumps": lambda: _limit(resource.RLIMIT_CORE, 0),
    }
    enforced = {name: name not in without and step() for name, step in steps.items()}
    enforced |= _landlock(writable, (*readable, *_code()), ports, without)
    enforced["system_calls"] = "system_calls" not in without and system_calls.give_up(connects=bool(ports))
    if os.getppid() != parent:
        # The parent died before the first line above: nobody would ever end this process.
        os._exit(1)
    return enforced


def _ignore_terminal_signals() -> None:
    """The parent decides when a worker ends, so that what is in flight can be answered."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _code() -> set[Path]:
    """Where this process's own code is: the standard library, installed packages, and this package."""
    paths = sysconfig.get_paths()
    libraries = {Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    return {path for path in (*libraries, Path(__file__).parent) if path.is_dir()}


def _landlock(
    writable: Iterable[Path], readable: Iterable[Path], ports: tuple[int, ...], without: Container[str]
) -> dict[str, bool]:
    """As far as the kernel's ABI goes: files; TCP (UDP, too, from ABI 10 on); others' signals and sockets."""
    abi = _landlock_abi()
    parts = {"files": _FILES_ABI, "tcp": _TCP_ABI, "signals": _SCOPE_ABI}
    wanted = {name: abi >= since and name not in without for name, since in parts.items()}
    try:
        with Ruleset(
            handled_fs=None if wanted["files"] else AccessFS.NONE,
            handled_net=(_TCP if ports else None) if wanted["tcp"] else AccessNet.NONE,
            scoped=Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET if wanted["signals"] else Scope.NONE,
        ) as ruleset:
            for path in writable:
                ruleset.allow_path(path, _WRITE)
            for path in readable:
                ruleset.allow_path(path, _READ if path.is_dir() else AccessFS.READ_FILE)
            for port in ports:
                ruleset.allow_port(port, AccessNet.CONNECT_TCP)
            ruleset.restrict(no_new_privs=False)
    except OSError:
        return dict.fromkeys(parts, False)
    return wanted


def _landlock_abi() -> int:
    try:
        return abi_version()
    except LandlockError:
        return 0


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

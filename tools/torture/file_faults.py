"""File operations below a directory, counted, and failed when their turn comes.

A fault is what a disk or a process at its limits does: an error (EIO), no space (ENOSPC), no descriptor
(EMFILE), or a write that takes only half. Each fails the operations that can end so, the n-th once, or
every one from the n-th on.
"""

from __future__ import annotations

import enum
import errno
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from tools.torture.seccomp import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.torture.seccomp import Call

_AT_FDCWD: Final = 0xFFFFFF9C
_CREATE: Final = os.O_CREAT
_OPENS: Final = frozenset({"open", "openat", "openat2"})
_WRITES: Final = frozenset({"pwrite64", "pwritev"})
_SYNCS: Final = frozenset({"fsync", "fdatasync"})
_MAKES: Final = frozenset({"mkdir", "mkdirat"})
#: Which argument is a descriptor, for calls on an open file.
_ON_DESCRIPTOR: Final = frozenset(
    {"read", "pread64", "pwrite64", "pwritev", "fsync", "fdatasync", "ftruncate", "getdents64"}
)
_PATH_FIRST: Final = frozenset({"open", "stat", "lstat", "mkdir", "rmdir", "unlink", "rename"})
_LONGEST_PATH: Final = 4096


@frozen
class Operation:
    """A file operation: the call's name, and the absolute path it is about. `creates`: makes the file."""

    name: str
    path: str
    creates: bool = False

    @property
    def opens(self) -> bool:
        return self.name in _OPENS

    @property
    def writes(self) -> bool:
        return self.name in _WRITES

    @property
    def syncs(self) -> bool:
        return self.name in _SYNCS

    def __str__(self) -> str:
        return f"{self.name} {Path(self.path).name}"


def _any(_operation: Operation) -> bool:
    return True


def _takes_space(operation: Operation) -> bool:
    return operation.creates or operation.writes or operation.syncs or operation.name in _MAKES


class Kind(enum.Enum):
    """`value`: the error it ends in. SHORT: the n-th write takes half; if it lasts, the disk is full then."""

    EIO = errno.EIO
    ENOSPC = errno.ENOSPC
    EMFILE = errno.EMFILE
    SHORT = 0

    def concerns(self, operation: Operation) -> bool:
        """Whether an operation can end so."""
        return _CONCERNED[self](operation)


_CONCERNED: Final[dict[Kind, Callable[[Operation], bool]]] = {
    Kind.EIO: _any,
    Kind.ENOSPC: _takes_space,
    Kind.EMFILE: lambda operation: operation.opens,
    Kind.SHORT: lambda operation: operation.writes,
}


@frozen
class Fault:
    """Fail the `nth` operation (from 1) that `kind` concerns, of those in or below `directory`.

    `also` is a directory that counts without what is below it; `only` narrows all of them further.
    """

    kind: Kind
    nth: int
    lasting: bool
    directory: str
    also: str = ""
    only: Callable[[Operation], bool] = field(default=_any, repr=False)

    def concerns(self, operation: Operation) -> bool:
        return (
            (operation.path == self.also or _is_below(operation.path, self.directory))
            and self.kind.concerns(operation)
            and self.only(operation)
        )


@define
class Injector:
    """Decides about every operation; armed and lifted from another thread.

    `counted` are the operations since it was armed that the fault concerns, `failed` those that it hit;
    `unsynced` are paths whose last fsync failed.
    """

    fault: Fault | None = None
    counted: int = 0
    failed: list[Operation] = field(factory=list)
    unsynced: set[str] = field(factory=set)
    _lock: threading.Lock = field(factory=threading.Lock)

    def arm(self, fault: Fault) -> None:
        with self._lock:
            self.fault, self.counted, self.failed = fault, 0, []
            self.unsynced = set()

    def lift(self) -> None:
        with self._lock:
            self.fault = None

    def decide(self, call: Call) -> Verdict | None:
        """Whether the call is the one to fail, and how."""
        if self.fault is None and not self.unsynced:
            return None
        try:
            operation = operation_of(call)
            with self._lock:
                return self._decide(call, operation)
        except OSError:
            return None  # the process is gone, or the call's arguments cannot be read: the kernel will say

    def _decide(self, call: Call, operation: Operation) -> Verdict | None:
        if operation.syncs:
            self.unsynced.discard(operation.path)
        fault = self.fault
        if fault is None or not fault.concerns(operation):
            return None
        self.counted += 1
        if self.counted < fault.nth or (self.counted > fault.nth and not fault.lasting):
            return None
        self.failed.append(operation)
        if operation.syncs:
            self.unsynced.add(operation.path)
        if fault.kind is not Kind.SHORT:
            return Verdict(error=fault.kind.value)
        return _half(call) if self.counted == fault.nth else Verdict(error=errno.ENOSPC)


def operation_of(call: Call) -> Operation:
    """What a waiting call is about. Raises OSError where that cannot be found out."""
    if call.name in _ON_DESCRIPTOR:
        return Operation(call.name, _descriptor_path(call.task, call.arguments[0]))
    if call.name in _PATH_FIRST:
        flags = call.arguments[1] if call.name == "open" else 0
        path = _absolute(call.task, _AT_FDCWD, _text(call.task, call.arguments[0]))
    else:
        flags = _flags(call)
        path = _absolute(call.task, call.arguments[0] & 0xFFFFFFFF, _text(call.task, call.arguments[1]))
    return Operation(call.name, path, creates=bool(flags & _CREATE) and not os.path.lexists(path))


def _flags(call: Call) -> int:
    if call.name == "openat":
        return call.arguments[2]
    if call.name == "openat2":
        return int.from_bytes(memory(call.task, call.arguments[2], 8), sys.byteorder)
    return 0


def _half(call: Call) -> Verdict | None:
    """Write the first half in the caller's place, as a disk does that is full in the middle."""
    descriptor, address, size, offset = call.arguments[:4]
    if call.name != "pwrite64" or size < 2:
        return None
    data = memory(call.task, address, size // 2)
    target = os.open(f"/proc/{call.task}/fd/{descriptor}", os.O_WRONLY)
    try:
        return Verdict(value=os.pwrite(target, data, offset))
    finally:
        os.close(target)


def _descriptor_path(task: int, descriptor: int) -> str:
    return str(Path(f"/proc/{task}/fd/{descriptor & 0xFFFFFFFF}").readlink())


def _absolute(task: int, descriptor: int, path: str) -> str:
    if path.startswith("/"):
        return os.path.normpath(path)
    base = Path(f"/proc/{task}/cwd" if descriptor == _AT_FDCWD else f"/proc/{task}/fd/{descriptor}")
    return os.path.normpath(base.readlink() / path)


def _text(task: int, address: int) -> str:
    """A text that ends with a zero; it may lie at the end of what is mapped."""
    if not address:
        return ""
    size = _LONGEST_PATH - address % _LONGEST_PATH
    data = memory(task, address, size)
    if b"\0" not in data:
        data += memory(task, address + size, _LONGEST_PATH)
    return data.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def memory(task: int, address: int, size: int) -> bytes:
    descriptor = os.open(f"/proc/{task}/mem", os.O_RDONLY)
    try:
        return os.pread(descriptor, size, address)
    finally:
        os.close(descriptor)


def _is_below(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")

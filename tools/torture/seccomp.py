"""File operations of a process held up by the kernel until somebody else has said what becomes of them.

A seccomp filter whose verdict is `USER_NOTIF` stops a system call before it begins and tells a listener in
another process, which lets it go on, or answers in the kernel's place. The filter is inherited by everything
the process starts, threads and workers. It needs no privilege, no mount and no compiler, and it sees the raw
system calls of Wasmtime, which a preloaded library does not. Linux 5.5 or later, x86-64.
(seccomp_unotify(2); Documentation/userspace-api/seccomp_filter.rst)

    python -m tools.torture.seccomp SOCKET_FD FILTER PROGRAM ARGUMENT...

puts the filter (`files` or `space`) on itself, sends the listener over the socket, and becomes the program.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: System calls that reach a file, by number (arch/x86/entry/syscalls/syscall_64.tbl).
CALLS: Final = {
    0: "read",
    2: "open",
    4: "stat",
    6: "lstat",
    17: "pread64",
    18: "pwrite64",
    74: "fsync",
    75: "fdatasync",
    77: "ftruncate",
    82: "rename",
    83: "mkdir",
    84: "rmdir",
    87: "unlink",
    217: "getdents64",
    257: "openat",
    258: "mkdirat",
    262: "newfstatat",
    263: "unlinkat",
    264: "renameat",
    296: "pwritev",
    316: "renameat2",
    332: "statx",
    437: "openat2",
}
#: Those that may need more room on the disk for a file that is open.
SPACE: Final = {18: "pwrite64", 285: "fallocate", 296: "pwritev"}
FILTERS: Final = {"files": CALLS, "space": SPACE}
_NAMES: Final = {**CALLS, **SPACE}
_ARCHITECTURE: Final = 0xC000003E  # AUDIT_ARCH_X86_64
_SECCOMP_CALL: Final = 317
_SET_MODE_FILTER: Final = 1
_NEW_LISTENER: Final = 1 << 3
#: A signal does not break off a call that the listener has taken, so none is counted twice. Linux 5.19.
_WAIT_KILLABLE: Final = 1 << 5
_PR_SET_NO_NEW_PRIVS: Final = 38
_ALLOW: Final = 0x7FFF0000
_USER_NOTIF: Final = 0x7FC00000
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06

_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
_RESPONSE: Final = struct.Struct("=QqiI")
_CONTINUE: Final = 1
_POLL_MS: Final = 100


@frozen
class Call:
    """A system call that waits: `task` is the thread's id."""

    name: str
    task: int
    arguments: tuple[int, ...]
    identifier: int = field(repr=False)


@frozen
class Verdict:
    """What a call returns without having taken place: an error number, or a value."""

    error: int = 0
    value: int = 0


class Listener:
    """Asks `decide` about every call of the filtered processes, in a thread; None lets the call take place.

    `decide` must be quick and may not raise: a process waits. Closing lets every later call fail with
    ENOSYS, so the processes are ended first.
    """

    def __init__(self, descriptor: int, decide: Callable[[Call], Verdict | None]) -> None:
        self._descriptor = descriptor
        self._decide = decide
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="seccomp", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        self._thread.join()
        os.close(self._descriptor)

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        while not self._closing:
            for _, event in poll.poll(_POLL_MS):
                if not event & select.POLLIN:
                    return  # nobody is left under the filter
                # The caller may have been killed between any two of these steps.
                with suppress(FileNotFoundError, InterruptedError):
                    self._answer(self._receive())

    def _receive(self) -> Call:
        buffer = bytearray(_NOTIFICATION.size)
        fcntl.ioctl(self._descriptor, _RECEIVE, buffer)
        identifier, task, _, number, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        return Call(_NAMES[number], task, tuple(arguments), identifier)

    def _answer(self, call: Call) -> None:
        verdict = self._decide(call)
        if verdict is None:
            response = _RESPONSE.pack(call.identifier, 0, 0, _CONTINUE)
        else:
            response = _RESPONSE.pack(call.identifier, verdict.value, -verdict.error, 0)
        fcntl.ioctl(self._descriptor, _SEND, bytearray(response))


def filtered(command: list[str], report: socket.socket, calls: str = "files") -> list[str]:
    """The command line that runs `command` under a filter; `report` has to be inherited."""
    return [sys.executable, "-m", "tools.torture.seccomp", str(report.fileno()), calls, *command]


def receive_listener(connection: socket.socket) -> int:
    """The listener's descriptor, once the process is under the filter. Raises OSError with the reason."""
    data, descriptors, _, _ = socket.recv_fds(connection, 256, 1)
    if not descriptors:
        raise OSError(f"no seccomp listener: {data.decode() or 'the process ended'}")
    return descriptors[0]


def _install(calls: Iterable[int]) -> int:
    """Put this process, for good, under a filter; the listener's descriptor. Raises OSError."""
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, f"no table of system calls for {platform.machine()}")
    program = _program(sorted(calls))
    text = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("=H6xQ", len(program) // 8, ctypes.addressof(text))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):
        descriptor = int(libc.syscall(_SECCOMP_CALL, _SET_MODE_FILTER, flags, header))
        if descriptor >= 0:
            return descriptor
    raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def _program(numbers: list[int]) -> bytes:
    """BPF: these calls wait for the listener, all others and other architectures take place."""
    lines = [
        (_LOAD_WORD, 0, 0, 4),  # the architecture
        (_JUMP_IF_EQUAL, 0, len(numbers) + 1, _ARCHITECTURE),
        (_LOAD_WORD, 0, 0, 0),  # the number
        *((_JUMP_IF_EQUAL, len(numbers) - at, 0, number) for at, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _USER_NOTIF),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as report:
        try:
            listener = _install(FILTERS[sys.argv[2]])
        except OSError as error:
            report.send(str(error).encode())
            sys.exit(1)
        socket.send_fds(report, [b"ok"], [listener])
        os.close(listener)
    os.execvp(sys.argv[3], sys.argv[3:])


if __name__ == "__main__":
    main()

"""System calls that a worker gives up: a seccomp filter, which holds for every thread started from then on.

A worker reads and writes files and one socket it was born with. It never starts a program or a process, opens
a network socket, looks into another process, or changes the system; so those calls fail with EPERM. A list
of what is refused, not of what is allowed: that would have to follow every release of libc, CPython and
Wasmtime, and break the service where it did not.

1. Another architecture's calls (i386 on x86-64) and the x32 ones, whose numbers differ, end the process.
2. `clone` may make threads, not processes. What `clone3` asks for is in memory, where no filter can look,
   so it is answered ENOSYS, upon which libc takes `clone`.
3. Instructions jump forward only, by at most 255; there are fewer.

https://docs.kernel.org/userspace-api/seccomp_filter.html; numbers: arch/x86/entry/syscalls/syscall_64.tbl and
include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from typing import Final

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_KILL, _ERRNO, _ALLOW = 0x8000_0000, 0x0005_0000, 0x7FFF_0000
#: Offsets in `struct seccomp_data`: the call's number, the architecture, the first argument's low half.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
#: `bind` is for the netlink socket by which libc sees which kinds of addresses there are.
_CONNECTING = frozenset({"socket", "connect", "bind"})
_CLONE_THREAD = 0x0001_0000
_X32 = 0x4000_0000

#: By machine: AUDIT_ARCH_*, `clone`, `clone3`, and what is refused.
_MACHINES: Final[dict[str, tuple[int, int, int, dict[str, int]]]] = {
    "x86_64": (
        0xC000_003E,
        56,
        435,
        {
            "fork": 57, "vfork": 58, "execve": 59, "execveat": 322,
            "socket": 41, "connect": 42, "bind": 49, "listen": 50, "accept": 43, "accept4": 288,
            "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_getfd": 438, "kcmp": 312,
            "bpf": 321, "perf_event_open": 298, "io_uring_setup": 425, "userfaultfd": 323,
            "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
            "move_mount": 429, "open_tree": 428, "fsopen": 430, "fsmount": 432, "open_by_handle_at": 304,
            "keyctl": 250, "add_key": 248, "request_key": 249,
            "init_module": 175, "finit_module": 313, "delete_module": 176,
            "kexec_load": 246, "kexec_file_load": 320, "reboot": 169, "swapon": 167, "swapoff": 168,
        },
    ),
    "aarch64": (
        0xC000_00B7,
        220,
        435,
        {
            "execve": 221, "execveat": 281,
            "socket": 198, "connect": 203, "bind": 200, "listen": 201, "accept": 202, "accept4": 242,
            "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_getfd": 438, "kcmp": 272,
            "bpf": 280, "perf_event_open": 241, "io_uring_setup": 425, "userfaultfd": 282,
            "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268,
            "move_mount": 429, "open_tree": 428, "fsopen": 430, "fsmount": 432, "open_by_handle_at": 265,
            "keyctl": 219, "add_key": 217, "request_key": 218,
            "init_module": 105, "finit_module": 273, "delete_module": 106,
            "kexec_load": 104, "kexec_file_load": 294, "reboot": 142, "swapon": 224, "swapoff": 225,
        },
    ),
}  # fmt: skip


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def give_up(*, connects: bool = False) -> bool:
    """Load the filter into this thread and all that it starts. False where kernel or machine has none.

    `connects`: for who has a server to speak to. `no_new_privs` has to be set before.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    kept = _CONNECTING if connects else frozenset()
    refused = tuple(number for name, number in machine[3].items() if name not in kept)
    code = _filter(*machine[:3], refused)
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None)
    loaded = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    return bool(loaded == 0)


def _filter(architecture: int, clone: int, clone3: int, refused: tuple[int, ...]) -> bytes:
    """`struct sock_filter` after `struct sock_filter`; the last four are where the others jump to."""
    allow, no_such_call, refuse, kill = range(-4, 0)
    jumps: list[tuple[int, ...]] = [
        (_LOAD, _ARCHITECTURE),
        (_EQUAL, architecture, 0, kill),
        (_LOAD, _NUMBER),
        (_AT_LEAST, _X32, kill, 0),
        *((_EQUAL, number, refuse, 0) for number in refused),
        (_EQUAL, clone3, no_such_call, 0),
        (_EQUAL, clone, 0, allow),
        (_LOAD, _FIRST_ARGUMENT),
        (_ANY_BIT, _CLONE_THREAD, allow, refuse),
    ]
    ends = (_ALLOW, _ERRNO | errno.ENOSYS, _ERRNO | errno.EPERM, _KILL)
    size = len(jumps) + len(ends)

    def target(at: int, jump: int) -> int:
        """Negative: counted from the end of the program; relative to the next instruction in any case."""
        return jump if jump >= 0 else size + jump - at - 1

    lines = [
        struct.pack("=HBBI", code, *(target(at, jump) for jump in where or (0, 0)), value)
        for at, (code, value, *where) in enumerate(jumps)
    ]
    return b"".join(lines) + b"".join(struct.pack("=HBBI", _RETURN, 0, 0, value) for value in ends)


#: linux/bpf_common.h: load a word; jump if equal, if at least, if a bit is set; return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

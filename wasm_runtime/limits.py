"""Every limit of a guest in one frozen value. Units are in the names; reasons are in metaservice.toml."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

MIB = 1024 * 1024
_HEAD_BYTES = 128 * 1024
#: What an answer says of what it was made of (store/reads.py), in UTF-8.
_READS_BYTES = 4 * 8_192


@frozen
class Limits:
    """What one run of a plan, and the live guest it runs in, may use."""

    #: Wasmtime fuel for one run: about one unit per wasm instruction.
    fuel: int = 20_000_000_000
    #: Wall clock for one run; the epoch deadline, and after `kill_grace_ms` the worker's end.
    wall_ms: int = 8_000
    kill_grace_ms: int = 250
    #: Linear memory of one guest, the interpreter's own 25 MiB or so included.
    memory_bytes: int = 256 * MIB
    #: Native stack for wasm frames; deep data traps here, as an outcome.
    stack_bytes: int = 1 * MIB
    result_bytes: int = 1 * MIB
    stdout_bytes: int = 4_096
    #: The session's database file, enforced by SQLite itself (max_page_count).
    session_disk_bytes: int = 256 * MIB
    #: What a session keeps of answers to requests with an Idempotency-Key; part of its disk.
    idempotency_bytes: int = 64 * MIB
    reply_depth: int = 64
    #: Members of one object in what is stored: the guest's Python hashes names to 32 bits.
    object_members: int = 1_000
    #: What one request may write, as it is told to the record.
    change_bytes: int = 64 * MIB
    #: What the operations of one JSON Patch may copy and move.
    patch_bytes: int = 1 * MIB

    @property
    def head_bytes(self) -> int:
        """What an answer may say beside its body: status, headers, and output, which may be escaped."""
        return _HEAD_BYTES + 6 * self.stdout_bytes

    @property
    def line_bytes(self) -> int:
        """All of an answer's first line: that, and what it was made of, which no plan has chosen."""
        return self.head_bytes + _READS_BYTES

    @property
    def answer_bytes(self) -> int:
        """One request's answer, without what it has written."""
        return self.line_bytes + self.result_bytes


#: What a live guest has of its own as a rule: some 1.5 MiB, and what it keeps of its session's data.
GUEST_BYTES = 2 * MIB


@frozen
class GuestReuse:
    """When a live guest is kept for its session's next request, and when it is not."""

    mode: Literal["session", "never"] = "session"
    max_uses: int = 10_000
    idle_seconds: float = 300.0
    #: Live guests a worker holds at most; the least recently used is dropped.
    live_guests: int = 256
    #: Instantiated guests that wait for a session.
    spare_guests: int = 4

"""The `[sandbox]` section: what one run may take, what may wait, and how many guests live."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from server.settings import machine
from server.settings.key import setting
from wasm_runtime.limits import GUEST_BYTES, MIB, GuestReuse, Limits

_GUEST = Limits()
_REUSE = GuestReuse()
_DAY = 86_400
#: Of the memory there is, what live guests of all workers together may come to; and how many a worker has at
#: least and at most, whatever there is. A guest that has to go costs its session some 3 ms once.
_GUESTS_SHARE, _FEWEST_GUESTS, _MOST_GUESTS = 1 / 8, 32, 1_024


@frozen
class SandboxSettings:
    fuel: int = setting(
        _GUEST.fuel,
        "Work of one run, about one unit a wasm instruction",
        low=1_000_000,
        high=10**15,
        unit="fuel units",
    )
    wall_ms: int = setting(
        _GUEST.wall_ms, "Time of one run", low=10, high=600_000, variable="LARS_MAX_EXEC_MS"
    )
    memory_bytes: int = setting(_GUEST.memory_bytes, "Memory of one guest", low=64 * MIB, high=4_096 * MIB)
    stack_bytes: int = setting(_GUEST.stack_bytes, "Stack of one guest", low=MIB // 4, high=4 * MIB)
    result_bytes: int = setting(
        _GUEST.result_bytes,
        "Largest reply (the document had 32,768, too small for a list of 300 records)",
        low=1_024,
        high=64 * MIB,
        variable="LARS_MAX_RESULT_BYTES",
    )
    stdout_bytes: int = setting(
        _GUEST.stdout_bytes,
        "What is kept of a plan's output; the rest is cut",
        low=0,
        high=1 * MIB,
        variable="LARS_MAX_STDOUT_BYTES",
    )
    session_disk_bytes: int = setting(
        _GUEST.session_disk_bytes, "Disk of one session", low=1 * MIB, high=MIB * MIB
    )
    idempotency_bytes: int = setting(
        _GUEST.idempotency_bytes,
        "Answers that one session keeps for 24 hours, by Idempotency-Key; beyond: 507",
        low=64 * 1024,
        high=MIB * MIB,
    )
    reply_depth: int = setting(
        _GUEST.reply_depth, "Deepest nesting of a reply's JSON", low=4, high=128, unit="levels"
    )
    kill_grace_ms: int = setting(
        _GUEST.kill_grace_ms, "Time beyond wall_ms until the worker is killed", low=10, high=10_000
    )
    workers: int = setting(0, "Worker processes; 0: one per core", low=0, high=256, unit="processes")
    pin_workers: bool = setting(default=True, meaning="Whether each worker keeps to one core")
    lanes: bool = setting(
        default=True,
        meaning="Whether sessions with long runs move to a second worker, so that others need not wait",
    )
    reuse: Literal["session", "never"] = setting(
        _REUSE.mode, "Whether a session keeps its live guest for its next request"
    )
    live_guests: int = setting(
        0,
        "Live guests of one worker; 0: as many as fit into an eighth of the memory, 1,024 at most",
        unit="guests",
        low=0,
        high=10_000,
    )
    spare_guests: int = setting(
        _REUSE.spare_guests, "Guests of one worker that wait for a session", low=0, high=256, unit="guests"
    )
    max_uses: int = setting(_REUSE.max_uses, "Runs of one live guest", low=1, high=10**9, unit="runs")
    idle_seconds: int = setting(
        int(_REUSE.idle_seconds), "Time after which an unused live guest is dropped", low=1, high=30 * _DAY
    )
    queue_per_session: int = setting(
        64, "Requests of one session that may wait; beyond: 503", low=1, high=10_000, unit="requests"
    )
    queue_total: int = setting(
        1_024, "Requests that may wait in all; beyond: 503", low=1, high=1_000_000, unit="requests"
    )
    queue_bytes_per_session: int = setting(
        32 * MIB,
        "Bodies of one session's requests, held from arrival to answer; beyond: 503",
        low=64 * 1024,
        high=MIB * MIB,
        unit="bytes",
    )
    queue_bytes_total: int = setting(
        128 * MIB, "The same of all sessions; beyond: 503", low=64 * 1024, high=MIB * MIB, unit="bytes"
    )
    queue_seconds: int = setting(
        20, "Time a request may wait for its turn, which has not begun; beyond: 503", low=1, high=3_600
    )
    object_members: int = setting(
        _GUEST.object_members,
        "Members of one object, in a body and in a record; beyond: 422",
        low=16,
        high=1_000_000,
        unit="members",
    )
    body_names: int = setting(
        4_000,
        "Different names of members in one body; beyond: 422",
        low=16,
        high=1_000_000,
        unit="names",
    )
    change_bytes: int = setting(
        _GUEST.change_bytes,
        "What one request may write; beyond: 422",
        low=64 * 1024,
        high=1024 * MIB,
        unit="bytes",
    )
    patch_bytes: int = setting(
        _GUEST.patch_bytes, "What one JSON Patch may copy and move; beyond: 422", low=1_024, high=64 * MIB
    )
    remember: bool = setting(
        default=True,
        meaning="Whether a read is answered from memory where a run would say the same (docs/live.md)",
    )
    deny_net: bool = setting(
        default=True,
        meaning="The guest has no network",
        variable="LARS_SANDBOX_DENY_NET",
        check=lambda value: value is True,
        allowed="true alone: plan code runs in a sandbox that has no network to allow",
    )

    def limits(self) -> Limits:
        return Limits(
            fuel=self.fuel,
            wall_ms=self.wall_ms,
            kill_grace_ms=self.kill_grace_ms,
            memory_bytes=self.memory_bytes,
            stack_bytes=self.stack_bytes,
            result_bytes=self.result_bytes,
            stdout_bytes=self.stdout_bytes,
            session_disk_bytes=self.session_disk_bytes,
            idempotency_bytes=self.idempotency_bytes,
            reply_depth=self.reply_depth,
            object_members=self.object_members,
            change_bytes=self.change_bytes,
            patch_bytes=self.patch_bytes,
        )

    def reuse_policy(self) -> GuestReuse:
        return GuestReuse(
            mode=self.reuse,
            max_uses=self.max_uses,
            idle_seconds=self.idle_seconds,
            live_guests=self.live_guest_count(),
            spare_guests=self.spare_guests,
        )

    def worker_count(self) -> int:
        """The processes to start; 0 in the settings means one for each core this process may use."""
        return self.workers or machine.cores()

    def live_guest_count(self) -> int:
        """Live guests of each worker; 0 in the settings means by the memory there is."""
        share = int(machine.memory_bytes() * _GUESTS_SHARE) // self.worker_count()
        fitting = share // GUEST_BYTES
        return self.live_guests or max(_FEWEST_GUESTS, min(fitting, _MOST_GUESTS))

"""One guest and its life: instantiated, bound to a session, run and settled, dropped.

The only place that catches Wasmtime's errors. Each is classified by its text, because a component's
calls raise `WasmtimeError` for every cause; the table below has a test for each row.

A guest that has ended in any outcome marked `fatal` must not be used again: what it left in memory is
unknown, and its open transaction is rolled back by SQLite when the session is next opened.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import orjson
from wasmtime import WasiConfig, WasmtimeError

from wasm_runtime.outcome import GuestFailed, Outcome, OutOfFuel, OutOfMemory, OutOfTime, StackExhausted
from wasm_runtime.verdict import Answer, judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wasm_runtime.engine import Runtime

READ, WRITE, GROUPED_WRITE = 0, 1, 2
#: As many as the guest keeps, dropped in the same order; see guest/plans.py.
_MAX_PLANS = 256
#: A guest whose last words on standard error say this died of the memory limit.
_MEMORY_WORDS = (b"memory allocation of", b"MemoryError", b"out of memory")
_STDERR_KEPT = 2048


class _LastWords:
    """A guest's standard error, kept short: it tells a memory refusal from other traps.

    An object of its own, because Wasmtime keeps the callback alive: were it the guest's method, no
    guest would ever be freed.
    """

    def __init__(self) -> None:
        self._heard = bytearray()

    def hear(self, data: bytes) -> int:
        """Must not raise: it is called from native code."""
        self._heard += data[: max(_STDERR_KEPT - len(self._heard), 0)]
        return len(data)

    def speak_of_memory(self) -> bool:
        return any(words in self._heard for words in _MEMORY_WORDS)


class LiveGuest:
    """A guest that is bound to no session yet (`attach` binds it), or to one for the rest of its life."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._wasm_store, export = runtime.instantiate()
        self._attach = export("attach")
        self._load = export("load")
        self._run = export("run")
        self._settle = export("settle")
        self._ensure_index = export("ensure-index")
        self._plans: OrderedDict[str, None] = OrderedDict()
        self._last_words = _LastWords()
        self.uses = 0
        self.idle_since = 0.0
        #: Set by the first fatal outcome.
        self.dead = False

    def attach(self, directory: Path, durability: str) -> Outcome | None:
        """Bind to a session's directory and open its store. None is success."""
        wasi = WasiConfig()
        try:
            wasi.preopen_dir(str(directory), "/session")
        except WasmtimeError:
            self.dead = True
            return GuestFailed("its directory cannot be opened")
        wasi.stderr_custom = self._last_words.hear
        self._wasm_store.set_wasi(wasi)
        limits = self._runtime.limits
        config = orjson.dumps(
            {
                "disk_bytes": limits.session_disk_bytes,
                "stdout_bytes": limits.stdout_bytes,
                "durability": durability,
            }
        ).decode()
        return self._plain(lambda: self._attach(config))

    def run(self, plan_id: str, document: str, mode: int, request: str) -> Answer | Outcome:
        """Run a plan; its writes are pending until `settle`. `mode` is READ, WRITE or GROUPED_WRITE."""
        self.uses += 1
        if plan_id in self._plans:
            self._plans.move_to_end(plan_id)
        else:
            problem = self._load_plan(plan_id, document)
            if problem is not None:
                return problem
        answer = self._call(lambda: self._run(plan_id, mode, request))
        if not isinstance(answer, str):
            return answer
        judged = judge(answer, self._runtime.limits)
        if isinstance(judged, OutOfMemory | StackExhausted | GuestFailed):
            self.dead = True
        return judged

    def _load_plan(self, plan_id: str, document: str) -> Outcome | None:
        problem = self._plain(lambda: self._load(plan_id, document))
        if problem is None:
            self._plans[plan_id] = None
            if len(self._plans) > _MAX_PLANS:
                self._plans.popitem(last=False)
        return problem

    def settle(self, *, keep: bool, commit: bool) -> Outcome | None:
        """Keep or undo the last run's writes, and commit if told so. None is success: it is on disk."""
        return self._plain(lambda: self._settle(keep, commit))

    def ensure_index(self, collection: str, field: str) -> Outcome | None:
        return self._plain(lambda: self._ensure_index(collection, field))

    def fuel_used(self) -> int:
        """Fuel the last call burned."""
        return self._runtime.limits.fuel - self._wasm_store.get_fuel()

    def _plain(self, call: Callable[[], str]) -> Outcome | None:
        """A call whose only good answer is `{"ok":true}`. Any other is fatal."""
        answer = self._call(call)
        if answer == '{"ok":true}':
            return None
        self.dead = True
        if not isinstance(answer, str):
            return answer
        judged = judge(answer, self._runtime.limits)
        return GuestFailed("it replied where it had nothing to say") if isinstance(judged, Answer) else judged

    def _call(self, call: Callable[[], str]) -> str | Outcome:
        self._runtime.arm(self._wasm_store)
        try:
            return call()
        except WasmtimeError as error:
            self.dead = True
            return self._classified(str(error))

    def _classified(self, text: str) -> Outcome:
        limits = self._runtime.limits
        if "wasm trap: interrupt" in text:
            return OutOfTime(limits.wall_ms)
        if "all fuel consumed" in text:
            return OutOfFuel(limits.fuel)
        if "call stack exhausted" in text:
            return StackExhausted()
        if self._last_words.speak_of_memory():
            return OutOfMemory(limits.memory_bytes)
        return GuestFailed(text.strip().splitlines()[-1][:200] if text.strip() else "a trap")

"""One guest and its life: instantiated, bound to a session, run, closed or dropped.

The only place that catches Wasmtime's errors. Each is classified by its text, because a component's
calls raise `WasmtimeError` for every cause; the table below has a test for each row.

A guest that has ended in any outcome marked `fatal` must not be used again: what it left in memory is
unknown, and so is its session's file, which is made anew when the session is next opened.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

import orjson
from attrs import frozen
from wasmtime import WasiConfig, WasmtimeError

from wasm_runtime.compiled_plans import NONE
from wasm_runtime.outcome import (
    BadReply,
    GuestFailed,
    Outcome,
    OutOfFuel,
    OutOfMemory,
    OutOfTime,
    SessionDamaged,
    StackExhausted,
    StorageFailed,
    StorageFull,
)
from wasm_runtime.texts import TextTooLongError
from wasm_runtime.verdict import Answer, judge, judge_index, judge_too_long

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wasm_runtime.compiled_plans import CompiledPlans
    from wasm_runtime.engine import Runtime
    from wasm_runtime.schemas import Rules

READ, WRITE, DRY_RUN = 0, 1, 2
#: A read of which nobody wants to know what its answer was made of.
UNHEARD = 3
_READS = frozenset({READ, UNHEARD})
#: Between requests, and between answers; see guest/wit/world.wit.
_SEPARATOR = "\x1e"
#: As many as the guest keeps, dropped in the same order; see guest/plans.py.
_MAX_PLANS = 256
#: A guest whose last words on standard error say this died of the memory limit.
_MEMORY_WORDS = (b"memory allocation of", b"MemoryError", b"out of memory")
_STDERR_KEPT = 2048
#: A group is of runs that were quick before, and makes way after 50 ms; what takes longer is run alone.
_GROUP_MS = 1_000
#: How the answer begins of a run that replied, and how one ends where SQLite has undone what was kept before.
_REPLIED = '{"ok":true'
_UNDONE = '"undone": true}'
#: How the answer begins that has a plan's code.
_COMPILED = '{"ok":true}\n'
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
#: After these the guest is in no state to be trusted with another run.
_FATAL = OutOfMemory | StackExhausted | StorageFailed | SessionDamaged | GuestFailed


@frozen
class Call:
    """One run: a plan by its id and its document, and `request` as the guest reads it: params, ctx, body.

    `rules` is what its contract says of the reply.
    """

    plan_id: str
    document: str
    mode: int
    request: str
    rules: Rules | None = None

    @property
    def text(self) -> str:
        return f"{self.plan_id}\n{self.mode}\n{self.request}"


class _LastWords:
    """A guest's standard error, kept short: it tells a memory refusal from other traps.

    An object of its own, because Wasmtime keeps the callback alive: were it the guest's method, no
    guest would ever be freed.
    """

    def __init__(self) -> None:
        self._heard = bytearray()

    def hear(self, data: bytes) -> int:
        """Must not raise: it is called from native code."""
        with suppress(MemoryError):
            self._heard += data[: max(_STDERR_KEPT - len(self._heard), 0)]
        return len(data)

    def speak_of_memory(self) -> bool:
        return any(words in self._heard for words in _MEMORY_WORDS)


def _lie(call: Call, answer: Answer) -> Outcome | None:
    """What no honest guest answers to a request that writes nothing, or keeps nothing."""
    if call.mode in _READS and (answer.changed or answer.changes):
        return BadReply("a request that may only read says that it has written")
    if call.mode == DRY_RUN and answer.changes:
        return GuestFailed("it tells of changes where nothing is kept")
    return None


class LiveGuest:
    """A guest that is bound to no session yet (`attach` binds it), or to one for the rest of its life."""

    def __init__(self, runtime: Runtime, compiled: CompiledPlans | None = None) -> None:
        self._runtime = runtime
        self._compiled = compiled
        self._wasm_store, export = runtime.instantiate()
        self._attach = export("attach")
        self._compile = export("compile")
        self._load = export("load")
        self._run = export("run")
        self._finish = export("finish")
        self._ensure_index = export("ensure-index")
        self._plans: OrderedDict[str, None] = OrderedDict()
        self._last_words = _LastWords()
        self.uses = 0
        #: Its session's, once it is attached.
        self.directory = ""
        #: When the directory was changed before somebody has looked into it; 0: nobody has.
        self.audited_ns = 0
        self.idle_since = 0.0
        #: When somebody last told the record that the session is used.
        self.noted_at = time.monotonic()
        #: Set by the first fatal outcome.
        self.dead = False

    def attach(self, directory: Path, *, enforce_types: bool = False, file: str = "any") -> Outcome | None:
        """Bind to a session's directory and open its store. None is success.

        `file`: whether one is in it, as `store.sqlite` has it. One that is gone is the guest's end.
        """
        self.directory = str(directory)
        wasi = WasiConfig()
        try:
            wasi.preopen_dir(str(directory), "/session")
        except WasmtimeError:
            self.dead = True
            return StorageFailed("its directory cannot be opened")
        wasi.stderr_custom = self._last_words.hear
        self._wasm_store.set_wasi(wasi)
        limits = self._runtime.limits
        config = orjson.dumps(
            {
                "disk_bytes": limits.session_disk_bytes,
                "stdout_bytes": limits.stdout_bytes,
                "answers_bytes": limits.idempotency_bytes,
                "head_bytes": limits.head_bytes,
                "result_bytes": limits.result_bytes,
                "reply_depth": limits.reply_depth,
                "change_bytes": limits.change_bytes,
                "object_members": limits.object_members,
                "patch_bytes": limits.patch_bytes,
                "enforce_types": enforce_types,
                "file": file,
            }
        ).decode()
        return self._plain(lambda: self._attach(config))

    def run(self, call: Call) -> Answer | Outcome:
        """Run a plan. What it wrote and the answer keeps is in the guest, and told in the answer."""
        problem = self._prepare(call)
        if problem is not None:
            return problem
        limits = self._runtime.limits
        told_bytes = limits.change_bytes if call.mode == WRITE else 0
        try:
            answer = self._call(
                lambda: self._run(call.text), most_bytes=limits.answer_bytes, told_bytes=told_bytes
            )
        except TextTooLongError as long:
            # An honest guest says that a reply is too long; this one may have kept what came with it.
            self.dead = True
            return judge_too_long(long.beginning, long.size, limits)
        return self._judged(call, answer) if isinstance(answer, str) else answer

    def run_group(self, calls: Sequence[Call]) -> list[Answer | Outcome] | None:
        """Run plans one after the other, as `run` does.

        One answer for each call, or for the first ones where the rest was not begun. None: nothing of it is
        to stay, which is the guest's end, and each has to run alone. A call brought the guest down, or the
        host refuses an answer whose writes the guest has kept.
        """
        answers = self._group_answers(calls)
        if answers is None or len(answers) > len(calls):
            self.dead = True
            return None
        outcomes = [self._judged(call, answer) for call, answer in zip(calls, answers, strict=False)]
        return None if self.dead else outcomes

    def _group_answers(self, calls: Sequence[Call]) -> list[str] | None:
        if any(self._prepare(call) is not None for call in calls):
            return None
        together = _SEPARATOR.join([call.text for call in calls])
        limits = self._runtime.limits
        most_bytes = len(calls) * (limits.answer_bytes + 1)
        writes = any(call.mode == WRITE for call in calls)
        told_bytes = most_bytes + limits.change_bytes if writes else 0
        try:
            text = self._call(
                lambda: self._run(together), most_ms=_GROUP_MS, most_bytes=most_bytes, told_bytes=told_bytes
            )
        except TextTooLongError:
            return None
        return text.split(_SEPARATOR, len(calls)) if isinstance(text, str) else None

    def _prepare(self, call: Call) -> Outcome | None:
        self.uses += 1
        if call.plan_id in self._plans:
            self._plans.move_to_end(call.plan_id)
            return None
        return self._load_plan(call.plan_id, call.document)

    def _judged(self, call: Call, answer: str) -> Answer | Outcome:
        judged = judge(answer, self._runtime.limits, call.rules)
        lie = _lie(call, judged) if isinstance(judged, Answer) else None
        # An honest guest says itself that a reply cannot be sent, and has undone what came with it.
        kept = answer.startswith(_REPLIED) and call.mode not in _READS and not isinstance(judged, Answer)
        if lie is not None or kept or isinstance(judged, _FATAL) or answer.endswith(_UNDONE):
            self.dead = True
        return lie or judged

    def _load_plan(self, plan_id: str, document: str) -> Outcome | None:
        code = NONE if self._compiled is None else self._compiled.code(document)
        problem = self._plain(lambda: self._load(plan_id, document, code))
        if problem is None:
            self._plans[plan_id] = None
            if len(self._plans) > _MAX_PLANS:
                self._plans.popitem(last=False)
        return problem

    def compile(self, document: str) -> str:
        """A plan's code for other guests, as good for them as the document is; or NONE."""
        try:
            answer = self._call(lambda: self._compile(document))
        except TextTooLongError:
            return NONE
        code = answer.removeprefix(_COMPILED) if isinstance(answer, str) else NONE
        return code if _BASE64.fullmatch(code) else NONE

    def ensure_index(self, collection: str, field: str) -> str | Outcome:
        """What the record is to keep of it, as the text of a change set; "": nothing has changed."""
        answer = self._call(lambda: self._ensure_index(collection, field))
        judged = judge_index(answer, self._runtime.limits) if isinstance(answer, str) else answer
        if not isinstance(judged, str | StorageFull) or (
            isinstance(answer, str) and answer.endswith(_UNDONE)
        ):
            self.dead = True
        return judged

    def finish(self) -> Outcome | None:
        """Write what was kept to the session's file, and close it: the guest's end. None is success."""
        return self._plain(self._finish)

    def fuel_used(self) -> int:
        """Fuel the last call burned."""
        return self._runtime.limits.fuel - self._wasm_store.get_fuel()

    def _plain(self, call: Callable[[], str]) -> Outcome | None:
        """A call whose only good answer is `{"ok":true}`. Any other is fatal."""
        try:
            answer = self._call(call)
        except TextTooLongError:
            answer = GuestFailed("it had far too much to say")
        if answer == '{"ok":true}':
            return None
        self.dead = True
        if not isinstance(answer, str):
            return answer
        judged = judge(answer, self._runtime.limits)
        return GuestFailed("it replied where it had nothing to say") if isinstance(judged, Answer) else judged

    def _call(
        self,
        call: Callable[[], str],
        *,
        most_ms: int | None = None,
        most_bytes: int | None = None,
        told_bytes: int = 0,
    ) -> str | Outcome:
        """What the guest answers, or how it ended. Raises TextTooLongError; the guest may go on then."""
        self._runtime.arm(self._wasm_store, most_ms, most_bytes, told_bytes)
        try:
            answer = call()
        except TextTooLongError:
            raise
        except WasmtimeError as error:
            self.dead = True
            # wasmtime-py's frame holds the error, and the error's traceback that frame and this guest's: a
            # cycle, in which a dropped guest would keep its memory and its files until some later collection.
            error.__traceback__ = None
            return self._classified(str(error))
        except Exception as error:  # noqa: BLE001  whatever it is: the call has not come to its end
            self.dead = True
            error.__traceback__ = None
            return GuestFailed(f"the host has failed it: {type(error).__name__}")
        if self._runtime.host_failure:
            self.dead = True
            return GuestFailed(f"a host function has failed: {self._runtime.host_failure}")
        return answer

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

"""The real guest with the oracle inside: no build of its own, no line of the guest changed.

A plan that has not passed the policy is run first. It takes the interpreter's real builtins, as an attacker
would, and installs a `Tracer` in the live guest, which then serves its session's plans as ever. So what is
traced is the component that the service runs.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field

from server.planning.policy import ALLOWED_BUILTINS, ALLOWED_METHODS, GIVEN_NAMES, PROTECTED_NAMES
from server.planning.policy.names import FORBIDDEN_NAMES
from tools.alone import Alone
from tools.fuzz import oracle
from wasm_runtime import status_cell
from wasm_runtime.limits import GuestReuse
from wasm_runtime.outcome import Completed, GuestFailed, Outcome
from wasm_runtime.runner import Job, Runner, outcome_of

if TYPE_CHECKING:
    from wasm_runtime.engine import Runtime
    from wasm_runtime.gate import Report

LISTS = oracle.Lists(
    given=GIVEN_NAMES | ALLOWED_BUILTINS,
    unbindable=PROTECTED_NAMES | FORBIDDEN_NAMES,
    methods=ALLOWED_METHODS,
)
SESSION = "traced"
#: Takes the interpreter's real builtins, and leaves those that plans see as they are.
_REAL = """\
real = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == "catch_warnings"][0]
real = real.__init__.__globals__["__builtins__"]
real = real if isinstance(real, dict) else real.__dict__
sys = real["__import__"]("sys")
"""
_READ = _REAL + "REPLY = make_response(200, sys.oracle.take() if real['hasattr'](sys, 'oracle') else None)\n"
_INSTALL = (
    _REAL
    + """\
body = ctx["body_json"]
oracle = sys.modules["oracle"] = real["type"](sys)("oracle")
oracle.__dict__["__builtins__"] = real
real["exec"](real["compile"](body["oracle"], "<oracle>", "exec"), oracle.__dict__)
ours = real["compile"](body["ours"], "<plan>", "exec", dont_inherit=True)
sys.oracle = oracle.Tracer(oracle.Lists.of(body["lists"]), ours)
sys.oracle.install()
REPLY = make_response(200)
"""
)


@define
class TracedGuest:
    """Runs plans, each under the oracle. A guest that a plan has brought down is replaced by a fresh one."""

    runtime: Runtime
    root: Path
    lists: oracle.Lists = LISTS
    #: What the oracle has looked at, by kind, in all runs whose guest lived on.
    seen: dict[str, int] = field(factory=dict)
    _outcomes: dict[int, Outcome] = field(factory=dict)
    _numbers: count[int] = field(factory=count)
    _alone: Alone = field(init=False)
    _runner: Runner = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._alone = Alone(self.runtime, GuestReuse(spare_guests=0), self.root, self._release)
        cell = status_cell.StatusCell(status_cell.create())
        self._runner = Runner(self._alone.guests, self._alone.gate, cell, self._outcomes.__setitem__)

    def _release(self, report: Report, waited: bool) -> None:  # noqa: FBT001  the gate's
        self._outcomes[report.job.id] = outcome_of(report, waited=waited)

    def run(
        self, code: str, ctx: dict[str, Any] | None = None, plan: dict[str, Any] | None = None
    ) -> Outcome:
        """How the code ended, under the oracle. The code is run as it is: the policy is the caller's."""
        self._ensure()
        outcome = self._run(code, ctx or {}, plan or {})
        self._ensure()
        return outcome

    def _ensure(self) -> None:
        """Add up what was seen; install the oracle where there is none (any more)."""
        answer = self._run(_READ, {}, {})
        if isinstance(answer, Completed) and answer.body and answer.body != b"null":
            for what, number in json.loads(answer.body).items():
                self.seen[what] = self.seen.get(what, 0) + number
            return
        lists = {name: sorted(words) for name, words in asdict(self.lists).items()}
        text = Path(oracle.__file__).read_text("utf-8")
        body = {"oracle": text, "ours": _READ, "lists": lists}
        installed = self._run(_INSTALL, {"body_json": body}, {})
        if not isinstance(installed, Completed):
            raise TypeError(f"the oracle cannot be installed: {installed}")

    def _run(self, code: str, ctx: dict[str, Any], plan: dict[str, Any]) -> Outcome:
        number = next(self._numbers)
        document = json.dumps({**_PLAN, **plan, "code": code})
        ctx = {**_CTX, **ctx}
        body, query = ctx.pop("body_json", None), ctx.pop("query")
        request = "\n".join(map(json.dumps, ({}, query, ctx, body)))
        jobs = [Job(number, f"p{number}", document, read_only=False, request=request)]
        while jobs:
            self._alone.ready(SESSION)
            jobs = self._runner.run(SESSION, jobs)
            self._alone.guests.release(SESSION)
            self._alone.settle()
        return self._outcomes.pop(number)


def miss_of(outcome: Outcome) -> str:
    """What the oracle says that the plan touched; empty where it said nothing."""
    reason = outcome.reason if isinstance(outcome, GuestFailed) else ""
    return reason.partition("OracleMiss: ")[2]


_PLAN: dict[str, Any] = {
    "action": "fuzz",
    "resource": "members",
    "route": "/members",
    "identifier": None,
    "criteria": {},
    "payload": {},
    "response_hints": {},
}
_CTX: dict[str, Any] = {
    "method": "POST",
    "path": "/members",
    "segments": ["members"],
    "query": {"q": "x", "limit": "3"},
    "headers": {},
    "client": {"ip": "127.0.0.1"},
    "session": {"id": "s1", "token": None},
    "base_url": "http://127.0.0.1:8000",
}

"""One live guest's state: the session's open store, its compiled plans, and how a run answers.

Every answer is one line of JSON, then the body. Nothing here raises across the border, where an
exception would abort the instance: `answering` turns whatever happens into an answer.
"""

from __future__ import annotations

import json
from time import perf_counter
from typing import TYPE_CHECKING, Any

from guest import blame, patches
from guest.conditions import MARK, Conditions, UnmetError
from guest.credentials import AUTHORIZATION
from guest.fixed import FIXED
from guest.namespace import Namespace, Printed, describe
from guest.plans import LoadedPlan, PlanShelf, UnknownPlanError
from guest.reply import (
    MAX_DEPTH,
    Abort,
    ReplyError,
    RequestFault,
    abort,
    encode_reply,
    make_response,
)
from store import change_set, json_text
from store.errors import StoreDamaged, StoreError, StoreFault, StoreFull, StoreTooNew, TypeMismatch
from store.lazy import Parts, untouched_text
from store.resource_store import ResourceStore
from store.session_store import Session, SessionStore

if TYPE_CHECKING:
    from collections.abc import Callable

#: How the line begins that has a fixed clock and a place in a sequence.
FIXING = "!"
READ, WRITE, DRY_RUN = "0", "1", "2"
#: A read of which nobody wants to know what its answer was made of.
UNHEARD = "3"
_READS = frozenset({READ, UNHEARD})
#: U+001E stands between requests, and between answers: JSON text has no control character but white space.
SEPARATOR = "\x1e"
#: What a group may take before it makes way for other sessions; the rest of it is given back.
TURN_SECONDS = 0.05

_OK = '{"ok":true}'
#: How an answer ends when SQLite has undone the transaction, and with it what was kept of earlier requests.
_UNDONE = '"undone": true}'


def _body_of(lines: str) -> Any:
    body = lines.split("\n", 2)[2]
    if not body:
        return None
    try:
        return json_text.decode(body)
    except ValueError:
        return json.loads(body)  # there is space around it


#: How the line begins that says what a dialect, or a contract, has read of the request, in the query's place.
ASKED = "~"


def _rest_of(lines: str) -> Any:
    return json_text.decode(lines.split("\n", 2)[1])


#: A request's ctx, from its last lines: query, the rest, and the body as it was sent.
_CTX = Parts(
    _rest_of,
    query=lambda lines: json_text.decode(lines[: lines.index("\n")]),
    body_json=_body_of,
)
_CTX_ASKED = Parts(
    _rest_of,
    query=lambda _lines: {},
    asked=lambda lines: json_text.decode(lines[1 : lines.index("\n")]),
    body_json=_body_of,
)


def answering(work: Callable[..., str], *arguments: Any) -> str:
    """Do the work; whatever it raises becomes the answer's `kind`."""
    try:
        return work(*arguments)
    except UnknownPlanError:
        return _failed("unknown-plan")
    except StoreFull:
        return _failed("full")
    except StoreTooNew as error:
        return _failed("too-new", reason=error.detail)
    except StoreDamaged as error:
        return _failed("damaged", reason=error.detail)
    except StoreFault as error:
        return _failed("storage", reason=error.detail)
    except MemoryError:
        return _failed("memory")
    except RecursionError:
        return _failed("stack")
    except BaseException as error:  # noqa: BLE001  see above
        return _failed("failed", reason=type(error).__name__)


def _failed(kind: str, **members: Any) -> str:
    return json.dumps({"ok": False, "kind": kind, **members})


class GuestSession:
    """What `attach` makes and every later call uses."""

    def __init__(self, path: str, config: dict[str, Any], derive_key: Callable[[str, str], str]) -> None:
        self._printed = Printed(int(config["stdout_bytes"]))
        self._namespace = Namespace(derive_key, self._printed)
        patches.LIMITS.set(int(config["patch_bytes"]), int(config["object_members"]))
        self._session = Session.open(
            path,
            page_limit_bytes=int(config["disk_bytes"]),
            durability="cache",
            enforce_types=config["enforce_types"],
            object_members=int(config["object_members"]),
            file=config["file"],
        )
        self._plans = PlanShelf()
        self._conditions = Conditions(self._session, int(config["answers_bytes"]))
        self._head_bytes = int(config["head_bytes"])
        self._result_bytes = int(config["result_bytes"])
        self._change_bytes = int(config["change_bytes"])
        self._depth = min(int(config["reply_depth"]), MAX_DEPTH)
        #: Of the last run: its mode, and whether its answer wants its writes kept.
        self._mode = READ
        self._writes = False
        self._keep = False

    def finish(self) -> str:
        """Close the file, with all in it that was kept."""
        self._session.commit()
        self._session.close()
        return _OK

    def close(self) -> None:
        self._session.close()

    def load(self, plan_id: str, document: str, code: str) -> str:
        plan = LoadedPlan.from_json(document, code, self._namespace, self._session.plan_view)
        self._plans.put(plan_id, plan)
        return _OK

    def run(self, requests: str) -> str:
        """Requests one after the other. See wit/world.wit."""
        try:
            self._session.relieve()
        except StoreFault as fault:
            return self._fault(fault)
        if SEPARATOR not in requests:
            return self._run_and_settle(requests)
        answers = []
        ends = perf_counter() + TURN_SECONDS
        for request in requests.split(SEPARATOR):
            answers.append(self._run_and_settle(request))
            if answers[-1].endswith(_UNDONE) or perf_counter() > ends:
                break
        return SEPARATOR.join(answers)

    def _run_and_settle(self, request: str) -> str:
        """Run, and keep or undo what was written by the run's own answer; the host has the last word.

        What is kept is told behind the answer: it is durable when others have made it so.
        """
        self._mode, self._keep = READ, False
        answer, changes = answering(self._run, request), ""
        body = answer.partition("\n")[2]
        if _bytes_of(body) > self._result_bytes:
            answer, self._keep = _failed("large", size=_bytes_of(body)), False
        keep = self._keep and self._mode == WRITE
        if keep:
            changes = self._session.told(body)
            if _bytes_of(changes) > self._change_bytes:
                answer, changes, keep = self._too_much(), "", False
        try:
            self._session.settle(keep=keep)
        except StoreFault as fault:
            return self._fault(fault)
        if self._session.lost:
            return _undone(answer)
        return f"{answer}{change_set.SEPARATOR}{changes}" if changes else answer

    def _too_much(self) -> str:
        detail = f"One request may write {self._change_bytes} bytes; divide it into several."
        return self._raised(StoreError(detail), blamed="store", status=422, detail=detail)

    def _fault(self, fault: StoreFault) -> str:
        """The store could not do what the request wanted kept, or could not keep what others had written."""

        def raise_it() -> str:
            raise fault

        answer = answering(raise_it)
        return _undone(answer) if self._session.lost else answer

    def _run(self, request: str) -> str:
        plan_id, mode, params, rest = request.split("\n", 3)
        plan = self._plans.take(plan_id)
        self._begin(mode)
        if params.startswith(FIXING):
            line, (params, rest) = json.loads(params[1:]), rest.split("\n", 1)
            FIXED.begin(line["clock"], line["place"])
            try:
                return self._run_asked(plan, params, rest)
            finally:
                FIXED.end()
        return self._run_asked(plan, params, rest)

    def _run_asked(self, plan: LoadedPlan, params: str, rest: str) -> str:
        if params.startswith(MARK):
            asked = json.loads(params[1:])
            params, rest = rest.split("\n", 1)
            return self._run_if(asked, plan, params, lambda: self._run_plan(plan, params, rest))
        return self._run_plan(plan, params, rest)

    def _run_if(self, asked: dict[str, Any], plan: LoadedPlan, params: str, run: Callable[[], str]) -> str:
        """Run what asks for something beforehand. A kept answer wants nothing kept, as nothing is written."""
        try:
            return self._conditions.run(asked, plan, params, run)
        except UnmetError as unmet:
            self._keep = False
            return _failed("unmet", reason=unmet.reason)

    def _run_plan(self, plan: LoadedPlan, params: str, rest: str) -> str:
        try:
            reply, text = encode_reply(bound := self._execute(plan, params, rest), self._depth)
        except ReplyError as error:
            return _failed("bad-reply", reason=str(error), stdout=self._printed.take())
        except (StoreFault, MemoryError, RecursionError):
            raise
        except TypeMismatch as error:
            return self._raised(
                error, blamed="store", status=error.status, detail=error.detail, errors=error.errors
            )
        except StoreError as error:
            return self._raised(error, blamed="store", status=error.status, detail=error.detail)
        except Exception as error:  # noqa: BLE001  a plan may raise anything
            detail = blame.request_fault(error, plan.source, blame.place_of(error))
            if detail is not None:
                return self._raised(error, blamed="request", status=422, detail=detail)
            return self._raised(error, blamed="plan", status=500, detail="")
        if self._writes and text and self._is_stored(bound.get("body"), text):
            reply["record"] = True
        return self._answer(reply, text)

    def _is_stored(self, value: Any, text: str) -> bool:
        """Whether a reply's body is a record just as it is stored now: then its tag is the record's.

        The last one that the request wrote, looked into or not; or one that nobody has looked into.
        """
        changes = self._session.changes
        return (bool(changes) and changes[-1].record == text) or untouched_text(value) is not None

    def _begin(self, mode: str) -> None:
        if self._printed.parts:
            self._printed.take()  # of a run that ended without an answer
        self._mode = mode
        self._writes = mode not in _READS
        if not self._writes:
            self._session.begin(read_only=True, heard=mode == READ)
        else:
            self._session.savepoint()

    def _execute(self, plan: LoadedPlan, params_text: str, rest: str) -> Any:
        """What the plan bound to REPLY, or what it aborted with.

        ctx and plan are decoded as far as the plan looks: a GET by id has its id in params, and needs nothing
        else; most others want the body, or the query.
        """
        params = json_text.decode(params_text)
        if plan.params:
            params.update(plan.params)
        names = {"__builtins__": plan.builtins, "params": params}
        if plan.looks_further:
            names["ctx"] = ctx = (_CTX_ASKED if rest.startswith(ASKED) else _CTX).of(rest)
            names["plan"] = plan.bind(ctx, params)
            if plan.wants_credentials:
                AUTHORIZATION.set(ctx["headers"].get("authorization", ""))
        Abort.first = None
        try:
            exec(plan.code, names)
        except Abort:
            pass
        except (StoreFault, MemoryError, RecursionError):
            raise
        except Exception:
            if not _aborted():
                raise
        ended = _aborted()
        return names.get("REPLY") if ended is None else _reply_of(ended, plan)

    def _answer(self, head: dict[str, Any], body: str) -> str:
        self._keep = head["status"] < 400 or "keep" in head
        session = self._session
        if session.changes:
            head["changed"] = len(session.changes)
        if self._printed.parts:
            head["stdout"] = self._printed.take()
        if session.unindexed_searches:
            head["unindexed"] = session.unindexed_searches
        looked = self._looked()
        if len(head) == 1:
            return f'{{"ok":true,"status":{head["status"]}{looked}}}\n{body}'
        text = json_text.encode({"ok": True, **head})
        if len(text) > self._head_bytes:
            self._keep = False
            return _failed(
                "bad-reply", reason=f"its headers and the like take more than {self._head_bytes} bytes"
            )
        return f"{text[:-1]}{looked}}}\n{body}"

    def _looked(self) -> str:
        """The head's last member: what the answer was made of, or what the request has touched for good."""
        if self._mode == READ:
            return f',"reads":{self._session.reads()}'
        kept = self._mode == WRITE and self._keep and self._session.changes_anything
        return f',"touched":{self._session.touched()}' if kept else ""

    def _raised(self, error: Exception, *, blamed: str, status: int, detail: str, **members: Any) -> str:
        place = blame.place_of(error)
        return _failed(
            "raised",
            blame=blamed,
            type=type(error).__name__,
            line=place.line if place else 0,
            status=status,
            detail=detail[:512],
            stdout=self._printed.take(),
            **members,
        )

    def ensure_index(self, collection: str, field: str) -> str:
        try:
            made = self._session.ensure_index(collection, field)
        except StoreFault as fault:
            return self._fault(fault)
        changes = self._session.told("")
        return f"{_OK}{change_set.SEPARATOR}{changes}" if made else _OK


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _undone(failure: str) -> str:
    return f"{failure[:-1]}, {_UNDONE}"


def _aborted() -> Abort | None:
    return Abort.first


def _reply_of(ended: Abort, plan: LoadedPlan) -> dict[str, Any]:
    """The reply that an abort asked for; a fault of the request names the key that it is about."""
    if not isinstance(ended, RequestFault):
        return ended.reply
    name = blame.parameter_name(plan.source, blame.place_of(ended))
    return make_response(ended.status, f"{name}: {ended.detail}" if name else ended.detail)


def description(namespace: Namespace) -> str:
    """The names a plan sees, with their documentation: what the planner's prompt is made from."""
    return json.dumps(
        {
            "replies": describe((make_response, abort)),
            "helpers": describe(namespace.helpers),
            "store": describe(_public_methods(ResourceStore)),
            "session_store": describe(_public_methods(SessionStore)),
            "builtins": sorted(namespace.builtins),
        }
    )


def _public_methods(of: type) -> tuple[Callable[..., Any], ...]:
    return tuple(member for name, member in vars(of).items() if callable(member) and not name.startswith("_"))

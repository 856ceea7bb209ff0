"""The operators' interface as a table: method, path below `/_meta`, and what is done.

    GET    /
    GET    /plans                      ?session= ?limit= ?after=
    GET    /plans/export               ?session= ?plan=
    POST   /plans/import               {a file of plans}, ?session= ?pin=
    GET    /plans/{plan}
    PUT    /plans/{plan}/code          {"code", "pin"?, "check"?}
    PUT    /plans/{plan}/pin           {"pinned"}
    DELETE /plans/{plan}               ?force=
    POST   /plans/{plan}/replay        {"session", "method", "path", "headers"?, "body"?, "code"?, "against"?}
    GET    /sessions
    GET    /sessions/{session}
    DELETE /sessions/{session}
    GET    /sessions/{session}/export                  a tar file
    GET    /sessions/{session}/app     ?data= ?conventions=    a tar file
    PUT    /sessions/{session}/import  ?replace=       a tar file
    POST   /sessions/{session}/fork    {"to", "at"?}
    PATCH  /sessions/{session}/settings {"dialect": "json-server"}; null takes one out
    GET    /sessions/{session}/contract
    PUT    /sessions/{session}/contract {"name"?, "document"}
    DELETE /sessions/{session}/contract
    POST   /sessions/{session}/contract/diff {"name"?, "document"}
    POST   /sessions/{session}/contract/seed {"seed" | "examples", "replace"?}
    POST   /contract/diff {"name"?, "document"}
    POST   /sessions/{session}/contract/check {"name"?, "document"}
    POST   /sessions/{session}/reset
    POST   /sessions/{session}/salvage
    GET    /sessions/{session}/log     ?limit= ?before= ?record=
    POST   /sessions/{session}/rewind  {"to", "dry"?}
    GET    /changes                    ?session= ?since= ?limit=
    GET    /record
    GET    /record/verify
    GET    /nodes
    POST   /record/backup
    GET    /record/backup              ?name= ?offset=    a piece of the file
    DELETE /record/backup              ?name=
    POST   /explain                    {"session", "method", "path", "headers"?, "body"?, "ask"?}
    GET    /doctor                     ?reach=
    GET    /model
    GET    /learning
    PUT    /learning                   {"learn"}
    GET    /usage                      ?by= ?since= ?session=

The HTTP edge and the command line call the same `Api.call`. Below `/_meta` there is more, at other doors:

    GET    /traffic                    ?method= ?status= ?source= ?session= ?route=
    GET    /metrics                    with the token of metrics as well
    POST   /tickets                    with a client's token
    GET    /problems/{type}            for everybody
    GET    /console                    with a login
"""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from attrs import evolve
from multidict import CIMultiDict

from server.contracts.contract import Call as ContractCall
from server.operations.call import Answer, Archive, Call, Piece
from server.operations.plans import shown_violations
from server.operations.session_settings import SETTABLE
from server.planning.codec import PlanInvalid
from server.planning.learned.library_file import LibraryError
from server.requests.content import check_use
from server.requests.described import Described
from server.values.errors import BadRequest, MethodNotAllowed, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.operations.contracts import ContractOperations
    from server.operations.doctor import Doctor
    from server.operations.eject import Ejector
    from server.operations.learning import LearningOperations
    from server.operations.plans import PlanOperations
    from server.operations.records import RecordOperations
    from server.operations.replay import Replayer
    from server.operations.sessions import SessionOperations
    from server.planning.dialects.frame.choice import DialectChoice
    from server.planning.explaining import Explainer, Explanation
    from server.planning.policy import CodeRefused
    from server.sessions.settings import SessionSettings
    from server.values.model import RequestContext, Session

#: The first segments below `/_meta` that are the operators'.
ROOMS: Final = frozenset(
    {
        *("plans", "contract", "sessions", "changes", "record", "nodes", "explain"),
        *("doctor", "model", "learning", "usage"),
    }
)
MAX_PAGE: Final = 1_000
#: Stands for any segment.
_NAME: Final = "*"

log = structlog.get_logger(__name__)


class Api:
    def __init__(
        self,
        plans: PlanOperations,
        sessions: SessionOperations,
        replayer: Replayer,
        explainer: Explainer,
        doctor: Doctor,
        *,
        ejector: Ejector,
        records: RecordOperations,
        learning: LearningOperations,
        settings: SessionSettings,
        dialects: DialectChoice,
        contracts: ContractOperations,
    ) -> None:
        self._settings = settings
        self._dialects = dialects
        self._contracts = contracts
        self._plans = plans
        self._sessions = sessions
        self._replayer = replayer
        self._explainer = explainer
        self._doctor = doctor
        self._ejector = ejector
        self._records = records
        self._learning = learning
        self._table: dict[tuple[str, ...], dict[str, Callable[[Call], Awaitable[Answer]]]] = {
            (): {"GET": self._list_pages},
            ("plans",): {"GET": self._list_plans},
            ("plans", "export"): {"GET": self._export_plans},
            ("plans", "import"): {"POST": self._import_plans},
            ("plans", _NAME): {"GET": self._show_plan, "DELETE": self._forget_plan},
            ("plans", _NAME, "code"): {"PUT": self._edit_plan},
            ("plans", _NAME, "pin"): {"PUT": self._pin_plan},
            ("plans", _NAME, "replay"): {"POST": self._replay},
            ("sessions",): {"GET": self._list_sessions},
            ("sessions", _NAME): {"GET": self._show_session, "DELETE": self._delete_session},
            ("sessions", _NAME, "export"): {"GET": self._export_session},
            ("sessions", _NAME, "app"): {"GET": self._eject_session},
            ("sessions", _NAME, "import"): {"PUT": self._import_session},
            ("sessions", _NAME, "fork"): {"POST": self._fork_session},
            ("sessions", _NAME, "settings"): {"PATCH": self._change_settings},
            ("sessions", _NAME, "contract"): {
                "GET": self._show_contract,
                "PUT": self._set_contract,
                "DELETE": self._unset_contract,
            },
            ("sessions", _NAME, "contract", "diff"): {"POST": self._diff_contract},
            ("sessions", _NAME, "contract", "seed"): {"POST": self._seed_contract},
            ("contract", "diff"): {"POST": self._diff_contract},
            ("sessions", _NAME, "contract", "check"): {"POST": self._check_contract},
            ("sessions", _NAME, "reset"): {"POST": self._reset_session},
            ("sessions", _NAME, "salvage"): {"POST": self._salvage_session},
            ("sessions", _NAME, "log"): {"GET": self._log_session},
            ("sessions", _NAME, "rewind"): {"POST": self._rewind_session},
            ("changes",): {"GET": self._list_changes},
            ("record",): {"GET": self._show_record},
            ("record", "verify"): {"GET": self._verify_record},
            ("nodes",): {"GET": self._list_nodes},
            ("record", "backup"): {
                "POST": self._make_backup,
                "GET": self._send_backup,
                "DELETE": self._drop_backup,
            },
            ("explain",): {"POST": self._explain},
            ("doctor",): {"GET": self._examine},
            ("model",): {"GET": self._show_model},
            ("learning",): {"GET": self._show_learning, "PUT": self._turn_learning},
            ("usage",): {"GET": self._usage},
        }

    async def call(self, call: Call) -> Answer:
        """Raises ServiceError: NotFound and MethodNotAllowed, and what the operations say."""
        methods = self._methods(call.segments)
        work = methods.get(call.method)
        if work is None:
            raise MethodNotAllowed(sorted(methods), "This takes {}.")
        if call.method != "GET":
            log.info("operator", method=call.method, what="/".join(call.segments))
        try:
            return await work(call)
        except LibraryError:
            raise Unavailable("The plan library cannot be used at the moment; the log has more.") from None

    async def named(self, name: str) -> Session:
        """The session that operators call so. Raises SessionInvalid, BadRequest."""
        return await self._sessions.named(name)

    def takes_upload(self, method: str, segments: tuple[str, ...]) -> bool:
        return method == "PUT" and self._match(segments) == ("sessions", _NAME, "import")

    def _methods(self, segments: tuple[str, ...]) -> dict[str, Callable[[Call], Awaitable[Answer]]]:
        found = self._match(segments)
        if found is None:
            raise NotFound("There is no such page of the service.")
        return self._table[found]

    def _match(self, segments: tuple[str, ...]) -> tuple[str, ...] | None:
        if segments in self._table:
            return segments
        pattern = (*segments[:1], _NAME, *segments[2:])
        return pattern if len(segments) > 1 and pattern in self._table else None

    async def _list_pages(self, _call: Call) -> Answer:
        """What there is: methods and paths, as the table above has them."""
        rows = [line.split()[:2] for line in (__doc__ or "").splitlines() if line.startswith("    ")]
        return {"pages": [{"method": method, "path": f"/_meta{path}"} for method, path in rows]}

    # Plans

    async def _list_plans(self, call: Call) -> Answer:
        limit, after = call.number("limit", 100, MAX_PAGE), call.number("after", 0, 2**53)
        return await self._plans.listed(session=call.text("session"), limit=max(limit, 1), after=after)

    async def _show_plan(self, call: Call) -> Answer:
        return await self._plans.show(call.segments[1])

    async def _edit_plan(self, call: Call) -> Answer:
        body = call.members("code", "pin", "check")
        code = body.get("code")
        if not isinstance(code, str):
            raise BadRequest("`code` must be a text.")
        pin, check = body.get("pin") is True, body.get("check") is True
        return await self._plans.edit(call.segments[1], code, pin=pin, check_only=check)

    async def _pin_plan(self, call: Call) -> Answer:
        pinned = call.members("pinned").get("pinned")
        if not isinstance(pinned, bool):
            raise BadRequest("`pinned` must be true or false.")
        return await self._plans.pin(call.segments[1], pinned=pinned)

    async def _forget_plan(self, call: Call) -> Answer:
        return await self._plans.forget(call.segments[1], force=call.flag("force"))

    async def _export_plans(self, call: Call) -> Answer:
        return await self._plans.export(session=call.text("session"), name=call.text("plan"))

    async def _import_plans(self, call: Call) -> Answer:
        if not isinstance(call.body, dict):
            raise BadRequest("The body must be a file of plans, as `export` gives it.")
        return await self._plans.import_(call.body, session=call.text("session"), pin=call.flag("pin"))

    async def _replay(self, call: Call) -> Answer:
        body = call.members("session", "method", "path", "headers", "body", "code", "against")
        code, against = body.get("code"), body.get("against") or ""
        if not isinstance(code, str | None) or not isinstance(against, str):
            raise BadRequest("`code` and `against` must be texts.")
        ctx = await self.context(body)
        return await self._replayer.replay(call.segments[1], ctx, code=code, against=against)

    # Sessions

    async def _list_sessions(self, _call: Call) -> Answer:
        return await self._sessions.listed()

    async def _show_session(self, call: Call) -> Answer:
        return await self._sessions.show(call.segments[1])

    async def _delete_session(self, call: Call) -> Answer:
        return await self._sessions.delete(call.segments[1])

    async def _export_session(self, call: Call) -> Answer:
        name = call.segments[1]
        return await _archive(name, "", lambda path: self._sessions.export(name, path))

    async def _eject_session(self, call: Call) -> Answer:
        name, data = call.segments[1], call.flag("data")
        conventions = call.flag("conventions", default=True)
        return await _archive(
            name,
            "-app",
            lambda path: self._ejector.eject(name, path, with_data=data, conventions=conventions),
        )

    async def _import_session(self, call: Call) -> Answer:
        if call.upload is None:
            raise BadRequest("The body must be a tar file, as `export` gives it.")
        return await self._sessions.import_(call.segments[1], call.upload, replace=call.flag("replace"))

    async def _fork_session(self, call: Call) -> Answer:
        body = call.members("to", "at")
        target, at = body.get("to"), body.get("at")
        if not isinstance(target, str):
            raise BadRequest("`to` must be a session's id.")
        return await self._sessions.fork(
            call.segments[1], target, at=None if at is None else _moment(at, "at")
        )

    async def _change_settings(self, call: Call) -> Answer:
        return await self._sessions.change_settings(call.segments[1], call.members(*SETTABLE))

    async def _show_contract(self, call: Call) -> Answer:
        return await self._contracts.show(call.segments[1])

    async def _set_contract(self, call: Call) -> Answer:
        return await self._contracts.set(call.segments[1], call.members("name", "document"))

    async def _check_contract(self, call: Call) -> Answer:
        return await self._contracts.check(call.members("name", "document"))

    async def _unset_contract(self, call: Call) -> Answer:
        return await self._contracts.unset(call.segments[1])

    async def _diff_contract(self, call: Call) -> Answer:
        name = call.segments[1] if call.segments[0] == "sessions" else ""
        return await self._contracts.diff(name, call.members("name", "document"))

    async def _seed_contract(self, call: Call) -> Answer:
        return await self._contracts.seed(call.segments[1], call.members("seed", "examples", "replace"))

    async def _reset_session(self, call: Call) -> Answer:
        return await self._sessions.reset(call.segments[1])

    async def _salvage_session(self, call: Call) -> Answer:
        return await self._sessions.salvage(call.segments[1])

    async def _log_session(self, call: Call) -> Answer:
        before = call.number("before", 0, 2**53)
        most = max(call.number("limit", 100, MAX_PAGE), 1)
        name, earlier = call.segments[1], before or None
        if "record" in call.query:
            return await self._sessions.record_log(name, call.text("record"), most=most, before=earlier)
        return await self._sessions.log(name, most=most, before=earlier)

    async def _rewind_session(self, call: Call) -> Answer:
        body = call.members("to", "dry")
        return await self._sessions.rewind(
            call.segments[1], _moment(body.get("to"), "to"), dry=body.get("dry") is True
        )

    async def _list_changes(self, call: Call) -> Answer:
        since = call.number("since", 0, 2**53) if "since" in call.query else None
        most = max(call.number("limit", 100, MAX_PAGE), 1)
        return await self._sessions.changes(call.text("session"), since, most=most)

    # The record

    async def _show_record(self, _call: Call) -> Answer:
        return await self._records.show()

    async def _verify_record(self, _call: Call) -> Answer:
        return await self._records.verify()

    async def _list_nodes(self, _call: Call) -> Answer:
        return await self._records.nodes()

    async def _make_backup(self, _call: Call) -> Answer:
        return await self._records.make_backup()

    async def _send_backup(self, call: Call) -> Answer:
        name, offset = call.text("name"), call.number("offset", 0, 2**53)
        return Piece(await self._records.piece(name, offset), name)

    async def _drop_backup(self, call: Call) -> Answer:
        return await self._records.drop_backup(call.text("name"))

    # The rest

    async def _explain(self, call: Call) -> Answer:
        body = call.members("session", "method", "path", "headers", "body", "ask")
        ctx = await self.context(body)
        if ctx.method == "OPTIONS":
            raise BadRequest("OPTIONS is answered by the service itself, not by a plan.")
        return explained(await self._explainer.explain(ctx, ask=body.get("ask") is True))

    async def _examine(self, call: Call) -> Answer:
        return await self._doctor.examine(reach_provider=call.flag("reach"))

    async def _show_model(self, _call: Call) -> Answer:
        return await self._learning.model()

    async def _show_learning(self, _call: Call) -> Answer:
        return await self._learning.show()

    async def _turn_learning(self, call: Call) -> Answer:
        learn = call.members("learn").get("learn")
        if not isinstance(learn, bool):
            raise BadRequest("`learn` must be true or false.")
        return await self._learning.turn(on=learn)

    async def _usage(self, call: Call) -> Answer:
        by, since, session = (call.text(name) for name in ("by", "since", "session"))
        return await self._learning.usage(by=by, since=since, session=session)

    async def context(self, body: dict[str, Any], *, in_dialect: bool = True) -> RequestContext:
        """The request that an operator describes, as it would reach the planner.

        Without `in_dialect` in the service's own words, whatever its session speaks. Raises as the edge does.
        """
        name = body.get("session")
        if not isinstance(name, str):
            raise BadRequest("`session` must be a session's id.")
        session = await self._sessions.named(name)
        settings = await self._settings.of(session.directory)
        ctx = evolve(Described.of(body).context(session, secrets.token_hex(8)), settings=settings)
        check_use(ctx.method, ctx.content)
        if not in_dialect:
            return ctx
        headers = body.get("headers")
        contract = await self._contracts.contracts.of(ctx.session)
        if contract is not None:
            return evolve(
                ctx, contract=ContractCall(contract, contract.match(ctx.method, ctx.segments), ctx.path)
            )
        return self._dialects.looked_at(ctx, CIMultiDict(headers if isinstance(headers, dict) else {}))


def _moment(value: object, name: str) -> str:
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        raise BadRequest(f"`{name}` must be a version's number, or a time.")
    return value


async def _archive(session: str, kind: str, make: Callable[[Path], Awaitable[object]]) -> Archive:
    """A file that `make` writes; removed where it fails."""
    keeper = tempfile.TemporaryDirectory(prefix="metaservice-")
    path = Path(keeper.name) / "session.tar"
    try:
        await make(path)
    except BaseException:
        keeper.cleanup()
        raise
    return Archive(path, f"{session.strip('~@').replace(':', '-')}{kind}.tar", keeper)


def explained(found: Explanation) -> dict[str, Any]:
    runnable, error = found.runnable, found.error
    plan = None
    if runnable is not None:
        plan = {
            "id": runnable.id,
            "route": runnable.plan.route,
            "action": runnable.plan.action,
            "resource": runnable.plan.resource,
            "pinned": found.pinned,
            "code": runnable.code.text,
        }
    refusal = None if error is None else {"status": error.status, "type": error.slug, "detail": error.detail}
    return {
        "source": found.source,
        "why": found.why,
        "view": found.view or None,
        "plan": plan,
        "error": refusal,
        "refused": None if found.refused is None else _refused(found.refused),
    }


def _refused(problem: CodeRefused | PlanInvalid) -> dict[str, Any]:
    """What the model has written, and what is wrong with it: for operators alone, as it may be anything."""
    if isinstance(problem, PlanInvalid):
        return {"code": "", "violations": [], "reasons": list(problem.reasons)}
    return {"code": problem.code, "violations": shown_violations(problem), "reasons": []}

"""Runs handlers, each in one transaction.

1. One thread owns the database, and one request runs at a time.
2. Safe methods only read. What another one wrote is committed before it is answered, in all collections or in
   none: a status of 400 or more undoes it, unless the handler said `keep=True`, and so does an exception.
3. An exception that reading the request's body or query raised is the client's: 422. Any other is ours: 500,
   with its traceback in the log and nothing of it in the reply.
"""

from __future__ import annotations

import asyncio
import fcntl
import inspect
import json
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from attrs import frozen

from guest import blame
from guest.credentials import AUTHORIZATION
from guest.reply import Abort, ReplyError, RequestFault, encode_reply, make_response
from server.values.errors import BadReply, PlanFailed, ServiceError, SessionDamaged, StorageFull
from server.values.model import SAFE_METHODS
from store.errors import StoreDamaged, StoreError, StoreFull
from store.layout import import_session
from store.session_store import Session
from store.sqlite import DATABASE_NAME
from wasm_runtime.verdict import clean_headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.ejected.routing import Route

    Judge = Callable[["Answer"], None]

_log = logging.getLogger(__name__)
#: SQLite's own limit is far above; a disk is full before.
_LARGEST_DATABASE_BYTES = 2**40
_SLOT = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::[a-z]+)?\}")


class InUseError(Exception):
    """Another process has the data directory: the database has no locks of its own."""


@frozen
class Answer:
    """`body` is JSON text, empty for none; `is_problem` says that it is the detail of a problem document."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    is_problem: bool = False


class Database:
    """The records of an application, in a directory that only this process uses.

    A new one begins with what the JSON files in `seed` hold, if there are any.
    """

    def __init__(self, directory: Path, seed: Path | None = None) -> None:
        self._directory = directory
        self._seed = seed
        self._thread = ThreadPoolExecutor(1, "store")
        self._lock: int | None = None
        self._session: Session | None = None

    async def open(self) -> None:
        """Raises InUseError, OSError, StoreDamaged."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def answer(
        self,
        route: Route,
        ctx: dict[str, Any],
        body: Any,
        params: dict[str, Any] | None = None,
        judge: Judge | None = None,
    ) -> Answer:
        """Run the route's handler; without `params` its slots have the path's values. Raises ServiceError.

        `judge` looks at the answer before anything is kept; what it raises undoes all that was written.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._answer, route, ctx, body, params, judge)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise InUseError(f"{self._directory} is in use by another process") from None
        self._lock = lock
        is_new = not (self._directory / DATABASE_NAME).exists()
        self._session = Session.open(str(self._directory), page_limit_bytes=_LARGEST_DATABASE_BYTES)
        if is_new and self._seed is not None and self._seed.is_dir():
            import_session(self._session, self._seed)

    def _answer(
        self,
        route: Route,
        ctx: dict[str, Any],
        body: Any,
        params: dict[str, Any] | None,
        judge: Judge | None,
    ) -> Answer:
        assert self._session is not None
        return execute(self._session, route, {**ctx, "body_json": body}, params, judge)

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
        if self._lock is not None:
            os.close(self._lock)


def execute(
    session: Session,
    route: Route,
    ctx: dict[str, Any],
    params: dict[str, Any] | None = None,
    judge: Judge | None = None,
) -> Answer:
    """The handler's answer, its writes kept or undone. Raises ServiceError."""
    session.begin(read_only=ctx["method"] in SAFE_METHODS)
    keep = False
    try:
        answer, wanted = _settled(lambda: _reply(session, route, ctx, params), route)
        if judge is not None:
            judge(answer)
        keep = wanted
    except StoreFull:
        raise StorageFull("The disk is full.") from None
    except StoreDamaged:
        _log.exception("the database cannot be read")
        raise SessionDamaged("The data cannot be read.") from None
    finally:
        session.settle(keep=keep)
        session.commit()
    return answer


def _settled(reply: Callable[[], Any], route: Route) -> tuple[Answer, bool]:
    """The answer, and whether what was written is to stay."""
    try:
        head, body = encode_reply(reply())
    except (StoreFull, StoreDamaged, ServiceError):
        raise
    except ReplyError as error:
        raise BadReply(f"The handler's reply is refused: {error}.") from None
    except StoreError as error:
        return _problem(error.status, error.detail), False
    except Exception as error:  # noqa: BLE001  a handler may raise anything
        detail = _request_fault(error, route)
        if detail is None:
            _log.exception("%s %s failed", route.method, route.template)
            raise PlanFailed(f"The handler raised {type(error).__name__}.") from None
        return _problem(422, detail), False
    status: int = head["status"]
    headers = clean_headers(head.get("headers"))
    if status >= 400 and (not body or body.startswith('"')):
        detail = json.loads(body) if body else ""
        return _problem(status, detail, headers), "keep" in head
    return Answer(status, headers, body), status < 400 or "keep" in head


def _problem(status: int, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, headers, detail, is_problem=True)


def _reply(session: Session, route: Route, ctx: dict[str, Any], params: dict[str, Any] | None) -> Any:
    """What the handler returned, or what it aborted with, even if it caught that."""
    params = route.params(tuple(ctx["segments"])) if params is None else params
    store = session.plan_view.collection(route.resource)
    given: dict[str, Callable[[], Any]] = {
        "ctx": lambda: ctx,
        "params": lambda: params,
        "plan": lambda: _plan(route, ctx, params, store._criteria_beside(ctx["query"], route.own)),  # noqa: SLF001
        "store": lambda: store,
        "session_store": lambda: session.plan_view,
    }
    AUTHORIZATION.set(ctx["headers"].get("authorization", ""))
    Abort.first = None
    reply = None
    try:
        reply = route.handler(**{name: given[name]() for name in route.wants})
    except Abort:
        pass
    except Exception:
        if _ended() is None:
            raise
    ended = _ended()
    return reply if ended is None else _aborted(ended, route)


def _ended() -> Abort | None:
    return Abort.first


def _plan(
    route: Route, ctx: dict[str, Any], params: dict[str, int | str], criteria: dict[str, Any]
) -> dict[str, Any]:
    about = {"action": "", "response_hints": {}, **route.about, "route": route.template}
    return {
        **about,
        "identifier": _identifier(about.get("identifier"), params),
        "criteria": criteria,
        "payload": ctx["body_json"],
    }


def _identifier(identifier: str | None, params: dict[str, int | str]) -> int | str | None:
    """`"{id}"` is the slot's value with its type; in other text slots become text."""
    if identifier is None:
        return None
    whole = _SLOT.fullmatch(identifier)
    if whole is not None:
        return params.get(whole[1])
    return _SLOT.sub(lambda slot: str(params.get(slot[1], "")), identifier)


def _aborted(ended: Abort, route: Route) -> dict[str, Any]:
    """The reply that an abort asked for; a fault of the request names the key that it is about."""
    if not isinstance(ended, RequestFault):
        return ended.reply
    source, file = _source(route)
    name = blame.parameter_name(source, blame.place_of(ended, file))
    return make_response(ended.status, f"{name}: {ended.detail}" if name else ended.detail)


def _request_fault(error: Exception, route: Route) -> str | None:
    source, file = _source(route)
    return blame.request_fault(error, source, blame.place_of(error, file))


def _source(route: Route) -> tuple[str, str]:
    """The handler's source, in the lines where it stands in its file, and that file."""
    lines, first = inspect.getsourcelines(route.handler)
    return "\n" * (first - 1) + "".join(lines), route.handler.__code__.co_filename

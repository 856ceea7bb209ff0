"""Learned routes: what every session has learned, in memory, with the plan library behind it.

1. A session's routes are read from the library when its first request comes, by one reading however many
   requests wait. From then on a match is a walk down a tree.
2. The library is a file that somebody may have edited: each plan's code passes the policy again before it
   is served, on the library's thread. What does not pass is left out, with a line in the log.
3. Memory is bounded; what is forgotten here is still in the library.
4. A library that fails costs no request: what is learned then is known until it is forgotten here.
5. What people change (pin, edit, forget) is seen by the next request.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, TypeVar

import orjson
import structlog
from attrs import evolve

from server.planning.kinds.fingerprint import values_key
from server.planning.kinds.route import RouteTemplate
from server.planning.kinds.route_table import LearnedRoute, Match, SessionRoutes
from server.planning.learned.library import MAX_ROUTES, MAX_VALUES_PLANS
from server.planning.learned.library_file import LibraryError
from server.planning.learned.library_rows import Origin, record_of
from server.planning.learned.vetting import Candidate, Vetting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from server.planning.kinds.fingerprint import Versions
    from server.planning.kinds.shape import RequestShape
    from server.planning.learned.library import PlanLibrary
    from server.planning.learned.library_thread import LibraryThread
    from server.values.model import RequestContext, RunnablePlan, Session

T = TypeVar("T")

#: Sessions in memory: more than a service of this size serves in a minute; an empty one is about 1 KB.
MAX_SESSIONS: Final = 4_096
#: Routes in memory over all sessions: about 1 KB each, as sessions of one API share their plans.
MAX_ROUTES_IN_ALL: Final = 65_536
#: Failures on as many different body shapes put a route into quarantine (DECISIONS, "Quarantine").
MAX_FAILURES: Final = 3

_log = structlog.get_logger()


class LearnedRoutes:
    """All sessions' routes; used on the event loop. Owns the library."""

    def __init__(
        self,
        library: LibraryThread,
        versions: Versions,
        *,
        max_sessions: int = MAX_SESSIONS,
        max_routes_in_all: int = MAX_ROUTES_IN_ALL,
    ) -> None:
        self.versions = versions
        self._library = library
        self._vetting = Vetting(versions)
        self._max_sessions = max_sessions
        self._max_routes_in_all = max_routes_in_all
        self._sessions: OrderedDict[str, SessionRoutes] = OrderedDict()
        self._loading: dict[str, asyncio.Task[SessionRoutes]] = {}
        self._held = 0
        #: Counts what people have changed: what was read before is not kept after.
        self._generation = 0

    def __len__(self) -> int:
        """How many sessions are in memory."""
        return len(self._sessions)

    @property
    def routes_held(self) -> int:
        return self._held

    async def match(self, ctx: RequestContext) -> Match | None:
        """The route this session has learned for the request, stale or not, but none in quarantine."""
        return (await self._routes(ctx.session.directory)).match(ctx)

    async def methods(self, ctx: RequestContext) -> set[str]:
        """The methods for which this session has learned the path, HEAD with GET."""
        return (await self._routes(ctx.session.directory)).methods(ctx.segments)

    async def serving(self, session: Session) -> tuple[LearnedRoute, ...]:
        """The routes that answer more than a single request, from the oldest to the newest."""
        return (await self._routes(session.directory)).serving()

    async def shared(self, session: Session, *fingerprints: str) -> Candidate | None:
        """What any session has learned under one of these, and passes; not what is quarantined here."""
        try:
            return await self._library.run(
                lambda library: self._vetting.first(library.find(*fingerprints, session=session.directory))
            )
        except LibraryError:
            _log.warning("plan library not read", exc_info=True)
            return None

    def candidate(
        self,
        ctx: RequestContext,
        shape: RequestShape,
        runnable: RunnablePlan,
        origin: Origin,
        asked: tuple[str, str, str],
    ) -> Candidate:
        """A plan fresh from the planner, with all that is needed to learn it.

        `asked` is under which fingerprint others find it, in which view its author saw the request, and what
        of it.
        """
        fingerprint, view, told = asked
        record = record_of(
            runnable,
            shape.route_key(),
            fingerprint,
            origin=origin,
            versions=self.versions,
            values_key=values_key(ctx) if runnable.plan.needs == "values" else "",
            view=view,
            told=told,
        )
        return Candidate(evolve(runnable, source="learned"), record)

    async def learn(self, session: Session, candidate: Candidate, shape: RequestShape) -> LearnedRoute:
        """Serve the plan from now on, here at once and after a restart.

        Gives back the route in force: another one where a person has pinned or written that, and it passes.
        """
        record, body, generation = candidate.record, body_shape(shape), self._generation
        number: int | None = 0
        try:
            number = await self._library.run(lambda library: library.learn(record, session, body))
        except LibraryError:
            _log.warning("plan library not written", exc_info=True)
        route = _route_of(candidate, body, number or 0)
        routes = await self._routes(session.directory)
        if number is None:
            return routes.get(route.key) or route
        if generation != self._generation:
            return route
        before = len(routes)
        route = routes.put(route)
        if self._sessions.get(session.directory) is routes:
            self._held += len(routes) - before
            self._shrink()
        return route

    # How a route does

    def succeeded(self, match: Match) -> None:
        """The plan has worked: earlier failures count no more, and its slugs' words are records."""
        route = match.route
        for word in match.slug_words() if route.slug_names else ():
            route.saw(word)
        if route.failed_shapes and not route.quarantined:
            route.failed_shapes.clear()
            self._note_failures(route)

    def failed(self, route: LearnedRoute, shape: RequestShape) -> bool:
        """The plan has failed on a body of this shape; whether the route is in quarantine now.

        The same shape counts once: a client that repeats a bad request takes no route from the others.
        """
        if route.kept:
            return False
        route.failed_shapes.add(hashlib.blake2b(body_shape(shape).encode(), digest_size=8).hexdigest())
        route.quarantined = len(route.failed_shapes) >= MAX_FAILURES
        self._note_failures(route)
        return route.quarantined

    def asked(self, match: Match, word: str) -> None:
        """The planner was asked whether a word that a slug took is an action."""
        route = match.route
        route.saw(word)
        route.slug_asked += 1
        number, count = route.number, route.slug_asked
        if number:
            self._library.post(lambda library: library.mark_asked(number, count))

    def _note_failures(self, route: LearnedRoute) -> None:
        number, quarantined = route.number, route.quarantined
        failures = orjson.dumps(sorted(route.failed_shapes)).decode()
        if number:
            self._library.post(
                lambda library: library.mark_failures(number, failures, quarantined=quarantined)
            )

    # What people do

    async def read(self, work: Callable[[PlanLibrary], T]) -> T:
        """List, show: whatever changes nothing. Raises LibraryError."""
        return await self._library.run(work)

    async def change(self, work: Callable[[PlanLibrary], T]) -> T:
        """Pin, edit, forget: whatever changes the library. Raises LibraryError."""
        try:
            return await self._library.run(work)
        finally:
            self._generation += 1
            self._sessions.clear()
            self._held = 0

    async def refresh(self) -> None:
        """In a cluster: see what the other nodes have done to the library."""
        try:
            changed = await self._library.run(lambda library: library.catch_up())
        except LibraryError:
            _log.warning("plan library not read", exc_info=True)
            return

        if changed:
            self._generation += 1
            self._sessions.clear()
            self._held = 0

    async def close(self) -> None:
        await self._library.close()

    # Memory

    async def _routes(self, directory: str) -> SessionRoutes:
        routes = self._sessions.get(directory)
        if routes is not None:
            self._sessions.move_to_end(directory)
            return routes
        loading = self._loading.get(directory)
        if loading is None:
            loading = asyncio.create_task(self._load(directory))
            self._loading[directory] = loading
            loading.add_done_callback(lambda _: self._loading.pop(directory, None))
        # A client that leaves does not end the reading that others wait for.
        return await asyncio.shield(loading)

    async def _load(self, directory: str) -> SessionRoutes:
        while True:
            generation = self._generation
            routes = await self._read(directory)
            if generation == self._generation:
                break
        self._sessions[directory] = routes
        self._held += len(routes)
        self._shrink()
        return routes

    async def _read(self, directory: str) -> SessionRoutes:
        def read(library: PlanLibrary) -> SessionRoutes:
            vetted = map(self._vetting.route, library.routes_of(directory))
            return _session_routes(route for route in vetted if route is not None)

        try:
            return await self._library.run(read)
        except LibraryError:
            _log.warning("plan library not read", exc_info=True)
            return _session_routes(())

    def _shrink(self) -> None:
        """Forget the sessions that were not used for longest, but never the last one."""
        while len(self._sessions) > 1 and (
            len(self._sessions) > self._max_sessions or self._held > self._max_routes_in_all
        ):
            _, routes = self._sessions.popitem(last=False)
            self._held -= len(routes)


def _session_routes(routes: Iterable[LearnedRoute]) -> SessionRoutes:
    return SessionRoutes(routes, max_routes=MAX_ROUTES, max_values=MAX_VALUES_PLANS)


def body_shape(shape: RequestShape) -> str:
    """The canonical text of the body's part of a shape; ``null`` without a body."""
    body = None if shape.body is None else shape.body.as_json()
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()


def _route_of(candidate: Candidate, body: str, number: int) -> LearnedRoute:
    record = candidate.record
    return LearnedRoute(
        runnable=candidate.runnable,
        template=RouteTemplate.parse(record.route),
        method=record.method,
        content=record.content,
        query=record.query_keys(),
        values_key=record.values_key,
        body_shape=body,
        number=number,
        pinned=record.pinned,
        by_person=record.by_person,
    )

"""Has a model asked once about each resource schema of a contract, and its answers kept and shared.

1. What was answered to the very same question is in the plan library, whoever asked: the question has the
   schema in it, and the digest of all that is shown is its key (`server.contracts.record_rules`).
2. The model is asked when a record of the schema is written for the first time, once, however many requests
   wait for that. What it says is in no reading.
3. No request fails for it. Where nobody answers, the plan runs as it does without a model, and the question
   is put again after a while; sooner where it was the provider's failure than where the answer was no use.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from server.concurrency.aside import aside
from server.concurrency.single_flight import SingleFlight
from server.contracts.record_rules.answer import AnswerInvalid, read_answer
from server.contracts.record_rules.question import WRITES, is_asked_about, shown
from server.planning.drafting.negative_cache import KEEP_SECONDS
from server.planning.kinds.fingerprint import digest
from server.planning.learned.library_file import LibraryError
from server.planning.prompt.records import RECORDS_VERSION
from server.planning.turns import await_turn, give_up
from server.values.errors import PlanRefused, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from server.contracts.contract import Contract
    from server.contracts.model import Model, Resource, Role
    from server.planning.drafting.drafting import Drafting
    from server.planning.kinds.fingerprint import Versions
    from server.planning.learned.routes import LearnedRoutes
    from server.planning.planner import LearningPlanner
    from server.planning.turns import PlanningTurns
    from server.values.model import RequestContext

_MOST_PAUSES: Final = 10_000
_log = structlog.get_logger(__name__)


class Unanswered(Exception):
    """The model was asked in vain; what it said, if anything, is in the log."""


def key_of(model: Model, resource: Resource, versions: Versions) -> str:
    """The digest of all that a model is shown of the resource, and of who is asked."""
    return _key(shown(model, resource), versions)


def _key(told: Mapping[str, Any], versions: Versions) -> str:
    made = ("prompt", RECORDS_VERSION), ("model", versions.model), ("rules", versions.rules)
    return digest([("records", told), *made])


async def recall(learned: LearnedRoutes, contract: Contract, resource: Resource) -> bool:
    """Have what was answered before count; whether there is anything to count."""
    if contract.compiler.is_answered(resource):
        return True
    if not is_asked_about(resource):
        return False
    key = await asyncio.to_thread(key_of, contract.model, resource, learned.versions)
    answer = await _kept(learned, key)
    return answer is not None and await asyncio.to_thread(_told, contract, resource, answer)


async def recall_all(learned: LearnedRoutes, contract: Contract) -> None:
    for resource in contract.model.resources:
        await recall(learned, contract, resource)


async def _kept(learned: LearnedRoutes, key: str) -> str | None:
    try:
        return await learned.read(lambda library: library.record_rules(key))
    except LibraryError:
        _log.warning("plan library not read", exc_info=True)
        return None


def _told(contract: Contract, resource: Resource, answer: str) -> bool:
    try:
        contract.compiler.answer(resource, read_answer(answer))
    except AnswerInvalid:
        return False  # somebody has edited the library's file
    return True


def recall_from(file: Path, contract: Contract, versions: Versions) -> None:
    """The same out of a library's file, for whoever has no service. One that cannot be read has nothing."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as rows,
    ):
        for resource in filter(is_asked_about, contract.model.resources):
            key = key_of(contract.model, resource, versions)
            found = rows.execute("SELECT answer FROM record_rules WHERE shown = ?", (key,)).fetchone()
            if found is not None:
                _told(contract, resource, str(found[0]))


class RecordQuestions:
    """Of one planner; `clock` gives seconds, and never goes back."""

    def __init__(
        self, planner: LearningPlanner, pause_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._learned, self._switch = planner.parts
        self._turns: PlanningTurns | None = planner.turns
        self._pause_seconds = pause_seconds
        self._clock = clock
        #: Until when a question is not put again, by its key.
        self._until: dict[str, float] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._flights: SingleFlight[str, str] = SingleFlight()

    async def inform(self, contract: Contract, role: Role, ctx: RequestContext) -> bool:
        """Before a record is written: whether something counts now that did not before."""
        resource = role.resource
        if resource is None or role.name not in WRITES or contract.compiler.is_answered(resource):
            return False
        place = contract.document.digest, resource.name
        key = self._keys.get(place)
        if key is None:
            key = await aside(partial(self._key_of, contract, resource), ctx.session.directory)
            self._remember_key(place, key)
        if not key or self._clock() < self._until.get(key, 0.0):
            return False
        try:
            answer = await self._flights.run(key, lambda: self._answer(key, contract, role, ctx))
        except Unanswered:
            return False
        if contract.compiler.is_answered(resource):
            return True
        return await aside(partial(_told, contract, resource, answer), ctx.session.directory)

    def _key_of(self, contract: Contract, resource: Resource) -> str:
        """Empty for a resource that nobody is asked about."""
        asked = is_asked_about(resource)
        return key_of(contract.model, resource, self._learned.versions) if asked else ""

    def _remember_key(self, place: tuple[str, str], key: str) -> None:
        if len(self._keys) >= _MOST_PAUSES:
            self._keys.clear()
        self._keys[place] = key

    async def _answer(self, key: str, contract: Contract, role: Role, ctx: RequestContext) -> str:
        """Raises Unanswered."""
        known = await _kept(self._learned, key)
        if known is not None:
            return known
        drafting = self._switch.drafting
        if drafting is None:
            self._pause(key, self._pause_seconds)
            raise Unanswered
        try:
            return await self._asked(key, contract, role, drafting, ctx)
        except (ServiceError, AnswerInvalid) as error:
            useless = isinstance(error, PlanRefused | AnswerInvalid)
            self._pause(key, KEEP_SECONDS if useless else self._pause_seconds)
            why = str(error) if isinstance(error, AnswerInvalid) else type(error).__name__
            _log.warning("records not asked about", route=role.operation.template, why=why)
            raise Unanswered from None

    async def _asked(
        self, key: str, contract: Contract, role: Role, drafting: Drafting, ctx: RequestContext
    ) -> str:
        """Raises ServiceError, AnswerInvalid."""
        assert role.resource is not None  # noqa: S101 - the caller has looked
        known = await await_turn(self._turns, key, partial(self._look, key))
        if known is not None:
            return known
        try:
            told = shown(contract.model, role.resource)
            text = await drafting.about_records(ctx, role.operation.template, told)
            answer = orjson.dumps(read_answer(text)).decode()
            await self._keep(key, answer)
        finally:
            await give_up(self._turns, key)
        _log.info("records asked about", collection=role.resource.name, contract=contract.name)
        return answer

    async def _keep(self, key: str, answer: str) -> None:
        try:
            await self._learned.read(lambda library: library.keep_record_rules(key, answer))
        except LibraryError:
            _log.warning("plan library not written", exc_info=True)

    async def _look(self, key: str) -> str | None:
        """What another node was answered."""
        await self._learned.refresh()
        return await _kept(self._learned, key)

    def _pause(self, key: str, seconds: float) -> None:
        if len(self._until) >= _MOST_PAUSES:
            self._until.clear()
        self._until[key] = self._clock() + seconds

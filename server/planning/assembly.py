"""Puts a planner together from the settings: conventions alone, or one that learns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from server.planning.conventions.checked import CheckedConventions
from server.planning.drafting.author import Author
from server.planning.drafting.breakers import Breakers
from server.planning.drafting.budget import Budget
from server.planning.drafting.drafting import Drafting
from server.planning.drafting.negative_cache import NegativeCache
from server.planning.drafting.switch import LearningSwitch
from server.planning.kinds.fingerprint import Versions
from server.planning.kinds.schemas import collection_exists, collection_holds, record_has_file
from server.planning.learned.library import PlanLibrary
from server.planning.learned.library_file import FILE_NAME
from server.planning.learned.library_thread import LibraryThread
from server.planning.learned.routes import LearnedRoutes
from server.planning.planner import LearningPlanner
from server.planning.policy import POLICY_VERSION
from server.planning.prompt import PromptMaker, read_house_rules, rules_digest
from server.planning.providers import make_provider

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from server.planning.drafting.budget import Purse
    from server.planning.drafting.shared_budget import Ledger
    from server.planning.drafting.usage import UsageBook
    from server.planning.kinds.schemas import Holds
    from server.planning.learned.shared_library import Journal
    from server.planning.planned import Planner
    from server.planning.providers.base import Provider
    from server.planning.turns import PlanningTurns
    from server.settings.planner import PlannerSettings
    from server.values.model import Session
    from wasm_runtime.pool import Executor


def make_planner(
    settings: PlannerSettings,
    describe: Callable[[], Mapping[str, Any]],
    executor: Executor,
    data_root: Path,
    there: Callable[[str], Awaitable[bool]],
    *,
    keep_library: bool = False,
    watched: Callable[[Provider], Provider] = lambda provider: provider,
    delete_collections: bool = False,
    usage: UsageBook | None = None,
    fleet: Fleet | None = None,
) -> Planner:
    """The planner that the settings ask for.

    `describe` gives the guest's `Artifact.description`, `there` whether anything was
    ever written to a session, by its directory.

    Without a provider, routes that were learned while there was one are still served; with `keep_library`
    there is a plan library in any case, for operators to bring plans to. `watched` may put a watcher before
    the provider.
    Raises PromptError for house rules that cannot be read, LibraryError, ValueError for a refused base URL.
    """
    conventions = make_conventions(executor, there, delete_collections=delete_collections)
    library = data_root / FILE_NAME
    keep_library = keep_library or fleet is not None
    chosen = settings.learn and settings.chosen != "conventions"
    if not chosen and settings.learn and not keep_library and not library.exists():
        return conventions
    rules = read_house_rules(settings.house_rules)
    prompts = PromptMaker(describe(), rules, max_bytes=settings.max_prompt_bytes)
    opened = PlanLibrary.open(library) if fleet is None else _shared_library(data_root, fleet)
    learned = LearnedRoutes(LibraryThread(opened), _versions(prompts, settings))
    if fleet is not None:
        fleet.on_library(learned.refresh)

    def make() -> Drafting | None:
        provider = make_provider(settings)
        if provider is None:
            return None
        return _drafting(settings, watched(provider), prompts, learned, executor, usage=usage, fleet=fleet)

    switch = LearningSwitch.made(make, on=settings.learn)
    turns = None if fleet is None else fleet.turns
    return LearningPlanner(learned, switch, conventions, settings, turns)


class Fleet(Protocol):
    """What the nodes of a cluster have in common for planning."""

    @property
    def journal(self) -> Journal: ...

    @property
    def turns(self) -> PlanningTurns: ...

    @property
    def bills(self) -> Ledger: ...

    def on_library(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """To be called when other nodes have done something to the library."""
        ...


def _shared_library(data_root: Path, fleet: Fleet) -> PlanLibrary:
    # Who is alone has nothing of it to import.
    from server.planning.learned.shared_library import SharedLibrary  # noqa: PLC0415

    return SharedLibrary.shared(data_root, fleet.journal)


def _shared_budget(settings: PlannerSettings, fleet: Fleet) -> Purse:
    from server.planning.drafting.shared_budget import SharedBudget  # noqa: PLC0415

    return SharedBudget(settings, fleet.bills)


def make_conventions(
    executor: Executor, there: Callable[[str], Awaitable[bool]], *, delete_collections: bool = False
) -> CheckedConventions:
    """Conventions that look into a session where a path alone does not tell a collection from an action.

    `there` says whether anything was ever written to a session, by its directory.
    """

    async def exists(session: Session, name: str) -> bool:
        return await there(session.directory) and await collection_exists(executor, session, name)

    async def holds(session: Session, name: str) -> Holds:
        if not await there(session.directory):
            return "nothing"
        return await collection_holds(executor, session, name)

    async def has_file(session: Session, path: tuple[str, ...]) -> bool:
        return await there(session.directory) and await record_has_file(executor, session, path)

    return CheckedConventions(
        delete_collections=delete_collections, exists=exists, holds=holds, has_file=has_file
    )


def _versions(prompts: PromptMaker, settings: PlannerSettings) -> Versions:
    return Versions(prompts.version, POLICY_VERSION, _model(settings), prompts.rules_digest)


def _model(settings: PlannerSettings) -> str:
    """The one that would write plans, also while nothing is learned: that makes none stale."""
    chosen = settings.in_use
    return "" if chosen is None else f"{settings.chosen}/{chosen.model}"


def versions_of_records(settings: PlannerSettings) -> Versions:
    """For questions about the records of contracts, which hang on no guest. Raises PromptError."""
    rules = rules_digest(read_house_rules(settings.house_rules))
    return Versions("", POLICY_VERSION, _model(settings), rules)


def _drafting(
    settings: PlannerSettings,
    provider: Provider,
    prompts: PromptMaker,
    learned: LearnedRoutes,
    executor: Executor,
    *,
    usage: UsageBook | None,
    fleet: Fleet | None,
) -> Drafting:
    clock = time.monotonic
    budget = Budget(settings, clock) if fleet is None else _shared_budget(settings, fleet)
    author = Author(provider, budget, Breakers.of(settings, clock), usage)
    return Drafting(author, prompts, learned, executor, NegativeCache(clock), settings)

"""Puts the operators' interface together, for a running service and for the command on a data root alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from server.contracts.served import ServedContracts
from server.operations.api import Api
from server.operations.contracts import ContractOperations
from server.operations.doctor import Doctor
from server.operations.eject import Ejector
from server.operations.learning import LearningOperations
from server.operations.plans import PlanOperations
from server.operations.records import RecordOperations
from server.operations.replay import Replayer
from server.operations.sessions import SessionOperations
from server.planning.assembly import make_conventions
from server.planning.contracted import ContractPlanner
from server.planning.explaining import Explainer
from server.planning.planner import LearningPlanner
from server.sessions.files import SessionFiles
from wasm_runtime.pool import Executor, Holder

if TYPE_CHECKING:
    from server.live.changes import Changes
    from server.planning.dialects.frame.choice import DialectChoice
    from server.planning.drafting.usage import UsageBook
    from server.planning.planned import Planner
    from server.sessions.directories import DataRoot
    from server.sessions.names import SessionNames
    from server.sessions.records import Records
    from server.sessions.settings import SessionSettings
    from server.settings.schema import Settings


class HoldingExecutor(Executor, Holder, Protocol):
    """Runs plans, and keeps everybody out of a session."""


def make_api(
    settings: Settings,
    root: DataRoot,
    planner: Planner,
    executor: HoldingExecutor,
    *,
    names: SessionNames,
    records: Records,
    usage: UsageBook,
    running: bool = True,
    session_settings: SessionSettings,
    dialects: DialectChoice,
    changes: Changes | None = None,
    contracts: ServedContracts | None = None,
) -> Api:
    """The interface over a service's parts, which it does not own. `running`: requests are served, too."""
    planner = planner.inner if isinstance(planner, ContractPlanner) else planner
    learned, switch = planner.parts if isinstance(planner, LearningPlanner) else (None, None)
    sessions = SessionOperations(
        SessionFiles(root.path),
        records,
        names,
        executor,
        learned,
        token_names=tuple(settings.auth.by_name),
        disk_bytes=settings.sandbox.session_disk_bytes,
        settings=session_settings,
        object_members=settings.sandbox.object_members,
        changes=changes,
    )
    plans = PlanOperations(learned, switch, sessions.named)
    conventions = make_conventions(
        executor, records.exists, delete_collections=settings.conventions.delete_collections
    )
    return Api(
        plans,
        sessions,
        Replayer(plans, sessions, executor),
        Explainer(conventions, settings.planner, learned, switch, settings.contract.ask_about_records),
        Doctor(settings, root, executor, records, switch),
        ejector=Ejector(sessions, learned, executor, dialects, contracts or ServedContracts()),
        records=RecordOperations(SessionFiles(root.path), records, names),
        learning=LearningOperations(settings.planner, switch, usage, running=running),
        settings=session_settings,
        dialects=dialects,
        contracts=ContractOperations(contracts or ServedContracts(), sessions, learned, names.note),
    )

"""What a planner hands to the pipeline for one request: a plan, and what is to become of its outcome."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - attrs looks at it
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

if TYPE_CHECKING:
    from server.planning.kinds.route import Params
    from server.planning.kinds.route_table import LearnedRoute
    from server.values.model import RequestContext, RunnablePlan, Session
    from wasm_runtime.outcome import Outcome


class Planned(Protocol):
    """A plan for one request."""

    @property
    def runnable(self) -> RunnablePlan: ...

    @property
    def params(self) -> Params | None:
        """The values of the route's slots in the request, where finding the plan has told them."""
        ...

    @property
    def asked(self) -> Mapping[str, Any] | None:
        """What a dialect has read in the request, for the plan; None where it is in the service's own."""
        ...

    @property
    def lasting(self) -> bool:
        """Whether the same request gets this plan again, until somebody is told that plans have changed."""
        ...

    @property
    def on_trial(self) -> bool:
        """Whether it is new, and a reply that breaks its contract is a reason to have it mended."""
        ...

    async def instead(self, outcome: Outcome) -> Planned | None:
        """Another plan to run in place of this one, which ended so; None: the outcome stands.

        Nothing of a plan that is replaced has been committed.
        """
        ...

    async def settled(self, outcome: Outcome) -> None:
        """The outcome that is going to be the request's reply: what there is to learn is learned."""
        ...


@frozen
class RoutesInForce:
    """What a session's requests are served by; see `Planner.routes_in_force`."""

    learned: tuple[LearnedRoute, ...] = ()
    #: Whether conventions answer what was not learned, or would if there were no model.
    conventions: bool = True
    #: Whether a model plans what was not learned: what conventions have for it is then the fall-back.
    planned: bool = False


class Planner(Protocol):
    """Decides what a request means. Every failure to is a ServiceError."""

    async def plan(self, ctx: RequestContext) -> Planned: ...

    async def allowed_methods(self, ctx: RequestContext) -> tuple[str, ...]:
        """For OPTIONS: what this path takes in this session. Raises NotFound, NotPlannable."""
        ...

    async def routes_in_force(self, session: Session) -> RoutesInForce:
        """What can be told in advance of how the session's requests will be served."""
        ...

    async def close(self) -> None: ...


@frozen
class Fixed:
    """A plan that no outcome changes, and nothing is learned from."""

    runnable: RunnablePlan
    params: Params | None = None
    asked: Mapping[str, Any] | None = None
    lasting: bool = True
    on_trial: bool = False

    async def instead(self, outcome: Outcome) -> None:
        """Its outcome stands."""

    async def settled(self, outcome: Outcome) -> None:
        """Nothing to learn."""

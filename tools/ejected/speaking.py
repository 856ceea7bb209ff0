"""A dialect's requests: what its table says of them, and the handler that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from server.planning.dialects.frame.compiling import PARAMS, allowed_methods, compile_request
from server.planning.dialects.frame.table import Problem
from server.requests.headers import named_headers
from server.values.errors import NotPlannable
from tools.ejected.routing import Handler, Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

    from server.planning.dialects.frame.table import Dialect, ErrorForm
    from server.requests.content import Content


@frozen
class Asking:
    """A request as a dialect reads it."""

    method: str
    path: str
    segments: tuple[str, ...]
    query: dict[str, Any]
    headers: dict[str, str]
    dialect_headers: dict[str, str]
    body_json: Any
    body_text: str | None
    base_url: str


@frozen
class SpokenRoute(Route):
    """The place of one request. `more` stands beside its slots."""

    more: Mapping[str, int | str] = field(factory=dict)

    def params(self, segments: tuple[str, ...]) -> dict[str, int | str]:
        return {**super().params(segments), **self.more}


@frozen
class Speaker:
    """`handlers` by the dialect's kinds."""

    dialect: Dialect
    handlers: Mapping[str, Handler]

    def read(
        self, headers: MultiMapping[str], ctx: dict[str, Any], content: Content
    ) -> tuple[Route, dict[str, Any]] | None:
        """The request's route, and its `ctx` with what it asks for; None where the dialect has nothing there.

        Raises ServiceError.
        """
        own = self.dialect.headers
        left = {name: value for name, value in ctx["headers"].items() if name not in own}
        segments = tuple(ctx["segments"])
        asking = Asking(
            ctx["method"],
            ctx["path"],
            segments,
            ctx["query"],
            left,
            named_headers(headers, own),
            content.value,
            content.text,
            ctx["base_url"],
        )
        try:
            # It has all that is read of a RequestContext.
            found = compile_request(self.dialect, asking)  # type: ignore[arg-type]
        except NotPlannable:
            return None
        plan = found.plan
        about = {
            "resource": plan.resource,
            "action": plan.action,
            "identifier": plan.identifier,
            "response_hints": plan.response_hints,
        }
        route = SpokenRoute(
            asking.method,
            plan.route,
            plan.resource,
            self.handlers[found.kind],
            (),
            None,
            "any",
            {},
            about,
            {**(found.params or {}), **plan.response_hints.get(PARAMS, {})},
        )
        return route, {**ctx, "headers": left, "query": {}, "asked": found.asked}

    def allowed(self, segments: tuple[str, ...]) -> tuple[str, ...]:
        """The methods of a path; none where the dialect has nothing there."""
        try:
            return allowed_methods(self.dialect, segments)
        except NotPlannable:
            return ()

    def media_type(self, accept: str) -> str:
        """Of a reply: the type of the dialect's own that `Accept` names, or what it mostly has."""
        own = self.dialect.marks.types
        return next((each for each in own if each in accept), self.dialect.media_type)

    def form(self, status: int, document: dict[str, Any]) -> ErrorForm:
        """An error in the dialect's words; `document` is the problem (RFC 9457)."""
        return self.dialect.error(Problem(status, document))

"""Which dialect a request is read in.

Its `X-Dialect` says so; else its session; else the settings, for its token and for all.
`auto` is native until a request of the session bears a mark: from then on it is that one's dialect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import evolve, field, frozen

from server.planning.dialects.frame.registry import AUTO, NATIVE, known, marked, names
from server.requests.headers import named_headers
from server.values.errors import InvalidHeader
from server.values.preferences import preferences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

    from server.values.model import RequestContext, Session

HEADER = "X-Dialect"
_DRY_RUN = "tx=rollback"


class DialectError(ValueError):
    """A dialect that the settings name and nobody knows."""


class SessionDialects(Protocol):
    """What is kept of sessions."""

    def of(self, session: Session) -> str:
        """Empty where nothing was settled."""
        ...

    def settle(self, session: Session, name: str) -> None: ...


class NoSessionDialects:
    """Keeps nothing."""

    def of(self, session: Session) -> str:  # noqa: ARG002
        return ""

    def settle(self, session: Session, name: str) -> None:
        """Nothing."""


def checked(name: str, place: str) -> str:
    """The name, if it is one. Raises DialectError, which names the place and what there is."""
    if name not in names():
        raise DialectError(f"{place}: there is no dialect {name[:64]!r}; there are {', '.join(names())}")
    return name


@frozen
class DialectChoice:
    default: str = NATIVE
    by_token: Mapping[str, str] = field(factory=dict)
    kept: SessionDialects = field(factory=NoSessionDialects)

    def named(self, headers: MultiMapping[str], token_name: str | None, session: Session) -> str:
        """A dialect's name, `native` or `auto`. Raises InvalidHeader."""
        if HEADER in headers:
            values = headers.getall(HEADER)
            if len(values) > 1 or values[0] not in names():
                raise InvalidHeader(f"{HEADER}: takes one of {', '.join(names())}.", header=HEADER.lower())
            return values[0]
        return self.kept.of(session) or self.by_token.get(token_name or "", "") or self.default

    def headers_of(self, name: str) -> frozenset[str]:
        """Request headers that are read for the dialect, in lower case."""
        if name == NATIVE:
            return frozenset()
        tables = known().values() if name == AUTO else (known()[name],)
        return frozenset().union(*(each.headers for each in tables))

    def looked_at(self, ctx: RequestContext, headers: MultiMapping[str]) -> RequestContext:
        """A described request in the dialect that it would be read in; nothing is settled by it."""
        name = self.named(headers, None, ctx.session)
        wanted = named_headers(headers, self.headers_of(name))
        return evolve(self, kept=NoSessionDialects()).settled(evolve(ctx, dialect_headers=wanted), name)

    def settled(self, ctx: RequestContext, name: str) -> RequestContext:
        """The request in its dialect; with `auto`, what it is a mark of is its session's from now on."""
        if name == AUTO:
            name = marked(ctx) or NATIVE
            if name != NATIVE:
                self.kept.settle(ctx.session, name)
        if name == NATIVE:
            return ctx
        own = known()[name].headers
        seen = {key: value for key, value in ctx.dialect_headers.items() if key in own}
        left = {key: value for key, value in ctx.headers.items() if key not in own}
        if "prefer" in seen and preferences(seen["prefer"]).dry_run:
            left["prefer"] = _DRY_RUN  # a dry run is the service's business in every dialect
        return evolve(ctx, dialect=name, dialect_headers=seen, headers=left)

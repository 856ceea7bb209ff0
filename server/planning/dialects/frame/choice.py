"""Which dialect a request is read in.

Its `X-Dialect` says so; else its session; else the settings, for its token and for all.
`auto` is native until a request of the session bears a mark: from then on it is that one's dialect.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from attrs import evolve, field, frozen

from server.planning.dialects.frame.registry import AUTO, NATIVE, known, marked, names
from server.requests import media_type
from server.requests.headers import beside_dialect, named_headers
from server.values.errors import InvalidHeader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import MultiMapping

    from server.values.model import RequestContext

HEADER = "X-Dialect"
#: The session's setting.
SETTING = "dialect"


class DialectError(ValueError):
    """A dialect that the settings name and nobody knows."""


class ChangesSettings(Protocol):
    """Sessions' settings, by their directories (`server/sessions/settings.py`)."""

    async def change(
        self, session: str, changes: dict[str, Any], *, expected: dict[str, Any] | None = None
    ) -> Mapping[str, Any]: ...


def checked(name: str, place: str) -> str:
    """The name, if it is one. Raises DialectError, which names the place and what there is."""
    if name not in names():
        raise DialectError(f"{place}: there is no dialect {name[:64]!r}; there are {', '.join(names())}")
    return name


@frozen
class DialectChoice:
    default: str = NATIVE
    by_token: Mapping[str, str] = field(factory=dict)
    kept: ChangesSettings | None = None

    def named(self, headers: MultiMapping[str], token_name: str | None, settings: Mapping[str, Any]) -> str:
        """A dialect's name, `native` or `auto`; `settings` are the session's. Raises InvalidHeader.

        `auto` in a request is what was settled for its session, if anything was.
        """
        own = settings.get(SETTING, "")
        if own not in names():
            own = ""  # a later release may have set one that there is not
        if HEADER in headers:
            values = headers.getall(HEADER)
            if len(values) > 1 or values[0] not in names():
                raise InvalidHeader(f"{HEADER}: takes one of {', '.join(names())}.", header=HEADER.lower())
            return values[0] if values[0] != AUTO or not own else own
        return own or self.by_token.get(token_name or "", "") or self.default

    def headers_of(self, name: str) -> frozenset[str]:
        """Request headers that are read for the dialect, in lower case."""
        return _headers_of(name)

    def texts_of(self, name: str, method: str, content_type: str) -> bool:
        """Whether a body of this type is one text to the dialect."""
        found = known().get(name) if method == "POST" else None
        return found is not None and any(media_type.is_text_of(content_type, each) for each in found.texts)

    def looked_at(self, ctx: RequestContext, headers: MultiMapping[str]) -> RequestContext:
        """A described request in the dialect that it would be read in; nothing is settled by it."""
        name = self.named(headers, None, ctx.settings)
        seen = evolve(ctx, dialect_headers=named_headers(headers, self.headers_of(name)))
        return read_in(seen, marked(seen) or NATIVE if name == AUTO else name)

    async def settled(self, ctx: RequestContext, name: str) -> RequestContext:
        """The request in its dialect; with `auto`, what it is a mark of is its session's from now on.

        Raises Unavailable, NotConfirmed.
        """
        if ctx.dialect == name:
            return ctx  # it was read so
        if name == AUTO:
            name = await self._settle(ctx, marked(ctx) or NATIVE)
        return read_in(ctx, name)

    async def _settle(self, ctx: RequestContext, name: str) -> str:
        """The session's dialect, which another request may have settled meanwhile."""
        if name == NATIVE or self.kept is None:
            return name
        before = {SETTING: ctx.settings.get(SETTING)}
        found = await self.kept.change(ctx.session.directory, {SETTING: name}, expected=before)
        settled = str(found.get(SETTING))
        return settled if settled in known() else name


@cache
def _headers_of(name: str) -> frozenset[str]:
    if name == NATIVE:
        return frozenset()
    tables = known().values() if name == AUTO else (known()[name],)
    return frozenset().union(*(each.headers for each in tables))


def read_in(ctx: RequestContext, name: str) -> RequestContext:
    """The request as a dialect reads it; in `native` as it is."""
    if name == NATIVE:
        return ctx
    own = known()[name].headers
    seen = {key: value for key, value in ctx.dialect_headers.items() if key in own}
    return evolve(ctx, dialect=name, dialect_headers=seen, headers=beside_dialect(ctx.headers, own))

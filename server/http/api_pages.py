"""/openapi.json, and the pages that show it: a session's API for tools and for people.

They need the token where one is set. A browser has no bearer token to send when somebody opens a page, so
here, and nowhere else, it may come as the password of a Basic login (RFC 7617). The API itself does not take
that, so what a browser remembers of it lets no other site do anything.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import field, frozen

from server.http import browser
from server.http.pages import settled
from server.planning.dialects.frame.choice import DialectChoice
from server.planning.dialects.frame.registry import AUTO, NATIVE
from server.requests.context import SESSION_ID
from server.requests.target import parse_query
from server.sessions.identity import session_for
from server.sessions.settings import NoSettings, ReadsSettings
from server.values.errors import InvalidQuery, NotFound, ServiceError, SessionInvalid
from server.values.model import Reply

if TYPE_CHECKING:
    from multidict import MultiMapping

    from server.openapi.describer import Describes
    from server.openapi.schemas import Types
    from server.requests.auth import Caller
    from server.requests.target import Pairs, Target
    from server.sessions.identity import Anonymous, Scope
    from server.values.model import Session

NAMES = frozenset({"openapi.json", "swagger.json", "docs", "redoc"})
_DOCUMENTS = (("openapi.json",), ("swagger.json",))
#: What such a file is never changes; private because who may have it depends on the token.
_KEEP = "max-age=31536000, immutable"


@frozen
class ApiPages:
    describer: Describes
    anonymous: Anonymous
    query_bytes: int
    scope: Scope = "service"
    dialects: DialectChoice = field(factory=DialectChoice)
    settings: ReadsSettings = field(factory=NoSettings)

    async def reply(self, method: str, target: Target, headers: MultiMapping[str], caller: Caller) -> Reply:
        """What is at a path whose first segment is one of `NAMES`.

        Raises NotFound, MethodNotAllowed, and for a document SessionMissing, SessionInvalid, InvalidQuery and
        what the session's own state means.
        """
        path = "/" + "/".join(target.segments)
        is_document = path in {"/openapi.json", "/swagger.json"}
        file = None if is_document else (await asyncio.to_thread(browser.all_files)).get(path)
        if file is None and not is_document:
            raise NotFound("There is no such page of the service.")
        if options := settled(method):
            return options
        if file is not None:
            return _file(file, headers)
        query = parse_query(target.raw_query, query_bytes=self.query_bytes)
        session = self._session(query, headers, caller)
        settings = await self.settings.of(session.directory)
        named = self.dialects.named(headers, caller.token_name, settings)
        dialect = "" if named in (NATIVE, AUTO) else named
        types = _types(query.get("types", "enforced"))
        document = await self.describer.document(session, types, dialect)
        return Reply(200, (("Vary", SESSION_ID),), document)

    def session_of(self, target: Target, headers: MultiMapping[str], caller: Caller) -> Session | None:
        """Whose document is asked for; None where none is, or the question is wrong, which `reply` says."""
        if target.segments[:1] not in _DOCUMENTS:
            return None
        try:
            query = parse_query(target.raw_query, query_bytes=self.query_bytes)
            return self._session(query, headers, caller)
        except ServiceError:
            return None

    def _session(self, query: Pairs, headers: MultiMapping[str], caller: Caller) -> Session:
        """The header names it, or `?session=` where no header can be sent."""
        asked = query.get("session")
        named = [*headers.getall(SESSION_ID, ()), *([asked] if isinstance(asked, str) else asked or [])]
        if len(set(named)) > 1:
            raise SessionInvalid("The session is named more than once, and differently.")
        return session_for(named[0] if named else None, caller.token_name, self.anonymous, self.scope)


def _types(asked: str | list[str]) -> Types:
    """Raises InvalidQuery."""
    match asked:
        case "enforced" | "learned":
            return asked
        case _:
            raise InvalidQuery("types: learned, for generators of clients; or enforced, as without it.")


def _file(file: browser.File, headers: MultiMapping[str]) -> Reply:
    etag = f'"{file.digest[:32]}"'
    fields = [("ETag", etag), ("Cache-Control", "no-cache" if file.is_page else _KEEP)]
    if file.is_page:
        fields += [("Content-Security-Policy", browser.POLICY), ("Referrer-Policy", "no-referrer")]
    known = {
        tag.strip().removeprefix("W/") for tag in ",".join(headers.getall("If-None-Match", ())).split(",")
    }
    if etag in known or "*" in known:
        return Reply(304, tuple(fields))
    return Reply(200, tuple(fields), file.content, file.media_type)

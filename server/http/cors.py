"""Cross-origin requests (the Fetch Standard's CORS protocol), for the origins that the settings list.

1. A preflight comes without token and session, so it is answered before both are looked at. It tells nothing
   but which methods there are; from another page, that it may not, and how an operator lets it.
2. Responses to listed origins, errors too, say so and name the headers that a script may read.
3. Credentials mode is not offered: the service takes tokens in headers, which scripts set themselves, and
   has no cookies that a browser could add behind a user's back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import evolve, frozen

from server.values.errors import OriginRefused
from server.values.model import METHODS, Reply

if TYPE_CHECKING:
    from multidict import MultiMapping

ANY: Final = "*"
ANY_PORT: Final = ":*"
_REQUEST_METHOD = "Access-Control-Request-Method"
_REQUEST_HEADERS = "Access-Control-Request-Headers"
_EXPOSE = "Access-Control-Expose-Headers"
_NAMES = re.compile(r"[A-Za-z0-9-]+(?:[ \t]*,[ \t]*[A-Za-z0-9-]+)*")
_LONGEST = 1_024
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]{1,253}")
_OFF: Final = "CORS is off."
_LISTED: Final = "CORS is on for other origins."
#: Scripts see these without being told (Fetch, "CORS-safelisted response-header name"), or not at all.
_NOT_NAMED = frozenset({"cache-control", "content-language", "content-length", "content-type", "vary"})
#: What is added to replies later, on their way out.
_ON_ALL = ("X-Request-ID", "X-Plan-Source", "X-Plan-ID", "X-Fuel-Used", "X-Dialect", "Server-Timing")


@frozen
class Cors:
    """`origins` as browsers write them (`https://app.example.com`), or just `*`; none: CORS is off.

    `http://localhost:*` is any port of that host.
    """

    origins: frozenset[str] = frozenset()
    max_age_seconds: int = 600

    @property
    def _any(self) -> bool:
        return ANY in self.origins

    def preflight(self, method: str, headers: MultiMapping[str]) -> Reply | None:
        """The answer to a preflight; None where the request is none. Raises OriginRefused."""
        if method != "OPTIONS" or _REQUEST_METHOD not in headers or "Origin" not in headers:
            return None
        if self._allowed(headers) is None:
            raise self._refusal(headers["Origin"])
        answer = [
            ("Access-Control-Allow-Methods", ", ".join(METHODS)),
            ("Access-Control-Max-Age", str(self.max_age_seconds)),
            ("Vary", f"{_REQUEST_METHOD}, {_REQUEST_HEADERS}"),
        ]
        asked = headers.get(_REQUEST_HEADERS, "")
        if len(asked) <= _LONGEST and _NAMES.fullmatch(asked):
            answer.append(("Access-Control-Allow-Headers", asked))
        return Reply(204, tuple(answer))

    def marked(self, headers: MultiMapping[str], reply: Reply) -> Reply:
        """A reply that says whether the origin of the request may read it."""
        if not self.origins:
            return reply
        said: list[tuple[str, str]] = [] if self._any else [("Vary", "Origin")]
        allowed = self._allowed(headers)
        if allowed is not None:
            said.append(("Access-Control-Allow-Origin", allowed))
        if allowed is not None and _REQUEST_METHOD not in headers:  # a preflight's answer no script sees
            names = (name for name, _ in reply.headers if name.lower() not in (*_NOT_NAMED, _EXPOSE.lower()))
            said.append((_EXPOSE, ", ".join(dict.fromkeys((*_ON_ALL, *names)))))
        # Who may read what is the settings' word, whatever a plan says.
        own = (pair for pair in reply.headers if pair[0].lower() != _EXPOSE.lower())
        return evolve(reply, headers=(*own, *said))

    def refused(self, headers: MultiMapping[str]) -> str:
        """The origin of a page of another site that cannot read the answer; empty where there is none."""
        origin = headers.get("Origin", "")
        if not origin or self._allowed(headers) is not None:
            return ""
        return "" if origin.partition("://")[2] == headers.get("Host") else origin

    def _refusal(self, origin: str) -> OriginRefused:
        page = origin if _ORIGIN.fullmatch(origin) else "ORIGIN"
        return OriginRefused(
            f"{_LISTED if self.origins else _OFF} To let scripts of {page} use the service, start it with "
            f"`serve --cors {page}`, set LARS_CORS_ORIGINS={page}, or list it as `cors.origins` in "
            "metaservice.toml.",
            origin=page,
        )

    def _allowed(self, headers: MultiMapping[str]) -> str | None:
        origin = headers.get("Origin")
        if origin is None:
            return None
        return ANY if self._any else origin if self._lists(origin) else None

    def _lists(self, origin: str) -> bool:
        """By itself, or as any port of its host."""
        host, _, port = origin.rpartition(":")
        of_host = f"{host if port.isdecimal() else origin}{ANY_PORT}"
        return origin in self.origins or of_host in self.origins

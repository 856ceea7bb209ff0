"""Who is logged in: browsers that have shown the admin token, or followed a link that works once.

A login is a random name in a cookie, and what the service remembers of it. Nothing of it is in the record, so
a restart ends them all. Each has a token of its own against forged requests (CSRF), which is in its forms.
An event stream that was opened with it ends with it.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attrs import define, field

from server.requests.known_tokens import digest
from server.settings.key import token_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.live.outlets import Holding, Outlet

#: Hours a login lasts, however much it is used.
LOGIN_HOURS: Final = 8
#: More than one person has browsers; the oldest goes first.
MOST_LOGINS: Final = 64
#: Wrong tokens in a minute from one address. Nobody types that many.
MOST_FAILURES: Final = 10
#: Addresses whose wrong tokens are counted; of more than these the first is forgiven.
MOST_ADDRESSES: Final = 1_024
_MINUTE: Final = 60.0
#: How long a link that works once is good for.
_LINK_SECONDS: Final = 600.0
_OVER: Final = "the login is over"


@define
class Login:
    """`csrf` has to come back with whatever changes anything."""

    name: str
    csrf: str
    until: float
    _streams: set[Outlet] = field(factory=set, init=False)

    @contextmanager
    def holding(self, outlet: Outlet, seconds: float) -> Iterator[None]:
        """Have a stream end with the login: when somebody logs out, and after so many seconds."""
        self._streams.add(outlet)
        over = asyncio.get_running_loop().call_later(seconds, outlet.end, _OVER)
        try:
            yield
        finally:
            over.cancel()
            self._streams.discard(outlet)

    def end(self) -> None:
        for outlet in tuple(self._streams):
            outlet.end(_OVER)


@define
class Logins:
    """`token` is the admin token. Times are of `clock`, in seconds."""

    token: str
    clock: Callable[[], float] = time.monotonic
    _logins: dict[str, Login] = field(factory=dict, init=False)
    _links: dict[str, float] = field(factory=dict, init=False)
    #: Of wrong tokens, by the address that they came from: whoever guesses keeps nobody else out.
    _failures: dict[str, deque[float]] = field(factory=dict, init=False)

    def renew(self, token: str) -> None:
        """Another admin token: whoever came in with the old one has to come again."""
        if token != self.token:
            self.token = token
            for login in tuple(self._logins.values()):
                self.leave(login)
            self._links.clear()

    def of(self, name: str) -> Login | None:
        """The login that a cookie names, unless it is over."""
        login = self._logins.get(name)
        if login is not None and login.until <= self.clock():
            self.leave(login)
            return None
        return login

    def holds(self, login: Login) -> Holding:
        """What ends a stream with a login."""
        return lambda outlet: login.holding(outlet, login.until - self.clock())

    def enter(self, token: str, address: str = "") -> Login | None:
        """A login for whoever has the token; None for a wrong one. See `may_try`."""
        if hmac.compare_digest(digest(token), token_digest(self.token)):
            return self._made()
        if address not in self._failures and len(self._failures) >= MOST_ADDRESSES:
            del self._failures[next(iter(self._failures))]
        self._failures.setdefault(address, deque()).append(self.clock())
        return None

    def may_try(self, address: str = "") -> bool:
        """Whether a token from there is looked at: not after ten wrong ones in a minute."""
        failures, now = self._failures.get(address), self.clock()
        if failures is None:
            return True
        while failures and failures[0] <= now - _MINUTE:
            failures.popleft()
        if not failures:
            del self._failures[address]
        return len(failures) < MOST_FAILURES

    def link(self) -> str:
        """A secret that `follow` takes once, for the next ten minutes."""
        made = secrets.token_urlsafe(32)
        self._links[made] = self.clock() + _LINK_SECONDS
        return made

    def follow(self, link: str) -> Login | None:
        until = self._links.pop(link, 0.0)
        return self._made() if until > self.clock() else None

    def leave(self, login: Login) -> None:
        """Its streams end, too."""
        self._logins.pop(login.name, None)
        login.end()

    def _made(self) -> Login:
        while len(self._logins) >= MOST_LOGINS:
            self.leave(next(iter(self._logins.values())))
        until = self.clock() + LOGIN_HOURS * 3_600
        login = Login(secrets.token_urlsafe(32), secrets.token_urlsafe(32), until)
        self._logins[login.name] = login
        return login

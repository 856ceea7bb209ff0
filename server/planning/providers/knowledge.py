"""What one server was found not to know of its protocol, and for how long that is believed.

1. A part that was refused is left out of every call, for a while (`planner.recheck_seconds`).
2. Then one request tries it again. Where it is refused once more the request goes on without it, and the
   while begins anew; where it is taken it is used from then on. One part is tried at a time, and only where
   there is a call to spare: no request fails of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
from attrs import define, field, frozen

from server.planning.providers.dialect import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable

_WHOLE = Dialect()


@frozen
class Choice:
    """The dialect for a call; `trial` names the part that is tried again in it, if one is."""

    dialect: Dialect
    trial: str = ""


@define
class Knowledge:
    """`clock` gives seconds and never goes back."""

    _clock: Callable[[], float]
    _seconds: float
    _dialect: Dialect = _WHOLE
    _until: dict[str, float] = field(init=False, factory=dict)

    @property
    def dialect(self) -> Dialect:
        """What the server is known to understand so far."""
        return self._dialect

    def choose(self, calls: int) -> Choice:
        """The dialect for a request that may make so many calls."""
        now = self._clock()
        due = next((name for name, until in self._until.items() if now >= until), "")
        if not due or calls < 2:
            return Choice(self._dialect)
        self._until[due] = now + self._seconds
        return Choice(self._with(due), due)

    def learn(self, left: Dialect) -> bool:
        """The server does not know more than this; whether that is news."""
        dialect = self._dialect.less(left)
        news = self._dialect.differences(dialect)
        for name in news:
            self._until[name] = self._clock() + self._seconds
        self._dialect = dialect
        return bool(news)

    def took(self, choice: Choice) -> bool:
        """The server has answered; whether what was tried again is used from now on."""
        if not choice.trial or choice.trial not in self._until:
            return False
        del self._until[choice.trial]
        self._dialect = self._with(choice.trial)
        return True

    def _with(self, name: str) -> Dialect:
        return attrs.evolve(self._dialect, **{name: getattr(_WHOLE, name)})

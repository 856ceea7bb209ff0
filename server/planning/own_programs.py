"""The service's own programs, of conventions, dialects and contracts, as the policy has passed them.

1. A text is checked once, whichever collections and sessions have need of it.
2. The check walks the whole tree several times: tens of milliseconds for a long program. So it is done beside
   the event loop, in the turn of the session that needs it, and once for all who wait for the same text.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import define, field

from server.concurrency.aside import aside
from server.concurrency.single_flight import SingleFlight
from server.planning.policy import check

if TYPE_CHECKING:
    from server.values.model import SourceCode, ValidatedCode

#: Texts that are kept. Each is some kilobytes, and so is what it was checked to be.
MOST_TEXTS: Final = 2_048


@define(eq=False)
class OwnPrograms:
    """For one event loop."""

    _kept: OrderedDict[SourceCode, ValidatedCode] = field(factory=OrderedDict, init=False)
    _flights: SingleFlight[SourceCode, ValidatedCode] = field(factory=SingleFlight, init=False)

    async def checked(self, code: SourceCode, session: str) -> ValidatedCode:
        """`session`: the directory of the one that needs it. Raises CodeRefused: a fault of ours."""
        found = self._kept.get(code)
        if found is not None:
            self._kept.move_to_end(code)
            return found
        return await self._flights.run(code, partial(self._check, code, session))

    async def _check(self, code: SourceCode, session: str) -> ValidatedCode:
        found = await aside(partial(check, code), session)
        self._kept[code] = found
        if len(self._kept) > MOST_TEXTS:
            self._kept.popitem(last=False)
        return found

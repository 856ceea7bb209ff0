"""Whether new routes are planned: what the settings say at first, and what an operator has said since."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.planning.drafting.author import Author
    from server.planning.drafting.drafting import Drafting


@define
class LearningSwitch:
    """`make` gives what asks the model, or None where there is none; it is called once, when needed.

    That may take a second, as a provider's SDK is imported then.
    """

    on: bool
    _make: Callable[[], Drafting | None]
    _made: Drafting | None = None
    _is_made: bool = False
    #: Told when it is turned.
    on_change: Callable[[], None] = lambda: None
    _turning: asyncio.Lock = field(init=False, factory=asyncio.Lock)

    @classmethod
    def made(cls, make: Callable[[], Drafting | None], *, on: bool) -> LearningSwitch:
        """One that has what it needs, so that wrong settings are found at the start. Raises as `make`."""
        return cls(on, make, make(), is_made=True) if on else cls(on, make)

    @property
    def drafting(self) -> Drafting | None:
        """Who plans new routes; None where nobody does."""
        return self._made if self.on else None

    @property
    def author(self) -> Author | None:
        """Who has asked the model, be learning off by now; None where nobody has yet."""
        return None if self._made is None else self._made.author

    async def turn(self, *, on: bool) -> None:
        """From now on, until the service ends. Raises as `make` does."""
        async with self._turning:
            if on and not self._is_made:
                self._made = await asyncio.to_thread(self._make)
                self._is_made = True
            self.on = on
            self.on_change()

    def start_afresh(self) -> None:
        """A person has changed what is learned: see `Drafting.start_afresh`."""
        if self._made is not None:
            self._made.start_afresh()

    async def close(self) -> None:
        if self._made is not None:
            await self._made.close()

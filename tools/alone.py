"""Guests without a record: what their requests keep is gone with them. For tools that try or time plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.keeper_wire import Commit, Committed, Head, Opened
from wasm_runtime.gate import Gate
from wasm_runtime.guests import Guests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.keeper_wire import Message, Refusal
    from wasm_runtime.engine import Runtime
    from wasm_runtime.gate import Report, Waiting
    from wasm_runtime.limits import GuestReuse


class Alone:
    """Guests and their gate, below a directory; `release` is told of what has been done."""

    def __init__(
        self,
        runtime: Runtime,
        reuse: GuestReuse,
        root: Path,
        release: Callable[[Report, bool], None] = lambda _report, _waited: None,
    ) -> None:
        self._root = root
        self._sent: list[Message] = []
        self.gate = Gate(self._sent.append, release, self._failed)
        self.guests = Guests(runtime, reuse, root, self.gate, self._sent.append)

    def ready(self, session: str) -> None:
        """Have the session there: empty, if no guest has it."""
        if session in self.guests:
            return
        directory = self._root / session
        directory.mkdir(exist_ok=True)
        for path in directory.iterdir():
            path.unlink()
        self.guests.ready(session, Opened(0, session, Head("", 0, ""), 0, new=True))

    def settle(self) -> None:
        """Say of all that was kept that it is."""
        self.gate.send()
        sent = [message for message in self._sent if isinstance(message, Commit)]
        self._sent.clear()
        for message in sent:
            self.gate.committed(Committed(message.n, (None,) * len(message.parts)))

    @staticmethod
    def _failed(session: str, _lost: list[Waiting], refusal: Refusal) -> None:
        raise AssertionError(f"{session}: {refusal}")  # nobody refuses anything here

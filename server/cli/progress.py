"""Long steps of the start, shown to the person who waits: what is done, for how long, and that it is done."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO


class Progress:
    """A `wasm_runtime.artifact.Progress` on a stream; on a terminal the seconds count while a step runs."""

    def __init__(self, stream: TextIO, *, tick_seconds: float = 1.0) -> None:
        self._stream = stream
        self._tick_seconds = tick_seconds
        self._done = threading.Event()
        self._ticker: threading.Thread | None = None

    def __call__(self, what: str, seconds: float | None) -> None:
        """A step begins (`seconds` is None), or it has ended after so many seconds."""
        if seconds is None:
            self._begin(what)
        else:
            self._end(what, seconds)

    def _begin(self, what: str) -> None:
        if not self._stream.isatty():
            self._write(f"{what} ...\n")
            return
        self._write(f"{what} ... 0 s")
        self._done.clear()
        self._ticker = threading.Thread(target=self._tick, args=(what, time.monotonic()), daemon=True)
        self._ticker.start()

    def _end(self, what: str, seconds: float) -> None:
        if self._ticker is None:
            self._write(f"{what}: done in {seconds:.1f} s\n")
            return
        self._done.set()
        self._ticker.join()
        self._ticker = None
        self._write(f"\r{what}: done in {seconds:.1f} s\n")

    def _tick(self, what: str, began: float) -> None:
        while not self._done.wait(self._tick_seconds):
            self._write(f"\r{what} ... {time.monotonic() - began:.0f} s")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

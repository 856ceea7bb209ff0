"""A keeper in a thread of the test: the real one, with its record, spoken to as the service does."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from attrs import asdict

from server.record import control, process
from server.record.client import KeeperConfig

if TYPE_CHECKING:
    from types import TracebackType


def dump(source: Path, out: Path) -> dict[str, Any]:
    """What the rows of a session's file are, written to `out` by a process of its own."""
    command = [sys.executable, "-m", "store.dump", str(source), str(out)]
    done = subprocess.run(command, capture_output=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class ThreadKeeper:
    """The keeper of the record in `root`. A `KeeperLink`; `call` asks it what the service asks."""

    def __init__(self, root: Path, **config: Any) -> None:
        self.root = root
        self._config = KeeperConfig(root, **config)
        self._control, theirs = socket.socketpair()
        self._giving, taking = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        taking.setblocking(False)
        self._decoder = control.Decoder()
        self._n = 0
        self._asking = threading.Lock()
        self._asked: dict[int, Future[dict[str, Any]]] = {}
        self._thread = threading.Thread(target=self._serve, args=(theirs, taking), daemon=True)
        self._thread.start()
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()
        settings = {**asdict(self._config), "root": str(root)}
        del settings["inherit"]
        self.started = self.call("start", **settings)

    @staticmethod
    def _serve(theirs: socket.socket, taking: socket.socket) -> None:
        async def serve() -> None:
            await process.Process(theirs, taking, process.embedded).run()

        with theirs, taking:
            asyncio.run(serve())

    @property
    def caches(self) -> Path:
        """Where workers find their sessions."""
        return self.root / process.CACHES

    def connect(self, slot: int, slots: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            said = json.dumps({"slot": slot, "slots": slots}).encode()
            socket.send_fds(self._giving, [said], [theirs.fileno()])
        return ours

    async def versions(self, sessions: list[str]) -> dict[str, int] | None:
        found: dict[str, int] = await asyncio.to_thread(self.call, "versions", sessions=sessions)
        return found

    def call(self, what: str, **arguments: Any) -> Any:
        """Raises RecordError."""
        with self._asking:
            self._n += 1
            answer = self._asked[self._n] = Future()
            self._tell({"n": self._n, "do": what, **arguments})
        message = answer.result(30)
        if "error" in message:
            raise control.error_of(message)
        return message["answer"]

    def _tell(self, message: dict[str, Any]) -> None:
        self._control.sendall(control.encode(message))

    def _hear(self) -> None:
        while data := self._control.recv(2**16):
            for message in self._decoder.feed(data):
                if message.get("do") == "dump":
                    found = dump(Path(message["source"]), Path(message["out"]))
                    self._tell({"n": message["n"], "answer": found})
                elif "n" in message:
                    self._asked.pop(message["n"]).set_result(message)

    def rows(self, session: str) -> str:
        """What the record has of a session, as text."""
        path = self.root / "rows.txt"
        path.unlink(missing_ok=True)
        self.call("rows", session=session, path=str(path))
        return path.read_text("utf-8")

    def close(self) -> None:
        if self._thread.is_alive():
            self.call("stop")
            self._thread.join(10)
        self._hearing.join(10)
        self._control.close()
        self._giving.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

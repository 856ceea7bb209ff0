"""A worker's end of its stream to the keeper of the record, which may be replaced while the worker lives.

The worker is born with a socket over which it is handed the stream, and another one each time there is
another keeper. Nothing here waits: what the keeper does not take at once is sent when it does, so that the
two can never wait for each other.
"""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING

from store.keeper_wire import Decoder, encode

if TYPE_CHECKING:
    from store.keeper_wire import Message

_READ_BYTES = 256 * 1024


class RecordStream:
    """What is said while there is no keeper is lost; who said it says it again when there is one."""

    def __init__(self, handover: socket.socket, poller: select.poll) -> None:
        handover.setblocking(False)  # noqa: FBT003  its only parameter
        self._handover = handover
        self._poller = poller
        poller.register(handover, select.POLLIN)
        self._connection: socket.socket | None = None
        self._decoder = Decoder()
        self._unsent = bytearray()

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    def owns(self, descriptor: int) -> bool:
        """Whether what the poller says of a descriptor is for `read`."""
        return descriptor == self._handover.fileno() or descriptor == self._descriptor()

    def _descriptor(self) -> int:
        return -1 if self._connection is None else self._connection.fileno()

    def send(self, message: Message) -> None:
        if self._connection is None:
            return
        self._unsent += encode(message)
        self._flush()

    def _flush(self) -> None:
        if self._connection is None:
            return
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
        except BlockingIOError:
            self._poller.register(self._connection, select.POLLIN | select.POLLOUT)
            return
        except OSError:
            self._lost()
            return
        self._poller.register(self._connection, select.POLLIN)

    def wait(self, seconds: float) -> bool:
        """Whether there is something to read, before so long has passed."""
        return seconds > 0 and self._is_ready(select.POLLIN, seconds)

    def read(self) -> tuple[bool, list[Message]]:
        """Whether there is another keeper than before, and what the one there is has said."""
        replaced = self._take_over()
        self._flush()
        messages: list[Message] = []
        while self._connection is not None:
            try:
                data = self._connection.recv(_READ_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self._lost()
                break
            messages += self._decoder.feed(data)
        return replaced, messages

    def _take_over(self) -> bool:
        """Take the stream that was handed over last, if one was."""
        replaced = False
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._handover, 1, 1)
            except BlockingIOError:
                return replaced
            except OSError:
                data, descriptors = b"", []
            if not data:
                return replaced  # the API process is gone, and soon this one is
            for descriptor in descriptors:
                self._lost()
                os.set_blocking(descriptor, False)
                self._connection = socket.socket(fileno=descriptor)
                self._poller.register(self._connection, select.POLLIN)
                replaced = True

    def flush(self, seconds: float) -> None:
        """Wait until all is sent, for so long at most."""
        self._flush()
        while self._unsent and self._is_ready(select.POLLOUT, seconds):
            self._flush()

    def _is_ready(self, event: int, seconds: float) -> bool:
        """By `poll`: `select` has no place for a descriptor over 1,023, and a worker has many files."""
        if self._connection is None:
            return False
        poller = select.poll()
        poller.register(self._connection, event)
        return bool(poller.poll(seconds * 1_000))

    def close(self) -> None:
        self._lost()
        self._handover.close()

    def _lost(self) -> None:
        if self._connection is not None:
            self._poller.unregister(self._connection)
            self._connection.close()
        self._connection = None
        self._unsent.clear()
        self._decoder = Decoder()

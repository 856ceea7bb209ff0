"""What the store refuses, and what can be wrong with its file.

    StoreError
    ├── InvalidQuery 400
    ├── DuplicateId 409
    ├── InvalidId, InvalidRecord, InvalidCollectionName 422
    ├── ReadOnlyRequest 500
    ├── StoreFull 507, AnswersFull 507
    └── StoreDamaged 500
        └── StoreTooNew

`status` is what a plan that does not catch the error answers with; `detail` is written for the
client and names fields, ids and keys of the request, never a path of the host.
"""

from __future__ import annotations

from typing import ClassVar


class StoreError(Exception):
    """Anything the store refuses to do."""

    status: ClassVar[int] = 500

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class InvalidQuery(StoreError):
    """A filter, a sort, a limit or an offset that cannot be read."""

    status = 400


class DuplicateId(StoreError):
    """A record with this address is there already."""

    status = 409


class InvalidId(StoreError):
    """An id that is neither an integer from 1 to 2^53-1 nor text by the grammar."""

    status = 422


class InvalidRecord(StoreError):
    """Not a JSON object, or one that could not be read back as it was written."""

    status = 422


class InvalidCollectionName(StoreError):
    """A collection name outside the grammar `[A-Za-z][A-Za-z0-9_-]{0,63}`."""

    status = 422


class ReadOnlyRequest(StoreError):
    """A write in a request that may only read."""


class StoreFull(StoreError):
    """The session has reached its limit, or the disk has."""

    status = 507


class AnswersFull(StoreError):
    """No room for another answer under an Idempotency-Key, though there may be for records."""

    status = 507


class StoreDamaged(StoreError):
    """The file is not a session's database, or not a whole one."""


class StoreTooNew(StoreDamaged):
    """The file was written in a later format than this code knows."""

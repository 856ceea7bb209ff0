"""What the store refuses, and what can be wrong with its file.

    StoreError
    ├── InvalidQuery 400
    ├── DuplicateId, NoIdLeft 409
    ├── InvalidId, InvalidRecord, InvalidCollectionName, TypeMismatch 422
    ├── ReadOnlyRequest 500
    ├── AnswersFull 507
    └── StoreFault
        ├── StoreFailed 503
        ├── StoreFull 507
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


class NoIdLeft(StoreError):
    """The highest integer that an id can be is in use, so no new id can be given."""

    status = 409


class InvalidId(StoreError):
    """An id that is neither an integer within 53 bits nor a text that a path can hold, see `store.ids`."""

    status = 422


class InvalidRecord(StoreError):
    """Not a JSON object, or one that could not be read back as it was written."""

    status = 422


class InvalidCollectionName(StoreError):
    """A collection name outside the grammar `[A-Za-z][A-Za-z0-9_-]{0,63}`."""

    status = 422


class TypeMismatch(StoreError):
    """Fields of a record have types that their collection has not learned, where that is enforced.

    `errors` are pairs of a JSON pointer (RFC 6901) into what was to be written, and what is wrong there.
    """

    status = 422

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        pointer, reason = errors[0]
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        super().__init__(f"{pointer}: {reason}{more}")
        self.errors = errors

    def below(self, place: int) -> list[tuple[str, str]]:
        """The errors as seen from the array that holds the record."""
        return [(f"/{place}{pointer}", reason) for pointer, reason in self.errors]


class ReadOnlyRequest(StoreError):
    """A write in a request that may only read."""


class StoreFault(StoreError):
    """The file cannot do what it should: the request is over, whether its plan caught this or not."""


class StoreFailed(StoreFault):
    """The disk, or the way to it, failed; the next try may not."""

    status = 503


class StoreFull(StoreFault):
    """The session has reached its limit, or the disk has."""

    status = 507


class AnswersFull(StoreError):
    """No room for another answer under an Idempotency-Key, though there may be for records."""

    status = 507


class StoreDamaged(StoreFault):
    """The file is not a session's database, or not a whole one."""


class StoreTooNew(StoreDamaged):
    """The file was written in a later format than this code knows."""

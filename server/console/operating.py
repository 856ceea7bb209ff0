"""What the pages ask of the operators' interface, where the answer is a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.operations.api import Api
    from server.operations.call import Call


async def document(api: Api, call: Call) -> dict[str, Any]:
    """The answer. Raises what `Api.call` does; not for the calls that answer with an archive or a piece."""
    found = await api.call(call)
    assert isinstance(found, dict)  # noqa: S101 - see above
    return found

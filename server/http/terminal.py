"""A last line that ends, for who reads a reply in a terminal.

1. That is curl as it is typed: it names itself, and accepts anything. A script says what it accepts, as do
   browsers and libraries; their bytes stay as they are.
2. JSON alone gets the line's end, to which it means nothing. Files, tables and texts are bytes of somebody's.
3. It belongs to the sending, as a transfer coding does: the length that is sent has it, for `HEAD` too; the
   entity tag is of the representation without it, so what curl reads holds in any client's `If-Match`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

if TYPE_CHECKING:
    from multidict import MultiMapping

    from server.values.model import Reply

_AGENT: Final = "curl/"
_ANYTHING: Final = "*/*"
_JSON: Final = ("application/json", "text/json")


def for_terminal(reply: Reply, headers: MultiMapping[str]) -> Reply:
    """The reply as it is sent to the client with these headers."""
    if not headers.get("User-Agent", "").startswith(_AGENT) or headers.get("Accept") != _ANYTHING:
        return reply
    if not reply.body or reply.body.endswith(b"\n") or not _is_json(reply.media_type):
        return reply
    return evolve(reply, body=reply.body + b"\n")


def _is_json(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip()
    return kind in _JSON or kind.endswith("+json")

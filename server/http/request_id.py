"""The id under which a client, the log and the people between them speak about one request."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multidict import MultiMapping

HEADER = "X-Request-ID"
_GRAMMAR = re.compile(r"[A-Za-z0-9._-]{1,64}")


def new() -> str:
    return secrets.token_hex(8)


def of(headers: MultiMapping[str]) -> str:
    """The client's id if it sent one that fits, else a new one; a bad id is not worth a 400."""
    sent = headers.getall(HEADER, ())
    return sent[0] if len(sent) == 1 and _GRAMMAR.fullmatch(sent[0]) else new()

"""The id under which a client, the log and the people between them speak about one request."""

from __future__ import annotations

import os
import re
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multidict import MultiMapping

HEADER = "X-Request-ID"
_GRAMMAR = re.compile(r"[A-Za-z0-9._-]{1,64}")


#: Ids only have to differ: 8 random hex digits for this process, and 8 that count.
_PROCESS = os.urandom(4).hex()
_numbers = count(int.from_bytes(os.urandom(3)))


def new() -> str:
    return f"{_PROCESS}{next(_numbers) & 0xFFFFFFFF:08x}"


def of(headers: MultiMapping[str]) -> str:
    """The client's id if it sent one that fits, else a new one; a bad id is not worth a 400."""
    sent = headers.getall(HEADER, ())
    return sent[0] if len(sent) == 1 and _GRAMMAR.fullmatch(sent[0]) else new()

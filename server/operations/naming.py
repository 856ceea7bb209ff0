"""How operators name things: sessions by id, token, or directory; plans by the beginning of their id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from server.sessions.files import DIRECTORY
from server.sessions.identity import ID, OWNER_END, owned, session_for
from server.values.errors import BadRequest, Conflict, NotFound, SessionInvalid
from server.values.model import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.planning.learned.library import PlanLibrary

_TOKEN: Final = "token:"  # noqa: S105 - a prefix of names
ANONYMOUS: Final = "~anonymous"
#: Before the name of a directory; only such a name takes looking up.
BY_DIRECTORY: Final = "@"
_PREFIX: Final = re.compile(r"[0-9a-f]{4,24}")


def session_named(name: str, known: Mapping[str, str]) -> Session:
    """The session with this id, or ``token:NAME``, ``TOKEN/ID``, ``~anonymous``, ``@DIRECTORY``.

    `known` are ids by directory, for a name that is one.

    Raises SessionInvalid, BadRequest.
    """
    if name.startswith(_TOKEN):
        return session_for(None, name.removeprefix(_TOKEN), "reject")
    if name == ANONYMOUS:
        return session_for(None, None, "shared")
    if name.startswith(BY_DIRECTORY):
        directory = name.removeprefix(BY_DIRECTORY)
        if not DIRECTORY.fullmatch(directory):
            raise BadRequest("After @ comes the name of a session's directory, 32 hex digits.")
        return Session(known.get(directory, name), directory)
    owner, end, label = name.partition(OWNER_END)
    if end:
        return owned(owner, label)
    if not ID.fullmatch(name):
        raise SessionInvalid(
            "A session is named by its X-Session-ID, 1 to 128 letters, digits, `_` or `-`, or as token:NAME, "
            "TOKEN/ID, ~anonymous or @DIRECTORY."
        )
    return session_for(name, None, "reject")


def plan_named(library: PlanLibrary, prefix: str) -> str:
    """The id of the one plan that begins so. Raises BadRequest, NotFound, Conflict."""
    if not _PREFIX.fullmatch(prefix):
        raise BadRequest("A plan is named by its id, 24 hex digits, or by the first 4 or more of them.")
    found = library.named(prefix)
    if not found:
        successors = library.successors(prefix)
        if len(successors) == 1:
            raise NotFound(f"There is no plan {prefix} any more: an edit made it {successors[0]}.")
        raise NotFound(f"There is no plan {prefix}.")
    if len(found) > 1:
        raise Conflict(f"More than one plan begins with {prefix}: give more digits.")
    return found[0]

"""The programs of a contract's plans: one text for each role, for all documents and all values.

A plan finds what its operation says in `response_hints`, made once (`server.contracts.compiling`), and what
the request asks in `ctx["asked"]` (`server.contracts.asking`). It has the record's address as `params["id"]`.

Lines such as ``#: finish-one`` are places where a profile's pieces stand (`server.contracts.profiles`).

A record is stored under its address as `id`. Where that is not what the document calls `id`, or something has
to be kept beside the record, there is a member ``@``: ``{"id": ..., "at": {scope: value}, "key": ...}``.
"""

from server.contracts.programs.pieces import BURIED, MATCHED, NOT_MODIFIED, TOMB, UNSET, VERSIONED
from server.contracts.programs.roles import CODE, LEFT_OUT, program

__all__ = ["BURIED", "CODE", "LEFT_OUT", "MATCHED", "NOT_MODIFIED", "TOMB", "UNSET", "VERSIONED", "program"]

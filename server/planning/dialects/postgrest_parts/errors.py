"""PostgREST's errors: `{"code", "details", "hint", "message"}`.

Source: docs.postgrest.org/en/v14/references/errors.html. An error of the dialect's own begins with its code;
what follows a line's end are its details.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.planning.dialects.frame.table import ErrorForm

if TYPE_CHECKING:
    from server.planning.dialects.frame.table import Problem

_CODED = re.compile(r"(PGRST[0-9]{3}|[0-9][0-9A-Z]{4}): ")
#: The documents' statuses, where they are not 400.
_STATUSES = {
    "PGRST103": 416, "PGRST105": 405, "PGRST107": 406, "PGRST116": 406, "PGRST200": 400, "PGRST201": 300,
    "PGRST205": 404, "23505": 409,
}  # fmt: skip
#: The service's own errors.
_SERVICE = {
    401: ("PGRST301", "Not authorized"),
    404: ("PGRST125", "Invalid path specified in request URL"),
    405: ("PGRST117", "Unsupported HTTP method"),
    406: ("PGRST107", "None of these media types are available"),
    409: ("23505", "duplicate key value violates unique constraint"),
    415: ("PGRST107", "Content-Type not acceptable"),
    422: ("22P02", "invalid input"),
    501: ("PGRST125", "Invalid path specified in request URL"),
}


def error(problem: Problem) -> ErrorForm:
    """422 is 400 there; other statuses of the service stay, with the code PGRSTX00 where there is none."""
    detail = problem.detail
    coded = _CODED.match(detail)
    if coded is not None:
        message, _, details = detail[coded.end() :].partition("\n")
        return _form(_STATUSES.get(coded[1], 400), coded[1], message, details or None)
    if problem.status == 422:
        return _form(400, "22P02", detail, None)
    if problem.status == 400:
        invalid_json = str(problem.document.get("type", "")).endswith("invalid-json")
        return _form(400, "PGRST102" if invalid_json else "PGRST100", detail, None)
    code, message = _SERVICE.get(problem.status, ("PGRSTX00", detail))
    return _form(problem.status, code, message, None if message == detail else detail)


def _form(status: int, code: str, message: str, details: str | None) -> ErrorForm:
    return ErrorForm(status, {"code": code, "details": details, "hint": None, "message": message})

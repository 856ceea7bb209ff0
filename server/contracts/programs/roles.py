"""The program of each role, put together from its texts."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, Final

from server.contracts.programs.listing import (
    BARE,
    CUT_FOUND,
    ITEMS,
    LIST,
    LIST_WHOLE,
    REPLY_BARE,
    REPLY_LIST,
    REPLY_PAGE,
)
from server.contracts.programs.reading import (
    ANSWER,
    GET,
    GET_TOLD,
    HINTS,
    ITEM,
    ONE,
    PARENTS,
    REPLY_DATA,
    REPLY_ITEM,
    SCOPE,
    SHOW,
)
from server.contracts.programs.writing import (
    DELETE,
    HEADERS,
    INSERT,
    JSON_PATCH,
    KEEP,
    LOAD,
    LOAD_ONE,
    LOCATION,
    MATCH,
    MERGE,
    OWN,
    REPLACE,
    SET_KEY,
    VERSION,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMED: Final = (
    ('    if hints["timed"]:\n        facts["now"] = now()\n', ""),
    (', "now": now()', ""),
)

CODE: Final[dict[str, str]] = {
    # It reads its parameters alone, as the conventions' does: nothing else of the request is decoded.
    "get-whole": """\
rec = store.get(params["id"])
if rec is None:
    abort(404, f"There is no record {params['id']}.")
REPLY = make_response(200, rec)
""",
    "get": HINTS + PARENTS + GET_TOLD + SCOPE + HEADERS + ANSWER,
    "list": HINTS + PARENTS + LIST + ITEMS + REPLY_LIST,
    # Records as they are stored: none is looked into.
    "list-whole": LIST_WHOLE + REPLY_LIST,
    # The same without what is not shown, where the store does not leave it out (`LEFT_OUT`).
    "list-cut": LIST_WHOLE.replace("items = found", 'items = shaped(found, plan["response_hints"]["shape"])')
    + REPLY_LIST,
    # A page with what most have around it, from a request that asks for nothing else.
    "list-page": BARE + REPLY_PAGE,
    "list-page-shown": BARE + CUT_FOUND + REPLY_PAGE,
    # Both as an array.
    "list-bare": BARE + REPLY_BARE,
    "list-bare-shown": BARE + CUT_FOUND + REPLY_BARE,
    "create": HINTS + PARENTS + OWN + 'item = asked["record"]\n' + INSERT + LOCATION + ANSWER,
    "create-many": HINTS
    + PARENTS
    + "made = []\n"
    + 'for asked in ctx["asked"]["records"]:\n'
    + textwrap.indent(OWN + 'item = asked["record"]\n' + INSERT + ITEM + SHOW + "made.append(item)\n", "    ")
    + 'REPLY = make_response(hints["status"], made if hints["reply"] == "array" else None)\n',
    "replace": HINTS + PARENTS + LOAD + REPLACE + SET_KEY + KEEP + HEADERS + ANSWER,
    "merge": HINTS + PARENTS + LOAD + MERGE + SET_KEY + KEEP + HEADERS + ANSWER,
    # In the words of the document's profile.
    "patch": HINTS + PARENTS + LOAD + "#: patched\n" + SET_KEY + KEEP + HEADERS + ANSWER,
    "linkage": HINTS + PARENTS + GET + SCOPE + ITEM + "#: linkage\n" + REPLY_DATA,
    "related": HINTS + PARENTS + GET + SCOPE + ITEM + "#: related\n" + REPLY_DATA,
    "relate": HINTS + PARENTS + LOAD + "#: relate\n" + SET_KEY + KEEP + REPLY_DATA,
    "json-patch": HINTS + PARENTS + LOAD + JSON_PATCH + SET_KEY + KEEP + HEADERS + ANSWER,
    "put": HINTS
    + PARENTS
    + """\
rec = store.get(params["id"])
made = rec is None
if made:
    rec = {"id": params["id"], "@": {"at": asked["at"]} if asked["at"] else {}}
"""
    + SCOPE
    + ITEM
    + 'address, key = params["id"], asked["key"]\ncount = own.get("v") or (0 if made else 1)\n'
    + MATCH
    + "#: matched\n"
    + REPLACE
    + SET_KEY
    + KEEP
    + 'headers = {}\nif made:\n    hints = {**hints, "status": hints["made"]}\n'
    + ANSWER,
    "delete": HINTS
    + PARENTS
    + GET
    + SCOPE
    + ITEM
    + VERSION
    + MATCH
    + "#: matched\n"
    + DELETE
    + "#: buried\n"
    + SHOW
    + HEADERS
    + REPLY_ITEM,
    "get-one": HINTS + PARENTS + ONE + HEADERS + ANSWER,
    "replace-one": HINTS + LOAD_ONE + REPLACE + KEEP + HEADERS + ANSWER,
    "merge-one": HINTS + LOAD_ONE + MERGE + KEEP + HEADERS + ANSWER,
    "json-patch-one": HINTS + LOAD_ONE + JSON_PATCH + KEEP + HEADERS + ANSWER,
    "delete-one": HINTS + PARENTS + ONE + ITEM + 'store.delete(params["id"])\n' + SHOW + HEADERS + REPLY_ITEM,
    "example": """\
body = ctx["asked"].get("body", plan["response_hints"]["body"])
REPLY = make_response(plan["response_hints"]["status"], body)
""",
}

#: The hint that says what the store leaves out of what a plan reads.
LEFT_OUT: Final = "@left-out"
_PLACE: Final = re.compile(r"^( *)#: ([a-z-]+)\n", re.MULTILINE)


def program(kind: str, pieces: Mapping[str, str], *, timed: bool = True) -> str:
    """A role's program with a profile's pieces in their places; places without a piece are left out.

    Without `timed` no clock tells what it reads, so its replies can be remembered.
    """
    text = _PLACE.sub(lambda found: textwrap.indent(pieces.get(found[2], ""), found[1]), CODE[kind])
    for part, other in () if timed else _TIMED:
        text = text.replace(part, other)
    return text

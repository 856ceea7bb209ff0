"""HAL: links of a record and of a list, pages, errors of Spring's kind.

Source: draft-kelly-json-hal-11; `_embedded` and pages are read from the document's schemas, as everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.contracts.profiles.frame.table import Marks, Profile

if TYPE_CHECKING:
    from server.contracts.profiles.frame.table import Failure

MEDIA_TYPE: Final = "application/hal+json"


def error(failure: Failure) -> tuple[Any, str]:
    """`application/vnd.error+json`: a message, and where it is known the path that is wrong."""
    body: dict[str, Any] = {"message": failure.detail}
    pointer = next((str(each["pointer"]) for each in failure.faults if each.get("pointer")), "")
    return ({**body, "path": pointer} if pointer else body), "application/vnd.error+json"


PROFILE = Profile(
    name="hal",
    tool="HAL",
    marks=Marks(
        types=(MEDIA_TYPE,),
        lists=(frozenset({"embedded", "links"}),),
        items=(frozenset({"links", "embedded"}),),
    ),
    error=error,
    alike={MEDIA_TYPE: "application/json"},
    fresh={("links", "self", "href"): ("link", None)},
)

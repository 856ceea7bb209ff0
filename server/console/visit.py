"""One request of the console, read and checked: what the views are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping  # noqa: TC003 - attrs resolves the annotations when it runs
from functools import partial
from pathlib import Path  # noqa: TC003
from typing import Any

from attrs import field, frozen

from server.console.logins import Login  # noqa: TC001
from server.console.rendering import page
from server.values.errors import BadRequest
from server.values.model import Reply


@frozen
class Visit:
    """`segments` are those behind `/_meta/console`; `upload` is a file that was sent, where one is taken."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, Any]
    login: Login
    form: Mapping[str, str] = field(factory=dict)
    upload: Path | None = None

    def asked(self, name: str, default: str = "") -> str:
        """A query's text, the first where there are several."""
        value = self.query.get(name, default)
        return value if isinstance(value, str) else value[0]

    def number(self, name: str, default: int = 0) -> int:
        text = self.asked(name, str(default))
        if not (text.isascii() and text.isdecimal() and len(text) <= 15):
            raise BadRequest(f"`{name}` must be a number.")
        return int(text)

    def page(self, template: str, room: str, *, status: int = 200, **values: Any) -> Reply:
        """`room` is where in the console this is."""
        shown = {"said": "", "failed": "", **values}
        said = self.asked("said")
        if said and not shown["said"]:
            shown["said"] = _SAID.get(said, "")
        return Unmade(status, make=partial(page, template, status, room=room, csrf=self.login.csrf, **shown))


@frozen
class Unmade(Reply):
    """A page that is still to be made, beside the event loop: what clients have stored can be long."""

    make: Callable[[], Reply] = field(kw_only=True)


def go(path: str) -> Reply:
    """To another page, which is read: what was sent is not sent again (RFC 9110 §15.4.4)."""
    return Reply(303, (("Location", path),))


#: What was done, by the word that the next page's address has. A free text there would be anybody's to write.
_SAID = {
    "saved": "Saved.",
    "added": "Added.",
    "deleted": "Deleted.",
    "restored": "Restored: the record is what it was then, as a new version.",
    "forked": "Copied.",
    "reset": "All records are gone. The learned routes are still there.",
    "rewound": "Rewound.",
    "imported": "Imported.",
    "pinned": "Pinned: no repair and no other plan replaces it.",
    "unpinned": "No longer pinned.",
    "forgotten": "Forgotten: the next such request is planned anew.",
    "edited": "The plan runs this code now, wherever it is in use.",
    "turned": "Done.",
}

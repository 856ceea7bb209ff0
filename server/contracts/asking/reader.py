"""A request's query, as the document's profile and all other modules here read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from server.contracts.paging import property_at
from server.contracts.shapes import plain

if TYPE_CHECKING:
    from server.contracts.asking.request import Request
    from server.contracts.compiling import Compiled
    from server.contracts.model import Resource
    from server.contracts.profiles.frame.table import Linked
    from server.contracts.views import View, Views


@frozen
class Reader:
    """A request with its operation's plan and resource: what profiles know as `Reading`."""

    views: Views
    compiled: Compiled
    request: Request
    resource: Resource

    @property
    def linked(self) -> Linked:
        return self.compiled.linked

    def text(self, ask: str) -> str:
        return self.word(self.compiled.query.asks.get(ask, ""))

    def takes(self, ask: str) -> bool:
        return ask in self.compiled.query.asks

    def requires(self, name: str) -> bool:
        return name in self.compiled.role.reply.whole.required

    def texts(self, ask: str) -> list[str]:
        """Of `name`, of `name[]` and of `name[0]`."""
        word = self.compiled.query.asks.get(ask, "")
        if not word:
            return []
        found: list[str] = []
        for name, value in self.request.query.items():
            if name == word or name.partition("[")[0] == word.partition("[")[0]:
                found += value if isinstance(value, list) else [value]
        body = self.request.body.get(word.partition("[")[0]) if isinstance(self.request.body, dict) else None
        return [*found, *([each for each in body if isinstance(each, str)] if isinstance(body, list) else [])]

    def named(self, ask: str) -> dict[str, str]:
        """Of `name[x]=value`, the values by x."""
        word = self.compiled.query.asks.get(ask, "").partition("[")[0]
        found = {}
        for name, value in self.request.query.items():
            if word and name.startswith(f"{word}[") and name.endswith("]"):
                found[name[len(word) + 1 : -1]] = value[0] if isinstance(value, list) else value
        return found

    def found(self, name: str) -> tuple[tuple[str, ...], View] | None:
        own = property_at(self.views, name, self.resource.fields)
        if own is None and plain(name) == plain(self.resource.key.slot or "id") and self.resource.key.path:
            own = self.resource.key.path, self.resource.key.view
        return None if own is None else (stored_path(self.resource, own[0]), own[1])

    def beside(self) -> dict[str, Any]:
        """What the program's pieces find."""
        profile = self.compiled.profile
        found: dict[str, Any] = {"beside": profile.read(self)} if self.compiled.query.asks else {}
        if profile.version:
            found |= {"match": self.request.match, "none-match": self.request.none_match}
        elif self.resource.version is not None:
            found["match"] = list(self.request.match or ())
        return found

    def word(self, name: str) -> str:
        """The first value of a word of the query; "" where there is none."""
        value = self.request.query.get(name, "") if name else ""
        return value[0] if isinstance(value, list) else value


def stored_path(resource: Resource, path: tuple[str, ...]) -> tuple[str, ...]:
    """Where a property is in a stored record."""
    return path if path[0] != "id" or resource.flat else ("@", *path)

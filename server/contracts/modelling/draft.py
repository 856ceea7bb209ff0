"""The model in the making: a document's path items, and what is decided of them so far.

It decides which profile the document has, and, once for each operation, the shapes of body and reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from server.contracts.operation_facts import success_of, writable
from server.contracts.paths import Path, last_word, path_of
from server.contracts.profiles.frame.registry import NOT_CHOSEN, Chosen, chosen
from server.contracts.shapes import Shape, shape_of
from server.contracts.views import Views

if TYPE_CHECKING:
    from server.contracts.document import Document, Operation
    from server.contracts.model import Resource, Role
    from server.contracts.overrides import Overrides


@define
class PathItem:
    """A path and its operations by method."""

    path: Path
    operations: dict[str, Operation] = field(factory=dict)


@define
class Draft:
    """What is known of a document so far. `path_items` are by their paths, as `alike` has them."""

    document: Document
    overrides: Overrides | None
    views: Views = field(init=False)
    path_items: dict[tuple[str, ...], PathItem] = field(factory=dict)
    resources: list[Resource] = field(factory=list)
    #: By the collection's path and by the item path, as `alike` has them.
    homes: dict[tuple[str, ...], Resource] = field(factory=dict)
    items: dict[tuple[str, ...], Resource] = field(factory=dict)
    by_word: dict[str, list[Resource]] = field(factory=dict)
    taken: set[str] = field(factory=set)
    chosen: Chosen = NOT_CHOSEN
    _shapes: dict[tuple[str, str], Shape] = field(factory=dict)
    #: Roles of operations that are named as calls.
    calls: dict[str, Role] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.views = Views(self.document.raw)
        said = self.overrides.profile if self.overrides is not None else ""
        replies = (self.reply(each) for each in self.document.operations)
        self.chosen = chosen(self.document, replies, said)

    def reply(self, operation: Operation) -> Shape:
        return self._shape(operation, "reply")

    def body(self, operation: Operation) -> Shape:
        return self._shape(operation, "body")

    def _shape(self, operation: Operation, which: str) -> Shape:
        known = self._shapes.get((operation.id, which))
        if known is None:
            path = path_of(operation.template, self.document.base_path)
            words = [last_word(path)]
            if which == "body":
                known = shape_of(self.views, writable(operation.request_bodies), words)
                if known.kind == "list":
                    known = Shape("object", (), known.whole, whole=known.whole)
            else:
                known = shape_of(self.views, success_of(operation)[1], words)
            self._shapes[operation.id, which] = known
        return known

"""Operations that conventions answer, for every collection of a session: docs/query-language.md as data.

Collections are nested where records say so: `orders` with a `member_id` are below `/members/{member_id}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from server.http.pages import RESERVED
from server.openapi import filters, replies
from server.openapi.operation import Operation
from server.openapi.schemas import TEXT_ID
from server.planning.conventions import SEARCH_WORDS
from server.planning.route import Slot, split_prefix
from store.names import foreign_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.openapi.operation import Json
    from server.openapi.schemas import CollectionSchemas
    from server.planning.schemas import CollectionSchema, Schemas

_JSON = "application/json"
_MERGE = "application/merge-patch+json"
_ID_SLOT: Json = {"type": "string", "pattern": TEXT_ID, "examples": ["1"]}
PAGE: Json = {
    "type": "object",
    "required": ["limit", "offset", "total"],
    "properties": {
        "limit": {"type": ["integer", "null"], "description": "As it was asked for."},
        "offset": {"type": "integer"},
        "total": {"type": "integer", "minimum": 0, "description": "How many records match in all."},
    },
}


def operations(schemas: Schemas, described: dict[str, CollectionSchemas]) -> Iterator[Operation]:
    """Those of all collections that have a path, and of those that are below others."""
    addressed = [(name, schema) for name, schema in schemas.collections if _has_path(name)]
    for name, schema in addressed:
        yield from _Place(name, described[name]).operations()
        for parent, _ in addressed:
            if is_below(schema, parent) and name not in SEARCH_WORDS:
                yield from _Place(name, described[name], parent).operations()


def _has_path(name: str) -> bool:
    return name not in RESERVED and not split_prefix((name,))[0]


def is_below(schema: CollectionSchema, parent: str) -> bool:
    """Whether records point at a collection's."""
    return foreign_key(parent) in dict(schema.fields)


@frozen
class _Place:
    """Where a collection is found: at its own path, or below a record of `parent`."""

    name: str
    schemas: CollectionSchemas
    parent: str | None = None

    def operations(self) -> Iterator[Operation]:
        yield self._list()
        yield self._create()
        yield self._search()
        yield self._get()
        yield self._replace()
        yield self._patch()
        yield self._delete()

    # Collections

    def _list(self) -> Operation:
        example = {
            "items": [self.schemas.example_record()],
            "page": {"limit": None, "offset": 0, "total": 1},
        }
        return self._read_many("list", (), self._refer("page"), example)

    def _search(self) -> Operation:
        example = [self.schemas.example_record()]
        return self._read_many("search", ("search",), self._records(), example)

    def _read_many(self, word: str, tail: tuple[str, ...], schema: Json, example: object) -> Operation:
        return self._operation(
            "get",
            word,
            f"{word.capitalize()} {self._what}",
            tail,
            query=filters.parameters(self.schemas.schema.fields),
            description=filters.DESCRIPTION,
            responses={"200": _reply("What matches.", schema, example)} | self._problems("400", "422"),
        )

    def _create(self) -> Operation:
        new, record = self._refer("new"), self._refer("record")
        both: Json = {"anyOf": [new, {"type": "array", "items": new}]}
        made: Json = {"anyOf": [record, {"type": "array", "items": record}]}
        created = _reply(
            "The record as stored; of an array all records.", made, self.schemas.example_record()
        )
        location: Json = {"description": "The record's path.", "schema": {"type": "string"}}
        created |= {"headers": {"Location": location}}
        return self._operation(
            "post",
            "create",
            f"Create one of {self._what}",
            description="An array creates several records, all of them or none.",
            content={_JSON: {"schema": both, "example": self.schemas.example()}},
            responses={"201": created} | self._problems("400", "409", "413", "415", "422"),
            links=self._links(),
        )

    # Records

    def _get(self) -> Operation:
        return self._of_record("get", "get", f"Read one of {self._what}", ())

    def _replace(self) -> Operation:
        content = self._changes(_JSON)
        return self._of_record("put", "replace", f"Replace one of {self._what}", self._refusals, content)

    def _patch(self) -> Operation:
        """Top-level fields are set, or merged by RFC 7396."""
        content = self._changes(_JSON) | self._changes(_MERGE)
        return self._of_record("patch", "change", f"Change one of {self._what}", self._refusals, content)

    _refusals = ("400", "413", "415", "422")

    def _of_record(
        self,
        method: str,
        word: str,
        summary: str,
        refusals: tuple[str, ...],
        content: dict[str, Json] | None = None,
    ) -> Operation:
        answer = _reply("The record.", self._refer("record"), self.schemas.example_record())
        return self._operation(
            method,
            word,
            summary,
            (_slot("id"),),
            content=content or {},
            responses={"200": answer} | self._problems("404", *refusals),
        )

    def _delete(self) -> Operation:
        return self._operation(
            "delete",
            "delete",
            f"Delete one of {self._what}",
            (_slot("id"),),
            responses={"204": {"description": "It is gone."}} | self._problems("404"),
        )

    # Parts

    @property
    def _what(self) -> str:
        return self.name if self.parent is None else f"{self.name}, those of one of {self.parent}"

    def _changes(self, media_type: str) -> dict[str, Json]:
        return {media_type: {"schema": self._refer("changes"), "example": self.schemas.example()}}

    def _refer(self, kind: str) -> Json:
        return {"$ref": f"#/components/schemas/{self.name}.{kind}"}

    def _records(self) -> Json:
        return {"type": "array", "items": self._refer("record")}

    def _problems(self, *statuses: str) -> dict[str, Json]:
        return replies.problems(sorted({*statuses, "404"} if self.parent else statuses))

    def _links(self) -> dict[str, tuple[tuple[str, ...], dict[str, str]]]:
        slots = {"id": "$response.body#/id"}
        if self.parent is not None:
            field = foreign_key(self.parent)
            slots[field] = f"$request.path.{field}"
        return {word: (self._words(word), slots) for word in ("get", "replace", "change", "delete")}

    def _words(self, word: str) -> tuple[str, ...]:
        return (word, self.name) if self.parent is None else (word, self.parent, self.name)

    def _operation(
        self,
        method: str,
        word: str,
        summary: str,
        tail: tuple[str | Slot, ...] = (),
        *,
        query: dict[str, Json] | None = None,
        content: dict[str, Json] | None = None,
        responses: dict[str, Json],
        links: dict[str, tuple[tuple[str, ...], dict[str, str]]] | None = None,
        description: str = "",
    ) -> Operation:
        above = () if self.parent is None else (self.parent, _slot(foreign_key(self.parent)))
        parts = (*above, self.name, *tail)
        return Operation(
            method=method,
            parts=parts,
            words=self._words(word),
            summary=summary,
            tag=self.name,
            slots=tuple(_ID_SLOT for part in parts if isinstance(part, Slot)),
            query=query or {},
            content=content or {},
            has_body=bool(content),
            responses=responses,
            links=links or {},
            description=description,
        )


def _slot(name: str) -> Slot:
    return Slot(name, "text")


def _reply(description: str, schema: Json, example: object) -> Json:
    return {"description": description, "content": {_JSON: {"schema": schema, "example": example}}}

"""Operations that conventions answer, for every collection of a session: docs/query-language.md as data.

Collections are nested where records say so: `orders` with a `member_id` are below `/members/{member_id}`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from server.openapi import filters, named, parameters, replies
from server.openapi.json_patch import EXAMPLE as JSON_PATCH
from server.openapi.operation import Operation, schema_ref
from server.planning.conventions.planner import ACTION_WORDS
from server.planning.kinds.route import Slot, split_prefix
from server.requests.target import RESERVED
from store.names import foreign_key, links_among, singular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from server.openapi.operation import Json
    from server.openapi.schemas import CollectionSchemas, Types
    from server.planning.kinds.schemas import CollectionSchema, Schemas

_JSON = "application/json"
_MERGE = "application/merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_CALCULATED: Json = {"type": "integer", "minimum": 0}
#: Schemas of replies that are no records, by the names of their components.
SCHEMAS: dict[str, Json] = {
    "Page": {
        "type": "object",
        "required": ["limit", "offset", "total"],
        "properties": {
            "limit": {"type": ["integer", "null"], "description": "As it was asked for."},
            "offset": {"type": "integer"},
            "total": {"type": "integer", "minimum": 0, "description": "How many records match in all."},
        },
    },
    "Count": {"type": "object", "required": ["count"], "properties": {"count": _CALCULATED}},
    "Group": {
        "type": "object",
        "description": "The fields that it was grouped by, and what was asked for, such as `sum_total`.",
        "required": ["count"],
        "properties": {"count": _CALCULATED},
    },
    "Cleared": {"type": "object", "required": ["deleted"], "properties": {"deleted": _CALCULATED}},
}


def operations(
    schemas: Schemas,
    described: dict[str, CollectionSchemas],
    there: Json,
    *,
    delete_collections: bool,
    types: Types,
) -> Iterator[Operation]:
    """Those of all collections that have a path, and of those that are below others.

    `there` are the parameters that are components.
    """
    addressed = [(name, schema) for name, schema in schemas.collections if _has_path(name)]
    for name, schema in addressed:
        place = _Place(name, described[name], frozenset(there), delete_collections, types)
        if schema.single:
            yield from place.operations_of_one()
            continue
        yield from place.operations()
        for parent, _ in addressed:
            if is_below(schema, parent) and name not in ACTION_WORDS:
                yield from evolve(place, parent=parent, above=described[parent].slot()).operations()


def responses(described: Iterable[CollectionSchemas]) -> Iterator[tuple[str, Json]]:
    """What all of a collection's operations answer, as components; and what those of all collections do."""
    yield "Count", _shown("How many match.", schema_ref("Count"), {"count": 1})
    yield "Groups", _listed("A record for each group.", _array(schema_ref("Group")), [{"count": 1}])
    applied = replies.headers(Preference_Applied="PreferenceApplied")
    yield "Cleared", _reply("How many were deleted.", schema_ref("Cleared"), {"deleted": 1}, applied)
    for each in described:
        record, page = schema_ref(f"{each.name}.record"), schema_ref(f"{each.name}.page")
        example = each.example_record()
        in_page = {"items": [example], "page": {"limit": None, "offset": 0, "total": 1}}
        headers = replies.headers(X_Total_Count="Total", Link="Link")
        yield f"{each.name}.page", _listed("What matches.", page, in_page, headers)
        headers = replies.headers(X_Total_Count="TotalOfPages", Link="Link")
        yield f"{each.name}.list", _listed("What matches.", _array(record), [example], headers)
        yield f"{each.name}.record", _shown("The record.", record, example)
        yield f"{each.name}.changed", _changed("The record as stored.", record, example)


def _has_path(name: str) -> bool:
    return name not in RESERVED and not split_prefix((name,))[0]


def is_below(schema: CollectionSchema, parent: str) -> bool:
    """Whether records point at a collection's."""
    return bool(links_among(parent, dict(schema.fields)))


#: "a user", "a unit".
_SPOKEN_AS_CONSONANTS = ("eu", "one", "uni", "use", "usa")


@frozen
class _Place:
    """Where a collection is found: at its own path, or below a record of `parent`."""

    name: str
    schemas: CollectionSchemas
    #: Names of the parameters that are components.
    there: frozenset[str] = frozenset()
    delete_collections: bool = False
    types: Types = "enforced"
    parent: str | None = None
    #: What stands in the path for the parent.
    above: Json = field(factory=dict)

    def operations(self) -> Iterator[Operation]:
        yield self._list()
        yield self._create()
        if self.delete_collections:
            yield self._clear()
        yield self._search()
        yield self._count()
        yield self._stats()
        yield self._get()
        yield self._replace()
        yield self._patch()
        yield self._delete()

    def operations_of_one(self) -> Iterator[Operation]:
        """Those of a path that is one object."""
        fields = ("fields",)
        yield self._operation(
            "get",
            "get",
            f"Read {self.name}",
            query=named.references(self.name, fields, self.there),
            responses=_read(f"{self.name}.record") | self._problems("400", "404"),
        )
        changed: dict[str, Json] = {
            **_done(f"{self.name}.changed"),
            "201": replies.refer_to(f"{self.name}.changed"),
        }
        refusals = self._problems("400", "412", "413", "415", "422")
        yield self._operation(
            "put",
            "replace",
            f"Make or replace {self.name}",
            content={_JSON: self._given("changes")},
            responses=changed | refusals,
        )
        yield evolve(self._patch(), parts=(self.name,), slots=(), summary=f"Change {self.name}")
        yield evolve(self._delete(), parts=(self.name,), slots=(), summary=f"Delete {self.name}")

    # Collections

    def _list(self) -> Operation:
        return self._read_many("list", (), f"{self.name}.page", parameters.OF_LIST)

    def _search(self) -> Operation:
        return self._read_many("search", ("search",), f"{self.name}.list", parameters.OF_LIST)

    def _count(self) -> Operation:
        return self._read_many("count", ("count",), "Count", parameters.OF_FILTERS)

    def _stats(self) -> Operation:
        return self._read_many("stats", ("stats",), "Groups", parameters.OF_STATS)

    def _read_many(self, word: str, tail: tuple[str, ...], reply: str, keys: tuple[str, ...]) -> Operation:
        others = () if word == "count" else ("406",)
        return self._operation(
            "get",
            word,
            f"{_SUMMARIES[word]} {self._what}",
            tail,
            query=self._query(keys),
            description=filters.DESCRIPTION,
            responses=_read(reply) | self._problems("400", *others, "422"),
        )

    def _clear(self) -> Operation:
        return self._operation(
            "delete",
            "clear",
            f"Delete all that match of {self._what}",
            query=self._query(parameters.OF_FILTERS),
            description=filters.DESCRIPTION,
            responses=_done("Cleared") | self._problems("400", "412"),
        )

    def _create(self) -> Operation:
        new, record = schema_ref(f"{self.name}.new"), schema_ref(f"{self.name}.record")
        both, made = self.schemas.made(new), self.schemas.made(record)
        headers = replies.headers(Location="Location", **_OF_CHANGES)
        created = _reply(
            "The record as stored; of an array all records.", made, self.schemas.example_record(), headers
        )
        return self._operation(
            "post",
            "create",
            f"Create {self._one}",
            description=_CREATING,
            content={_JSON: {"schema": both, "example": self.schemas.example()}},
            responses={"201": created} | self._problems("400", "409", "413", "415", "422"),
            links=self._links(),
        )

    # Records

    def _get(self) -> Operation:
        return self._operation(
            "get",
            "get",
            f"Read {self._one}",
            (_slot("id"),),
            query=named.references(self.name, parameters.OF_RECORD, self.there),
            responses=_read(f"{self.name}.record") | self._problems("400", "404"),
        )

    def _replace(self) -> Operation:
        content = {_JSON: self._given("changes")}
        return self._change("put", "replace", f"Replace {self._one}", content, ())

    def _patch(self) -> Operation:
        """Top-level fields are set; or a patch is applied, of one kind or the other."""
        content: dict[str, Json] = {
            _JSON: self._given("changes"),
            _MERGE: self._given("merged"),
            _JSON_PATCH: {"schema": schema_ref("JsonPatch"), "example": JSON_PATCH},
        }
        return self._change("patch", "change", f"Change {self._one}", content, ("409",))

    def _change(
        self, method: str, word: str, summary: str, content: dict[str, Json], statuses: tuple[str, ...]
    ) -> Operation:
        refusals = ("400", "404", *statuses, "412", "413", "415", "422")
        return self._operation(
            method,
            word,
            summary,
            (_slot("id"),),
            content=content,
            responses=_done(f"{self.name}.changed") | self._problems(*refusals),
        )

    def _delete(self) -> Operation:
        return self._operation(
            "delete",
            "delete",
            f"Delete {self._one}",
            (_slot("id"),),
            responses={"204": replies.refer_to("Done")} | self._problems("400", "404", "412"),
        )

    # Parts

    def _slots(self, tail: tuple[str | Slot, ...]) -> tuple[Json, ...]:
        own = tuple(self.schemas.slot() for part in tail if isinstance(part, Slot))
        return own if self.parent is None else (self.above, *own)

    @property
    def _what(self) -> str:
        return self.name if self.parent is None else f"{self.name} of {_one_of(self.parent)}"

    @property
    def _one(self) -> str:
        return (
            _one_of(self.name) if self.parent is None else f"{_one_of(self.name)} of {_one_of(self.parent)}"
        )

    def _query(self, keys: tuple[str, ...]) -> dict[str, Json]:
        own = filters.references(self.name, self.schemas.schema.fields, apart_from=keys)
        if self.types == "enforced":
            keys = tuple(key for key in keys if key not in parameters.SAID_OTHERWISE)
        query = named.references(self.name, keys, self.there) | own
        return query | {"sort": parameters.refer("sort_groups")} if "group_by" in keys else query

    def _given(self, kind: str) -> Json:
        return {"schema": schema_ref(f"{self.name}.{kind}"), "example": self.schemas.example()}

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
            slots=self._slots(tail),
            query=query or {},
            headers=parameters.headers_of(method, self.types),
            content=content or {},
            has_body=bool(content),
            responses=responses,
            links=links or {},
            description=description,
        )


_CREATING = (
    "An array creates several records, all of them or none. A form makes one, too, of texts; that of "
    "multipart/form-data may have files, kept as base64 with name, type and size."
)
_AS_TABLE = "With `Accept: text/csv` or `application/x-ndjson` it comes as a table."
_SUMMARIES = {"list": "List", "search": "Search", "count": "Count", "stats": "Group and add up"}
_OF_CHANGES = {
    "ETag": "RecordETag",
    "Preference_Applied": "PreferenceApplied",
    "Idempotent_Replayed": "Replayed",
}


def _slot(name: str) -> Slot:
    return Slot(name, "text")


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _read(reply: str) -> dict[str, Json]:
    """What a read answers: a component, or that it is what the client has."""
    return {"200": replies.refer_to(reply), "304": replies.refer_to("NotModified")}


def _done(reply: str) -> dict[str, Json]:
    """What a change answers: a component, or nothing where nothing is wanted."""
    return {"200": replies.refer_to(reply), "204": replies.refer_to("Done")}


def _reply(description: str, schema: Json, example: object, headers: Json) -> Json:
    content = {_JSON: {"schema": schema, "example": example}}
    return {"description": description, "headers": headers, "content": content}


def _shown(description: str, schema: Json, example: object) -> Json:
    return _reply(description, schema, example, replies.headers(ETag="ETag"))


def _listed(description: str, schema: Json, example: object, headers: Json | None = None) -> Json:
    """A list. As a table it is told of in words: else clients would have to tell texts from records."""
    sent = replies.headers(ETag="ETag") | (headers or {})
    return _reply(f"{description} {_AS_TABLE}", schema, example, sent)


def _changed(description: str, schema: Json, example: object) -> Json:
    return _reply(description, schema, example, replies.headers(**_OF_CHANGES))


def _one_of(collection: str) -> str:
    """`members` is "a member"; a name that is no plural has no word for one."""
    word = singular(collection)
    if word == collection:
        return f"one of {collection}"
    lower = word.lower()
    vowel = lower[:1] in "aeiou" and not lower.startswith(_SPOKEN_AS_CONSONANTS)
    return f"{'an' if vowel else 'a'} {word}"

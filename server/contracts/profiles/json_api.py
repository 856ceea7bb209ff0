"""JSON:API 1.1: relationships, records that come with others, sparse fields, errors.

Source: jsonapi.org/format/1.1; and kitsu 11.1.0 on npm. What a record's attributes are is read from the
document, as everywhere. A relationship leads to the collection whose `type` its identifiers have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from server.contracts.profiles.frame.table import Link, Linked, Marks, Profile
from server.contracts.profiles.json_api_parts import programs
from server.contracts.shapes import plain
from server.values.errors import BadRequest
from store.names import singular

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.model import Resource
    from server.contracts.profiles.frame.table import Failure, Reading
    from server.contracts.views import View, Views

MEDIA_TYPE: Final = "application/vnd.api+json"
_MOST: Final = 20
_MOST_STEPS: Final = 4


def read(reading: Reading) -> dict[str, Any]:
    """Sections "Inclusion of Related Resources" and "Sparse Fieldsets". Raises BadRequest."""
    include = []
    for text in ",".join(reading.texts("include")).split(",")[:_MOST]:
        if not text:
            continue
        steps, collection = text.split(".")[:_MOST_STEPS], reading.resource.name
        for step in steps:
            link = reading.linked.of(collection).get(step)
            if link is None:
                raise BadRequest(f"include: there is no relationship {text[:64]!r}.")
            collection = link.collection
        include.append(steps)
    fields = {name: value.split(",") for name, value in reading.named("fields").items()}
    return {"include": include, "fields": fields}


def links(views: Views, resources: tuple[Resource, ...]) -> Linked:
    """By the relationships that records' schemas name."""
    types = {each.name: _type_of(views, each) for each in resources if not each.single}
    found: dict[str, dict[str, Link]] = {}
    for resource in resources:
        relations = views.of(resource.item.properties.get("relationships")).properties
        for name, node in relations.items():
            linkage = views.of(views.of(node).properties.get("data"))
            many = linkage.kind == "array"
            target = _target(views, views.of(linkage.items) if many else linkage, name, types)
            if target:
                link = Link(target, many, nullable=linkage.nullable or not linkage.kind)
                found.setdefault(resource.name, {})[name] = link
    for collection, own in found.items():
        for name, link in own.items():
            backs = [
                back for back, each in found.get(link.collection, {}).items()
                if each.collection == collection and not each.many
            ]  # fmt: skip
            if link.many and len(backs) == 1:
                own[name] = evolve(link, back=backs[0])
    return Linked(found, types)


def _type_of(views: Views, resource: Resource) -> str:
    return _fixed(views.of(resource.item.properties.get("type"))) or resource.name


def _fixed(view: View) -> str:
    choices = view.said.get("enum")
    value = view.said.get("const", choices[0] if isinstance(choices, list) and len(choices) == 1 else "")
    return str(value)


def _target(views: Views, linkage: View, name: str, types: Mapping[str, str]) -> str:
    wanted = _fixed(views.of(linkage.properties.get("type")))
    for collection, own in types.items():
        if wanted and own == wanted:
            return collection
    called = singular(plain(name))
    return next((each for each in types if not wanted and singular(plain(each)) == called), "")


def said(failure: Failure) -> Mapping[str, Any]:
    """Section "Error Objects": the status is a text, `source` says where in the request it is."""
    found: dict[str, Any] = {
        "status": str(failure.status),
        "title": failure.problem.get("title"),
        "detail": failure.detail,
    }
    for fault in failure.faults[:1]:
        if fault.get("in") == "body":
            found["pointer"] = fault.get("pointer") or "/data"
        else:
            found["parameter"] = fault.get("name")
    return {name: value for name, value in found.items() if value}


def error(failure: Failure) -> tuple[Any, str]:
    told = dict(said(failure))
    source = {name: told.pop(name) for name in ("pointer", "parameter") if name in told}
    return {"errors": [{**told, "source": source} if source else told]}, MEDIA_TYPE


PROFILE = Profile(
    name="json-api",
    tool="JSON:API 1.1",
    marks=Marks(
        types=(MEDIA_TYPE,),
        items=(frozenset({"id", "type", "attributes"}),),
    ),
    words={"include": "include", "fields": "fields"},
    read=read,
    links=links,
    relationships="relationships",
    pieces={
        "finish-one": f"items = [item]\n{programs.INCLUDED}item = items[0]\n",
        "finish-many": programs.INCLUDED,
        "beside": programs.BESIDE,
        "linkage": programs.LINKAGE,
        "related": programs.RELATED,
        "relate": programs.RELATE,
    },
    said=said,
    error=error,
    fresh={("links", "self"): ("link", None)},
    statuses={"POST": 201, "DELETE": 204},
)

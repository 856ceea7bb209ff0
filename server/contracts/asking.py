"""What a request asks of its operation's plan, in values that the program reads as ``ctx["asked"]``.

Reading is linear in the request's length. Values of slots are texts; a client's names for properties become
the record's, a form's texts the types of the schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from attrs import frozen

from server.contracts.keys import address_of, prefix_of
from server.contracts.paging import property_at
from server.contracts.paths import Slot, Word
from server.contracts.shapes import plain
from server.values.errors import BadRequest, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.compiling import Compiled
    from server.contracts.model import Resource, Scope
    from server.contracts.paging import Filter, Query
    from server.contracts.profiles.frame.table import Linked
    from server.contracts.views import View, Views

#: Whose a record is that is made at a path without a slot for that.
MINE: Final = "me"
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_MAX_DEPTH: Final = 16
_MERGES: Final = frozenset(
    {"application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml"}
)


@frozen
class Request:
    """What is read of a request. `params` are the slots' values, `base_url` is without a slash at its end."""

    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str | list[str]]
    body: Any
    content: str
    media_type: str
    base_url: str
    #: Tags of If-Match and If-None-Match; None: none was sent.
    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None


@frozen
class Asked:
    """`values` for the program, and the address of the record that the request is about; "" for none."""

    values: dict[str, Any]
    address: str = ""


def read(views: Views, compiled: Compiled, request: Request) -> Asked:
    """Raises BadRequest and Unprocessable."""
    role = compiled.role
    if not role.plain or role.resource is None:
        return Asked({})
    reader = _Reader(views, compiled, request, role.resource)
    match role.name:
        case "list":
            return Asked(reader.page())
        case "create":
            return Asked(reader.create(reader.record(request.body)) | reader.beside())
        case "create-many":
            return Asked(reader.create_many())
        case "linkage" | "related":
            return Asked(reader.about() | {"relation": role.relation}, reader.address())
        case "relate":
            return Asked(reader.relate(), reader.address())
        case "get" | "delete" | "get-one" | "delete-one":
            return Asked(reader.about(), reader.address())
        case _:
            return Asked(reader.change(), reader.address())


@frozen
class _Reader:
    views: Views
    compiled: Compiled
    request: Request
    resource: Resource

    # what the document's profile reads

    @property
    def linked(self) -> Linked:
        return self.compiled.linked

    def text(self, ask: str) -> str:
        return self._text(self.compiled.query.asks.get(ask, ""))

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
        return None if own is None else (_stored_path(self.resource, own[0]), own[1])

    def beside(self) -> dict[str, Any]:
        """What the program's pieces find."""
        profile = self.compiled.profile
        found: dict[str, Any] = {"beside": profile.read(self)} if self.compiled.query.asks else {}
        if profile.version:
            found |= {"match": self.request.match, "none-match": self.request.none_match}
        elif self.resource.version is not None:
            found["match"] = list(self.request.match or ())
        return found

    # which record

    def scope_values(self) -> dict[str, Any]:
        return {
            scope.name: self.request.params[scope.slot]
            for scope in self.compiled.role.scopes
            if scope.slot in self.request.params
        }

    def prefix(self, record: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
        """The values of the scopes that are a part of the address.

        One that the path does not have is that of the slot that is left, else what the record says, else
        `me`.
        """
        values = self.scope_values()
        left = [value for name, value in values.items() if name not in self.resource.scoped]
        found = []
        for name in self.resource.scoped:
            if name in values:
                found.append(values[name])
            elif left:
                found.append(left.pop(0))
            else:
                said = next(
                    (value for key, value in (record or {}).items() if plain(key) in (name, f"{name}id")),
                    None,
                )
                found.append(said if isinstance(said, (str, int)) else MINE)
        return tuple(found)

    def key(self) -> Any:
        """The key in the path, in its own type; else that in the body."""
        role = self.compiled.role
        if self.resource.single:
            return "one"
        if role.key_slot:
            return self._typed_key(self.request.params[role.key_slot])
        if role.key_word:
            said = self.request.body.get(role.key_word) if isinstance(self.request.body, dict) else None
            value = self._text(role.key_word) or said
            return self._typed_key(value) if isinstance(value, (str, int)) else None
        return self._key_in(self.record(self.request.body))

    def _typed_key(self, text: Any) -> Any:
        if self.resource.key.kind == "integer" and isinstance(text, str):
            digits = text.lstrip("-")
            return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 16 else text
        return text

    def _key_in(self, record: Mapping[str, Any]) -> Any:
        value: Any = record
        for step in self.resource.key.path:
            value = value.get(step) if isinstance(value, dict) else None
        return (
            value if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" else None
        )

    def address(self) -> str:
        if self.resource.single:
            return address_of("one", self.scope_values().values())
        key = self.key()
        if key is None:
            word = self.compiled.role.key_word or ".".join(self.resource.key.path)
            raise Unprocessable(f"There is no {word}, which says whose record it is.")
        return address_of(key, self.prefix(self._body_record() if not self.compiled.role.key_slot else None))

    def _body_record(self) -> dict[str, Any]:
        return self.record(self.request.body)

    def parents(self) -> list[list[str]]:
        return [
            [
                parent.name,
                self._address_of_parent(parent, slot),
                f"There is no {parent.name} {self.request.params[slot]}.",
            ]
            for parent, slot in self.compiled.role.parents
        ]

    def _address_of_parent(self, parent: Resource, slot: str) -> str:
        values = self.scope_values()
        return address_of(
            self.request.params[slot], [values[each] for each in parent.scoped if each in values]
        )

    def scope(self) -> list[list[Any]]:
        return [
            [list(scope.field), str(self.request.params[scope.slot])] for scope in self.compiled.role.scopes
        ]

    def at(self) -> dict[str, Any]:
        """What is kept beside the record of its path."""
        return {
            scope.name: self.request.params[scope.slot]
            for scope in self.compiled.role.scopes
            if not scope.path
        }

    def about(self) -> dict[str, Any]:
        key = self.key()
        missing = (
            f"There is no {self.resource.name} {key}."
            if not self.resource.single
            else "There is nothing here."
        )
        return {
            "parents": self.parents(),
            "scope": self.scope() if not self.resource.single else [],
            "missing": missing,
            "key": key,
            "link": self._link(),
            "at": self.at() if not self.resource.single else {},
            "self": self.request.path,
            **self.beside(),
        }

    # what is written

    def record(self, body: Any) -> dict[str, Any]:
        """The record that a body means, by the record's own names."""
        role = self.compiled.role
        for step in role.body.path:
            body = body.get(step) if isinstance(body, dict) else None
        if body is None:
            return {}
        if not isinstance(body, dict):
            raise Unprocessable("The body has to be an object.")
        return self._named(body, role.body.item)

    def _named(self, body: Mapping[str, Any], view: View) -> dict[str, Any]:
        names, resource = self.compiled.names, self.resource
        form = self.request.content == "form"
        record = {}
        words = self.compiled.profile.words
        for name, given in body.items():
            own = names.get(name, name)
            if own in resource.sent and view.properties and (own,) != resource.key.path[:1]:
                continue  # only replies have it
            if own is None or plain(name) in words or not (own in resource.fields or resource.open):
                continue
            value = given
            if form:
                node = resource.fields.get(own, view.properties.get(name))
                value = typed(
                    self.views, node if own in resource.fields else view.properties.get(name), given
                )
            record[own] = value
        return record

    def create(self, record: dict[str, Any]) -> dict[str, Any]:
        resource, role = self.resource, self.compiled.role
        if self.compiled.profile.blanks:
            record = self._without_blanks(record)[0]
        key = self._key_in(record) if resource.key.given != "service" else None
        word = self.compiled.key_query
        if word and self._text(word):
            key = self._typed_key(self._text(word))
        if resource.key.given == "service":
            record = without(record, resource.key.path)
        for scope in role.scopes:
            if scope.path:
                put(record, scope.path, self._typed_scope(scope))
        for path, value in self.compiled.consts:
            add(record, path, value)
        prefix = self.prefix(record)
        return {
            "record": record,
            "key": key,
            "address": None if key is None else self._stored_address(key, prefix),
            "prefix": prefix_of(prefix),
            "parents": self.parents(),
            "at": self._scopes_kept(prefix),
            "link": self._link(),
            "taken": f"There is a {resource.name} {key} already.",
            "self": self.request.path,
        }

    def _stored_address(self, key: Any, prefix: tuple[Any, ...]) -> Any:
        address = address_of(key, prefix)
        return key if isinstance(key, int) and address == str(key) else address

    def _scopes_kept(self, prefix: tuple[Any, ...]) -> dict[str, Any]:
        """What the path says of a record and no property has."""
        kept = self.at()
        paths = {scope.name for role in self.resource.roles for scope in role.scopes if scope.path}
        for name, value in zip(self.resource.scoped, prefix, strict=True):
            if name not in paths:
                kept.setdefault(name, value)
        return kept

    def _typed_scope(self, scope: Scope) -> Any:
        text, node = self.request.params[scope.slot], None
        fields: Mapping[str, Any] = self.resource.fields
        for step in scope.path:
            node = fields.get(step)
            fields = self.views.of(node).properties
        return typed(self.views, node, text)

    def create_many(self) -> dict[str, Any]:
        body = self.request.body
        if not isinstance(body, list):
            raise Unprocessable("The body has to be an array.")
        records = []
        for each in body:
            if not isinstance(each, dict):
                raise Unprocessable("Each element of the body has to be an object.")
            records.append(self.create(self._named(each, self.compiled.role.body.item)))
        return {"records": records, "parents": self.parents(), "at": self.at()}

    def relate(self) -> dict[str, Any]:
        """A relationship as a request has it: an identifier or null, or a list of identifiers."""
        body = self.request.body
        data = body.get("data") if isinstance(body, dict) else None
        link = self.linked.of(self.resource.name).get(self.compiled.role.relation)
        many = link is not None and link.many
        each = data if isinstance(data, list) else [data]
        if isinstance(data, list) != many or not all(
            isinstance(one, dict) or (one is None and not many) for one in each
        ):
            raise Unprocessable(
                f"The relationship takes {'a list of identifiers' if many else 'one identifier'}."
            )
        if self.request.method != "PATCH" and not many:
            raise Unprocessable("A relationship to one is changed by PATCH.")
        return {**self.about(), "relation": self.compiled.role.relation, "data": data}

    def change(self) -> dict[str, Any]:
        role = self.compiled.role
        values = self.about()
        if role.name.startswith("json-patch") or role.name == "patch":
            return {**values, "record": self._operations()}
        record = self.record(self.request.body)
        makes = bool(self.compiled.plan.response_hints.get("made"))
        unset: list[list[str]] = []
        if self.compiled.profile.blanks:
            record, unset = self._without_blanks(record)
        if role.name in ("replace", "replace-one") or makes:
            for path, value in self.compiled.consts:
                if path[0] not in self.resource.sent or makes:
                    add(record, path, value)
        if role.key_slot or role.key_word:
            record = without(record, self.resource.key.path)
        if role.name == "replace" or makes:
            for scope in role.scopes:
                if scope.path:
                    put(record, scope.path, self._typed_scope(scope))
        removes = self.request.media_type in _MERGES or self.compiled.profile.null_removes
        return {**values, "record": record, "null-removes": removes, "unset": unset}

    def _without_blanks(self, record: dict[str, Any]) -> tuple[dict[str, Any], list[list[str]]]:
        """An empty text takes away: a member of a map, or all of it; what may be null is null then."""
        kept: dict[str, Any] = {}
        unset: list[list[str]] = []
        for name, value in record.items():
            view = self.views.of(self.resource.fields.get(name))
            if isinstance(value, dict) and not view.properties:
                unset += [[name, key] for key, each in value.items() if each == ""]
                kept[name] = {key: each for key, each in value.items() if each != ""}
            elif value == "" and view.is_object:
                unset.append([name])
                kept[name] = {} if not view.nullable or not view.properties else None
            else:
                kept[name] = None if value == "" and view.nullable else value
        return kept, unset

    def _operations(self) -> list[Any]:
        """The patch, which may be in an object around it, or in the words of the document's profile."""
        if self.compiled.role.name == "patch" and self.compiled.profile.patch is not None:
            return self.compiled.profile.patch(self.request.body, self)
        body = self.request.body
        if isinstance(body, dict):
            body = next((value for value in body.values() if isinstance(value, list)), None)
        if not isinstance(body, list):
            raise Unprocessable("A JSON Patch is an array of operations.")
        return body

    def _link(self) -> list[str]:
        """The record's own address, as it is before its key and after it."""
        text, params = "", dict(self.request.params)
        home = self.compiled.home
        for part in home[:-1] if home and isinstance(home[-1], Slot) else home:
            text += (
                f"/{quote(part.text, safe='')}"
                if isinstance(part, Word)
                else f"/{quote(params.get(part.name, MINE), safe='')}"
            )
        return [f"{self.compiled.base}{text}/", self.compiled.suffix]

    # what is listed

    def page(self) -> dict[str, Any]:
        query = self.compiled.query
        limit, offset = self._place(query)
        beside = self.beside()
        if beside.get("beside", {}).get("labels"):  # what is chosen by the program cannot be paged before
            limit, offset = None, 0
        where: dict[str, Any] = {}
        given = []
        for scope in self.compiled.role.scopes:
            value = self.request.params[scope.slot]
            where[".".join(scope.field)] = value
            given.append([list(scope.field), self._typed_scope(scope) if scope.path else value])
        for scope_name in self.compiled.mine:
            where[f"@.at.{scope_name}"] = MINE
        for name, each in query.filters.items():
            if name in self.request.query:
                self._add_filter(where, each, self.request.query[name])
        if self.compiled.bare:
            return {"where": where, "limit": limit, "offset": offset, "sort": self._sort(query)}
        profile = self.compiled.profile
        if profile.filter is not None and self.text("filter"):
            where["$and"] = [profile.filter(self.text("filter"), self)]
        return {
            "where": where,
            "given": given,
            "limit": limit,
            "offset": offset,
            "sort": self._sort(query),
            "after": self._cursor(query.after),
            "before": self._cursor(query.before),
            "parents": self.parents(),
            "self": self.request.path
            if profile.bare_addresses
            else self.request.base_url + self._own_target(),
            "url": self._next_url(query),
            **beside,
            "paging": {
                "page": query.page, "offset": query.offset, "cursor": query.cursor or query.after or "cursor",
                "first": query.first, "from": query.start,
            },
        }  # fmt: skip

    def _text(self, name: str) -> str:
        value = self.request.query.get(name, "") if name else ""
        return value[0] if isinstance(value, list) else value

    def _place(self, query: Query) -> tuple[int | None, int]:
        """Limit and offset. Raises BadRequest."""
        limit = self._number(query.limit, query.size)
        if limit is not None and query.most is not None:
            limit = min(limit, query.most)
        offset = max((self._number(query.offset, query.start) or 0) - query.start, 0)
        page = self._number(query.page, query.first) or 0
        if query.page and self._text(query.page) and limit:
            offset = max(page - query.first, 0) * limit
        cursor = self._text(query.cursor) or self._text(query.after)
        if cursor[:1] == "o" and cursor[1:].isascii() and cursor[1:].isdigit() and len(cursor) < 12:
            offset = int(cursor[1:])
        return limit, offset

    def _number(self, name: str, default: int | None) -> int | None:
        text = self._text(name)
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise BadRequest(f"{name}: has to be a whole number from 0.")
        return int(text)

    def _cursor(self, name: str) -> str | None:
        text = self._text(name)
        if not text or (text[:1] == "o" and text[1:].isdigit()):
            return None
        return address_of(text, self.prefix())

    def _sort(self, query: Query) -> str | None:
        """By a property, downwards with a minus before it or by a word of its own."""
        text = self._text(query.sort)
        if not text:
            return None
        down = self._text(query.direction).lower().startswith("desc")
        terms = []
        for each in text.split(",")[:4]:
            name, _, direction = each.strip().replace(":", " ").partition(" ")
            low = name.startswith("-") or down or direction.strip().lower().startswith("desc")
            own = self._field(name.lstrip("+-"))
            if own is not None:
                terms.append(f"-{own}" if low else own)
        return ",".join(terms) or None

    def _field(self, name: str) -> str | None:
        wanted = plain(name)
        if (wanted,) == tuple(plain(each) for each in self.resource.key.path) and not self.resource.flat:
            return ".".join(_stored_path(self.resource, self.resource.key.path))
        for own in self.resource.fields:
            if plain(own) == wanted and own.replace("_", "").isalnum() and "__" not in own:
                return ".".join(_stored_path(self.resource, (own,)))
        found = property_at(self.views, name, self.resource.fields)
        if found is None or not all(step.replace("_", "").isalnum() for step in found[0]):
            return None
        return ".".join(_stored_path(self.resource, found[0]))

    def _add_filter(self, where: dict[str, Any], each: Filter, value: str | list[str]) -> None:
        texts = (
            value
            if isinstance(value, list)
            else value.split(",")
            if each.key or ("," in value and not each.operator)
            else [value]
        )
        path = ".".join(_stored_path(self.resource, each.path))
        if each.kind == "boolean":
            texts = [text.lower() for text in texts]
        name = f"{path}__{each.operator}" if each.operator else path
        values = [text for text in texts if text != ""]
        if not values or not each.every.isdisjoint(values):
            return
        if each.many:
            where.setdefault("$or", [{name: text} for text in values])
        else:
            where[name] = values[0] if len(values) == 1 else values

    def _own_target(self) -> str:
        text = self._query_text(frozenset())
        return f"{self.request.path}?{text}" if text else self.request.path

    def _next_url(self, query: Query) -> str:
        own = {query.page, query.offset, query.cursor, query.after, query.before} - {""}
        text = self._query_text(frozenset(own))
        return f"{self.request.base_url}{self.request.path}?{text}{'&' if text else ''}"

    def _query_text(self, without: frozenset[str]) -> str:
        pairs = [
            (name, each)
            for name, value in self.request.query.items()
            if name not in without
            for each in (value if isinstance(value, list) else [value])
        ]
        return "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in pairs)


def _stored_path(resource: Resource, path: tuple[str, ...]) -> tuple[str, ...]:
    """Where a property is in a stored record."""
    return path if path[0] != "id" or resource.flat else ("@", *path)


def at(value: Any, path: tuple[str, ...]) -> Any:
    """What the path leads to; None for nothing."""
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def put(record: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value, with what has to be around it."""
    for step in path[:-1]:
        inner = record.get(step)
        record[step] = dict(inner) if isinstance(inner, dict) else {}
        record = record[step]
    record[path[-1]] = value


def add(record: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    """Set a value that is not there, where what is around it is."""
    spot: Any = record
    for step in path[:-1]:
        spot = spot.get(step) if isinstance(spot, dict) else None
    if isinstance(spot, dict) and path[-1] not in spot:
        spot[path[-1]] = dict(value) if isinstance(value, dict) else value


def without(record: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    if not path or path[0] not in record:
        return record
    if len(path) == 1:
        return {key: value for key, value in record.items() if key != path[0]}
    inner = record[path[0]]
    return {**record, path[0]: without(inner, path[1:])} if isinstance(inner, dict) else record


def typed(views: Views, node: Any, value: Any, depth: int = 0) -> Any:
    """A form's text as the schema's type, where it reads as one."""
    view = views.of(node)
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {key: typed(views, view.properties.get(key), each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [typed(views, view.items, each, depth + 1) for each in value]
    if not isinstance(value, str):
        return value
    if view.kind == "array":
        return [typed(views, view.items, value, depth + 1)]
    if view.kind == "boolean" and value.lower() in (*_TRUE, "false", "0", "no", "off"):
        return value.lower() in _TRUE
    if view.kind == "integer" and value.lstrip("-").isdigit() and value.isascii() and len(value) < 20:
        return int(value)
    if view.kind == "number":
        try:
            number = float(value)
        except ValueError:
            return value
        return number if number - number == 0 else value
    return value

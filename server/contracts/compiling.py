"""From a role to its plan: the role's program and the data that it runs with, made once for an operation.

The data says how the operation's records are kept and shown. What a request asks is read by
`server.contracts.asking` with what `Compiled` has for it.
"""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from attrs import define, evolve, field, frozen

from server.contracts import programs
from server.contracts.asking.json_paths import add, at, put
from server.contracts.document import value_at
from server.contracts.examples import Examples
from server.contracts.filling import Filling, filling_of
from server.contracts.key_names import key_query, said_as
from server.contracts.keys import address_of, making_of
from server.contracts.paging import Query, query_of
from server.contracts.paths import Slot, Word, alike
from server.contracts.profiles.frame.table import NO_LINKS, NONE, Linked
from server.contracts.record_rules.answer import rules_of_answer, rules_of_person
from server.contracts.record_rules.programs import DERIVED, UNIQUE
from server.contracts.record_rules.rules import NO_RULES, RecordRules, Unique
from server.contracts.samples import Samples
from server.contracts.settling import Settling
from server.contracts.shapes import plain
from server.contracts.showing import Showing
from server.values.model import Plan, SourceCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.contracts.judging import Judging
    from server.contracts.model import Model, Resource, Role
    from server.contracts.paths import Path
    from server.contracts.profiles.frame.table import Profile
    from server.contracts.views import View

_OF_ONE: Final = frozenset({"get-one", "replace-one", "merge-one", "json-patch-one", "delete-one"})
#: Of examples, which are always the same.
_SAMPLE_TIMES: Final = {
    "now": "2026-01-01T12:00:00.000Z",
    "today": "2026-01-01",
    "mail": "Thu, 01 Jan 2026 12:00:00 +0000",
}
_SAMPLE_EPOCH: Final = 1_767_268_800
_OWN: Final = frozenset({"user", "me", "self", "my", "mine", "current"})

_SAMPLE_TEXTS: Final = {
    "uuid": "3f2b6c1e-0d4a-4c7b-9a55-7e1f2a3b4c5d",
    "second": "2026-01-01T12:00:00Z",
    "link": "https://example.com/records/1",
    "path": "/records/1",
    "version": 'W/"3f2b6c1e-0d4a"',
    "revision": "1",
    "token": "3f2b6c1e0d4a4c7b9a557e1f2a3b4c5d",
    "key": "3f2b6c1e-0d4a-4c7b-9a55-7e1f2a3b4c5d",
}
_PAGE_FACTS: Final = frozenset({"total", "count", "limit", "offset", "page", "pages", "more"})
_PAGE_KINDS: Final = _PAGE_FACTS | {"", "true", "one"}
#: What a request may ask for a part of.
_SPARSE: Final = ("attributes", "relationships")


@frozen(eq=False)
class Compiled:
    """An operation's plan, and what reading a request for it takes."""

    role: Role
    plan: Plan
    query: Query = field(factory=Query)
    #: Values that a new record has where the client says none.
    consts: tuple[tuple[tuple[str, ...], Any], ...] = ()
    #: A client's names for properties, where they are spelt otherwise; None: what it says is not kept.
    names: Mapping[str, str | None] = field(factory=dict)
    #: The item path whose template a record's address is made of.
    home: Path = ()
    base: str = ""
    suffix: str = ""
    #: The word of a query that says a new record's key; "" for none.
    key_query: str = ""
    #: Scopes of which a list shows only those of whoever asks: `GET /user/repos`.
    mine: tuple[str, ...] = ()
    #: The plan for a record whose key is not its address, where `plan` takes it for granted that it is; and
    #: for who has no store that leaves out what is not shown.
    careful: Plan | None = None
    #: `plan` looks at nothing of the request but the address of its record, and that is the path's to say.
    by_address: bool = False
    #: Of a list only the page, the order and the filters are asked.
    bare: bool = False
    #: Of such a list, what the program is told of its reply (`list-page`).
    page: Mapping[str, Any] = field(factory=dict)
    profile: Profile = NONE
    linked: Linked = NO_LINKS

    def takes_care(self, address: str) -> bool:
        """Whether the record of this address is read by `careful`: its key is not its address."""
        return self.careful is not None and address.startswith("~")


@define(eq=False)
class Compiler:
    """Of one document; operations are compiled when they are first asked for."""

    model: Model
    judging: Judging | None = None
    _settling: Settling | None = field(init=False, default=None)
    _examples: Examples = field(init=False)
    _samples: Samples = field(init=False)
    done: dict[tuple[str, str], Compiled] = field(factory=dict)
    _guesses: dict[str, Filling] = field(factory=dict)
    _fillings: dict[str, Filling] = field(factory=dict)
    #: By resource, what a model has said of its records.
    _answered: dict[str, RecordRules] = field(factory=dict)
    _rules: dict[str, RecordRules] = field(factory=dict)
    _showing: Showing = field(init=False)
    _shown_seeds: dict[str, dict[str, Any]] = field(factory=dict)
    _requests: Examples = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._examples = Examples(self.model.document.raw, "reply")
        self._requests = Examples(self.model.document.raw, "request")
        self._samples = Samples(self.model, self._examples)
        self._showing = Showing(self.model, self._examples)
        if self.judging is not None:
            self._settling = Settling(self.judging, self._examples)

    @property
    def settling(self) -> Settling | None:
        return self._settling

    @property
    def samples(self) -> Samples:
        return self._samples

    @property
    def examples(self) -> Examples:
        """Of replies."""
        return self._examples

    def compiled(self, role: Role) -> Compiled:
        found = self.done.get((role.operation.id, role.name))
        while found is None:
            done = self.done
            made = self._compile(role) if role.plain else self.example(role)
            if done is self.done:  # else an answer has come meanwhile
                found = done[role.operation.id, role.name] = made
        return found

    def example(self, role: Role) -> Compiled:
        """What the document shows as a reply; nothing is stored."""
        status, body = self._samples.reply(role)
        hints = {"status": status, "body": body}
        return Compiled(role, self._plan(role, "example", hints))

    def _plan(
        self, role: Role, kind: str, hints: dict[str, Any], pieces: Mapping[str, str] | None = None
    ) -> Plan:
        return Plan(
            action=role.name,
            resource="contract-examples" if role.resource is None else role.resource.name,
            route=role.operation.template,
            code=SourceCode(programs.program(kind, pieces or {}, timed=_is_timed(hints))),
            identifier="{id}" if kind not in ("list", "create", "create-many", "example") else None,
            response_hints=hints,
            query="any",
        )

    def _compile(self, role: Role) -> Compiled:
        resource = role.resource
        assert resource is not None  # noqa: S101 - a plain role has one
        filling = self.filling(resource)
        seeds = self._seeds(resource)
        query = query_of(
            self.model.views,
            role.operation,
            resource,
            role.reply.item if role.reply.of_many else resource.item,
            self.model.profile.words,
        )
        query = self._with_words_of_body(role, query)
        pieces = self._pieces(role, resource, query)
        hints: dict[str, Any] = {
            "flat": resource.flat and not resource.single,
            "status": role.status,
            "show": self._showing.shown(role),
            "hide": self._showing.hidden(role),
            "seeds": seeds,
            "listed": not resource.creatable,
            "numbered": None if resource.version is None else resource.version.as_hints(),
            "parents": {each.name: list(self._samples.seeds(each)) for each, _ in role.parents},
            **self._showing.around(role, query),
            **self._of_profile(role, resource, pieces),
        }
        kind: str = role.name
        if kind == "list":
            kind, hints = self._listing(role, resource, hints, query, pieces)
        if kind in ("create", "create-many"):
            hints |= self._making(role, resource)
        if kind not in ("get", "list", "delete", "get-one", "delete-one"):
            said = self._said(role)
            hints |= {
                "key": list(resource.key.path),
                "fresh": filling.fresh,
                "touched": filling.touched,
                "said": sorted(said),
                "kept": sorted(set(resource.item.required) - said | set(resource.sent)),
            }
        if kind in _OF_ONE:
            single = {"one": self._samples.single(resource)}
            hints["default"] = self._filled(resource, single, self._guessed(resource))["one"]
        puts = kind == "replace" or (kind == "merge" and role.operation.method == "PUT")
        if puts and self._may_make(role):
            kind, hints["made"] = "put", 201 if role.operation.declares(201) else role.status
        if kind in ("list-bare", "list-page"):
            drop, page = hints["drop"], hints.get("page", {})
            plan_kind = "list-page" if page else "list-bare"
            plan = self._plan(role, plan_kind, _left_out(drop))
            return Compiled(
                role,
                plan,
                query,
                careful=self._plan(role, f"{plan_kind}-shown", {"shape": _shape(drop)}) if drop else None,
                page=page,
                base=self.model.document.base_path,
                bare=True,
                profile=self.model.profile,
                linked=self.model.linked,
            )
        special = role.scopes or role.parents or seeds
        plain_flat = hints["flat"] and resource.version is None
        bare = hints["place"] is None and not hints["around"] and hints["reply"] == "item"
        drop = self._showing.dropped(resource, hints) if kind in ("get", "list-cut") and not pieces else None
        careful: Plan | None = None
        shown = drop is not None and plain_flat and bare and role.status == 200 and not special
        if kind == "get" and drop is not None and shown:
            kind, careful, hints = "get-whole", self._plan(role, "get", hints), _left_out(drop)
        elif kind == "list-cut" and drop:
            careful = self._plan(role, kind, {**hints, "shape": _shape(drop)})
            kind, hints = "list-whole", {**hints, **_left_out(drop)}
        return Compiled(
            role,
            self._plan(role, kind, hints, pieces),
            query,
            tuple(filling.consts),
            self._names(role, resource),
            self._home(role, resource),
            self.model.document.base_path,
            _suffix(resource),
            key_query(role.operation, resource.key) if kind == "create" else "",
            _mine(role, resource),
            careful,
            by_address=kind == "get-whole" and bool(role.key_slot) and not resource.scoped,
            profile=self.model.profile,
            linked=self.model.linked,
        )

    def _with_words_of_body(self, role: Role, query: Query) -> Query:
        """A form may have what a query has: `expand[]=customer`."""
        words = self.model.profile.words
        asks = {
            words[plain(name)]: name
            for name in role.body.item.properties
            if words.get(plain(name)) == "expand"
        }
        return evolve(query, asks={**asks, **query.asks}) if asks else query

    def _pieces(self, role: Role, resource: Resource, query: Query) -> dict[str, str]:
        """What the operation's program has of the document's profile, by place."""
        profile = self.model.profile
        found: dict[str, str] = {}
        asking = {"finish-one", "finish-many", "beside"}
        found |= {name: text for name, text in profile.pieces.items() if query.asks or name not in asking}
        if profile.version and not resource.single:
            found |= {"matched": programs.MATCHED, "versioned": programs.VERSIONED}
            if role.name == "get":
                found["not-modified"] = programs.NOT_MODIFIED
        rules = self.record_rules(resource)
        if rules.unique:
            found["unique"] = UNIQUE
        if rules.derived:
            found["derived"] = DERIVED
        if profile.blanks:
            found["unset"] = programs.UNSET
        if profile.tombs and self._tomb(resource) is not None:
            found |= {"tomb": programs.TOMB, "buried": programs.BURIED}
        return {name: text for name, text in found.items() if f"#: {name}\n" in programs.CODE[role.name]}

    def _of_profile(self, role: Role, resource: Resource, pieces: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if "versioned" in pieces or "matched" in pieces:
            found["version"] = [*role.reply.within, *self._own_names(resource, self.model.profile.version)]
        if "unique" in pieces:
            rules = self.record_rules(resource).unique
            found["unique"] = [each.as_hint(resource.name) for each in rules]
        if "derived" in pieces:
            found["derived"] = [each.as_hint() for each in self.record_rules(resource).derived]
        if "tomb" in pieces:
            found["tomb"] = self._tomb(resource) or {}
        if pieces and self.model.linked.links:
            links = self.model.linked.links
            found["types"] = dict(self.model.linked.types)
            found["hidden"] = {
                each.name: self._showing.hidden_in(each.item, whole=True) for each in self.model.resources
            }
            found["links"] = {
                collection: {
                    name: [each.collection, each.many, each.back, each.nullable] for name, each in own.items()
                }
                for collection, own in links.items()
            }
            found["needed"] = self._needed(role, resource)
            data = self.model.views.of(role.reply.whole.properties.get("data"))
            if role.relation and data.kind in ("array", "object"):
                own = links.get(resource.name, {}).get(role.relation)
                if own is not None:
                    nullable = data.nullable or data.kind == "array"
                    told = [own.collection, data.kind == "array", own.back, nullable]
                    found["links"][resource.name][role.relation] = told
        return found

    def _needed(self, role: Role, resource: Resource) -> dict[str, list[str]]:
        """By the type of a record, what replies have to show of it however little a request asks for."""
        found = {}
        views, types = self.model.views, self.model.linked.types
        for each in self.model.resources:
            items = [each.item, *([role.reply.item] if each is resource else [])]
            parts = [views.of(item.properties.get(part)) for item in items for part in _SPARSE]
            found[types.get(each.name, each.name)] = sorted(
                {name for part in parts for name in part.required}
            )
        return found

    def _own_names(self, resource: Resource, names: tuple[str, ...]) -> list[str]:
        found, fields = [], dict(resource.fields)
        for name in names:
            own = next((each for each in fields if plain(each) == name), name)
            found.append(own)
            fields = dict(self.model.views.of(fields.get(own)).properties)
        return found

    def _unique(self, resource: Resource) -> tuple[Unique, ...]:
        """What the document's profile says that no two records share."""
        wanted = self.model.profile.unique
        return tuple(
            Unique(((name,),), (name,), folded=True)
            for name in resource.fields
            if plain(name) in wanted and (name,) != resource.key.path
        )

    def list_form(self, role: Role) -> dict[str, Any] | None:
        """What is around the list of an operation that is not plain; None: nothing, or there is no list."""
        return self._showing.list_form(role)

    # The rules of records

    def record_rules(self, resource: Resource) -> RecordRules:
        """What a person, the document's profile and a model say of its records, in this order."""
        found = self._rules.get(resource.name)
        if found is None:
            own = rules_of_person(self.model, resource, self._guessed(resource))
            answered = self._answered.get(resource.name, NO_RULES)
            unique = own.unique if resource.told.unique is not None else self._unique(resource)
            there = {each.paths for each in unique}
            more = tuple(each for each in answered.unique if each.paths not in there)
            found = RecordRules(answered.initial, (*unique, *more), (*own.derived, *answered.derived))
            self._rules[resource.name] = found
        return found

    def require_rules(self) -> None:
        """Raises ContractError where a person says of records what cannot be."""
        for resource in self.model.resources:
            if resource.told.unique or resource.told.derived:
                self.record_rules(resource)

    def is_answered(self, resource: Resource) -> bool:
        return resource.name in self._answered

    def answer(self, resource: Resource, answer: Mapping[str, list[dict[str, Any]]]) -> None:
        """Have what a model has answered count from now on, where nothing else is said."""
        filling = self._guessed(resource)
        found = rules_of_answer(self.model, resource, filling, partial(self._shows, resource), answer)
        self._answered[resource.name] = found
        self._rules.pop(resource.name, None)
        self._fillings.pop(resource.name, None)
        roles = {role.operation.id for role in resource.roles}
        self.done = {key: compiled for key, compiled in self.done.items() if key[0] not in roles}

    def _shows(self, resource: Resource, path: tuple[str, ...], value: Any) -> bool:
        """Whether the replies that show its records can show this value."""
        if self._settling is None:
            return True
        sample = self._sample(resource, self._guessed(resource))
        put(sample, path, deepcopy(value))
        return not any(
            steps[: len(path)] == list(path)
            for frame in self._settling.frames(resource)
            for steps, _ in self._settling.broken(frame, sample)
        )

    def _tomb(self, resource: Resource) -> dict[str, Any] | None:
        """What is told of a record that was deleted, where reading one declares that."""
        for role in resource.roles:
            if role.name == "get":
                for node in self._forms(role):
                    view = self.model.views.of(node)
                    if "deleted" in view.properties:
                        found = {
                            name: _only(self.model.views.of(each)) for name, each in view.properties.items()
                        }
                        return {name: value for name, value in found.items() if value is not None}
        return None

    def _forms(self, role: Role) -> list[Any]:
        """The forms that a reply may have."""
        content = role.operation.replies.get(str(role.status)) or {}
        for schema in content.values():
            node = self.model.document.resolve(schema)
            for word in ("anyOf", "oneOf"):
                if isinstance(node, dict) and isinstance(node.get(word), list):
                    return list(node[word])
        return []

    def _listing(
        self, role: Role, resource: Resource, hints: dict[str, Any], query: Query, pieces: Mapping[str, str]
    ) -> tuple[str, dict[str, Any]]:
        """The program that does no more than the list takes, and its hints."""
        wanted = {each[1] for each in hints["around"]}
        hints |= {
            "timed": "now" in wanted,
            "keyed": not wanted.isdisjoint(("last-key", "first-key")),
            "linked": not wanted.isdisjoint(("first", "last", "previous", "next")),
        }
        if pieces:
            return "list", hints
        drop = self._showing.dropped(resource, hints)
        bare = hints["place"] is None and role.status == 200 and not role.parents
        whole = drop is not None and self._whole(resource, {**hints, "show": None, "hide": []}, query)
        if whole and bare:
            return "list-bare", {"drop": drop}
        if whole and not role.parents:
            page = _page_of(hints, query)
            if page is not None:
                return "list-page", {"drop": drop, "page": page}
        if whole:
            return ("list-cut" if drop else "list-whole"), hints
        return "list", hints

    def filling(self, resource: Resource) -> Filling:
        """What a new record has that no client has said."""
        found = self._fillings.get(resource.name)
        if found is None:
            said = dict(self.record_rules(resource).initial)
            guessed = self._guessed(resource)
            consts = [each for each in guessed.consts if each[0] not in said]
            found = Filling([*consts, *said.items()], guessed.fresh, guessed.touched)
            self._fillings[resource.name] = found
        return found

    def _guessed(self, resource: Resource) -> Filling:
        """The same by rule alone."""
        found = self._guesses.get(resource.name)
        if found is None:
            found = self._guesses[resource.name] = filling_of(
                self.model.views, self._examples, resource, self.model.profile.fresh
            )
            if self._settling is not None:
                self._settling.settle(resource, found, self._sample(resource, found))
                self._settling.settle(resource, found, self._sample(resource, found, whole=True))
        return found

    def _seeds(self, resource: Resource) -> dict[str, Any]:
        """The document's examples by address, as replies can show them; no model has a say in them."""
        known = self._shown_seeds.get(resource.name)
        if known is None:
            filling = self._guessed(resource)
            filled = self._filled(resource, self._samples.seeds(resource), filling)
            known = {}
            for address, record in filled.items():
                own = record.get("@") or {}
                item = {name: value for name, value in record.items() if name not in ("@", "id")}
                if "id" in own or resource.flat:
                    item["id"] = own.get("id", record["id"])
                mended = (
                    deepcopy(item)
                    if self._settling is None
                    else self._settling.mended(resource, deepcopy(item))
                )
                if mended is not None:
                    kept = {"@": own} if own else {}
                    known[address] = {**mended, "id": record["id"], **kept}
            self._shown_seeds[resource.name] = known
        return known

    def _sample(self, resource: Resource, filling: Filling, *, whole: bool = False) -> dict[str, Any]:
        """A new record, as one that says only what it has to say would be; or all that it may, `whole`."""
        sample: dict[str, Any] = {}
        makers = [role for role in resource.roles if role.name in ("create", "create-many")]
        for role in makers[:1]:
            for name, node in role.body.item.properties.items():
                if (whole or name in role.body.item.required) and name in resource.fields:
                    sample[name] = self._requests.for_node(node)
        if resource.key.path:
            put(sample, resource.key.path, self._key_sample(resource))
        for path, value in filling.consts:
            add(sample, path, deepcopy(value))
        for path, kind, argument in filling.fresh:
            if kind in _SAMPLE_TIMES:
                add(sample, tuple(path), _SAMPLE_TIMES[kind])
            elif kind in ("epoch", "number"):
                add(sample, tuple(path), _SAMPLE_EPOCH * (argument or 1) if kind == "epoch" else 1)
            else:
                add(sample, tuple(path), _SAMPLE_TEXTS.get(kind, argument))
        return sample

    def _key_sample(self, resource: Resource) -> Any:
        if resource.key.kind == "integer":
            return 1
        return self._samples.key_example(resource) or "3f2b6c1e-0d4a-4c7b-9a55-7e1f2a3b4c5d"

    @staticmethod
    def _whole(resource: Resource, hints: dict[str, Any], query: Query) -> bool:
        """Whether lists show records just as they are stored, with nothing beside them."""
        beside = any(not scope.path for role in resource.roles for scope in role.scopes)
        chosen = resource.key.given != "service" or (resource.key.kind == "string" and not resource.creatable)
        cut = hints["show"] is not None or hints["hide"] or hints["within"] or hints["newest"]
        examples = hints["listed"] and hints["seeds"]
        plain = hints["flat"] and not beside and not chosen
        plain = plain and hints["numbered"] is None
        return plain and not cut and not examples and not (query.after or query.before)

    @staticmethod
    def _filled(resource: Resource, seeds: dict[str, Any], filling: Filling) -> dict[str, Any]:
        """Examples with what every record has, where they lack it."""
        found = {}
        for address, seed in seeds.items():
            record = deepcopy(seed)
            for path, value in filling.consts:
                add(record, path, value)
            for path, kind, argument in filling.fresh:
                if kind in _SAMPLE_TIMES:
                    add(record, tuple(path), _SAMPLE_TIMES[kind])
                elif kind == "epoch":
                    add(record, tuple(path), _SAMPLE_EPOCH * argument)
            if resource.version is not None:
                shown = str(at(record, resource.version.path) if resource.version.path else "")
                count = int(shown) if shown.isascii() and shown.isdecimal() and len(shown) < 10 else 1
                record["@"] = {**record.get("@", {}), "v": count}
            found[address] = record
        return found

    def _making(self, role: Role, resource: Resource) -> dict[str, Any]:
        headers = _headers(self.model, role)
        return {
            "make": making_of(resource, role.body.item, self._samples.key_example(resource)),
            "key-kind": resource.key.kind,
            "location": "location" in headers,
        }

    def _said(self, role: Role) -> set[str]:
        """What clients can say of a record with this operation, by the record's own names."""
        names = self._names(role, role.resource) if role.resource is not None else {}
        said = set()
        for name, node in role.body.item.properties.items():
            if self.model.views.of(node).said.get("readOnly") is not True:
                said.add(names.get(name) or name)
        return said

    def _names(self, role: Role, resource: Resource) -> dict[str, str | None]:
        by_plain = {plain(name): name for name in resource.item.properties}
        found: dict[str, str | None] = {}
        for name, node in role.body.item.properties.items():
            if self.model.views.of(node).said.get("readOnly") is True and (name,) != resource.key.path:
                found[name] = None
            elif name not in resource.item.properties and plain(name) in by_plain:
                found[name] = by_plain[plain(name)]
        if role.key_word and (role.key_word,) != resource.key.path:
            found[role.key_word] = None
        alias = said_as(resource.key, resource.item, role.body.item)
        if alias is not None and alias not in resource.item.properties and alias not in found:
            found[alias] = resource.key.path[0]
        return found

    def _home(self, role: Role, resource: Resource) -> Path:
        if not resource.paths:
            return role.path
        slots = {part.name for part in role.path if isinstance(part, Slot)}
        for path in resource.paths:
            if {part.name for part in path[:-1] if isinstance(part, Slot)} <= slots:
                return path
        return resource.paths[0] if role.name == "get" else (*role.path, Slot("key"))

    @staticmethod
    def _may_make(role: Role) -> bool:
        resource = role.resource
        if resource is None or not resource.paths or not role.key_slot:
            return False
        return role.operation.declares(201) or (
            resource.key.given == "client" and not any(each.name == "create" for each in resource.roles)
        )


def _page_of(hints: dict[str, Any], query: Query) -> dict[str, Any] | None:
    """What `list-page` is told; None for a reply that takes more than it has."""
    rows = []
    for path, kind, value, kept in hints["around"]:
        own = {"true": True, "one": 1}.get(kind, value)
        if len(path) != 1 or kind not in _PAGE_KINDS:
            return None
        if kind in _PAGE_FACTS or own is not None or kept:
            rows.append([path[0], kind if kind in _PAGE_FACTS else "", own])
    if len(hints["place"] or ()) != 1 or hints["within"]:
        return None
    return {"place": hints["place"][0], "around": rows, "first": query.first, "status": hints["status"]}


def _left_out(drop: list[list[str]]) -> dict[str, Any]:
    return {programs.LEFT_OUT: drop} if drop else {}


def _shape(left_out: list[list[str]]) -> dict[str, Any]:
    """For `shaped`."""
    return {"**": [path if len(path) > 1 else path[0] for path in left_out]}


def _mine(role: Role, resource: Resource) -> tuple[str, ...]:
    """Where records are made without one of their scopes, those listed there are those made there."""
    words = {plain(part.text) for part in role.path if isinstance(part, Word)}
    if role.name != "list" or words.isdisjoint(_OWN):
        return ()
    makers = [
        each for each in resource.roles if each.name == "create" and alike(each.path) == alike(role.path)
    ]
    own = {scope.name for scope in role.scopes}
    beside = {scope.name for each in resource.roles for scope in each.scopes if not scope.path}
    return tuple(each for each in resource.scoped if each not in own and each in beside) if makers else ()


def _is_timed(hints: dict[str, Any]) -> bool:
    """Whether anything around what is read is the time."""
    return any(each[1] == "now" for each in hints.get("around", ()))


def _only(view: View) -> Any:
    """The one value that a schema has; None where there are several."""
    choices = view.said.get("enum")
    if "const" in view.said:
        return view.said["const"]
    return choices[0] if isinstance(choices, list) and len(choices) == 1 else None


def _headers(model: Model, role: Role) -> set[str]:
    """The names of headers that the reply of success declares, in lower case."""
    place = f"{role.operation.pointer}/responses/{role.status}"
    node = model.document.resolve(place)
    headers = node.get("headers") if isinstance(node, dict) else None
    return {each.lower() for each in headers} if isinstance(headers, dict) else set()


def _suffix(resource: Resource) -> str:
    """What stands behind the key in the template, such as ``.json``."""
    for each in resource.roles:
        if each.key_slot and each.operation.template.endswith((".json", ".xml")):
            return each.operation.template[each.operation.template.rindex(".") :]
    return ""


__all__ = ["Compiled", "Compiler", "Word", "address_of", "value_at"]

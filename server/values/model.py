"""The values that travel through the service. All are frozen; types carry trust.

A request becomes a `RequestContext` (what arrived), its `RequestShape` (what a planner may
see: never a value), a `Plan` (what is to be done), and in the end a `Reply`. Only
`server.planning.policy` makes a `ValidatedCode`, and only a plan that holds one can be run.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

import orjson
from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]
PlanSource = Literal["learned", "planned", "conventions", "contract", "example"]
#: What a plan was, or has to be, made from; `collections`: no plan yet, all collections have to be shown.
Needs = Literal["shape", "collections", "values"]
#: What kind of content a request carries; `none` when there is no body.
ContentKind = Literal["none", "json", "merge-patch", "json-patch", "form"]

#: What the service takes, in the order in which `Allow` names them.
METHODS: tuple[Method, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
#: Media types that PATCH takes.
PATCH_TYPES = ("application/json", "application/merge-patch+json", "application/json-patch+json")
SAFE_METHODS: frozenset[str] = frozenset({"GET", "HEAD", "OPTIONS"})
#: Values of texts up to this size are kept: they are small, and reading them again would cost more.
_SMALL_CHARACTERS = 16_384
_RELEASED: Any = object()


@frozen
class Session:
    """Whose data a request is about. `directory` is derived, so no client text ever becomes a path."""

    id: str
    directory: str


@frozen
class RequestContext:
    """One request as it arrived, checked and decoded by the trusted edge.

    `query` maps a key to its text, or to a list of texts when the key was repeated.
    `body_text` is the body as sent (already proved to be strict JSON) so that it can pass
    through to the guest without being encoded again; it is None when there is no body.
    `body_json` is its value: tens of times as large, so that it is let go while the request waits, and read
    again when somebody asks.
    """

    method: Method
    path: str
    segments: tuple[str, ...]
    query: dict[str, str | list[str]]
    headers: dict[str, str]
    content: ContentKind
    _body_json: Any
    body_text: str | None
    client_ip: str
    session: Session
    base_url: str
    request_id: str
    #: The session is one that the link named (`?session=`), so links in the reply name it as well.
    linked: bool = False
    #: Whose words the request is read in (`server.planning.dialects`); empty: the service's own.
    dialect: str = ""
    #: Headers that the dialect reads, and no plan of another kind sees.
    dialect_headers: dict[str, str] = field(factory=dict)
    #: The contract's operation that the request is for (`server.contracts.contract.Call`); None: no contract.
    contract: Any = None
    #: What was set for its session (`server/sessions/settings.py`).
    settings: Mapping[str, Any] = field(factory=dict)

    @property
    def safe(self) -> bool:
        return self.method in SAFE_METHODS

    @property
    def body_json(self) -> Any:
        return orjson.loads(self.body_text or "null") if self._body_json is _RELEASED else self._body_json

    def with_contract(self, call: Any) -> RequestContext:
        """The same request by another contract, or by none."""
        return evolve(self, contract=call)

    def release_value(self) -> None:
        """Let a large body's value go, as long as nobody asks for it."""
        if self.body_text is not None and len(self.body_text) > _SMALL_CHARACTERS:
            object.__setattr__(self, "_body_json", _RELEASED)

    def guest_head(self, asked: Mapping[str, Any] | None = None) -> str:
        """A line of JSON for the query, and one for the rest.

        `asked` is what a dialect has read. It stands in the query's place, for its words are not ours, behind
        the mark of `guest.session.ASKED`: so a plan that looks at nothing else has nothing else decoded.
        """
        more: dict[str, Any] = {}
        if self.contract is not None:
            more["identity"] = self.contract.identity
            if self.contract.list_form is not None:
                more["list"] = self.contract.list_form
        head = orjson.dumps(
            {
                **more,
                "method": self.method,
                "path": self.path,
                "segments": self.segments,
                "headers": self.headers,
                "client": {"ip": self.client_ip},
                "session": {"id": self.session.id, "token": None},
                "base_url": self.base_url,
            }
        ).decode()
        if asked is not None:
            return f"~{orjson.dumps(asked).decode()}\n{head}\n"
        query = orjson.dumps(self.query).decode() if self.query else "{}"
        return f"{query}\n{head}\n"


@frozen
class SourceCode:
    """Plan code as its author wrote it. Untrusted text."""

    text: str
    language: str = "python"


@frozen
class Purity:
    """Code whose reply depends on its request and on its session's records alone.

    `members` are those of `ctx` that it reads beside the query: `("path",)`, `("headers", "accept")`.
    """

    members: tuple[tuple[str, ...], ...] = ()


@frozen
class ValidatedCode:
    """Plan code that passed the policy: the `ast.unparse` of the tree that was checked.

    Made by `server.planning.policy.check` alone. `purity` is None where its replies cannot be remembered.
    """

    text: str
    purity: Purity | None = field(default=None, eq=False)


@frozen
class Plan:
    """What is to be done for one kind of request; the fields of the document's plan, and two more.

    `identifier`, `criteria` and `payload` are filled anew for every request from its slots,
    query and body, so `plan["identifier"]` in the code works on a route learned long ago.
    `route` is the template the plan answers for, such as ``/members/{id:int}``.
    """

    action: str
    resource: str
    route: str
    code: SourceCode
    identifier: str | None = None
    criteria: dict[str, Any] = field(factory=dict)
    payload: dict[str, Any] = field(factory=dict)
    response_hints: dict[str, Any] = field(factory=dict)
    needs: Needs = "shape"
    #: `any`: the plan handles whatever query keys come, so they are no part of the route's key.
    query: Literal["declared", "any"] = "declared"


@frozen
class RunnablePlan:
    """A plan whose code has passed the policy, in the form that workers are handed.

    `id` is a digest of everything the guest is given, so equal plans share compiled code.
    """

    plan: Plan
    code: ValidatedCode
    source: PlanSource
    id: str = field(init=False)
    #: The JSON the guest loads; opaque to everything between here and there.
    document: str = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        document = orjson.dumps(
            {
                "action": self.plan.action,
                "resource": self.plan.resource,
                "route": self.plan.route,
                "identifier": self.plan.identifier,
                "criteria": self.plan.criteria,
                "payload": self.plan.payload,
                "response_hints": self.plan.response_hints,
                "code": self.code.text,
            },
            option=orjson.OPT_SORT_KEYS,
        )
        object.__setattr__(self, "document", document.decode())
        object.__setattr__(self, "id", hashlib.blake2b(document, digest_size=12).hexdigest())


@frozen
class Reply:
    """What goes back to the client: already checked, and committed if it is a success.

    `body` is encoded content (None: no body at all); `headers` hold no Content-Length. `record`: the body
    is a record as it is stored, so it has the record's entity tag.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    media_type: str = "application/json"
    record: bool = False

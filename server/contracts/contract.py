"""A contract that is served: the document with all that is made of it, once for all sessions that have it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import evolve, field, frozen

from server.contracts import media_types
from server.contracts.asking.operations import read
from server.contracts.asking.request import Asked, Request
from server.contracts.compiling import Compiled, Compiler
from server.contracts.document import METHODS, ContractError
from server.contracts.echoing import echoed
from server.contracts.edge import Checked, Edge
from server.contracts.examples import Examples, holder_of
from server.contracts.failing import Failing
from server.contracts.fitting import fitted
from server.contracts.judging import Judging
from server.contracts.modelling.building import model_of
from server.contracts.overrides import overrides_in
from server.contracts.reply_headers import ReplyHeaders
from server.contracts.routes import Routes, segments_of
from server.contracts.shapes import json_content
from server.contracts.telling import told_to_model
from server.contracts.xml_text import is_xml, xml_of
from server.values.entity_tags import tag_list
from server.values.errors import MethodNotAllowed, NotFound, Unprocessable
from server.values.model import SAFE_METHODS, Reply
from wasm_runtime.schemas import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.contracts.document import Document, Operation
    from server.contracts.model import Model, Role
    from server.contracts.routes import Match
    from server.contracts.schemas import SchemaLimits
    from server.values.model import RequestContext
    from wasm_runtime.slot import Judged

_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_WRITES: Final = frozenset({"create", "replace", "merge"})
#: What a part of a record does not have to have, as the record has it already.
_OF_PARTS: Final = frozenset({"required", "minProperties", "anyOf", "oneOf"})


@frozen(eq=False)
class Contract:
    """`name`: what people call it, such as its file's."""

    name: str
    document: Document
    model: Model
    routes: Routes
    compiler: Compiler
    failing: Failing
    edge: Edge
    judging: Judging
    reply_headers: ReplyHeaders
    #: What was shown for a schema: the same every time.
    _shown: dict[tuple[str, str], Any] = field(factory=dict, init=False)

    @classmethod
    def of(
        cls,
        document: Document,
        name: str = "",
        limits: SchemaLimits | None = None,
    ) -> Contract:
        """Raises ContractError."""
        model = model_of(document, overrides_in(document))
        try:
            edge = Edge(document, limits, model.profile.alike)
            judging = Judging.of(document, limits)
        except SchemaError as error:
            raise ContractError(f"{document.file}: its schemas cannot be compiled: {error}") from None
        compiler = Compiler(model, judging)
        compiler.require_rules()
        return cls(
            name=name or document.file,
            document=document,
            model=model,
            routes=Routes.of(document.operations, document.base_paths),
            compiler=compiler,
            failing=Failing(document, model.views, Examples(document.raw, "reply"), model.profile),
            edge=edge,
            judging=judging,
            reply_headers=ReplyHeaders(document),
        )

    def match(self, method: str, segments: Sequence[str]) -> Match | None:
        """The operation of a request; None for OPTIONS, which the service answers.

        Raises NotFound and MethodNotAllowed.
        """
        found = self.routes.find(segments)
        if not found:
            raise NotFound("The contract has nothing at this path.")
        if method in found:
            return found[method]
        if method == "HEAD" and "GET" in found:
            return found["GET"]
        if method == "OPTIONS":
            return None
        raise MethodNotAllowed(self._allowed(found))

    def allowed(self, segments: Sequence[str]) -> tuple[str, ...]:
        """Raises NotFound."""
        found = self.routes.find(segments)
        if not found:
            raise NotFound("The contract has nothing at this path.")
        return self._allowed(found)

    @staticmethod
    def _allowed(found: object) -> tuple[str, ...]:
        methods = set(found) | {"OPTIONS"}  # type: ignore[call-overload]
        if "GET" in methods:
            methods.add("HEAD")
        return tuple(each for each in METHODS if each in methods)

    def role(self, operation: Operation) -> Role:
        return self.model.roles[operation.id]

    def failed(self, reply: Reply, operation: Operation | None, path: str) -> Reply:
        """A problem document as the document has errors, and so that it fits their schema."""
        formed = self.failing.reply(reply, operation, path)
        found = self.failing.schema_of(self.failing.status(reply.status, operation), operation)
        if found is None or formed.body is None or formed.media_type == _PROBLEM:
            return formed
        media_type, schema = found
        value = orjson.loads(formed.body)
        violations = self.judging.violations(schema, value)
        if not violations:
            return formed
        fits = partial(self.judging.fits, schema)
        example = self._example_of(schema, media_type)
        value = fitted(value, violations, example)
        return evolve(formed, body=orjson.dumps(value if fits(value) else example))

    def example(self, operation: Operation, status: int) -> Reply | None:
        """What the document shows of a reply; None where it declares none of that status."""
        content = operation.reply_for(status)
        if content is None:
            return None
        found = json_content(content)
        if found is None or not found[1]:
            return Reply(status) if status < 400 else None
        media_type, schema = found
        value = self._example_of(schema, media_type)
        return Reply(status, (), orjson.dumps(value), media_type if "*" not in media_type else _JSON)

    def _example_of(self, schema: str, media_type: str) -> Any:
        if (schema, media_type) not in self._shown:
            fits = partial(self.judging.fits, schema)
            made = self.compiler.examples.for_content(holder_of(schema), schema, media_type, fits)
            self._shown[schema, media_type] = made
        return self._shown[schema, media_type]

    def is_compiled(self, operation: Operation, media_type: str = "") -> bool:
        """Whether `compiled` has nothing to make; else it is worked on beside the event loop."""
        return (operation.id, self._role_for(operation, media_type).name) in self.compiler.done

    def compiled(self, operation: Operation, media_type: str = "") -> Compiled:
        """`media_type` of the request, for a PATCH that is taken as operations and as a record, too."""
        return self.compiler.compiled(self._role_for(operation, media_type))

    def _role_for(self, operation: Operation, media_type: str) -> Role:
        role = self.role(operation)
        if role.name == "json-patch" and media_type and "json-patch" not in media_type:
            others = (media_types.bare(each) for each in operation.request_bodies)
            if media_types.bare(media_type) in others:
                return evolve(role, name="merge")
        return role

    def echoed(self, compiled: Compiled, match: Match, ctx: RequestContext) -> dict[str, Any]:
        """What a request says, for the program of an example."""
        status, body = compiled.plan.response_hints["status"], compiled.plan.response_hints["body"]
        found = json_content(match.operation.reply_for(status) or {})
        said = ctx.body_json if ctx.content != "none" else None
        if found is None or not found[1]:
            return {}
        told = echoed(body, match.params, said, partial(self.judging.fits, found[1]))
        return {} if told is body else {"body": told}

    @staticmethod
    def represents(operation: Operation, reply: Reply, accept: str) -> tuple[str, str] | None:
        """Another type than JSON that a success is to be in, and its schema; None: JSON.

        Where the operation has nothing else or the client wants nothing else.
        """
        content = operation.reply_for(reply.status)
        if not content or reply.status >= 300 or reply.media_type not in (_JSON, None, ""):
            return None
        as_json = json_content(content)
        if as_json is not None and media_types.wanted(accept, as_json[:1]) is not None:
            return None
        media_type = media_types.wanted(accept, content) or next(iter(content))
        return media_type, content[media_type]

    def represented(self, operation: Operation, reply: Reply, accept: str) -> Reply:
        """In XML or text, if that is what it represents; takes time in proportion to it.

        Raises ReplyTooLarge.
        """
        found = self.represents(operation, reply, accept)
        if found is None:
            return reply
        media_type, schema = found
        empty = reply.body is None or reply.body == b"null"
        shown = self.compiler.examples.for_content(holder_of(schema), schema, media_type) if schema else None
        value = shown if empty or reply.body is None else orjson.loads(reply.body)
        if isinstance(value, str) and empty and media_types.is_text(media_type):
            return evolve(reply, body=value.encode("utf-8", "replace"), media_type=media_type)
        if value is None or not is_xml(media_type):
            return reply
        document = self.document
        name = self.model.views.at(schema).name or "root"
        size = 0 if empty or reply.body is None else len(reply.body)
        resolved, follow = document.resolve(schema), self.compiler.examples.follow
        text = xml_of(value, resolved, name, follow, body_bytes=size)
        return evolve(reply, body=text.encode("utf-8", "replace"), media_type=media_type)

    def asked(self, compiled: Compiled, match: Match, ctx: RequestContext) -> Asked:
        """Raises BadRequest and Unprocessable."""
        asked = self._read(compiled, match, ctx)
        self._showable(compiled.role, asked)
        return asked

    def _showable(self, role: Role, asked: Asked) -> None:
        """That replies can show what the request says of a record. Raises Unprocessable."""
        said = asked.values.get("record")
        if role.resource is None or self.compiler.settling is None or role.name not in _WRITES:
            return
        if not isinstance(said, dict):
            return
        if asked.values.get("null-removes"):
            said = _without_nulls(said)
        for frame in self.compiler.settling.frames(role.resource):
            for steps, violation in self.compiler.settling.broken(frame, said):
                if steps and steps[0] in said and violation.keyword not in _OF_PARTS:
                    place = "".join(f"/{step}" for step in (*role.body.path, *steps))
                    detail = f"Body {place}: {violation.detail}, where replies show it."
                    fault = {"in": "body", "pointer": place, "keyword": violation.keyword}
                    raise Unprocessable(detail, errors=[{**fault, "detail": violation.detail}])

    @staticmethod
    def _tags(compiled: Compiled, ctx: RequestContext) -> dict[str, tuple[str, ...] | None]:
        """As its profile compares them, or by the numbers of versions. Raises InvalidHeader."""
        if compiled.profile.version:
            return _tags(ctx.headers)
        if ctx.method in SAFE_METHODS or "if-match" not in ctx.headers:
            return {}
        return {"match": tuple(tag_list(ctx.headers["if-match"], "If-Match").for_guest(weak=True))}

    def _read(self, compiled: Compiled, match: Match, ctx: RequestContext) -> Asked:
        return read(
            self.model.views,
            compiled,
            Request(
                method=ctx.method,
                path=ctx.path,
                params=match.params,
                query=ctx.query,
                body=ctx.body_json,
                content=ctx.content,
                media_type=ctx.headers.get("content-type", "").partition(";")[0].strip().lower(),
                base_url=ctx.base_url,
                **self._tags(compiled, ctx),
            ),
        )


@frozen(eq=False)
class Call:
    """A request to a contract's operation; `match` is None where none was found.

    `contract` is None for what is beyond it, and left to conventions.
    """

    contract: Contract | None
    match: Match | None = None
    path: str = ""
    #: The request as its operation reads it, once it was checked.
    checked: Checked | None = None

    @property
    def has_versions(self) -> bool:
        """Whether its plan has records' tags itself, and compares them."""
        if self.contract is None or self.match is None:
            return False
        role = self.contract.role(self.match.operation)
        return role.plain and role.resource is not None and role.resource.version is not None

    def represents(self, reply: Reply, accept: str) -> bool:
        """Whether a reply is to be in another type than JSON."""
        if self.contract is None or self.match is None:
            return False
        return self.contract.represents(self.match.operation, reply, accept) is not None

    def represented(self, reply: Reply, accept: str) -> Reply:
        """In the media type that the operation has, where that is none of JSON's. Raises ReplyTooLarge."""
        if self.contract is None or self.match is None:
            return reply
        return self.contract.represented(self.match.operation, reply, accept)

    @property
    def identity(self) -> Mapping[str, Any] | None:
        """Who asks, for plans."""
        who = None if self.checked is None else self.checked.identity
        return None if who is None else who.as_dict()

    def slot_places(self, segments: int) -> tuple[int, ...]:
        """Which of a path's segments its template has slots for: what stands there is a value, not a word."""
        if self.match is None:
            return ()
        parts = segments_of(self.match.operation.template)
        return tuple(segments - len(parts) + place for place, part in enumerate(parts) if "{" in part)

    @property
    def list_form(self) -> dict[str, Any] | None:
        """What is around the items that a plan of a model's answers, for `envelope`; None: nothing is."""
        if self.contract is None or self.match is None:
            return None
        return self.contract.compiler.list_form(self.contract.role(self.match.operation))

    @property
    def tags_itself(self) -> bool:
        """Whether its plan looks after the entity tags of records, as the document's profile has them."""
        if self.contract is None or self.match is None:
            return False
        role = self.contract.role(self.match.operation)
        return (
            bool(self.contract.model.profile.version) and role.plain and role.name not in ("list", "create")
        )

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from other contracts and operations, and who asks from others."""
        if self.contract is None or self.match is None:
            return ("",)
        who = self.identity
        return (
            self.contract.document.digest,
            self.match.operation.id,
            "" if who is None else orjson.dumps(who, option=orjson.OPT_SORT_KEYS).decode(),
        )

    @property
    def digest(self) -> str:
        """Of the operation's part of the document; "" where there is none."""
        return "" if self.match is None else self.match.operation.digest

    @property
    def told(self) -> str:
        """What a model is shown of the operation, as JSON."""
        if self.contract is None or self.match is None:
            return ""
        role = self.contract.role(self.match.operation)
        return orjson.dumps(told_to_model(self.contract, role)).decode()

    def header_names(self) -> frozenset[str]:
        """Headers that checking it reads, in lower case."""
        if self.contract is None or self.match is None:
            return frozenset()
        return self.contract.edge.header_names(self.match.operation)

    def admitted(self, headers: Mapping[str, str], query: Mapping[str, Any]) -> Call:
        """With what can be said of it before its body is read. Raises what `Edge.admit` does."""
        if self.contract is None or self.match is None:
            return self
        checked = self.contract.edge.admit(self.match.operation, self.match.params, query, headers)
        return Call(self.contract, self.match, self.path, checked)

    def takes(self, content_type: str) -> str:
        """The declared type of a body; "" where there is to be none. Raises UnsupportedMediaType."""
        if self.contract is None or self.match is None:
            return ""
        return self.contract.edge.media_type(self.match.operation, content_type)

    def with_body(self, media_type: str, ctx: RequestContext) -> RequestContext:
        """The request with its body typed and checked, and who asks. Raises Unprocessable."""
        if self.contract is None or self.checked is None:
            return evolve(ctx, contract=self)
        edge = self.contract.edge
        if ctx.content == "none":
            return evolve(ctx, contract=evolve(self, checked=edge.without_body(self.checked)))
        call = evolve(self, checked=edge.with_body(self.checked, media_type, ctx.body_json))
        if ctx.content != "form":
            return evolve(ctx, contract=call)
        value = None if call.checked is None else call.checked.body
        text = orjson.dumps(value).decode()
        return evolve(ctx, contract=call, content="json", body_json=value, body_text=text)

    def judged(self, *, enforce: bool, bare: bool) -> Judged | None:
        """What its contract says of the reply, for a worker."""
        if self.contract is None or self.match is None:
            return None
        return self.contract.judging.judged(self.match.operation, enforce=enforce, bare=bare)

    def on_demand(self, status: int) -> Reply | None:
        """The reply that the operation declares for a status, as its example; None: it declares none."""
        if self.contract is None or self.match is None:
            return None
        return self.contract.example(self.match.operation, status)

    def in_form(self, reply: Reply) -> Reply:
        """The reply as the document has it, with the headers that it requires."""
        formed = self._in_form(reply)
        if self.contract is None:
            return formed
        if self.match is None:
            missing = self.contract.reply_headers.common(formed)
            return evolve(formed, headers=(*formed.headers, *missing)) if missing else formed
        sent = {} if self.checked is None else self.checked.headers
        missing = self.contract.reply_headers.missing(self.match.operation, formed, sent)
        return evolve(formed, headers=(*formed.headers, *missing)) if missing else formed

    def _in_form(self, reply: Reply) -> Reply:
        """The reply as the document has it: errors in its schema, content only where it is declared."""
        operation = None if self.match is None else self.match.operation
        if self.contract is None:
            return reply
        if reply.media_type == _PROBLEM:
            return _of_its_types(self.contract.failed(reply, operation, self.path), operation)
        if operation is None or reply.body is None or reply.media_type != _JSON or reply.status >= 400:
            return reply
        content = operation.reply_for(reply.status)
        found = json_content(content) if content else None
        if found is None:
            return evolve(reply, body=None) if reply.body == b"null" else reply
        media_type = found[0] if "*" not in found[0] else _JSON
        return reply if media_type == _JSON else evolve(reply, media_type=media_type)


def _without_nulls(value: Any) -> Any:
    """What a merge leaves of it: null takes away (RFC 7396)."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return value


def _tags(headers: Mapping[str, str]) -> dict[str, tuple[str, ...] | None]:
    """The tags of If-Match and If-None-Match, all of them weak. Raises InvalidHeader."""
    found: dict[str, tuple[str, ...] | None] = {}
    for member, name in (("match", "If-Match"), ("none_match", "If-None-Match")):
        text = headers.get(name.lower())
        if text is not None:
            sent = tag_list(text, name)
            weak = (f"W/{each.removeprefix('W/')}" for each in sent.tags)
            found[member] = ("*",) if sent.any_ else tuple(weak)
    return found


def _of_its_types(reply: Reply, operation: Operation | None) -> Reply:
    """A problem document under a type that the operation has: its clients expect no other."""
    if operation is None or reply.media_type != _PROBLEM:
        return reply
    declared = [name for content in operation.replies.values() for name in content]
    if not declared or any(media_types.bare(name) == _PROBLEM for name in declared):
        return reply
    found = next((name for name in declared if media_types.is_json(name) and "*" not in name), None)
    return reply if found is None else evolve(reply, media_type=found)

"""A contract that is served: the document with all that is made of it, once for all sessions that have it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import evolve, field, frozen

from server.contracts import media_types
from server.contracts.asking import Asked, Request, read
from server.contracts.compiling import Compiled, Compiler
from server.contracts.document import METHODS, ContractError
from server.contracts.edge import Checked, Edge
from server.contracts.examples import Examples, holder_of
from server.contracts.failing import Failing
from server.contracts.fitting import fitted
from server.contracts.judging import Judging
from server.contracts.model import model_of
from server.contracts.reply_headers import ReplyHeaders
from server.contracts.routes import Routes
from server.contracts.shapes import json_content
from server.contracts.telling import told_to_model
from server.values.errors import MethodNotAllowed, NotFound
from server.values.model import Reply
from wasm_runtime.schemas import SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.contracts.document import Document, Operation
    from server.contracts.model import Model, Role
    from server.contracts.overrides import Overrides
    from server.contracts.routes import Match
    from server.contracts.schemas import SchemaLimits
    from server.values.model import RequestContext
    from wasm_runtime.slot import Judged

_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"


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
        overrides: Overrides | None = None,
        name: str = "",
        limits: SchemaLimits | None = None,
    ) -> Contract:
        """Raises ContractError."""
        model = model_of(document, overrides)
        try:
            edge, judging = Edge(document, limits), Judging.of(document, limits)
        except SchemaError as error:
            raise ContractError(f"{document.file}: its schemas cannot be compiled: {error}") from None
        return cls(
            name=name or document.file,
            document=document,
            model=model,
            routes=Routes.of(document.operations, document.base_paths),
            compiler=Compiler(model),
            failing=Failing(document, model.views, Examples(document.raw, "reply")),
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
        found = self.failing.schema_of(formed.status, operation)
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

    def is_compiled(self, operation: Operation) -> bool:
        """Whether `compiled` has nothing to make; else it is worked on beside the event loop."""
        return operation.id in self.compiler.done

    def compiled(self, operation: Operation) -> Compiled:
        return self.compiler.compiled(self.role(operation))

    def asked(self, compiled: Compiled, match: Match, ctx: RequestContext) -> Asked:
        """Raises BadRequest and Unprocessable."""
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
    def identity(self) -> Mapping[str, Any] | None:
        """Who asks, for plans."""
        who = None if self.checked is None else self.checked.identity
        return None if who is None else who.as_dict()

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
        if self.contract is None or self.match is None:
            return formed
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


def _of_its_types(reply: Reply, operation: Operation | None) -> Reply:
    """A problem document under a type that the operation has: its clients expect no other."""
    if operation is None or reply.media_type != _PROBLEM:
        return reply
    declared = [name for content in operation.replies.values() for name in content]
    if not declared or any(media_types.bare(name) == _PROBLEM for name in declared):
        return reply
    found = next((name for name in declared if media_types.is_json(name) and "*" not in name), None)
    return reply if found is None else evolve(reply, media_type=found)


def document_json(document: Document) -> bytes:
    return orjson.dumps(document.raw)

"""A contract that is served: the document with all that is made of it, once for all sessions that have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson
from attrs import evolve, frozen

from server.contracts.asking import Asked, Request, read
from server.contracts.compiling import Compiled, Compiler
from server.contracts.document import METHODS
from server.contracts.examples import Examples
from server.contracts.failing import Failing
from server.contracts.model import model_of
from server.contracts.routes import Routes
from server.contracts.shapes import json_content
from server.values.errors import MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.contracts.document import Document, Operation
    from server.contracts.model import Model, Role
    from server.contracts.overrides import Overrides
    from server.contracts.routes import Match
    from server.values.model import Reply, RequestContext

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

    @classmethod
    def of(cls, document: Document, overrides: Overrides | None = None, name: str = "") -> Contract:
        model = model_of(document, overrides)
        return cls(
            name=name or document.file,
            document=document,
            model=model,
            routes=Routes.of(document.operations, document.base_paths),
            compiler=Compiler(model),
            failing=Failing(document, model.views, Examples(document.raw, "reply")),
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

    def in_form(self, reply: Reply) -> Reply:
        """The reply as the document has it: errors in its schema, content only where it is declared."""
        operation = None if self.match is None else self.match.operation
        if self.contract is None:
            return reply
        if reply.media_type == _PROBLEM:
            return self.contract.failing.reply(reply, operation, self.path)
        if operation is None or reply.body is None or reply.media_type != _JSON or reply.status >= 400:
            return reply
        content = operation.reply_for(reply.status)
        found = json_content(content) if content else None
        if found is None:
            return evolve(reply, body=None) if reply.body == b"null" else reply
        media_type = found[0] if "*" not in found[0] else _JSON
        return reply if media_type == _JSON else evolve(reply, media_type=media_type)


def document_json(document: Document) -> bytes:
    return orjson.dumps(document.raw)

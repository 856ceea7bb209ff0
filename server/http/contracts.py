"""What a request is to its session's contract, before its body is read: for requests, and for streams."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Literal, NamedTuple

from server.contracts.served import ServedContracts
from server.values.errors import NotFound, ServiceError

if TYPE_CHECKING:
    from aiohttp import web

    from server.contracts.contract import Call, Contract
    from server.requests.auth import Caller
    from server.requests.context import ContextReader
    from server.requests.target import Target
    from server.telemetry.request_line import RequestLine
    from server.values.model import RequestContext, Session


#: Paths of which it is known what they are.
_MOST_KEPT = 1_024
_ALWAYS = frozenset({"accept"})


class _Kept(NamedTuple):
    """`others`: headers that would make it another one."""

    call: Call
    accept: list[str]
    others: tuple[str, ...]


class ContractReader:
    """`beyond`: what becomes of requests that no operation is for."""

    def __init__(
        self,
        reader: ContextReader,
        contracts: ServedContracts | None = None,
        beyond: Literal["refuse", "conventions", "model"] = "refuse",
    ) -> None:
        self.contracts = contracts or ServedContracts()
        self._reader = reader
        self._beyond = beyond
        #: By path, the oldest first: `GET`s that asked for nothing but it.
        self._calls: OrderedDict[str, _Kept] = OrderedDict()

    def default_call(self, path: str) -> Call | None:
        """What a request is to the contract of all sessions, before more of it is known, if there is one."""
        default = self.contracts.default
        if default is None:
            return None
        # Where there is a contract it is imported already; most services have none.
        from server.contracts.contract import Call  # noqa: PLC0415

        return Call(default, None, path)

    async def call(
        self,
        request: web.BaseRequest,
        target: Target,
        session: Session,
        line: RequestLine,
        caller: Caller,
        *,
        accept: str | None = None,
    ) -> Call | None:
        """None where the session has no contract. `line` has it, too: errors get its form.

        `accept` stands for the header of a stream's request, which is about the stream.

        Raises what `match` and `admitted` do.
        """
        contract = await self.contracts.of(session)
        if contract is None:
            line.contract = None
            return None
        plain = request.method == "GET" and not target.raw_query and accept is None
        if plain and (kept := self._kept(contract, request, target.path)) is not None:
            line.contract = kept
            return kept
        from server.contracts.contract import Call  # noqa: PLC0415  as above

        try:
            match = contract.match(request.method, target.segments)
        except ServiceError as error:
            line.contract = Call(contract, None, target.path)
            if not isinstance(error, NotFound):
                raise
            if self._beyond == "refuse":
                raise
            line.contract = None
            return Call(None) if self._beyond == "conventions" else None
        line.contract = call = Call(contract, match, target.path)
        if match is not None:
            headers = self._reader.headers_named(request, call.header_names(), caller)
            headers |= {} if accept is None else {"accept": accept}
            line.contract = call = call.admitted(headers, self._reader.query(target))
            if plain and headers.keys() <= _ALWAYS and not match.operation.security:
                self._keep(call, request.headers.getall("Accept", []))
        return call

    def _kept(self, contract: Contract, request: web.BaseRequest, path: str) -> Call | None:
        """What a request was before that had the same path, the same Accept, and nothing else that counts."""
        kept = self._calls.get(path)
        if kept is None or kept.call.contract is not contract:
            return None
        headers = request.headers
        if headers.getall("Accept", []) != kept.accept or any(name in headers for name in kept.others):
            return None
        return kept.call

    def _keep(self, call: Call, accept: list[str]) -> None:
        self._calls[call.path] = _Kept(call, accept, tuple(call.header_names() - _ALWAYS))
        if len(self._calls) > _MOST_KEPT:
            self._calls.popitem(last=False)

    async def present(self, ctx: RequestContext) -> RequestContext:
        """The request by its session's contract as it is now. Raises what `match` and `admitted` do."""
        contract = await self.contracts.of(ctx.session)
        known: Call | None = ctx.contract
        if contract is (None if known is None else known.contract):
            return ctx
        if contract is None:
            return ctx.with_contract(None)
        from server.contracts.contract import Call  # noqa: PLC0415  as above

        call = Call(contract, contract.match(ctx.method, ctx.segments), ctx.path)
        return ctx.with_contract(call.admitted(ctx.headers, ctx.query))

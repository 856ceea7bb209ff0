"""What is ejected of a session with a contract: a handler for each operation, and example requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import define, evolve, field

from server.contracts.contract import Call
from server.contracts.examples import Examples
from server.contracts.media_types import is_json
from server.eject.api import Route
from server.planning.contracted import checked, runnable_of
from server.values.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from server.contracts.compiling import Compiled
    from server.contracts.contract import Contract
    from server.contracts.document import Operation
    from server.values.model import RunnablePlan

_ORDER: Final = (
    "create",
    "create-many",
    "list",
    "get",
    "replace",
    "merge",
    "json-patch",
    "example",
    "delete",
)


def routes_of_contract(contract: Contract, learned: Iterable[Route]) -> list[Route]:
    """One for each operation, and those that were learned for operations as they are now."""
    digests = {each.digest for each in contract.document.operations}
    routes = [_route(each, contract.compiled(each)) for each in contract.document.operations]
    return routes + [each for each in learned if each.hints.get("contract") in digests]


def _route(operation: Operation, compiled: Compiled) -> Route:
    runnable = runnable_for(compiled)
    return Route(
        method=operation.method,
        template=operation.template,
        resource=runnable.plan.resource,
        code=runnable.code.text,
        runnable=runnable,
        action=f"{compiled.role.title} of {runnable.plan.resource}",
        hints=runnable.plan.response_hints,
        learned=False,
    )


def runnable_for(compiled: Compiled) -> RunnablePlan:
    """The plan for any key; a service has a quicker one for some."""
    return runnable_of(compiled) if compiled.careful is None else checked(compiled.careful)


@define
class Example:
    """A request to an operation; `path` may name keys that earlier replies have told: `<k1>`."""

    operation: Operation
    method: str
    path: str
    headers: dict[str, str] = field(factory=dict)
    body: Any = None
    has_body: bool = False
    save: dict[str, list[str]] = field(factory=dict)

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"method": self.method, "path": self.path, "headers": self.headers}
        told |= {"body": self.body} if self.has_body else {}
        return told | ({"save": self.save} if self.save else {})


def examples_of(contract: Contract) -> list[Example]:
    """A request to each operation by rule, in an order in which there is something to be found."""
    return list(_Asking(contract).examples())


@define
class _Asking:
    contract: Contract
    _keys: dict[str, str] = field(factory=dict)
    _examples: Examples = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._examples = Examples(self.contract.document.raw, "request")

    def examples(self) -> Iterator[Example]:
        roles = list(self.contract.model.roles.values())
        roles.sort(key=lambda role: (_place(role.name), role.operation.template.count("{")))
        for role in roles:
            operation = role.operation
            example = self._example(operation)
            resource = role.resource
            if role.name == "create" and resource is not None and resource.key.path and role.reply.of_one:
                name = f"k{len(self._keys)}"
                example.save = {name: [*role.reply.path, *resource.key.path]}
                self._keys.setdefault(resource.name, name)
            yield example

    def _example(self, operation: Operation) -> Example:
        role = self.contract.role(operation)
        path = self.contract.document.base_path + operation.template
        headers: dict[str, str] = {}
        query = []
        for each in operation.parameters:
            value = self._examples.for_schema(each.schema) if each.schema else "a"
            if each.place == "path":
                own = each.name == role.key_slot and role.resource is not None
                name = self._keys.get(role.resource.name) if own and role.resource is not None else None
                parent = next((one.name for one, slot in role.parents if slot == each.name), "")
                name = name or self._keys.get(parent)
                path = path.replace(f"{{{each.name}}}", f"<{name}>" if name else str(value))
            elif each.place == "header" and each.required:
                headers[each.name] = str(value)
            elif each.place == "query" and each.required and isinstance(value, (str, int, float)):
                query.append(f"{each.name}={value}")
        headers |= self._credentials(operation)
        found = next(
            ((name, schema) for name, schema in operation.request_bodies.items() if is_json(name)), None
        )
        example = Example(
            operation, operation.method, path + (f"?{'&'.join(query)}" if query else ""), headers
        )
        if found is not None and found[1]:
            example.body, example.has_body = self._examples.for_schema(found[1]), True
            headers["Content-Type"] = found[0]
        return example

    def _credentials(self, operation: Operation) -> dict[str, str]:
        for way in operation.security:
            for name in way:
                scheme = self.contract.document.resolve(f"#/components/securitySchemes/{name}")
                if scheme.get("type") == "apiKey" and scheme.get("in") == "header":
                    return {str(scheme.get("name")): "example"}
                if scheme.get("type") == "http" and str(scheme.get("scheme")).lower() == "basic":
                    return {"Authorization": "Basic YTpi"}
                return {"Authorization": "Bearer example"}
        return {}


def _place(name: str) -> int:
    plain = name.removesuffix("-one")
    return _ORDER.index(plain) if plain in _ORDER else len(_ORDER)


def call_for(contract: Contract, ctx: Any) -> Any:
    """The request by the contract. Raises ServiceError."""
    match = contract.match(ctx.method, ctx.segments)
    if match is None:
        raise ServiceError("no operation")
    headers = {name.lower(): value for name, value in ctx.headers.items()}
    call = Call(contract, match, ctx.path).admitted(headers, ctx.query)
    media_type = call.takes(ctx.headers.get("content-type", "")) if ctx.content != "none" else ""
    return call.with_body(media_type, evolve(ctx, contract=call))

"""The check of a request by its operation, before any plan: order as RFC 9110 and Prism have it.

    path, method          `server.contracts.routes`
    security              401 where that is declared and none of the credentials is there and well formed
    Content-Type, Accept  415, 406
    parameters            path, query, headers, cookies: typed by schema, required ones there
    body                  typed by schema where it is a form; the schema fits

What comes out is the request as the operation reads it. What is wrong is told by place, all of it at once,
with the contract's words; nothing of that is a value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import evolve, field, frozen

from server.contracts import credentials, media_types
from server.contracts.document import value_at
from server.contracts.forms import FormError, read_form
from server.contracts.looking import read_text
from server.contracts.parameters import ABSENT, ParameterError, from_query, from_text, look_at
from server.contracts.schemas import SchemaLimits, prepare
from server.values.errors import (
    BadRequest,
    NotAcceptable,
    Unauthorized,
    Unprocessable,
    UnsupportedMediaType,
)
from wasm_runtime.schemas import Checker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.contracts.credentials import Identity, Schemes
    from server.contracts.document import Document, Operation, Parameter
    from server.contracts.looking import Look
    from server.contracts.schemas import Relaxed
    from server.values.errors import ServiceError

_MOST_FAULTS: Final = 16
_JSON_PATCH: Final = "application/json-patch+json"
_ANY: Final = frozenset({"", "*/*"})
#: Keywords of a schema that rule no value out, beside its type.
_SAYS_NO_MORE: Final = frozenset(
    {"type", "title", "description", "default", "example", "examples", "deprecated"}
)
_TYPES: Final = {"string": str, "integer": int, "boolean": bool}


@frozen
class Fault:
    """What is wrong with a request. `place` is path, query, header, cookie or body; `name` a parameter's.

    `pointer` leads into the value.
    """

    place: str
    name: str
    pointer: str
    keyword: str
    detail: str

    def as_dict(self) -> dict[str, str]:
        told = {"in": self.place, "name": self.name, "pointer": self.pointer, "keyword": self.keyword}
        return {**{key: value for key, value in told.items() if value}, "detail": self.detail}

    def __str__(self) -> str:
        where = f"{self.place} {self.name}{self.pointer}".strip()
        return f"{where}: {self.detail}"


@frozen
class Checked:
    """A request as its operation reads it: values, not texts. `body` is None where there is none."""

    operation: Operation
    params: Mapping[str, Any] = field(factory=dict)
    query: Mapping[str, Any] = field(factory=dict)
    headers: Mapping[str, Any] = field(factory=dict)
    cookies: Mapping[str, Any] = field(factory=dict)
    body: Any = None
    has_body: bool = False
    #: The declared type of the body that came, and of the reply that is wanted; "": none.
    media_type: str = ""
    wanted: str = ""
    identity: Identity | None = None


@frozen
class _Read:
    """A parameter with what reading it takes."""

    parameter: Parameter
    seen: Look
    #: In the way in which its texts are found.
    name: str
    default: Any
    #: Of its schema in the checker; None: there is nothing to check.
    key: str | None
    #: It is one value, as a text without a style.
    single: bool
    #: All values of this type are right; None: the checker has to look.
    right: type | None


@frozen
class _Prepared:
    """An operation with what reading its requests takes, made once."""

    reads: tuple[_Read, ...]
    headers: frozenset[str]
    schemes: Schemes
    asks: bool
    #: Media types of a success, as they are declared.
    offered: tuple[str, ...]


class Edge:
    """Of one document."""

    def __init__(
        self,
        document: Document,
        limits: SchemaLimits | None = None,
        alike: Mapping[str, str] | None = None,
    ) -> None:
        """Compiles the schemas of requests. `alike`: media types that are taken for a declared one.

        Raises SchemaError.
        """
        self._alike = alike or {}
        self._document = document
        wanted = dict.fromkeys(each for operation in document.operations for each in _schemas_of(operation))
        prepared = prepare(document.raw, wanted, "request", limits or SchemaLimits())
        self._keys = prepared.keys
        self._checker = Checker(prepared.text)
        self._prepared: dict[str, _Prepared] = {}
        self.relaxed: tuple[Relaxed, ...] = prepared.relaxed

    def _of(self, operation: Operation) -> _Prepared:
        found = self._prepared.get(operation.id)
        if found is None:
            found = self._prepared[operation.id] = self._prepare(operation)
        return found

    def _prepare(self, operation: Operation) -> _Prepared:
        schemes = credentials.schemes_of(self._document, operation)
        named = {each.name.lower() for each in operation.parameters if each.place == "header"}
        cookies = {"cookie"} if any(each.place == "cookie" for each in operation.parameters) else set()
        contents = [
            content for key, content in operation.replies.items() if key.startswith("2") or key == "default"
        ]
        return _Prepared(
            reads=tuple(self._read(each) for each in operation.parameters),
            headers=frozenset(named | cookies | {"accept"}) | credentials.header_names(operation, schemes),
            schemes=schemes,
            asks=operation.declares(401),
            offered=tuple(dict.fromkeys(name for content in contents for name in content)),
        )

    def _read(self, parameter: Parameter) -> _Read:
        schema = self._document.resolve(parameter.schema) if parameter.schema else {}
        seen = look_at(self._document.raw, parameter)
        styled = bool(parameter.media_type) or parameter.style not in ("form", "simple")
        return _Read(
            parameter,
            seen,
            parameter.name.lower() if parameter.place == "header" else parameter.name,
            schema.get("default", ABSENT) if isinstance(schema, dict) else ABSENT,
            self._keys.get(parameter.schema),
            single=not (styled or seen.is_list or seen.is_object),
            right=_type_that_says_all(schema),
        )

    def header_names(self, operation: Operation) -> frozenset[str]:
        """Headers that have to be read for it, in lower case."""
        return self._of(operation).headers

    def admit(
        self,
        operation: Operation,
        params: Mapping[str, str],
        query: Mapping[str, Any],
        headers: Mapping[str, str],
        identity: Identity | None = None,
    ) -> Checked:
        """What can be said without the body. `headers` by lower-case name; `identity`: who is known to ask.

        Raises Unauthorized, NotAcceptable, BadRequest.
        """
        prepared = self._of(operation)
        if identity is None and operation.security:
            identity = self._identity(operation, prepared, headers, query)
        wanted = self._wanted(prepared.offered, headers.get("accept", ""))
        values = self._values(prepared, params, query, headers)
        return Checked(
            operation, values["path"], values["query"], values["header"], values["cookie"],
            wanted=wanted, identity=identity,
        )  # fmt: skip

    @staticmethod
    def _identity(
        operation: Operation, prepared: _Prepared, headers: Mapping[str, str], query: Mapping[str, Any]
    ) -> Identity | None:
        """Raises Unauthorized."""
        seen = credentials.seen(operation, prepared.schemes, headers, query)
        if not seen.allowed and prepared.asks:
            detail = "Credentials are needed here, and there are none that are well formed."
            raise Unauthorized(detail, headers={"WWW-Authenticate": seen.challenge})
        return seen.identity

    def media_type(self, operation: Operation, content_type: str) -> str:
        """Which of the declared types a body has; "" where none is. Raises UnsupportedMediaType."""
        declared = operation.request_bodies
        if not declared:
            return ""
        if not content_type:
            return next(iter(declared))
        found = media_types.declared_for(content_type, declared)
        if found is None:
            found = media_types.declared_for(self._alike.get(media_types.bare(content_type), ""), declared)
        if found is None:
            names = ", ".join(declared)
            raise UnsupportedMediaType(f"The body is taken as {names}.", headers={"Accept": names})
        return found

    def with_body(self, checked: Checked, media_type: str, value: Any) -> Checked:
        """`value`: of JSON, the value; of forms, pairs of texts. Raises Unprocessable."""
        operation = checked.operation
        pointer = operation.request_bodies.get(media_type, "")
        plain = media_types.bare(media_type)
        if pointer and plain in (media_types.FORM, media_types.PARTS) and isinstance(value, dict):
            try:
                value = read_form(self._document.raw, [value_at(self._document.raw, pointer)], value)
            except FormError as error:
                raise _invalid([Fault("body", "", "", "form", str(error))]) from None
        # A JSON Patch is an array by its media type (RFC 6902), whatever a schema for all patches says.
        if pointer and not (plain == _JSON_PATCH and isinstance(value, list)):
            self._raise_for(
                "body", "", pointer, _without_files(value) if plain == media_types.PARTS else value
            )
        return evolve(checked, body=value, has_body=True, media_type=media_type)

    def without_body(self, checked: Checked) -> Checked:
        """Raises Unprocessable where there has to be one."""
        if checked.operation.required_body:
            raise _invalid([Fault("body", "", "", "required", "there has to be a body")])
        return checked

    def _wanted(self, offered: tuple[str, ...], accept: str) -> str:
        """The type of a success that the request would take; "": nothing is said of any.

        Raises NotAcceptable.
        """
        if not offered or accept in _ANY:
            return offered[0] if offered else ""
        found = media_types.wanted(accept, offered)
        if found is None:
            as_sent = media_types.wanted(accept, self._alike)
            found = self._alike[as_sent] if as_sent is not None else None
        if found is None:
            names = ", ".join(offered)
            raise NotAcceptable(
                f"None of what the Accept header names fits; there is {names}.", available=list(offered)
            )
        return found

    # parameters

    def _values(
        self,
        prepared: _Prepared,
        params: Mapping[str, str],
        query: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> dict[str, dict[str, Any]]:
        """By their places. Raises BadRequest."""
        values: dict[str, dict[str, Any]] = {
            "path": dict(params),
            "query": dict(query),
            "header": {},
            "cookie": {},
        }
        cookies = credentials.cookies_of(headers["cookie"]) if "cookie" in headers else {}
        texts: dict[str, Mapping[str, str]] = {"path": params, "header": headers, "cookie": cookies}
        faults: list[Fault] = []
        for read in prepared.reads:
            parameter = read.parameter
            try:
                value = self._value(read, query, texts)
            except (ParameterError, FormError) as error:
                faults.append(_fault_of(parameter, "style", str(error)))
                continue
            if value is not ABSENT:
                values[parameter.place][parameter.name] = value
                if read.key is not None and type(value) is not read.right:
                    faults += self._faults(parameter.place, parameter.name, read.key, value)
            elif parameter.required:
                faults.append(_fault_of(parameter, "required", "it has to be there"))
        if faults:
            raise _invalid(faults)
        return values

    def _value(self, read: _Read, query: Mapping[str, Any], texts: Mapping[str, Mapping[str, str]]) -> Any:
        """As it was sent; what is not there has its default."""
        parameter, document = read.parameter, self._document.raw
        if read.single:
            sent = (query if parameter.place == "query" else texts[parameter.place]).get(read.name, ABSENT)
            if isinstance(sent, str):
                return read_text(sent, read.seen)
            if sent is ABSENT and not (parameter.place == "query" and _has_brackets(query)):
                return read.default
        if parameter.place == "query":
            value = from_query(document, parameter, query, read.seen)
        else:
            text = texts[parameter.place].get(read.name)
            value = ABSENT if text is None else from_text(document, parameter, text, read.seen)
        return read.default if value is ABSENT else value

    def _faults(self, place: str, name: str, key: str, value: Any) -> list[Fault]:
        found = self._checker.violations(key, value)
        return [Fault(place, name, each.pointer, each.keyword, each.detail) for each in found]

    def _raise_for(self, place: str, name: str, pointer: str, value: Any) -> None:
        key = self._keys.get(pointer)
        faults = [] if key is None else self._faults(place, name, key, value)
        if faults:
            raise _invalid(faults)


def _type_that_says_all(schema: Any) -> type | None:
    """Python's type for the values of a schema that says no more than a type."""
    if not isinstance(schema, dict) or not schema.keys() <= _SAYS_NO_MORE:
        return None
    told = schema.get("type")
    return _TYPES.get(told) if isinstance(told, str) else None


def _has_brackets(query: Mapping[str, Any]) -> bool:
    """Whether a name of the query may be a part of another: `ids[]=1`."""
    return any("[" in name for name in query)


def _without_files(value: Any) -> Any:
    """A schema has a file's content as a text; here it is an object (`server.requests.multipart`)."""
    if isinstance(value, dict):
        if value.keys() == {"name", "type", "size", "data"}:
            return value["data"]
        return {key: _without_files(each) for key, each in value.items()}
    return [_without_files(each) for each in value] if isinstance(value, list) else value


def _schemas_of(operation: Operation) -> Iterable[str]:
    yield from (each.schema for each in operation.parameters if each.schema)
    yield from (each for each in operation.request_bodies.values() if each)


def _fault_of(parameter: Parameter, keyword: str, detail: str) -> Fault:
    return Fault(parameter.place, parameter.name, "", keyword, detail)


def _invalid(faults: list[Fault]) -> ServiceError:
    """A wrong body is 422 by its nature, a parameter 400; the contract may have it otherwise."""
    shown = faults[:_MOST_FAULTS]
    detail = "; ".join(map(str, shown[:3]))
    kind = Unprocessable if all(each.place == "body" for each in faults) else BadRequest
    return kind(f"{detail[:1].upper()}{detail[1:]}.", errors=[each.as_dict() for each in shown])

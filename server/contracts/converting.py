"""Swagger 2.0 in the shape of OpenAPI 3: bodies and forms, replies by media type, where the parts stand.

What an operation refers to of parameters and replies is put into it: these have another shape by where they
are used (a body's parameter is no parameter any more).
"""

from __future__ import annotations

from typing import Any, Final

from server.contracts.document import METHODS, value_at

_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_PARTS: Final = "multipart/form-data"
_MOVED: Final = {
    "definitions": "schemas",
    "parameters": "parameters",
    "responses": "responses",
    "securityDefinitions": "securitySchemes",
}
#: How Swagger 2.0 says what OpenAPI 3 has `style` and `explode` for.
_COLLECTION_FORMATS: Final = {
    "multi": ("form", True),
    "csv": ("form", False),
    "ssv": ("spaceDelimited", False),
    "pipes": ("pipeDelimited", False),
}
#: Members of a parameter that are no part of its schema.
_OF_PARAMETERS: Final = frozenset(
    {"name", "in", "description", "required", "collectionFormat", "allowEmptyValue", "x-example", "$ref"}
)
_FLOWS: Final = {"accessCode": "authorizationCode", "application": "clientCredentials"}


def convert(raw: dict[str, Any]) -> None:
    """In place. What is no object where one has to be is left, for others to complain of."""
    for node in objects_in(raw):
        _lead_on(node)
    components: dict[str, Any] = {}
    for old, new in _MOVED.items():
        part = raw.pop(old, None)
        components[new] = part if isinstance(part, dict) else {}
    schemes = components["securitySchemes"]
    components["securitySchemes"] = {
        name: _scheme(each) for name, each in schemes.items() if isinstance(each, dict)
    }
    raw["components"] = components
    for item in raw["paths"].values():
        if isinstance(item, dict):
            _path(raw, item)
    # Their parts are where they were referred to.
    del components["parameters"], components["responses"]
    raw["servers"] = [{"url": str(raw.pop("basePath", "") or "") or "/"}]
    for name in ("consumes", "produces", "host", "schemes", "swagger"):
        raw.pop(name, None)


def objects_in(root: Any) -> list[dict[str, Any]]:
    """Every object once."""
    left, seen, found = [root], set(), []
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            found.append(node)
            left.extend(each for each in node.values() if isinstance(each, (dict, list)))
        elif isinstance(node, list):
            left.extend(each for each in node if isinstance(each, (dict, list)))
    return found


def _lead_on(node: dict[str, Any]) -> None:
    given = node.get("$ref")
    if isinstance(given, str):
        for old, new in _MOVED.items():
            if given.startswith(f"#/{old}/"):
                node["$ref"] = f"#/components/{new}/{given[len(old) + 3 :]}"


def _path(raw: dict[str, Any], item: dict[str, Any]) -> None:
    shared = _parameters(raw, item.pop("parameters", None))
    for word, operation in item.items():
        if word.upper() in METHODS and isinstance(operation, dict):
            own = _parameters(raw, operation.pop("parameters", None))
            known = {(each["name"], each["in"]) for each in own}
            whole = [each for each in shared if (each["name"], each["in"]) not in known] + own
            _operation(raw, operation, [dict(each) for each in whole])


def _parameters(raw: dict[str, Any], listed: Any) -> list[dict[str, Any]]:
    found = (_followed(raw, each) for each in (listed if isinstance(listed, list) else []))
    return [
        each
        for each in found
        if isinstance(each, dict) and isinstance(each.get("name"), str) and "in" in each
    ]


def _followed(raw: dict[str, Any], node: Any) -> Any:
    for _ in range(32):
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            return node
        node = value_at(raw, node["$ref"])
    return None


def _operation(raw: dict[str, Any], operation: dict[str, Any], parameters: list[dict[str, Any]]) -> None:
    consumes = _texts(operation.pop("consumes", raw.get("consumes")))
    produces = _texts(operation.pop("produces", raw.get("produces"))) or [_JSON]
    body = next((each for each in parameters if each["in"] == "body"), None)
    form = [each for each in parameters if each["in"] == "formData"]
    if form:
        operation["requestBody"] = _form(form, consumes)
    elif body is not None:
        types = [each for each in consumes if each not in (_FORM, _PARTS)] or [_JSON]
        schema = body.get("schema", {})
        operation["requestBody"] = {
            **({"description": body["description"]} if "description" in body else {}),
            "required": body.get("required") is True,
            "content": {each: {"schema": schema} for each in types},
        }
    operation["parameters"] = [
        _parameter(each) for each in parameters if each["in"] not in ("body", "formData")
    ]
    replies = operation.get("responses")
    if isinstance(replies, dict):
        operation["responses"] = {key: _reply(raw, each, produces) for key, each in replies.items()}


def _form(form: list[dict[str, Any]], consumes: list[str]) -> dict[str, Any]:
    """The fields of a form are an object's properties."""
    files = any(each.get("type") == "file" for each in form)
    types = [each for each in consumes if each in (_FORM, _PARTS)] or [_PARTS if files else _FORM]
    required = [each["name"] for each in form if each.get("required") is True]
    schema: dict[str, Any] = {"type": "object", "properties": {each["name"]: _schema(each) for each in form}}
    if required:
        schema["required"] = required
    return {"required": bool(required), "content": {each: {"schema": schema} for each in types}}


def _schema(parameter: dict[str, Any]) -> dict[str, Any]:
    schema = {key: value for key, value in parameter.items() if key not in _OF_PARAMETERS}
    if schema.get("type") == "file":
        schema = {**schema, "type": "string", "format": "binary"}
    return schema


def _parameter(given: dict[str, Any]) -> dict[str, Any]:
    if "schema" in given:
        return given
    style, explode = _COLLECTION_FORMATS.get(str(given.get("collectionFormat", "csv")), ("form", False))
    made: dict[str, Any] = {
        key: given[key] for key in ("name", "in", "description", "required") if key in given
    }
    made["schema"] = _schema(given)
    if given.get("type") == "array":
        made["style"] = style if given["in"] == "query" else "simple"
        made["explode"] = explode and given["in"] == "query"
    if "x-example" in given:
        made["example"] = given["x-example"]
    return made


def _reply(raw: dict[str, Any], given: Any, produces: list[str]) -> Any:
    node = _followed(raw, given)
    if not isinstance(node, dict):
        return node
    made = {key: value for key, value in node.items() if key not in ("schema", "examples", "headers")}
    headers = node.get("headers")
    if isinstance(headers, dict):
        made["headers"] = {
            name: {"schema": _schema(each)} if isinstance(each, dict) and "$ref" not in each else each
            for name, each in headers.items()
        }
    if "schema" in node:
        examples = node.get("examples")
        examples = examples if isinstance(examples, dict) else {}
        made["content"] = {
            each: {"schema": node["schema"], **({"example": examples[each]} if each in examples else {})}
            for each in produces
        }
    made.setdefault("description", "")
    return made


def _scheme(given: dict[str, Any]) -> dict[str, Any]:
    match given.get("type"):
        case "basic":
            return {"type": "http", "scheme": "basic"}
        case "oauth2":
            flow = _FLOWS.get(str(given.get("flow")), str(given.get("flow")))
            urls = {key: given[key] for key in ("authorizationUrl", "tokenUrl") if key in given}
            return {"type": "oauth2", "flows": {flow: {**urls, "scopes": given.get("scopes", {})}}}
        case _:
            return given


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []

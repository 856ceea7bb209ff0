"""Digests that decide which requests may share a plan (T34, T35).

1. A fingerprint covers what the planner was shown and how: method, template, query keys, content
   kind, body types, the learned fields of the collections named in the path, and the versions of
   prompt, policy, model and house rules. Not the types that query texts look like, not headers, not
   the list of learned routes.
2. HEAD runs GET's plan, so it has GET's fingerprint.
3. What is hashed are the parts one by one, each as canonical JSON behind its name and its length:
   no text of one part can pass for another.
4. A values key stands for one request of one session, byte for byte. It does not give the values away to
   who reads the plan library, short of guessing the whole request.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.model import RequestContext
    from server.planning.shape import RequestShape

#: Collection -> field -> its JSON types.
FieldTypes: TypeAlias = "Mapping[str, Mapping[str, Iterable[str]]]"

_DIGEST_BYTES = 20


@frozen
class Versions:
    """Who and what makes plans; a plan made under other versions is stale.

    `model` names the provider too (``openai/gpt-5.4-mini``), `rules` is a digest of the house rules.
    """

    prompt: str
    policy: str
    model: str
    rules: str


def fingerprint(
    shape: RequestShape, schemas: FieldTypes, versions: Versions, *, any_query: bool = False
) -> str:
    """The digest under which the plan for requests of this shape is shared, as hex.

    `schemas` may hold more collections than the path names; those are left out. With `any_query` it is
    the digest for plans that take whatever query keys come (``"query": "any"``).
    """
    named = [name for name in collections_in(shape.route) if name in schemas]
    return _digest(
        [
            ("method", "GET" if shape.method == "HEAD" else shape.method),
            ("route", shape.route),
            ("query", None if any_query else sorted(key for key, _ in shape.query)),
            ("content", shape.content),
            ("body", None if shape.body is None else shape.body.as_json()),
            ("schemas", {name: _fields(schemas[name]) for name in named}),
            ("prompt", versions.prompt),
            ("policy", versions.policy),
            ("model", versions.model),
            ("rules", versions.rules),
        ]
    )


def collections_in(route: str) -> tuple[str, ...]:
    """The words of a template that may be collections, each once, in their order."""
    words = (piece for piece in route.split("/") if piece and not piece.startswith("{"))
    return tuple(dict.fromkeys(words))


def values_key(ctx: RequestContext) -> str:
    """The digest of one request with all its values: session, method, path as sent, query, body."""
    return _digest(
        [
            ("session", ctx.session.directory),
            ("method", "GET" if ctx.method == "HEAD" else ctx.method),
            ("path", ctx.path),
            ("query", list(ctx.query.items())),
            ("content", ctx.content),
            ("body", ctx.body_text),
        ]
    )


def _fields(schema: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    return {name: sorted(set(types)) for name, types in schema.items()}


def _digest(parts: Iterable[tuple[str, Any]]) -> str:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for name, value in parts:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        data = text.encode(errors="surrogatepass")
        digest.update(f"{name}:{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()

"""Digests that decide which requests may share a plan (T34, T35).

1. A fingerprint is the digest of a question: of all that the model was shown (`server.planning.kinds.shown`),
   and of the versions of prompt, policy, model and house rules.
2. HEAD runs GET's plan, so it has GET's fingerprint.
3. What is hashed are the parts one by one, each as canonical JSON behind its name and its length:
   no text of one part can pass for another.
4. A values key stands for one request of one session, byte for byte. It does not give the values away to
   who reads the plan library, short of guessing the whole request.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.values.model import RequestContext

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


def collections_in(route: str) -> tuple[str, ...]:
    """The words of a template that may be collections, each once, in their order."""
    words = (piece for piece in route.split("/") if piece and not piece.startswith("{"))
    return tuple(dict.fromkeys(words))


def values_key(ctx: RequestContext) -> str:
    """The digest of one request with all its values: session, method, path as sent, query, body."""
    return digest(
        [
            ("session", ctx.session.directory),
            ("method", "GET" if ctx.method == "HEAD" else ctx.method),
            ("path", ctx.path),
            ("query", list(ctx.query.items())),
            ("content", ctx.content),
            ("body", ctx.body_text),
        ]
    )


def digest(parts: Iterable[tuple[str, Any]]) -> str:
    """Of parts by name, as hex; a part is what JSON can say."""
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for name, value in parts:
        text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        data = text.encode(errors="surrogatepass")
        digest.update(f"{name}:{len(data)}:".encode())
        digest.update(data)
    return digest.hexdigest()

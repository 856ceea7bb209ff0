"""Plan documents and requests for tests that run programs in the real guest, without the API in front."""

from __future__ import annotations

import hashlib
import json
from typing import Any

#: Recovers the interpreter's builtins from inside a plan, as code that has got past the policy would.
BYPASS = (
    "real = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'catch_warnings'][0]"
    ".__init__.__globals__['__builtins__']\n"
    "real = real if isinstance(real, dict) else real.__dict__\n"
    "load = real['__import__']\n"
)


def document(code: str, resource: str = "members") -> str:
    """A plan's document, as `RunnablePlan` makes it."""
    return json.dumps(
        {
            "action": "test",
            "resource": resource,
            "route": "/members",
            "identifier": None,
            "criteria": {},
            "payload": {},
            "response_hints": {},
            "code": code,
        }
    )


def plan_id(code: str) -> str:
    return hashlib.blake2b(code.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def request(
    body: Any = None,
    params: dict[str, Any] | None = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> str:
    """The request's JSON text, as the pipeline makes it."""
    ctx = {
        "method": "POST",
        "path": "/members",
        "segments": ["members"],
        "headers": headers or {},
        "client": {"ip": "127.0.0.1"},
        "session": {"id": "s1", "token": None},
        "base_url": "http://127.0.0.1:8000",
    }
    lines = (params or {}, query or {}, ctx, body)
    return "\n".join(map(json.dumps, lines))

"""What a guest has done before the snapshot is taken of it: it has served requests, in a store in memory.

So the interpreter has specialised its bytecode for them, and what is made when it is first needed (compiled
patterns, statements' texts, codecs) is there. Nothing of the store remains.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from guest.session import READ, SEPARATOR, WRITE

if TYPE_CHECKING:
    from collections.abc import Callable


class Exports(Protocol):
    """What the host calls of a guest, as far as it is rehearsed; see wit/world.wit."""

    def compile(self, document: str) -> str: ...
    def load(self, plan_id: str, document: str, code: str) -> str: ...
    def run(self, requests: str) -> str: ...


_CONFIG = {
    "disk_bytes": 2**20,
    "stdout_bytes": 64,
    "answers_bytes": 0,
    "head_bytes": 2**17,
    "result_bytes": 2**20,
    "reply_depth": 64,
    "change_bytes": 2**20,
    "object_members": 100,
    "patch_bytes": 2**20,
    "enforce_types": False,
}
_FOUND = """\
rec = store.get(params["id"])
if rec is None and ctx["method"] == "GET":
    abort(404, "no such record")
"""
_CREATE = """\
rec = store.insert(ctx["body_json"])
REPLY = make_response(201, rec, {"Location": f"/rehearsal/{rec['id']}"})
"""
_LIST = """\
items, total = store.list(limit=as_int(ctx["query"].get("limit"), 20), offset=0, where=plan["criteria"])
REPLY = make_response(200, {"items": items, "total": total})
"""
#: Plans of the kinds that there are most of, and the method of their requests.
_PLANS = {
    "create": ("POST", _CREATE),
    "read": ("GET", f"{_FOUND}REPLY = make_response(200, rec)"),
    "list": ("GET", _LIST),
    "search": ("GET", 'REPLY = make_response(200, store.search(plan["criteria"]))'),
    "update": ("PATCH", f'{_FOUND}REPLY = make_response(200, store.update(params["id"], ctx["body_json"]))'),
    "delete": ("DELETE", f'{_FOUND}store.delete(params["id"])\nREPLY = make_response(204)'),
}
_DOCUMENT = {"resource": "rehearsal", "route": "/rehearsal/{id:int}", "identifier": "{id}"}
#: After some 30 executions the interpreter has made up its mind about an instruction.
_SESSIONS = 12
_ROUNDS = 4


def rehearse(exports: Exports, attach: Callable[[str], str]) -> None:
    """Serve requests of every kind, in several sessions one after the other."""
    for number in range(_SESSIONS):
        attach(json.dumps({**_CONFIG, "file": "none" if number % 2 == 0 else "any"}))
        for name, (_, code) in _PLANS.items():
            document = json.dumps({**_DOCUMENT, "code": code})
            exports.load(name, document, "")
            exports.load(name, document, exports.compile(document).partition("\n")[2])
        for record in range(1, _ROUNDS + 1):
            _serve(exports, record)


def _serve(exports: Exports, number: int) -> None:
    for name in ("create", "read", "list", "search", "update"):
        mode = READ if _PLANS[name][0] == "GET" else WRITE
        _run(exports, [_request(name, mode, number)])
    _run(exports, [_request(name, READ, number) for name in ("read", "list", "search")])
    _run(exports, [_request(name, WRITE, number) for name in ("create", "update", "delete")])


def _run(exports: Exports, requests: list[str]) -> None:
    for answer in exports.run(SEPARATOR.join(requests)).split(SEPARATOR):
        if not answer.startswith('{"ok":true'):
            raise RuntimeError(f"the rehearsal fails: {answer}")


def _request(name: str, mode: str, number: int) -> str:
    method, about = _PLANS[name][0], name in {"read", "update", "delete"}
    ctx = {"method": method, "path": f"/rehearsal/{number}", "segments": ["rehearsal"], "headers": {}}
    query = {"list": {"limit": "20"}, "search": {"n": str(number)}}.get(name, {})
    params = {"id": number} if about else {}
    body = "" if mode == READ else json.dumps({"n": number, "name": f"Number {number}", "open": True})
    return f"{name}\n{mode}\n{json.dumps(params)}\n{json.dumps(query)}\n{json.dumps(ctx)}\n{body}"

"""The component's exports (see wit/world.wit): the only names the host can call.

componentize-py makes a new `WitWorld` for every call, so the state is the module's.
All that plans and helpers import is imported here, while the component is built; what is absent
at run time cannot be abused.
"""

from __future__ import annotations

# datetime.strptime imports it when it is first used.
import _strptime  # type: ignore[import-not-found]  # noqa: F401
import json
import random
import warnings

import wit_world

from guest.namespace import Namespace, Printed
from guest.session import READ, WRITE, GuestSession, answering, description
from store.sqlite import MEMORY

DIRECTORY = "/session"
_WARM_CONFIG = {
    "stdout_bytes": 64, "disk_bytes": 2**20, "durability": "relaxed", "enforce_types": False,
    "answers_bytes": 0,
}  # fmt: skip
_WARM_PLAN = {
    "resource": "warm",
    "identifier": None,
    "code": """\
rec = store.get(1)
if rec is None:
    rec = store.insert(ctx["body_json"])
    rec = store.update(rec["id"], {"n": "2"})
items, total = store.list(limit=as_int(ctx["query"].get("limit"), 20), offset=0, where=plan["criteria"])
REPLY = make_response(200, {"items": items, "total": total}, {"Location": f"/warm/{rec['id']}"})
""",
}
# A plan's `1 is 1` is not worth a line on a standard error that nobody reads.
warnings.simplefilter("ignore")
_live: GuestSession | None = None


def _session() -> GuestSession:
    if _live is None:
        raise RuntimeError("attach comes first")
    return _live


def _attach(config_text: str) -> str:
    global _live  # noqa: PLW0603  one guest is one session
    random.seed()  # a snapshot's generator is the same in every instance
    _live = GuestSession(DIRECTORY, json.loads(config_text), wit_world.derive_key)
    return '{"ok":true}'


def _warm() -> str:
    session = GuestSession(MEMORY, _WARM_CONFIG, wit_world.derive_key)
    session.load("warm", json.dumps(_WARM_PLAN))
    for mode in (WRITE, WRITE, READ):
        session.run(f'warm\n{mode}\n{{}}\n{{"n":"1"}}\n{{"method":"GET"}}\n{{"n": 1}}')
        session.settle(keep=True, commit=True)
    session.close()
    return '{"ok":true}'


class WitWorld(wit_world.WitWorld):  # type: ignore[misc]  # the generated class is Any to mypy
    def warm(self) -> str:
        return answering(_warm)

    def attach(self, config: str) -> str:
        return answering(lambda: _attach(config))

    def load(self, plan_id: str, document: str) -> str:
        return answering(lambda: _session().load(plan_id, document))

    def run(self, requests: str) -> str:
        return answering(lambda: _session().run(requests))

    def settle(self, keep: bool, commit: bool) -> str:  # noqa: FBT001  the world's signature
        return answering(lambda: _session().settle(keep=keep, commit=commit))

    def check(self) -> str:
        return answering(lambda: _session().check())

    def ensure_index(self, collection: str, field: str) -> str:
        return answering(lambda: _session().ensure_index(collection, field))

    def describe(self) -> str:
        return description(Namespace(wit_world.derive_key, Printed(0)))

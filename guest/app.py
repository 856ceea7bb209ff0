"""The component's exports (see wit/world.wit): the only names the host can call.

componentize-py makes a new `WitWorld` for every call, so the state is the module's.
Nothing here draws from Python's own random numbers, which are the snapshot's and so the same in every guest:
`uuid4` and `secrets` ask the host.
All that plans and helpers import is imported here, while the component is built; what is absent
at run time cannot be abused.
"""

from __future__ import annotations

# datetime.strptime imports it when it is first used.
import _strptime  # type: ignore[import-not-found]  # noqa: F401
import warnings

import wit_world

from guest import snapshot
from guest.namespace import Namespace, Printed
from guest.plans import compiled
from guest.rehearsal import rehearse
from guest.session import GuestSession, answering, description
from store import json_text
from store.sqlite import MEMORY

DIRECTORY = "/session"
# A plan's `1 is 1` is not worth a line on a standard error that nobody reads.
warnings.simplefilter("ignore")
_live: GuestSession | None = None


def _session() -> GuestSession:
    if _live is None:
        raise RuntimeError("attach comes first")
    return _live


def _attach(config_text: str, directory: str = DIRECTORY) -> str:
    global _live  # noqa: PLW0603  one guest is one session
    _live = GuestSession(directory, json_text.decode(config_text), wit_world.derive_key)
    return '{"ok":true}'


def _run(requests: str) -> str:
    return _session().run(requests)


class WitWorld(wit_world.WitWorld):  # type: ignore[misc]  # the generated class is Any to mypy
    def attach(self, config: str) -> str:
        return answering(_attach, config)

    def compile(self, document: str) -> str:
        return answering(lambda: f'{{"ok":true}}\n{compiled(document)}')

    def load(self, plan_id: str, document: str, code: str) -> str:
        return answering(lambda: _session().load(plan_id, document, code))

    def run(self, requests: str) -> str:
        return answering(_run, requests)

    def finish(self) -> str:
        return answering(lambda: _session().finish())

    def ensure_index(self, collection: str, field: str) -> str:
        return answering(lambda: _session().ensure_index(collection, field))

    def describe(self) -> str:
        return description(Namespace(wit_world.derive_key, Printed(0)))


def _rehearse() -> None:
    global _live  # noqa: PLW0603  see above
    rehearse(WitWorld(), lambda config: answering(_attach, config, MEMORY))
    _session().close()
    _live = None


snapshot.prepare(_rehearse)

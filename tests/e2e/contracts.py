"""Sessions that a description is served in, and steps that are taken in one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from server.contracts.reading import read_file
from tests.e2e.client import Answer, Client

if TYPE_CHECKING:
    from tests.e2e.service import RunningService

ADMIN = "admin-token-of-the-tests-of-contracts"
DOCUMENTS = Path(__file__).parents[1] / "data" / "contracts"


def with_contract(service: RunningService, session: str, name: str) -> Client:
    """A client in a session that has the description of this file."""
    document = read_file(DOCUMENTS / name).raw
    operator = Client(service.url, None, {"Authorization": f"Bearer {ADMIN}"})
    path = f"/_meta/sessions/{session}/contract"
    set_ = operator.request("PUT", path, {"name": name, "document": document})
    assert set_.status == 200, set_.body
    return service.client(session)


@frozen
class Step:
    """`facts`: by a path into the reply, ``a/0/b``, a value or a type; `save`: names for later steps."""

    method: str
    path: str
    status: int
    facts: dict[str, Any] = field(factory=dict)
    body: Any = None
    form: str = ""
    save: dict[str, str] = field(factory=dict)
    content_type: str = "application/json"
    source: str = "contract"


def taken(client: Client, steps: list[Step]) -> list[str]:
    """Take the steps; what was not as it should be, in lines."""
    saved: dict[str, Any] = {}
    wrong = []
    for step in steps:
        answer = _sent(client, step, saved)
        told = f"{step.method} {_filled(step.path, saved)}: {answer.status} {answer.body[:300]!r}"
        if answer.status != step.status:
            wrong.append(f"{told}: not {step.status}")
            continue
        if answer.status < 400 and answer.headers.get("x-plan-source") != step.source:
            wrong.append(f"{told}: by {answer.headers.get('x-plan-source')}")
        body = json.loads(answer.body) if answer.body else None
        for path, wanted in step.facts.items():
            found = _at(body, path)
            if isinstance(wanted, type):
                good = isinstance(found, wanted)
            elif isinstance(wanted, re.Pattern):
                good = isinstance(found, str) and wanted.search(found) is not None
            else:
                good = found == _filled(wanted, saved)
            if not good:
                wrong.append(f"{told}: {path} is {found!r}, not {wanted!r}")
        saved |= {name: _at(body, path) for name, path in step.save.items()}
    return wrong


def _sent(client: Client, step: Step, saved: dict[str, Any]) -> Answer:
    path = str(_filled(step.path, saved))
    if step.form:
        form = "application/x-www-form-urlencoded"
        return client.request(
            step.method, path, raw=str(_filled(step.form, saved)).encode(), content_type=form
        )
    return client.request(step.method, path, _filled(step.body, saved), content_type=step.content_type)


def _at(value: Any, path: str) -> Any:
    for part in filter(None, path.split("/")):
        try:
            value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value


def _filled(value: Any, saved: dict[str, Any]) -> Any:
    """`<name>` is what was saved as that."""
    if isinstance(value, str):
        if value[:1] == "<" and value[-1:] == ">" and value[1:-1] in saved:
            return saved[value[1:-1]]
        return re.sub(r"<(\w+)>", lambda found: str(saved.get(found[1], found[0])), value)
    if isinstance(value, dict):
        return {key: _filled(each, saved) for key, each in value.items()}
    return [_filled(each, saved) for each in value] if isinstance(value, list) else value

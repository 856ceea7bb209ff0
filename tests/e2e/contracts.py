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
    """`facts`: by a path into the reply, ``a/0/b``, a value or a type; `save`: names for later steps.

    ``#`` at a path's end is how many there are, ``!name`` a header. `source` "" is any.
    """

    method: str
    path: str
    status: int | tuple[int, ...]
    facts: dict[str, Any] = field(factory=dict)
    body: Any = None
    form: str = ""
    save: dict[str, str] = field(factory=dict)
    content_type: str = "application/json"
    source: str = "contract"
    headers: dict[str, str] = field(factory=dict)


def taken(client: Client, steps: list[Step]) -> list[str]:
    """Take the steps; what was not as it should be, in lines."""
    saved: dict[str, Any] = {}
    wrong = []
    for step in steps:
        answer = _sent(client, step, saved)
        told = f"{step.method} {_filled(step.path, saved)}: {answer.status} {answer.body[:300]!r}"
        if answer.status not in (step.status if isinstance(step.status, tuple) else (step.status,)):
            wrong.append(f"{told}: not {step.status}")
            continue
        if step.source and answer.status < 400 and answer.headers.get("x-plan-source") != step.source:
            wrong.append(f"{told}: by {answer.headers.get('x-plan-source')}")
        is_json = "json" in answer.headers.get("content-type", "")
        body = json.loads(answer.body) if answer.body and is_json else None
        for path, wanted in step.facts.items():
            found = answer.headers.get(path[1:]) if path[:1] == "!" else _at(body, path)
            if isinstance(wanted, type):
                good = isinstance(found, wanted)
            elif isinstance(wanted, re.Pattern):
                good = isinstance(found, str) and wanted.search(found) is not None
            else:
                good = found == _filled(wanted, saved)
            if not good:
                wrong.append(f"{told}: {path} is {found!r}, not {wanted!r}")
        saved |= {
            name: answer.headers.get(path[1:]) if path[:1] == "!" else _at(body, path)
            for name, path in step.save.items()
        }
    return wrong


def _sent(client: Client, step: Step, saved: dict[str, Any]) -> Answer:
    path = str(_filled(step.path, saved)).removeprefix(client.url)
    headers = {name: str(_filled(value, saved)) for name, value in step.headers.items()}
    if step.form:
        form, text = "application/x-www-form-urlencoded", str(_filled(step.form, saved))
        return client.request(step.method, path, raw=text.encode(), content_type=form, **headers)
    body = _filled(step.body, saved)
    return client.request(step.method, path, body, content_type=step.content_type, **headers)


def _at(value: Any, path: str) -> Any:
    for part in filter(None, path.split("/")):
        if part == "#":
            return len(value) if isinstance(value, list) else None
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

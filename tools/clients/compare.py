"""The same requests to an original and to the service, and where the answers differ."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from typing import Any

from attrs import frozen

_HEADERS = ("x-total-count", "link")
_TIMEOUT = 20
_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8}\.[0-9]{3}Z")


@frozen
class Said:
    status: int
    body: Any
    headers: dict[str, str]


def ask(url: str, method: str, target: str, body: Any = None, **headers: str) -> Said:
    """`url` has no slash at its end; a body is sent as JSON."""
    data = None if body is None else json.dumps(body).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if data is not None:
        sent["Content-Type"] = "application/json"
    request = urllib.request.Request(url + target, data=data, method=method, headers=sent)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as reply:
            return _said(url, reply)
    except urllib.error.HTTPError as reply:
        with reply:
            return _said(url, reply)


def _said(url: str, reply: Any) -> Said:
    text = reply.read().decode()
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    headers = {name: reply.headers[name] for name in _HEADERS if reply.headers[name]}
    if "link" in headers:
        headers["link"] = headers["link"].replace(url, "")
    return Said(reply.status, body, headers)


def difference(theirs: Said, ours: Said) -> str:
    """Empty where there is none that a client could see."""
    found = []
    if theirs.status != ours.status:
        found.append(f"status {theirs.status} / {ours.status}")
    if settled(theirs.body) != settled(ours.body) and not (_is_error(theirs) and _is_error(ours)):
        found.append(f"body {_short(theirs.body)} / {_short(ours.body)}")
    if theirs.headers != ours.headers:
        found.append(f"headers {theirs.headers} / {ours.headers}")
    return "; ".join(found)


def settled(value: Any) -> Any:
    """A body with a word in the place of times, which are never the same."""
    if isinstance(value, dict):
        return {key: settled(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [settled(each) for each in value]
    return "a time" if isinstance(value, str) and _TIME.fullmatch(value) else value


def _is_error(said: Said) -> bool:
    return said.status >= 400


def _short(value: Any) -> str:
    return re.sub(r"\s+", " ", json.dumps(value, ensure_ascii=False))[:160]

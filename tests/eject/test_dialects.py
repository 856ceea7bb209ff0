"""Sessions in a dialect: the projects that are ejected from them speak it, and pass their own tests."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.eject.conftest import ejected, run, start
from tests.eject.test_project import served
from tests.operations.conftest import ADMIN, AUTH

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.learning.conftest import StartApi

__all__ = ["start"]

pytestmark = pytest.mark.long

_JSON_API: Final = "application/vnd.api+json"
#: By dialect: method, path, body, more headers. Each is asked of the service and of the project alike.
ASKED: Final[dict[str, tuple[tuple[Any, ...], ...]]] = {
    "json-server": (
        ("POST", "/posts", {"title": "a", "views": 3}),
        ("POST", "/posts", {"title": "b", "views": 1}),
        ("POST", "/posts/1/comments", {"body": "c"}),
        ("GET", "/posts?_sort=views&_page=1&_limit=1", None),
        ("GET", "/posts?title_like=a&_embed=comments", None),
        ("GET", "/db", None),
        ("GET", "/posts/9", None),
        ("PATCH", "/posts/1", {"views": 5}),
        ("DELETE", "/posts/1", None),
        ("GET", "/comments", None),
    ),
    "json-server-1": (
        ("POST", "/posts", {"title": "a", "views": 3}),
        ("GET", "/posts?views:gt=1&_page=1&_per_page=1&_select=id", None),
        ("GET", "/posts/nope", None),
        ("POST", "/posts", {"id": "1"}),
    ),
    "ra-data-simple-rest": (
        ("POST", "/posts", {"title": "a", "views": 3}),
        ("POST", "/posts", {"title": "b", "views": 1}),
        ("GET", '/posts?sort=["views","ASC"]&range=[0,0]&filter={"views_gte":1}', None),
        ("PUT", "/posts/1", {"views": 9}),
        ("GET", "/posts/1", None),
        ("GET", '/posts?filter={"nope":1}', None),
        ("DELETE", "/posts/2", None),
        ("GET", "/posts/2", None),
    ),
    "postgrest": (
        ("POST", "/posts", {"title": "a", "views": 3}, {"Prefer": "return=representation"}),
        ("POST", "/posts", [{"title": "b", "views": 1}], {"Prefer": "return=minimal"}),
        ("GET", "/posts?select=title,n:views::text&order=views.desc", None, {"Prefer": "count=exact"}),
        ("GET", "/rest/v1/posts?id=eq.1", None, {"Accept": "application/vnd.pgrst.object+json"}),
        ("GET", "/posts?id=eq.7", None, {"Accept": "application/vnd.pgrst.object+json"}),
        ("GET", "/posts", None, {"Range": "0-0"}),
        ("GET", "/posts?nope=eq.1", None),
        ("PATCH", "/posts?id=eq.1", {"views": 4}),
        ("DELETE", "/posts", None),
        ("DELETE", "/posts?views=eq.1", None),
        ("GET", "/nothing", None),
    ),
    "pocketbase": (
        ("POST", "/api/collections/posts/records", {"id": "abcdefghij12345", "title": "a", "views": 3}),
        ("POST", "/api/collections/posts/records", {"id": "short"}),
        ("GET", "/api/collections/posts/records?filter=(views>1)&fields=id,collectionId", None),
        ("GET", "/api/collections/posts/records?perPage=1&skipTotal=1&fields=*,title", None),
        ("GET", "/api/collections/posts/records/nope", None),
        ("GET", "/api/health", None),
        ("POST", "/api/batch", {"requests": []}),
        ("DELETE", "/api/collections/posts/records/abcdefghij12345", None),
    ),
    "json-api": (
        (
            "POST",
            "/posts",
            {"data": {"type": "posts", "attributes": {"title": "a"}}},
            {"Content-Type": _JSON_API},
        ),
        ("GET", "/posts?fields[posts]=title&sort=-title&page[size]=1", None, {"Accept": _JSON_API}),
        ("GET", "/posts/1", None),
        ("GET", "/posts/2", None),
        ("POST", "/posts", {"data": {"type": "other"}}, {"Content-Type": _JSON_API}),
        ("GET", "/posts?nope=1", None),
        ("DELETE", "/posts/1", None),
    ),
}
#: What each says of replies that the other has to say, too.
_HEADERS: Final = ("content-type", "content-range", "x-total-count", "preference-applied", "location", "link")
#: Ids that json-server 1 makes.
_MADE: Final = re.compile(r'"id":"[A-Za-z0-9_-]{11}"')
_PLACE: Final = re.compile(r"/[A-Za-z0-9_-]{11}$")
_PORT: Final = re.compile(r"(?<=//127.0.0.1):[0-9]+")
#: Other ones each time.
_CHANGING: Final = frozenset({"request_id"})
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]{12}Z")


def settled(answer: Any) -> Any:
    """What of an answer is the same each time."""
    text = _TIME.sub("", _MADE.sub('"id":""', answer.body.decode()))
    value = json.loads(text) if text else None
    body = {key: value[key] for key in value if key not in _CHANGING} if isinstance(value, dict) else value
    headers = {name.lower(): text for name, text in answer.headers.items()}
    shown = {name: _PORT.sub("", _PLACE.sub("/", headers[name])) for name in _HEADERS if name in headers}
    return answer.status, body, shown


def asked(dialect: str) -> list[tuple[str, str, Any, dict[str, str]]]:
    """With paths as they go over the wire, and headers as keywords."""
    return [
        (
            method,
            quote(path, safe="/?&=:,.*()"),
            body,
            {name.replace("-", "_"): text for name, text in (more[0] if more else {}).items()},
        )
        for method, path, body, *more in ASKED[dialect]
    ]


#: Of these the suite tries each; what they have in common is in all.
_SHORT = ("postgrest", "pocketbase")
_OTHERS = [name for name in ASKED if name not in _SHORT]


@pytest.mark.parametrize("dialects", [_SHORT, pytest.param(_OTHERS, marks=pytest.mark.more)])
async def test_projects_speak_their_dialects(
    start: StartApi, tmp_path: Path, dialects: Sequence[str]
) -> None:
    """Each request has the same status, body and headers as in the service; and the project's tests pass."""
    api = await start(auth={"admin_token": ADMIN}, provider="conventions")
    for dialect in dialects:
        said = [
            await api.ask(method, path, body, session=dialect, X_Dialect=dialect, **headers)
            for method, path, body, headers in asked(dialect)
        ]
        setting = {"dialect": dialect}
        changed = await api.ask("PATCH", f"/_meta/sessions/{dialect}/settings", setting, **AUTH)
        assert changed.status == 200, changed
        project = await ejected(api, tmp_path / dialect, session=dialect)
        await asyncio.to_thread(passes_and_answers, project, dialect, said)


def passes_and_answers(project: Path, dialect: str, said: list[Any]) -> None:
    """The project's own tests, and then ours."""
    ended = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert ended.returncode == 0, (dialect, ended.stdout[-3000:])
    assert OpenAPIV31SpecValidator(json.loads((project / "openapi.json").read_text())).is_valid()
    with served(project) as client:
        for expected, (method, path, body, headers) in zip(said, asked(dialect), strict=True):
            kind = headers.pop("Content_Type", "application/json")
            reply = client.request(method, path, body, content_type=kind, **headers)
            assert settled(reply) == settled(expected), (dialect, method, path)

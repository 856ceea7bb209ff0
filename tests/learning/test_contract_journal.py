"""A blog by its description, with a scripted model for what no rule says: users, favourites, a feed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.e2e.contracts import DOCUMENTS
from tests.learning.conftest import start
from tests.learning.journal import CODES, OVERRIDES
from tools.simulators import Answer, asked, plan
from tools.simulators.plans import NOTHING_OF_RECORDS, is_about_records

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import Answer as Reply
    from tests.learning.conftest import StartApi

__all__ = ["start"]

#: Values of the requests below; none of them may be in a prompt.
VALUES = (
    "adalind",
    "belinda",
    "canary",
    "Hello, World",
    "hello-world",
    "grey",
    "pass-of",
    "example.org",
    "first comment",
)


def as_asked(request: dict[str, Any]) -> Answer:
    """The plan of the operation that the prompt is about, with the route as it is shown."""
    shape = asked(request)
    if is_about_records(shape):
        return Answer(NOTHING_OF_RECORDS)
    code = CODES[shape["contract"]["operation"]]
    route = re.sub(r"\{[a-z_]+:slug\}", "{slug:slug}", shape["route"])
    word = next(part for part in route.split("/")[2:] if part)
    resource = "users" if word in ("users", "user", "profiles") else "articles"
    return Answer(plan(route, code, resource, query="any"))


async def served(start: StartApi, tmp_path: Path) -> Any:
    for name in ("journal.yaml",):
        (tmp_path / name).write_text((DOCUMENTS / name).read_text("utf-8"), "utf-8")
    (tmp_path / "contract.toml").write_text(OVERRIDES)
    return await start(as_asked, contract={"file": str(tmp_path / "journal.yaml")})


class Story:
    """Requests of one user after the other, and what was wrong with the replies."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self.operations: set[str] = set()
        self.broken: list[str] = []

    async def ask(self, token: str, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        headers = {"Authorization": f"Token {token}"} if token else {}
        answer: Reply = await self._api.ask(method, f"/api{path}", body, **headers)
        assert answer.status == status, (method, path, answer.status, answer.body)
        if answer.source in ("planned", "learned"):
            self.operations.add(f"{method} {re.sub('hello-world', '{slug}', path.partition('?')[0])}")
        if "X-Contract-Violations" in answer.headers:
            self.broken.append(f"{method} {path}: {answer.headers['X-Contract-Violations']}")
        return answer.json if answer.body else None


def user(name: str) -> dict[str, Any]:
    return {"user": {"username": name, "email": f"{name}@example.org", "password": f"pass-of-{name}"}}


ARTICLE = {"title": "Hello, World", "description": "canary", "body": "canary", "tagList": ["grey"]}


async def told(story: Story) -> None:
    """What two people do, and see of one another."""
    ada = (await story.ask("", "POST", "/users", user("adalind"), status=201))["user"]["token"]
    await story.ask("", "POST", "/users", user("belinda"), status=201)
    again = await story.ask("", "POST", "/users", user("adalind"), status=422)
    assert again == {"errors": {"email": ["has already been taken"]}}
    bea = (await story.ask("", "POST", "/users/login", user("belinda")))["user"]["token"]
    wrong = {"user": {"email": "adalind@example.org", "password": "pass-of-belinda"}}
    assert (await story.ask("", "POST", "/users/login", wrong, status=401))["errors"] == {
        "credentials": ["are wrong"]
    }
    assert (await story.ask(bea, "GET", "/user"))["user"]["username"] == "belinda"
    await story.ask("", "GET", "/user", status=401)

    made = (await story.ask(ada, "POST", "/articles", {"article": ARTICLE}, status=201))["article"]
    assert (made["slug"], made["author"]["username"], made["favorited"]) == ("hello-world", "adalind", False)
    missing = await story.ask(ada, "POST", "/articles", {"article": {"title": "x", "body": "y"}}, status=422)
    assert missing == {"errors": {"description": ["can't be blank"]}}
    assert (await story.ask("", "GET", "/articles/hello-world"))["article"]["author"]["following"] is False

    assert (await story.ask(bea, "GET", "/articles/feed")) == {"articles": [], "articlesCount": 0}
    assert (await story.ask(bea, "POST", "/profiles/adalind/follow"))["profile"]["following"] is True
    feed = await story.ask(bea, "GET", "/articles/feed")
    assert ([each["slug"] for each in feed["articles"]], feed["articlesCount"]) == (["hello-world"], 1)
    liked = (await story.ask(bea, "POST", "/articles/hello-world/favorite"))["article"]
    assert (liked["favorited"], liked["favoritesCount"], liked["author"]["following"]) == (True, 1, True)
    found = await story.ask("", "GET", "/articles?tag=grey&limit=1")
    assert (found["articlesCount"], found["articles"][0]["favorited"]) == (1, False)
    assert (await story.ask(bea, "DELETE", "/articles/hello-world/favorite"))["article"][
        "favoritesCount"
    ] == 0
    assert (await story.ask("", "GET", "/tags")) == {"tags": ["grey"]}
    assert (await story.ask(bea, "GET", "/profiles/adalind"))["profile"]["following"] is True

    # By rule, upon what the model's plans have stored.
    comment = {"comment": {"body": "first comment"}}
    assert (await story.ask(bea, "POST", "/articles/hello-world/comments", comment))["comment"][
        "body"
    ] == "first comment"
    assert len((await story.ask("", "GET", "/articles/hello-world/comments"))["comments"]) == 1
    await story.ask(ada, "DELETE", "/articles/hello-world", status=204)
    await story.ask("", "GET", "/articles/hello-world", status=404)


async def test_a_blog_with_users(start: StartApi, tmp_path: Path) -> None:
    """One call for an operation that is not plain, one for a schema whose records are written by rule.

    No value is in a prompt, and no reply breaks the document.
    """
    api = await served(start, tmp_path)
    story = Story(api)
    await told(story)
    prompts = "".join(str(each.body) for each in api.model.requests)

    assert story.broken == []
    schemas = [
        shape["collection"] for each in api.model.requests if is_about_records(shape := asked(each.body))
    ]
    assert len(schemas) == len(set(schemas))
    assert api.calls - len(schemas) <= len(story.operations)
    assert [value for value in VALUES if value in prompts] == []
    assert '\\"list\\": true' in prompts or '"list": true' in prompts


BREAKING = plan("/api/tags", 'REPLY = make_response(200, {"tags": [len(store.search())]})', "articles")


async def test_a_plan_that_breaks_the_document_is_told_of(start: StartApi, tmp_path: Path) -> None:
    """Twice in vain: nothing is learned, and the client reads what is wrong, not the reply."""
    path = tmp_path / "journal.yaml"
    path.write_text((DOCUMENTS / "journal.yaml").read_text("utf-8"), "utf-8")
    api = await start([Answer(BREAKING)], contract={"file": str(path)})
    answer = await api.get("/api/tags")

    assert answer.status == 500
    assert "contract" in answer.json["errors"]["body"][0]
    assert api.calls == 2

"""Whose sessions are, tokens that the settings know by their digests, tokens read again, and a template."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.service import RunningService

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.client import Client

ADMIN = "admin-token-of-tests"


def digest(token: str) -> str:
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


class Configured:
    """A service with a settings file of its own, which can be changed and read again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "settings.toml"
        self.service: RunningService | None = None

    def write(self, text: str) -> None:
        self._file.write_text(text)

    def start(self, text: str) -> RunningService:
        self.write(text)
        settings = {"LARS_CONFIG": str(self._file), "LARS_ADMIN_TOKEN": ADMIN}
        self.service = RunningService(self._directory / "data", self._directory, settings)
        return self.service

    def renew(self, text: str, said: str) -> None:
        """SIGHUP, and the line that says what came of it."""
        assert self.service is not None
        before = self.service.log.count(said)
        self.write(text)
        self.service.hang_up()
        deadline = time.monotonic() + 20
        while self.service.log.count(said) == before:
            assert time.monotonic() < deadline, self.service.log
            time.sleep(0.02)


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Configured]:
    made = Configured(tmp_path)
    yield made
    if made.service is not None:
        made.service.stop()
        made.service.close()


def by(service: RunningService, token: str, session: str | None = None) -> Client:
    return service.client(session, Authorization=f"Bearer {token}")


def test_two_teams_with_one_name_have_two_sessions(configured: Configured) -> None:
    """Each its own, in every door; the operator sees whose each is."""
    service = configured.start('[auth]\nscope = "token"\n[auth.tokens]\nred = "red-1"\nblue = "blue-1"\n')
    assert by(service, "red-1", "shop").post("/orders", {"of": "red"}).status == 201
    assert by(service, "blue-1", "shop").post("/orders", {"of": "blue"}).json["id"] == 1
    assert by(service, "red-1", "shop").get("/orders").json["items"] == [{"id": 1, "of": "red"}]
    assert by(service, "blue-1").post("/orders", {"of": "blue alone"}).status == 201
    admin = by(service, ADMIN)
    listed = {each["session"]: each for each in admin.get("/_meta/sessions").json["sessions"]}
    assert sorted(listed) == ["blue/shop", "red/shop", "token:blue"]
    assert admin.get("/_meta/sessions/red%2Fshop").json["session"] == "red/shop"
    assert admin.post("/_meta/sessions/red%2Fshop/fork", {"to": "blue/copy"}).status == 200
    assert by(service, "blue-1", "copy").get("/orders/1").json["of"] == "red"
    assert admin.get("/_meta/sessions/red%2Fcopy").status == 404
    assert admin.get("/_meta/sessions/shop").status == 404
    assert admin.get("/_meta/sessions/a%2Fb%2Fc").status == 400
    assert admin.get("/_meta/sessions/nobody%2Fshop").status == 404


def test_a_session_is_one_for_all_tokens_unless_asked_otherwise(configured: Configured) -> None:
    service = configured.start('[auth.tokens]\nred = "red-1"\nblue = "blue-1"\n')
    assert by(service, "red-1", "shop").post("/orders", {"of": "red"}).status == 201
    assert by(service, "blue-1", "shop").get("/orders/1").json["of"] == "red"


def test_a_token_that_the_settings_know_by_its_digest(configured: Configured) -> None:
    """It opens the service; what the settings hold does not."""
    service = configured.start(
        f'[auth]\ntoken = "{digest("secret-1")}"\n[auth.tokens]\nci = "{digest("ci-1")}"\n'
    )
    assert by(service, "secret-1", "s").post("/orders", {"a": 1}).status == 201
    assert by(service, "ci-1", "s").get("/orders/1").status == 200
    for wrong in (digest("secret-1"), digest("secret-1").removeprefix("sha256:"), "secret-2", ""):
        assert by(service, wrong, "s").get("/orders/1").status == 401


def test_tokens_are_read_again_without_a_restart(configured: Configured) -> None:
    """New ones open, old ones do not any more; what is wrong changes nothing, and is said."""
    service = configured.start('[auth.tokens]\nold = "old-1"\n')
    assert by(service, "old-1", "s").post("/orders", {"a": 1}).status == 201
    configured.renew(f'[auth.tokens]\nnew = "{digest("new-1")}"\n', "tokens renewed")
    assert by(service, "old-1", "s").get("/orders/1").status == 401
    assert by(service, "new-1", "s").get("/orders/1").status == 200
    configured.renew('[auth.tokens]\nnew = "no token with spaces"\n', "tokens not renewed")
    assert by(service, "new-1", "s").get("/orders/1").status == 200
    configured.renew("", "tokens not renewed")
    assert service.client("s").get("/orders/1").status == 401
    assert by(service, "new-1", "s").get("/orders/1").status == 200
    assert by(service, ADMIN).get("/_meta/sessions").status == 200


def test_a_new_session_begins_as_the_template(configured: Configured) -> None:
    """With its records, and a copy of its own: what test suites ask for."""
    service = configured.start('[sessions]\ntemplate = "seed"\n')
    assert service.client("seed").post("/orders", {"name": "from the seed"}).status == 201
    first, second = service.client("first"), service.client("second")
    assert first.get("/orders/1").json["name"] == "from the seed"
    assert first.delete("/orders/1").status == 204
    assert first.post("/orders", {"name": "own"}).json["id"] == 2
    assert second.get("/orders").json["page"]["total"] == 1
    assert service.client("seed").get("/orders").json["page"]["total"] == 1


def test_no_client_changes_the_template_where_there_are_tokens(configured: Configured) -> None:
    """What is in it is in every new session, and its names are in what a model is shown for each of them."""
    service = configured.start('[auth.tokens]\na = "a-1"\n[sessions]\ntemplate = "seed"\n')
    seed, own = by(service, "a-1", "seed"), by(service, "a-1", "work")
    refused = seed.post("/orders", {"name": "from a client"})
    assert refused.status == 403
    assert refused.json["type"].endswith("template-closed")
    assert "metaservice sessions import" in refused.json["detail"]
    assert seed.put("/settings", {"a": 1}).status == 403
    assert seed.delete("/orders/1").status == 403
    assert seed.get("/orders").json["page"]["total"] == 0
    assert own.post("/orders", {"name": "made elsewhere"}).status == 201
    assert by(service, ADMIN).post("/_meta/sessions/work/fork", {"to": "seed"}).status == 200
    assert by(service, "a-1", "new").get("/orders/1").json["name"] == "made elsewhere"

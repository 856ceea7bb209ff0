"""/docs and /redoc in Chromium, which is told that there is no host but this one."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.conftest import service, start_service
from tests.e2e.shop import open_shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import StartService
    from tests.e2e.service import RunningService

__all__ = ["service", "start_service"]

pytestmark = pytest.mark.browser
#: Where screenshots go, for somebody to look at.
SCREENSHOTS = os.environ.get("BROWSER_SCREENSHOTS", "")
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The network is cut: every name and address but the service's own is unreachable.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_TIMEOUT_MS = 30_000


@contextmanager
def chromium(service: RunningService) -> Iterator[Page]:
    """A page that is proved, in the end, to have asked nobody else and to have had no error."""
    executable = shutil.which("chromium")
    assert executable, "install Chromium: apt-get install chromium"
    foreign: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(_TIMEOUT_MS)
        page.on("request", lambda request: _is_local(request.url, service.url) or foreign.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: message.type != "error" or errors.append(message.text))
        yield page
        browser.close()
    assert foreign == []
    assert errors == []


def _is_local(url: str, service_url: str) -> bool:
    return url.startswith((f"{service_url}/", "data:", f"blob:{service_url}/"))


def _shoot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))


def test_swagger_ui_tries_it_out(service: RunningService) -> None:
    """The session is chosen in the page, and a POST from it is stored."""
    shop = service.client("swagger")
    open_shop(shop)
    with chromium(service) as page:
        page.goto(f"{service.url}/docs?session=other")
        expect(page.locator("#api")).to_contain_text("Session other", timeout=_TIMEOUT_MS)
        page.get_by_label("Session").fill("swagger")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("#api h1.title")).to_contain_text("Session swagger", timeout=_TIMEOUT_MS)
        operation = page.locator("#operations-members-createMembers")
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Try it out").click()
        operation.locator("textarea.body-param__text").fill('{"name": "Made in a browser"}')
        _shoot(page, "docs-try-it-out")
        operation.get_by_role("button", name="Execute").click()
        answer = operation.locator(".live-responses-table")
        expect(answer).to_contain_text("201", timeout=_TIMEOUT_MS)
        expect(answer).to_contain_text("Made in a browser")
        answer.scroll_into_view_if_needed()
        _shoot(page, "docs-answer")

    assert shop.read("/members/2") == {"id": 2, "name": "Made in a browser"}


def test_redoc_shows_every_operation(service: RunningService) -> None:
    open_shop(service.client("redoc"))
    with chromium(service) as page:
        page.goto(f"{service.url}/redoc?session=redoc")
        expect(page.locator("#api h1")).to_contain_text("Session redoc", timeout=_TIMEOUT_MS)
        for heading in (
            "Create a member",
            "List orders of a member",
            "Delete a review",
        ):
            expect(page.locator("h2", has_text=heading).first).to_be_attached(timeout=_TIMEOUT_MS)
        page.locator("h2", has_text="Create a member").first.scroll_into_view_if_needed()
        _shoot(page, "redoc")


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_fields_that_would_read_as_references(service: RunningService, path: str) -> None:
    """Whatever a client stores, the pages show its API."""
    session = f"references-{path[1:]}"
    body = {"$ref": "#/nowhere", "$id": 1, "a": {"$ref": {"b": 1}}, "list": [{"$ref": "x"}]}
    assert service.client(session).create("/things", body)["$ref"] == "#/nowhere"
    with chromium(service) as page:
        page.goto(f"{service.url}{path}?session={session}")
        expect(page.locator("#api")).to_contain_text("Create a thing", timeout=_TIMEOUT_MS)
        expect(page.locator("#api")).not_to_contain_text("Something went wrong")


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_first_record(service: RunningService, path: str) -> None:
    """Without a session the page offers a name, shows the conventions, and lets the first record be made."""
    with sync_playwright() as playwright:  # the document's 400 is an error to the browser's console
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(_TIMEOUT_MS)
        page.goto(service.url + path)
        expect(page.locator("#hint")).to_contain_text("Which session's API is it to be?")
        name = page.locator("#start .session-name").inner_text()
        assert re.fullmatch("try-[a-z0-9]{6}", name)
        expect(page.get_by_label("Session", exact=True)).to_have_value(name)
        expect(page.locator("#start table")).to_contain_text("GET /members?age__gte=30&sort=-age&limit=10")
        _shoot(page, f"{path[1:]}-first-steps")
        page.get_by_label("First record").fill('{"name": "Ann", }')
        page.get_by_role("button", name="Make the first record").click()
        expect(page.locator("#start output")).to_contain_text("not JSON yet")
        page.get_by_label("First record").fill('{"name": "Ann"}')
        page.get_by_role("button", name="Make the first record").click()
        expect(page.locator("#api h1").first).to_contain_text(f"Session {name}")
        expect(page.locator("#api")).to_contain_text("Create a member")
        expect(page.locator("#start")).to_be_hidden()
        _shoot(page, f"{path[1:]}-after-the-first-record")
        browser.close()

    assert service.client(name).read("/members/1") == {"id": 1, "name": "Ann"}


def test_an_unknown_session(service: RunningService) -> None:
    """It is as good as a new one: under its name, which is the one that was asked for."""
    with chromium(service) as page:
        page.goto(f"{service.url}/docs?session=nobody-s")
        expect(page.locator("#start .session-name")).to_have_text("nobody-s")
        page.get_by_label("Collection").fill("books")
        page.get_by_role("button", name="Make the first record").click()
        expect(page.locator("#api")).to_contain_text("Create a book")

    assert service.client("nobody-s").read("/books/1")["id"] == 1


def test_the_first_record_of_a_service_with_a_token(start_service: StartService) -> None:
    """The page takes the token along; what the browser remembers of the login stays with the pages."""
    service = start_service(LARS_AUTH_TOKEN="the-token-of-the-shop")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        login = {"username": "ann", "password": "the-token-of-the-shop"}
        page = browser.new_context(http_credentials=login).new_page()
        page.set_default_timeout(_TIMEOUT_MS)
        page.goto(f"{service.url}/docs?session=tokens")
        page.get_by_label("Token", exact=True).fill("the-token-of-the-shop")
        page.get_by_role("button", name="Make the first record").click()
        expect(page.locator("#api")).to_contain_text("Create a member")
        browser.close()


def test_links_lead_to_pages(service: RunningService) -> None:
    """From `/` to what there is."""
    with chromium(service) as page:
        page.goto(service.url)
        _shoot(page, "root")
        expect(page.get_by_role("link", name="Try the API")).to_have_attribute("href", "/docs")
        links = [link.get_attribute("href") for link in page.get_by_role("link").all()]

    assert {"/docs", "/redoc", "/openapi.json", "/healthz"} <= {*links}

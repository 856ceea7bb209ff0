"""The page of docs/live.md in Chromium: two tabs, and a service that is restarted under them."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.test_pages import _FLAGS, _TIMEOUT_MS
from tests.docs.markdown import ROOT, blocks
from tests.e2e.conftest import start_service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.conftest import StartService
    from tests.e2e.service import RunningService

__all__ = ["start_service"]

pytestmark = pytest.mark.browser
_TEXT = (ROOT / "docs" / "live.md").read_text("utf-8")
_TOKEN = "token-of-the-service"


def _page() -> str:
    (found,) = [block.text for block in blocks(_TEXT) if block.language == "html"]
    return found


def test_the_page_has_twenty_lines() -> None:
    """As the page says of itself."""
    assert len(_page().splitlines()) == 20


@contextmanager
def site(answers: dict[str, Callable[[], bytes]]) -> Iterator[str]:
    """A site of somebody else on loopback: its address, such as http://127.0.0.1:3000."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made = answers.get(urlsplit(self.path).path)
            body = made() if made is not None else b""
            self.send_response(200 if made is not None else 404)
            self.send_header("Content-Type", "text/html" if body.startswith(b"<") else "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    assert executable, "install Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        yield browser
        browser.close()


def _tab(browser: Browser, url: str) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(_TIMEOUT_MS)
    page.goto(url)
    return page


def _order(page: Page, item: str) -> None:
    page.locator("input").fill(item)
    page.get_by_role("button").click()


def _shows(page: Page, *items: str) -> None:
    expect(page.locator("li")).to_have_text(list(items), timeout=_TIMEOUT_MS)


def _again(start_service: StartService, service: RunningService, **settings: str) -> RunningService:
    """The service at the address where it was."""
    return start_service(LARS_PORT=str(urlsplit(service.url).port), **settings)


def test_two_tabs_and_a_restart(start_service: StartService) -> None:
    """What one orders both show; they go on when the service is there again, also after a crash."""
    pages: dict[str, Callable[[], bytes]] = {}
    with site(pages) as address, chromium() as browser:
        settings = {"LARS_CORS_ORIGINS": address}
        service = start_service(**settings)
        pages["/"] = lambda: _page().replace("http://localhost:8000", service.url).encode()
        one, other = _tab(browser, address), _tab(browser, address)
        _order(one, "lamp")
        _shows(one, "lamp")
        _shows(other, "lamp")

        service.stop()
        service = _again(start_service, service, **settings)
        service.client("shop").create("/orders", {"item": "desk"})
        _shows(one, "lamp", "desk")
        _order(other, "chair")
        _shows(one, "lamp", "desk", "chair")

        service.kill()
        service = _again(start_service, service, **settings)
        service.client("shop").create("/orders", {"item": "shelf"})
        _shows(one, "lamp", "desk", "chair", "shelf")
        _shows(other, "lamp", "desk", "chair", "shelf")


def test_with_tickets(start_service: StartService) -> None:
    """The page's own server has the token. After a restart the ticket is none, and the page gets another."""
    (script,) = [block.text for block in blocks(_TEXT) if block.language == "js"]
    pages: dict[str, Callable[[], bytes]] = {}
    with site(pages) as address, chromium() as browser:
        settings = {"LARS_CORS_ORIGINS": address, "LARS_AUTH_TOKEN": _TOKEN}
        service = start_service(**settings)
        shop = service.client("shop", Authorization=f"Bearer {_TOKEN}")
        show = (
            "watch('/orders', reply => document.querySelector('ul').replaceChildren(...reply.body.items.map("
            "order => Object.assign(document.createElement('li'), { textContent: order.item }))));"
        )
        page = f"<!doctype html><ul></ul><script>const api = '{service.url}';{script}{show}</script>"
        pages["/"] = page.encode
        pages["/ticket"] = lambda: json.dumps(shop.post("/_meta/tickets", None).json).encode()
        tab = _tab(browser, address)
        shop.create("/orders", {"item": "lamp"})
        _shows(tab, "lamp")

        service.stop()
        service = _again(start_service, service, **settings)
        shop.create("/orders", {"item": "desk"})
        _shows(tab, "lamp", "desk")

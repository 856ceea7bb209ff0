"""The README's pictures of the console: ``python -m tools.console.pictures`` makes them of today's pages.

A service of its own with a little data, in Debian's Chromium. Each picture has few colours, so it is small.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image
from playwright.sync_api import sync_playwright

from tools.console.__main__ import ADMIN, Asked, running

if TYPE_CHECKING:
    from playwright.sync_api import Page

_PLACE: Final = Path(__file__).parents[2] / "docs" / "pictures"
_COLOURS: Final = 96
_SECONDS: Final = 45
_CODE: Final = """order = store.get(params['id'])
if order is None:
    abort(404, 'no such order')
if order.get('status') == 'cancelled':
    abort(409, 'the order is cancelled already')
REPLY = make_response(200, store.update(order['id'], {'status': 'cancelled'}))
"""
_TITLES: Final = ("Emma", "Middlemarch", "Persuasion", "Villette", "Shirley", "Cranford", "Romola")


def fill(service: Asked) -> None:
    plan = {"method": "POST", "route": "/orders/{id:int}/cancel", "resource": "orders", "action": "cancel"}
    document = {"format": "metaservice plans", "version": 1, "plans": [{**plan, "code": _CODE}]}
    token = {"Authorization": f"Bearer {ADMIN}"}
    for number, title in enumerate(_TITLES * 3):
        book = {"title": title, "pages": 240 + number * 17, "tags": ["classic"], "lent": number % 3 == 0}
        service.json("POST", "/books", book, X_Session_ID="shop")
        service.json("POST", "/orders", {"book_id": number + 1, "status": "open"}, X_Session_ID="shop")
    service.json("POST", "/_meta/plans/import?session=shop", document, **token)
    for number in range(4):
        service.json("POST", f"/orders/{number + 1}/cancel", {}, X_Session_ID="shop")


def ask_on(service: Asked, over: threading.Event) -> None:
    """As clients do, until it is over."""
    number = 0
    while not over.wait(0.06):
        number += 1
        service.ask("GET", f"/books?pages__gte={200 + number % 9}", X_Session_ID="shop")
        if number % 3 == 0:
            service.json("PATCH", f"/books/{1 + number % 20}", {"pages": number}, X_Session_ID="shop")


def take(page: Page, address: str, name: str, ready: str) -> None:
    page.goto(address)
    page.locator(ready).first.wait_for()
    keep(page, name)


def keep(page: Page, name: str, scroll: int = 0) -> None:
    page.evaluate(f"scrollTo(0, {scroll})")
    path = _PLACE / f"{name}.png"
    page.screenshot(path=str(path))
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(_COLOURS).save(path, optimize=True)
    print(f"{name}: {path.stat().st_size / 1024:.1f} KiB")


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, running(Path(scratch), LARS_ADMIN_TOKEN=ADMIN) as service:
        fill(service)
        url = f"http://{service.connection.host}:{service.connection.port}/_meta/console"
        again = HTTPConnection(service.connection.host, service.connection.port)
        over, client = threading.Event(), Asked(service.pid, again)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            page: Any = browser.new_page(viewport={"width": 900, "height": 560})
            page.goto(f"{url}/login")
            page.get_by_label("Admin token").fill(ADMIN)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("heading", name="Sessions").wait_for()
            asking = threading.Thread(target=ask_on, args=(client, over))
            asking.start()
            page.goto(f"{url}/traffic")
            page.locator("#live-state[data-state=live]").wait_for()
            page.wait_for_timeout(_SECONDS * 1_000)  # so that its charts have something to show
            keep(page, "traffic", scroll=560)
            over.set()
            asking.join()
            plan = client.ask("GET", "/_meta/plans?limit=1", None, Authorization=f"Bearer {ADMIN}")[1]
            name = plan.decode().partition('"id":"')[2].partition('"')[0]
            take(page, f"{url}/routes/{name}", "route", ".python")
            take(page, f"{url}/sessions/shop/data/books?q=sort%3D-pages", "data", "[data-state=live]")
            take(page, f"{url}/sessions/shop", "session", "table")
            browser.close()


if __name__ == "__main__":
    main()

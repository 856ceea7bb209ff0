"""The console in Chromium: every view and action, wide and narrow, light and dark, with the network cut."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlencode

import pytest
from attrs import define, frozen
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.test_pages import _FLAGS, _TIMEOUT_MS, _is_local, _shoot
from tests.e2e.service import RunningService
from tests.plan_files import document, item
from tools.tcp_proxy import TcpProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import ViewportSize

    from wasm_runtime.artifact import Artifact

pytestmark = pytest.mark.browser

ADMIN = "the-admin-token-of-browsers"
#: Kinds of axe-core's findings that keep people out of a page.
_SERIOUS = frozenset({"serious", "critical"})
#: As long as a session's name may be.
_LONG = "session" * 18
_EVIL = "<img src=x onerror=\"document.title='run'\">"


@pytest.fixture(scope="module")
def service(guest_artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    scratch = tmp_path_factory.mktemp("console")
    settings = scratch / "keeps.toml"
    settings.write_text("[console]\nkeep_requests = 20\n")
    with RunningService(
        scratch / "data", scratch, {"LARS_ADMIN_TOKEN": ADMIN, "LARS_CONFIG": str(settings)}
    ) as running:
        shop = running.client("shop")
        for number in range(60):
            shop.create("/books", {"title": f"Book {number}", "pages": number, "tags": ["new"]})
        shop.create("/notes", {_EVIL: _EVIL, "text": _EVIL})
        shop.create("/notes", {"text": "There was one", "more": _EVIL})
        shop.patch("/notes/1", {_EVIL: [_EVIL], "text": "long " * 40})
        shop.patch("/notes/2", {"more": _EVIL * 9})
        shop.delete("/notes/2")
        long = running.client(_LONG)
        long.create(f"/{'collection-of-' * 4}x", {"field_of_" * 12: "value" * 40, "id": "id" * 60})
        operator = running.client(None, Authorization=f"Bearer {ADMIN}")
        plans = document([item(route="/books/{id:int}", resource="books")])
        assert operator.post("/_meta/plans/import?session=shop", plans).status == 200
        yield running
        running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    assert executable, "install Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=executable, args=_FLAGS)


@frozen
class Look:
    """How wide the window is, and whether people like it dark."""

    width: int
    scheme: Literal["light", "dark"]

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}"


LOOKS = (Look(1280, "light"), Look(1280, "dark"), Look(380, "light"), Look(380, "dark"))
looked_at = pytest.mark.parametrize("look", LOOKS, ids=str)


@define
class Console:
    """The console of a service in a browser that is logged in: a page, and the address it is at."""

    browser: Browser
    url: str
    page: Page
    #: What a test brings about itself and the browser tells: "net::ERR_CONNECTION_RESET".
    expected: tuple[str, ...] = ()

    def go(self, *segments: str, **query: str) -> None:
        path = "/".join(quote(each, safe="") for each in segments)
        self.page.goto(f"{self.url}/_meta/console/{path}{f'?{urlencode(query)}' if query else ''}")

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def says(self, text: str) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible()


@contextmanager
def console(
    browser: Browser, url: str, look: Look = LOOKS[0], *, expected: tuple[str, ...] = ()
) -> Iterator[Console]:
    """Proved in the end to have asked nobody else, broken no policy, and been no wider than its window."""
    foreign: list[str] = []
    errors: list[str] = []
    viewport: ViewportSize = {"width": look.width, "height": 900}
    context = browser.new_context(viewport=viewport, color_scheme=look.scheme)
    page = context.new_page()
    page.set_default_timeout(_TIMEOUT_MS)
    page.on("request", lambda request: _is_local(request.url, url) or foreign.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: message.type != "error" or errors.append(message.text))
    page.goto(f"{url}/_meta/console/login")
    page.get_by_label("Admin token").fill(ADMIN)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
    try:
        yield Console(browser, url, page)
        assert page.evaluate("document.documentElement.scrollWidth") <= look.width
    finally:
        context.close()
    assert foreign == []
    allowed = ("the server responded with a status of 4", *expected)
    assert [each for each in errors if not any(text in each for text in allowed)] == []


VIEWS = (
    "sessions",
    "sessions/shop",
    "sessions/nobody",
    "sessions/shop/log",
    "sessions/shop/rewind?to=1",
    "sessions/shop/try",
    "sessions/shop/contract",
    f"sessions/{_LONG}",
    f"sessions/{_LONG}/data/{'collection-of-' * 4}x",
    f"sessions/{_LONG}/data/{'collection-of-' * 4}x/records/{'id' * 60}",
    "sessions/shop/data/books",
    "sessions/shop/data/books/new",
    "sessions/shop/data/books/records/1",
    "sessions/shop/data/notes",
    "sessions/shop/data/notes/records/1",
    "sessions/shop/data/notes/records/2",
    "routes",
    "traffic",
    "model",
    "nowhere",
)


@looked_at
def test_every_view_can_be_used_by_everybody(service: RunningService, browser: Browser, look: Look) -> None:
    """axe-core finds nothing serious, no page is wider than its window, and nothing of a client's runs."""
    axe = Axe()
    with console(browser, service.url, look) as seen:
        page = seen.page
        seen.go("routes")
        page.get_by_role("link", name="/books/{id:int}").first.click()
        plan = page.url.partition("/console/")[2]
        trial = f"sessions/shop/try?plan={plan.partition('/')[2]}"
        for view in (*VIEWS, plan, trial):
            page.goto(f"{service.url}/_meta/console/{view}")
            found = [each for each in axe.run(page).response["violations"] if each["impact"] in _SERIOUS]
            assert found == [], (view, found)
            assert page.evaluate("document.documentElement.scrollWidth") <= look.width, view
            assert "run" not in page.title()
            name = view.partition("?")[0].replace("/", "-").replace(_LONG, "long")[:60]
            _shoot(page, f"console-{name}-{look}")


@looked_at
def test_sessions(service: RunningService, browser: Browser, look: Look) -> None:
    """Made, found, copied, emptied, rewound after a look, exported, imported, deleted with the name typed."""
    name = f"sessions-{look}"
    client = service.client(name)
    client.create("/books", {"title": "Kept"})
    client.create("/books", {"title": "Late"})
    with console(browser, service.url, look) as seen:
        page = seen.page
        page.get_by_label("Name of a new session").fill(f"new-{look}")
        seen.press("Make")
        seen.says("No records yet.")
        seen.go("sessions")
        page.get_by_label("Find a session").fill(name)
        seen.press("Find")
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_label("Name of the copy").fill(f"copy-{look}")
        page.get_by_label("As of a version or time").fill("1")
        seen.press("Copy")
        seen.says("Copied.")
        assert [each["title"] for each in service.client(f"copy-{look}").read("/books")["items"]] == ["Kept"]

        seen.go("sessions", name)
        seen.press("Empty the session")
        seen.says("All records are gone.")
        page.get_by_role("link", name="Show the changes").click()
        page.get_by_role("link", name=re.compile("version 2$")).click()
        seen.says("2 records brought back.")
        expect(page.get_by_role("region", name="books 1")).to_contain_text("Kept")
        _shoot(page, f"console-rewind-{look}")
        seen.press("Rewind")
        seen.says("Rewound.")
        assert len(client.read("/books")["items"]) == 2

        with page.expect_download() as download:
            page.get_by_role("link", name="Export as a tar file").click()
        seen.go("sessions", f"imported-{look}")
        page.locator("#file").set_input_files(download.value.path())
        seen.says("Imported.")
        drop(page, download.value.path())
        expect(page.locator("[data-import] [role=status]")).to_contain_text("imported")
        page.get_by_label("Replace what is there").check()
        drop(page, download.value.path())
        seen.says("Imported.")

        page.get_by_label("type its name").fill("wrong")
        seen.press("Delete the session")
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("type its name").fill(f"imported-{look}")
        seen.press("Delete the session")
        seen.says("Deleted.")
        expect(page.get_by_role("link", name=f"imported-{look}")).to_have_count(0)


def drop(page: Page, file: Path) -> None:
    """As by hand: a file upon the place where it is taken."""
    dropped = page.evaluate_handle(
        """bytes => {
          const found = new DataTransfer();
          found.items.add(new File([Uint8Array.from(bytes)], "session.tar"));
          return found;
        }""",
        list(file.read_bytes()),
    )
    page.dispatch_event("[data-import]", "drop", {"dataTransfer": dropped})


@looked_at
def test_words_clock_and_seed_of_a_session(service: RunningService, browser: Browser, look: Look) -> None:
    name = f"words-{look}"
    client = service.client(name)
    client.create("/books", {"title": "One"})
    with console(browser, service.url, look) as seen:
        seen.go("sessions", name)
        seen.page.get_by_label("Requests are read in the words of").select_option("json-server")
        seen.page.locator("form", has=seen.page.locator("#dialect")).get_by_role("button").click()
        seen.says("in the words of json-server")
        assert isinstance(client.read("/books?_sort=title"), list)
        seen.page.get_by_label("To plans it is always").fill("yesterday")
        times = seen.page.locator("form", has=seen.page.locator("#clock")).get_by_role("button")
        times.click()
        expect(seen.page.get_by_role("alert")).to_contain_text("with its zone")
        seen.page.get_by_label("To plans it is always").fill("2026-03-01T12:00:00Z")
        seen.page.get_by_label("Seed of made ids").fill("seven")
        times.click()
        seen.says("Saved.")
        expect(seen.page.get_by_label("Seed of made ids")).to_have_value("seven")


@looked_at
def test_data(service: RunningService, browser: Browser, look: Look) -> None:
    """Filtered, sorted and paged."""
    name = f"data-{look}"
    operator = service.client(None, Authorization=f"Bearer {ADMIN}")
    assert operator.post("/_meta/sessions/shop/fork", {"to": name}).status < 300
    with console(browser, service.url, look) as seen:
        page = seen.page
        seen.go("sessions", name, "data", "books")
        page.get_by_role("link", name="Next").click()
        seen.says("51 to 60 of 60")
        page.get_by_role("link", name="Before").click()
        seen.says("1 to 50 of 60")
        page.get_by_role("link", name="pages", exact=True).click()
        page.get_by_role("link", name="pages", exact=True).click()
        expect(page.locator("tbody tr").first).to_contain_text("Book 59")
        page.get_by_label("Query, as a client writes it").fill("pages__lt=2&sort=title")
        seen.press("Show")
        expect(page.locator("tbody tr")).to_have_count(2)


@looked_at
def test_a_record(service: RunningService, browser: Browser, look: Look) -> None:
    """Added, changed, refused when somebody was faster, and deleted: by fields, and as JSON."""
    name = f"record-{look}"
    operator = service.client(None, Authorization=f"Bearer {ADMIN}")
    assert operator.post("/_meta/sessions/shop/fork", {"to": name}).status < 300
    client = service.client(name)
    with console(browser, service.url, look) as seen:
        page = seen.page
        seen.go("sessions", name, "data", "books")
        page.get_by_role("link", name="Add a record").click()
        page.get_by_label("title").fill("Written here")
        page.get_by_label("pages").fill("7")
        seen.press("Add")
        seen.says("Added.")
        assert client.read("/books?title=Written%20here")["items"][0]["pages"] == 7
        page.get_by_role("link", name="Add a record").click()
        page.get_by_label("The record as JSON").fill('{"title": "As JSON", "pages": ')
        seen.press("Add as JSON")
        expect(page.get_by_role("alert")).to_contain_text("line 1")
        page.get_by_label("The record as JSON").fill('{"title": "As JSON", "pages": 3}')
        seen.press("Add as JSON")
        seen.says("Added.")

        seen.go("sessions", name, "data", "books", "records", "61")
        client.patch("/books/61", {"pages": 8})
        page.get_by_label("title").fill("Too late")
        seen.press("Save")
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("title")).to_have_value("Too late")
        seen.press("Delete the record")
        expect(page.get_by_role("alert")).to_be_visible()
        seen.go("sessions", name, "data", "books", "records", "61")
        page.get_by_label("title").fill("In time")
        seen.press("Save")
        seen.says("Saved.")
        assert client.read("/books/61")["title"] == "In time"
        page.get_by_label("The record as JSON").fill('{"title": "Whole"}')
        seen.press("Save as JSON")
        seen.says("Saved.")
        assert client.read("/books/61") == {"id": 61, "title": "Whole"}
        seen.press("Delete the record")
        seen.says("Deleted.")
        assert client.read("/books?id=61")["items"] == []


@looked_at
def test_a_record_s_history(service: RunningService, browser: Browser, look: Look) -> None:
    """What each version changed; one restored, and a record that was deleted brought back."""
    name = f"history-{look}"
    client = service.client(name)
    client.create("/books", {"title": "First"})
    client.patch("/books/1", {"title": "Second"})
    with console(browser, service.url, look) as seen:
        record = ("sessions", name, "data", "books", "records", "1")
        seen.go(*record)
        expect(seen.page.locator("del")).to_have_text("First")
        seen.page.get_by_role("button", name="Restore version 1").click()
        seen.says("Restored:")
        expect(seen.page.get_by_label("title")).to_have_value("First")
        assert client.read("/books/1")["title"] == "First"
        seen.press("Delete the record")
        seen.says("Deleted.")
        seen.go(*record)
        seen.says("This record is not there any more.")
        seen.page.get_by_role("button", name="Restore version 2").click()
        seen.says("Restored:")
        assert client.read("/books/1")["title"] == "Second"


@looked_at
def test_a_contract(service: RunningService, browser: Browser, look: Look, tmp_path: Path) -> None:
    """A file is read into the form, looked at, served, and taken away."""
    file, name = tmp_path / "lamps.yaml", f"described-{look}"
    file.write_text(
        "openapi: 3.0.0\ninfo: {title: Lamps, version: '1'}\n"
        "paths: {/lamps: {get: {operationId: listLamps, responses: {'200': {description: all}}}, "
        "post: {operationId: addLamp, responses: {'201': {description: made}}}}}\n"
    )
    with console(browser, service.url, look) as seen:
        seen.go("sessions", name)
        seen.page.get_by_role("link", name="Serve an API description").click()
        seen.page.locator("#described").set_input_files(file)
        expect(seen.page.get_by_label("Name")).to_have_value("lamps.yaml")
        seen.press("Check")
        seen.says("Lamps, OpenAPI 3.0.0: 2 operations")
        seen.press("Serve this")
        seen.says("Saved.")
        assert service.client(name).get("/lamps").status == 200
        seen.press("Serve no contract")
        seen.says("No contract: requests are answered")
        seen.press("Serve what the settings say")
        seen.says("Saved.")


@looked_at
def test_routes(service: RunningService, browser: Browser, look: Look) -> None:
    """Code with its violations at their lines, a check, and a replay with the difference that it makes."""
    name = lamps_of(service, look, "routes")
    with console(browser, service.url, look) as seen:
        page = seen.page
        open_plan(seen, name)
        page.locator("#code").fill("import os\nREPLY = make_response(200, 1)")
        seen.press("Check")
        expect(page.locator(".violations li").first).to_contain_text("Line 1, column 1")
        _shoot(page, f"console-violations-{look}")
        page.locator("#code").fill(f"note = '{look}'\nREPLY = make_response(200, {{'seen': params['id']}})")
        seen.press("Check")
        seen.says("The policy takes this code.")
        page.locator("#session").fill(name)
        page.locator("#path").fill("/lamps/1")
        page.get_by_role("button", name="Replay", exact=True).last.click()
        expect(page.locator(".diff").last).to_contain_text('"seen": 1')
        _shoot(page, f"console-replayed-{look}")


def lamps_of(service: RunningService, look: Look, name: str) -> str:
    """A session that has a lamp, and a plan of its own that reads it; the session's name."""
    session = f"{name}-{look}"
    service.client(session).create("/lamps", {"title": "One"})
    operator = service.client(None, Authorization=f"Bearer {ADMIN}")
    code = f"note = '{session}'\nREPLY = make_response(200, store.get(params['id']))"
    plans = document([item(route="/lamps/{id:int}", resource="lamps", code=code)])
    assert operator.post(f"/_meta/plans/import?session={session}", plans).status == 200
    return session


def open_plan(seen: Console, session: str) -> None:
    """By the tree of its session's routes."""
    seen.page.get_by_role("link", name="Routes", exact=True).click()
    seen.page.get_by_label("Routes of one session").fill(session)
    seen.press("Show")
    seen.page.get_by_role("link", name="/lamps/{id:int}").first.click()


@looked_at
def test_a_plan_is_replaced(service: RunningService, browser: Browser, look: Look) -> None:
    """Replayed with one of the last requests, edited, tried by a form of its own, pinned, forgotten."""
    name = lamps_of(service, look, "edited")
    service.client(name).read("/lamps/1")
    with console(browser, service.url, look) as seen:
        page = seen.page
        open_plan(seen, name)
        page.get_by_role("button", name="Replay GET /lamps/1").click()
        expect(page.get_by_role("heading", name="fuel")).to_be_visible()

        page.locator("#code").fill(f"note = '{look}'\nREPLY = make_response(200, {{'seen': params['id']}})")
        seen.press("Have it run")
        seen.says("The plan runs this code now")
        assert service.client(name).read("/lamps/1") == {"seen": 1}
        page.get_by_text("Before 1 edit").click()
        expect(page.locator("details .diff")).to_contain_text("seen")
        page.get_by_role("link", name="Try it").click()
        page.get_by_label("id").fill("1")
        seen.press("Send")
        expect(page.locator("pre.code")).to_contain_text('"seen": 1')
        _shoot(page, f"console-tried-{look}")
        page.get_by_role("link", name="the plan").click()
        seen.press("Pin")
        seen.says("Pinned:")
        seen.press("Forget")
        expect(page.get_by_role("alert")).to_be_visible()
        seen.press("Unpin")
        seen.says("No longer pinned.")
        seen.press("Forget")
        seen.says("Forgotten:")


@looked_at
def test_traffic_comes_by_itself(service: RunningService, browser: Browser, look: Look) -> None:
    """A request is in the page as it is answered; the pause holds it back; a row leads to its stages."""
    client = service.client(f"watched-{look}")
    with console(browser, service.url, look) as seen:
        page = seen.page
        page.get_by_role("link", name="Traffic", exact=True).click()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.get_by_label("Session").fill(f"watched-{look}")
        seen.press("Filter")
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        expect(page.locator("#none")).to_be_visible()
        charts = page.locator("[data-chart=requests]")
        client.create("/lamps", {"n": 1})
        service.client("another").create("/tables", {"n": 1})
        expect(page.locator("#live")).to_contain_text("/lamps")
        expect(charts.locator("canvas")).to_be_visible()
        expect(charts.locator("tbody td").nth(1)).not_to_have_text("\N{EN DASH}")
        expect(page.locator("#counted")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
        seen.press("Pause")
        expect(page.get_by_text("Paused", exact=True)).to_be_visible()
        client.create("/chairs", {"n": 1})
        assert "/chairs" not in page.locator("#live").inner_text()
        seen.press("Go on")
        expect(page.locator("#live")).to_contain_text("/chairs")
        assert page.locator("#live tbody tr", has_text="POST /lamps").count() == 1
        assert "/tables" not in page.locator("#live").inner_text()
        page.get_by_role("link", name="POST /lamps").click()
        expect(page.get_by_role("heading", name="What it changed")).to_be_visible()
        _shoot(page, f"console-request-{look}")
        page.get_by_role("link", name="Model", exact=True).click()
        seen.press("Test the provider")
        expect(page.get_by_role("status")).to_be_visible()


def test_pages_catch_up_after_a_lost_connection(service: RunningService, browser: Browser) -> None:
    """Cut on the way, they say so; when it is back they have what has happened meanwhile, once."""
    client = service.client("cut")
    client.create("/stools", {"n": 0})
    with proxied(service.url) as way, console(browser, way.url, expected=("net::ERR_",)) as seen:
        page = seen.page
        page.get_by_role("link", name="Traffic", exact=True).click()
        other = page.context.new_page()
        other.goto(f"{way.url}/_meta/console/sessions/cut/data/stools")
        expect(page.locator("#live-state[data-state=live]")).to_be_visible()
        expect(other.locator("[data-changes][data-state=live]")).to_be_visible()
        before = page.evaluate("window.lastPoint()")
        way.cut()
        for each in (page, other):
            expect(each.get_by_text("The connection was lost. Trying again")).to_be_visible()
        client.create("/benches", {"n": 1})
        client.patch("/stools/1", {"n": 1})
        way.restore()
        expect(page.locator("#live-state[data-state=live]")).to_be_visible()
        expect(page.locator("#live tbody tr", has_text="POST /benches")).to_have_count(1)
        expect(page.locator("#live tbody tr", has_text="POST /stools")).to_have_count(1)
        expect(other.get_by_text("1 record has changed since.")).to_be_visible()
        other.get_by_role("button", name="Show them").click()
        expect(other.get_by_text("The records as they are now.")).to_be_visible()
        assert page.evaluate("window.lastPoint()") > before


def test_a_stream_that_is_silent_is_lost(service: RunningService, browser: Browser) -> None:
    """Nothing arrives and nobody is told, as where a machine has gone: after 15 seconds the page says so."""
    with proxied(service.url) as way, console(browser, way.url, expected=("net::ERR_",)) as seen:
        page = seen.page
        page.clock.install()
        page.get_by_role("link", name="Traffic", exact=True).click()
        expect(page.locator("#live-state[data-state=live]")).to_be_visible()
        way.hold()
        page.clock.run_for(13_000)
        expect(page.locator("#live-state[data-state=live]")).to_be_visible()
        page.clock.run_for(3_000)
        expect(page.get_by_text("The connection was lost. Trying again")).to_be_visible()
        way.restore()
        expect(page.locator("#live-state[data-state=live]")).to_be_visible()


@frozen
class Way:
    """The service's address behind a proxy, and what becomes of what goes through it."""

    url: str
    #: Connections end; nothing arrives; all is well again.
    cut: Callable[[], object]
    hold: Callable[[], object]
    restore: Callable[[], object]


@contextmanager
def proxied(url: str) -> Iterator[Way]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    proxy = TcpProxy("127.0.0.1", int(url.rpartition(":")[2]))
    asyncio.run_coroutine_threadsafe(proxy.__aenter__(), loop).result()
    try:
        yield Way(
            f"http://127.0.0.1:{proxy.port}",
            lambda: loop.call_soon_threadsafe(proxy.refuse),
            lambda: loop.call_soon_threadsafe(proxy.hold),
            lambda: loop.call_soon_threadsafe(proxy.go_on),
        )
    finally:
        asyncio.run_coroutine_threadsafe(proxy.__aexit__(None, None, None), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_page_says_that_the_service_has_gone_and_that_the_login_went_with_it(
    guest_artifact: Artifact, tmp_path: Path, browser: Browser
) -> None:
    """While it is stopped the page tries again; the one that is started then asks for a login."""
    with ExitStack() as stack:
        first = stack.enter_context(RunningService(tmp_path / "data", tmp_path, {"LARS_ADMIN_TOKEN": ADMIN}))
        seen = stack.enter_context(console(browser, first.url, expected=("net::ERR_",)))
        seen.go("traffic")
        expect(seen.page.locator("#live-state[data-state=live]")).to_be_visible()
        first.stop()
        seen.says("The connection was lost. Trying again")
        again = {"LARS_ADMIN_TOKEN": ADMIN, "LARS_PORT": first.url.rpartition(":")[2]}
        second = stack.enter_context(RunningService(tmp_path / "data", tmp_path, again))
        seen.says("Your login is over.")
        second.stop()


def test_a_stream_says_that_the_login_is_over(service: RunningService, browser: Browser) -> None:
    """Logged out in another tab: the page says so, and asks no more."""
    with console(browser, service.url) as seen:
        page = seen.page
        page.get_by_role("link", name="Traffic", exact=True).click()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.evaluate(
            """() => {
              const form = document.querySelector("form[action$=logout]");
              return fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
            }"""
        )
        seen.says("Your login is over.")


@looked_at
def test_a_table_says_that_others_have_changed_it(
    service: RunningService, browser: Browser, look: Look
) -> None:
    """Quietly, and with a button that shows the records in place; by keyboard as well."""
    name = f"followed-{look}"
    client = service.client(name)
    client.create("/lamps", {"name": "First"})
    with console(browser, service.url, look) as seen:
        page = seen.page
        seen.go("sessions", name, "data", "lamps")
        expect(page.locator("[data-changes][data-state=live]")).to_be_visible()
        client.create("/lamps", {"name": _EVIL})
        client.create("/chairs", {"name": "of no interest"})
        seen.says("1 record has changed since.")
        expect(page.locator("tbody tr")).to_have_count(1)
        client.patch("/lamps/1", {"name": "Second"})
        seen.says("2 records have changed since.")
        page.get_by_role("button", name="Show them").focus()
        page.keyboard.press("Enter")
        expect(page.locator("tbody tr")).to_have_count(2)
        expect(page.locator("tbody")).to_contain_text("Second")
        seen.says("The records as they are now.")
        expect(page.get_by_role("region", name="Records of lamps")).to_be_focused()
        assert page.title() != "run"
        client.patch("/lamps/1", {"name": "Third"})
        seen.says("1 record has changed since.")


@looked_at
def test_the_front_page_leads_to_the_console(service: RunningService, browser: Browser, look: Look) -> None:
    with console(browser, service.url, look) as seen:
        page = seen.page
        page.goto(service.url)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert [each for each in Axe().run(page).response["violations"] if each["impact"] in _SERIOUS] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= look.width
        _shoot(page, f"front-page-{look}")
        page.get_by_role("link", name="Console", exact=True).click()
        expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        page.goto(f"{service.url}/_meta/problems/precondition-failed")
        assert [each for each in Axe().run(page).response["violations"] if each["impact"] in _SERIOUS] == []
        _shoot(page, f"problem-page-{look}")
        seen.go("sessions")
        seen.press("Log out")
        expect(page.get_by_label("Admin token")).to_be_visible()

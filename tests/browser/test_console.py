"""The console in Chromium: every view and action, wide and narrow, light and dark, with the network cut."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.test_pages import _FLAGS, _TIMEOUT_MS, _is_local, _shoot
from tests.e2e.service import RunningService
from tests.plan_files import document, item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
    with RunningService(scratch / "data", scratch, {"LARS_ADMIN_TOKEN": ADMIN}) as running:
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


@contextmanager
def console(service: RunningService, width: int = 1280, scheme: str = "light") -> Iterator[Page]:
    """A page that is logged in, and proved in the end to have asked nobody else and broken no policy."""
    executable = shutil.which("chromium")
    assert executable, "install Chromium: apt-get install chromium"
    foreign: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=_FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        page.set_default_timeout(_TIMEOUT_MS)
        page.on("request", lambda request: _is_local(request.url, service.url) or foreign.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: message.type != "error" or errors.append(message.text))
        page.goto(f"{service.url}/_meta/console/login")
        page.get_by_label("Admin token").fill(ADMIN)
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        yield page
        browser.close()
    assert foreign == []
    assert [each for each in errors if "the server responded with a status of 4" not in each] == []


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


@pytest.mark.parametrize(
    ("width", "scheme"), [(1280, "light"), (1280, "dark"), (380, "light"), (380, "dark")]
)
def test_every_view_can_be_used_by_everybody(service: RunningService, width: int, scheme: str) -> None:
    """axe-core finds nothing serious, no page is wider than its window, and nothing of a client's runs."""
    axe = Axe()
    with console(service, width, scheme) as page:
        page.goto(f"{service.url}/_meta/console/routes")
        page.get_by_role("link", name="/books/{id:int}").first.click()
        plan = page.url.partition("/console/")[2]
        for view in (*VIEWS, plan):
            page.goto(f"{service.url}/_meta/console/{view}")
            found = [each for each in axe.run(page).response["violations"] if each["impact"] in _SERIOUS]
            assert found == [], (view, found)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, view
            assert "run" not in page.title()
            name = view.partition("?")[0].replace("/", "-").replace(_LONG, "long")[:60]
            _shoot(page, f"console-{name}-{width}-{scheme}")


def test_sessions(service: RunningService) -> None:
    """Copied, emptied, rewound after a look, exported, imported by file, deleted with the name typed."""
    with console(service) as page:
        page.get_by_label("Name of a new session").fill("brand-new")
        page.get_by_role("button", name="Make").click()
        expect(page.get_by_text("No records yet.")).to_be_visible()

        page.goto(f"{service.url}/_meta/console/sessions/shop")
        page.get_by_label("Name of the copy").fill("copy")
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("status").first).to_have_text("Copied.")
        page.get_by_role("button", name="Empty the session").click()
        expect(page.get_by_text("All records are gone.")).to_be_visible()
        page.get_by_role("link", name="Show the changes").click()
        page.get_by_role("link", name="Go back to here").nth(1).click()
        expect(page.get_by_text("This is what would change.")).to_be_visible()
        page.get_by_role("button", name="Rewind").click()
        expect(page.get_by_text("Rewound.")).to_be_visible()
        expect(page.get_by_role("link", name="books", exact=True)).to_be_visible()

        with page.expect_download() as download:
            page.get_by_role("link", name="Export as a tar file").click()
        page.goto(f"{service.url}/_meta/console/sessions/imported")
        page.locator("#file").set_input_files(download.value.path())
        expect(page.get_by_text("Imported.")).to_be_visible()
        page.locator("#file").set_input_files(download.value.path())
        expect(page.locator("[data-import] [role=status]")).to_contain_text("imported")

        page.get_by_label("type its name").fill("wrong")
        page.get_by_role("button", name="Delete the session").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("type its name").fill("imported")
        page.get_by_role("button", name="Delete the session").click()
        expect(page.get_by_text("Deleted.")).to_be_visible()
        expect(page.get_by_role("link", name="imported")).to_have_count(0)


def test_data(service: RunningService) -> None:
    """Filtered, sorted, paged; a record added, changed, refused when somebody was faster, and deleted."""
    client = service.client("shop")
    with console(service) as page:
        page.goto(f"{service.url}/_meta/console/sessions/shop/data/books")
        page.get_by_role("link", name="Next").click()
        expect(page.get_by_text("51 to 60 of 60")).to_be_visible()
        page.get_by_role("link", name="pages", exact=True).click()
        page.get_by_role("link", name="pages", exact=True).click()
        expect(page.locator("tbody tr").first).to_contain_text("Book 59")
        page.get_by_label("Query, as a client writes it").fill("pages__lt=2&sort=title")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("tbody tr")).to_have_count(2)

        page.get_by_role("link", name="Add a record").click()
        page.get_by_label("title").fill("Written here")
        page.get_by_label("pages").fill("7")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_text("Added.")).to_be_visible()
        assert client.read("/books?title=Written here".replace(" ", "%20"))["items"][0]["pages"] == 7

        page.goto(f"{service.url}/_meta/console/sessions/shop/data/books/records/61")
        client.patch("/books/61", {"pages": 8})
        page.get_by_label("title").fill("Too late")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_role("alert")).to_be_visible()
        expect(page.get_by_label("title")).to_have_value("Too late")
        page.goto(f"{service.url}/_meta/console/sessions/shop/data/books/records/61")
        page.get_by_label("title").fill("In time")
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        assert client.read("/books/61")["title"] == "In time"
        page.get_by_role("button", name="Delete the record").click()
        expect(page.get_by_text("Deleted.")).to_be_visible()
        assert client.read("/books?id=61")["items"] == []


def test_a_record_s_history(service: RunningService) -> None:
    """What each version changed; one restored, and a record that was deleted brought back."""
    client = service.client("history")
    client.create("/books", {"title": "First"})
    client.patch("/books/1", {"title": "Second"})
    with console(service) as page:
        page.goto(f"{service.url}/_meta/console/sessions/history/data/books/records/1")
        expect(page.locator("del")).to_have_text("First")
        page.get_by_role("button", name="Restore version 1").click()
        expect(page.get_by_text("Restored:")).to_be_visible()
        expect(page.get_by_label("title")).to_have_value("First")
        assert client.read("/books/1")["title"] == "First"
        page.get_by_role("button", name="Delete the record").click()
        expect(page.get_by_text("Deleted.")).to_be_visible()
        page.goto(f"{service.url}/_meta/console/sessions/history/data/books/records/1")
        expect(page.get_by_text("This record is not there any more.")).to_be_visible()
        page.get_by_role("button", name="Restore version 2").click()
        expect(page.get_by_text("Restored:")).to_be_visible()
        assert client.read("/books/1")["title"] == "Second"


def test_a_contract(service: RunningService, tmp_path: Path) -> None:
    """A file is read into the form, looked at, served, and taken away."""
    file = tmp_path / "lamps.yaml"
    file.write_text(
        "openapi: 3.0.0\ninfo: {title: Lamps, version: '1'}\n"
        "paths: {/lamps: {get: {operationId: listLamps, responses: {'200': {description: all}}}, "
        "post: {operationId: addLamp, responses: {'201': {description: made}}}}}\n"
    )
    with console(service) as page:
        page.goto(f"{service.url}/_meta/console/sessions/described")
        page.get_by_role("link", name="Serve an API description").click()
        page.locator("#described").set_input_files(file)
        expect(page.get_by_label("Name")).to_have_value("lamps.yaml")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_text("Lamps, OpenAPI 3.0.0: 2 operations")).to_be_visible()
        page.get_by_role("button", name="Serve this").click()
        expect(page.get_by_text("Saved.")).to_be_visible()
        assert service.client("described").get("/lamps").status == 200
        page.get_by_role("button", name="Serve no contract").click()
        expect(page.get_by_text("No contract: requests are answered")).to_be_visible()


def test_routes(service: RunningService) -> None:
    """Code with its violations at their lines, a check, a replay with its difference, a pin."""
    with console(service) as page:
        page.get_by_role("link", name="Routes").click()
        page.get_by_role("link", name="/books/{id:int}").first.click()
        page.locator("#code").fill("import os\nREPLY = make_response(200, 1)")
        page.get_by_role("button", name="Check").click()
        expect(page.locator(".violations li").first).to_contain_text("Line 1, column 1")
        page.locator("#code").fill("REPLY = make_response(200, {'seen': params['id']})")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_text("The policy takes this code.")).to_be_visible()
        page.locator("#session").fill("shop")
        page.locator("#path").fill("/books/3")
        page.get_by_role("button", name="Replay").click()
        expect(page.locator(".diff").last).to_contain_text('"seen": 3')
        page.get_by_role("button", name="Pin").click()
        expect(page.get_by_text("Pinned:")).to_be_visible()
        page.get_by_role("button", name="Unpin").click()
        page.get_by_role("link", name="Try it").click()
        page.get_by_label("Path, with its query").fill("/books/3")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("pre.code")).to_contain_text("Book 2")


def test_traffic_comes_by_itself(service: RunningService) -> None:
    """A request is in the page as it is answered; the pause holds it back; a row leads to its stages."""
    client = service.client("watched")
    with console(service) as page:
        page.get_by_role("link", name="Traffic").click()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        charts = page.locator("[data-chart=requests]")
        before = charts.locator("tbody td").all_inner_texts()
        client.create("/lamps", {"n": 1})
        expect(page.locator("#live")).to_contain_text("/lamps")
        expect(charts.locator("canvas")).to_be_visible()
        expect(charts.locator("tbody td").nth(1)).not_to_have_text("\N{EN DASH}")
        assert len(before) == 6
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("Paused", exact=True)).to_be_visible()
        client.create("/chairs", {"n": 1})
        assert "/chairs" not in page.locator("#live").inner_text()
        page.get_by_role("button", name="Go on").click()
        expect(page.locator("#live")).to_contain_text("/chairs")
        assert page.locator("#live tbody tr", has_text="POST /lamps").count() == 1
        page.get_by_role("link", name="POST /lamps").click()
        expect(page.get_by_role("heading", name="What it changed")).to_be_visible()
        page.get_by_role("link", name="Model").click()
        page.get_by_role("button", name="Test the provider").click()
        expect(page.get_by_role("status")).to_be_visible()


def test_a_stream_says_that_the_login_is_over(service: RunningService) -> None:
    """Logged out in another tab: the page says so, and asks no more."""
    with console(service) as page:
        page.get_by_role("link", name="Traffic").click()
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.evaluate(
            """() => {
              const form = document.querySelector("form[action$=logout]");
              return fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
            }"""
        )
        expect(page.get_by_text("Your login is over.")).to_be_visible()


def test_a_table_says_that_others_have_changed_it(service: RunningService) -> None:
    """Quietly, and with a button that shows the records in place; by keyboard as well."""
    client = service.client("followed")
    client.create("/lamps", {"name": "First"})
    with console(service) as page:
        page.goto(f"{service.url}/_meta/console/sessions/followed/data/lamps")
        expect(page.locator("[data-changes][data-state=live]")).to_be_visible()
        client.create("/lamps", {"name": _EVIL})
        client.create("/chairs", {"name": "of no interest"})
        expect(page.get_by_text("1 record has changed since.")).to_be_visible()
        expect(page.locator("tbody tr")).to_have_count(1)
        client.patch("/lamps/1", {"name": "Second"})
        expect(page.get_by_text("2 records have changed since.")).to_be_visible()
        page.get_by_role("button", name="Show them").focus()
        page.keyboard.press("Enter")
        expect(page.locator("tbody tr")).to_have_count(2)
        expect(page.locator("tbody")).to_contain_text("Second")
        expect(page.get_by_text("The records as they are now.")).to_be_visible()
        expect(page.get_by_role("region", name="Records of lamps")).to_be_focused()
        assert page.title() != "run"
        client.patch("/lamps/1", {"name": "Third"})
        expect(page.get_by_text("1 record has changed since.")).to_be_visible()


def test_the_front_page_leads_to_the_console(service: RunningService) -> None:
    with console(service) as page:
        page.goto(service.url)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert [each for each in Axe().run(page).response["violations"] if each["impact"] in _SERIOUS] == []
        _shoot(page, "front-page")
        page.get_by_role("link", name="/_meta/console").click()
        expect(page.get_by_role("heading", name="Sessions")).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Admin token")).to_be_visible()

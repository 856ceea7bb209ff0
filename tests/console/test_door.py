"""Who comes in, and what a page of another site can do: nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.console.logins import LOGIN_HOURS, MOST_ADDRESSES, MOST_FAILURES, MOST_LOGINS, Logins
from tests.console.conftest import BASE, FORM, Browser
from tests.operations.conftest import ADMIN, MEMBERS
from tools.simulators import by_route

if TYPE_CHECKING:
    from tests.learning.conftest import StartApi
    from tests.operations.conftest import Operator

PAGES = ("/sessions", "/sessions/s1", "/routes", "/traffic", "/traffic/live", "/model", "/sessions/s1/export")


async def test_there_is_no_console_without_an_admin_token(start: StartApi) -> None:
    """It is what any page is that the service has not."""
    api = await start(by_route(MEMBERS))
    answer = await api.raw("GET", BASE, None, {})
    assert answer.status == 404
    assert b"console" not in (await api.raw("GET", "/", None, {"Accept": "text/html"})).body


async def test_who_is_not_logged_in_sees_the_form_alone(operator: Operator) -> None:
    browser = Browser(operator)
    for path in PAGES:
        answer = await browser.get(path)
        assert answer.status == 401, path
        assert b'name="token"' in answer.body
        assert b"s1" not in answer.body
    assert (await browser.post("/sessions/s1/reset")).status == 401
    assert (await operator.api.get("/members/1")).status == 200


async def test_a_login(operator: Operator) -> None:
    """The admin token makes a cookie that no script sees and no other site's page sends; leaving ends it."""
    browser = Browser(operator)
    wrong = await browser.log_in("the wrong one")
    assert wrong.status == 401
    assert "Set-Cookie" not in wrong.headers

    right = await browser.log_in()
    attributes = right.headers["Set-Cookie"].split("; ")[1:]
    assert attributes == [f"Path={BASE}", f"Max-Age={LOGIN_HOURS * 3_600}", "HttpOnly", "SameSite=Strict"]
    assert ADMIN not in str(right.headers)

    kept = browser.cookie
    assert (await browser.get("/sessions")).status == 200
    assert (await browser.post("/logout")).status == 303
    browser.cookie = kept
    assert (await browser.get("/sessions")).status == 401


async def test_the_admin_token_opens_the_pages_for_programs_and_not_the_console(operator: Operator) -> None:
    """One door each: a script that has the token has no use for pages, and a browser never sends it."""
    answer = await operator.api.raw("GET", f"{BASE}/sessions", None, {"Authorization": f"Bearer {ADMIN}"})
    assert answer.status == 401
    browser = Browser(operator)
    await browser.log_in()
    programs = await operator.api.raw("GET", "/_meta/sessions", None, {"Cookie": browser.cookie})
    assert programs.status == 401


async def test_a_forged_request_changes_nothing(browser: Browser) -> None:
    """Without the login's token, with another one, or from another site's page."""
    path = "/sessions/s1/reset"
    assert (await browser.post(path, csrf="")).status == 403
    assert (await browser.post(path, csrf="x" * len(browser.csrf))).status == 403
    assert (await browser.post(path, {"Origin": "http://localhost:1"})).status == 403
    assert (await browser.post(path, {"Origin": "null"})).status == 403
    assert (await browser.post(path, {"Sec-Fetch-Site": "same-site"})).status == 403
    assert (await browser.put("/sessions/s1/import?replace=true", b"x", **{"X-CSRF-Token": ""})).status == 403
    assert (await browser.api.get("/members/1")).status == 200

    own = {"Origin": browser.api.service.url, "Sec-Fetch-Site": "same-origin"}
    assert (await browser.post(path, own)).status == 303
    assert (await browser.api.get("/members/1")).status == 404


async def test_pages_hold_no_script_and_fit_in_nobody_s_frame(browser: Browser) -> None:
    """CSP allows files of the service alone, so that no text of a client's can run or be styled."""
    for path in ("/login", *PAGES[:-1], "/nowhere", "/routes/ffffffffffffffffffffffff"):
        answer = await browser.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "'unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        text = answer.body.decode()
        assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=|javascript:", text), path
        for file in re.findall(r'(?:src|href)="([^"]+/static/[^"]+)"', text):
            found = await browser.api.raw("GET", file, None, {})
            assert (found.status, "immutable" in found.headers["Cache-Control"]) == (200, True)


async def test_another_name_than_the_service_s_is_refused(browser: Browser) -> None:
    """A page whose name was made to lead here (DNS rebinding) gets no form and no page."""
    for path in ("/login", "/sessions"):
        assert (await browser.get(path, Host="rebound.example:80")).status == 421


async def test_the_token_s_tries_are_counted(operator: Operator) -> None:
    """Ten wrong ones in a minute, and no other is looked at."""
    browser = Browser(operator)
    for _ in range(MOST_FAILURES):
        assert (await browser.log_in("wrong")).status == 401
    refused = await browser.log_in()
    assert refused.status == 429
    assert refused.headers["Retry-After"] == "60"


def test_who_guesses_keeps_nobody_else_out() -> None:
    """Wrong tokens are counted by the address that they come from; of so many addresses, and no more."""
    logins = Logins(ADMIN, lambda: 0.0)
    for _ in range(MOST_FAILURES):
        logins.enter("wrong", "203.0.113.7")
    assert not logins.may_try("203.0.113.7")
    assert logins.may_try("198.51.100.1")
    assert logins.enter(ADMIN, "198.51.100.1") is not None
    for number in range(MOST_ADDRESSES):
        logins.enter("wrong", f"address {number}")
    assert logins.may_try("203.0.113.7")
    assert len(logins._failures) == MOST_ADDRESSES


async def test_what_is_no_form_is_told_so(browser: Browser) -> None:
    path = f"{BASE}/sessions/s1/reset"
    headers = {"Cookie": browser.cookie}
    for data, kind in ((b"{}", "application/json"), (b"a=%zz\xff", FORM["Content-Type"])):
        answer = await browser.api.raw("POST", path, data, {**headers, "Content-Type": kind})
        assert answer.status == 400
    assert (await browser.get("/sessions/s1/reset")).status == 405


def test_a_login_is_over_some_time() -> None:
    now = [0.0]
    logins = Logins(ADMIN, lambda: now[0])
    login = logins.enter(ADMIN)
    assert login is not None
    now[0] = LOGIN_HOURS * 3_600 - 1
    assert logins.of(login.name) is login
    now[0] += 1
    assert logins.of(login.name) is None


def test_a_link_works_once_and_for_ten_minutes() -> None:
    now = [0.0]
    logins = Logins(ADMIN, lambda: now[0])
    first, late = logins.link(), logins.link()
    now[0] = 599.0
    assert logins.follow(first) is not None
    assert logins.follow(first) is None
    now[0] = 600.0
    assert logins.follow(late) is None


def test_there_are_so_many_logins_and_no_more() -> None:
    """The oldest goes, and wrong tokens are forgotten after a minute."""
    now = [0.0]
    logins = Logins(ADMIN, lambda: now[0])
    made = [logins.enter(ADMIN) for _ in range(MOST_LOGINS + 1)]
    assert [logins.of(login.name) is not None for login in made if login][:2] == [False, True]
    for _ in range(MOST_FAILURES):
        logins.enter("wrong")
    assert not logins.may_try()
    now[0] = 60.0
    assert logins.may_try()


def test_a_digest_of_the_token_is_not_the_token() -> None:
    logins = Logins(ADMIN)
    assert logins.enter("sha256:" + "0" * 64) is None


def test_another_admin_token_ends_all_logins() -> None:
    logins = Logins(ADMIN)
    login = logins.enter(ADMIN)
    assert login is not None
    logins.renew(ADMIN)
    assert logins.of(login.name) is login
    logins.renew("another")
    assert logins.of(login.name) is None
    assert logins.enter(ADMIN) is None

"""A data root of the release before the record: taken over as it is used; and the way back."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.session_store import Session
from tests.e2e.service import RunningService
from tools.processes import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Written by that release: `shop`, with a learned route, a schema, a kept answer and an index; `tour`.
DATA_ROOT = Path(__file__).parents[1] / "data" / "data-root-before-record.tar"
SHOP, TOUR = "e84e140bf347f6a90f53ece60b9c7dc0", "721888dc4f55b99621304671bf64c3f6"
ADMIN = "admin-token-of-tests"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    with tarfile.open(DATA_ROOT) as tar:
        tar.extractall(data, filter="data")
    # Answers are kept for a day.
    with closing(sqlite3.connect(data / SHOP / "store.db")) as file, file:
        file.execute("UPDATE answers SET made = ?", (int(time.time()),))
    return data


@pytest.fixture
def service(root: Path, tmp_path: Path) -> Iterator[RunningService]:
    running = RunningService(root, tmp_path, {"LARS_ADMIN_TOKEN": ADMIN})
    yield running
    running.stop()
    running.close()


def test_everything_is_there(service: RunningService, root: Path) -> None:
    """Records, next ids, learned routes, schemas, kept answers, names; before and after first use."""
    admin = service.client(None, Authorization=f"Bearer {ADMIN}")
    listed = {each["session"]: each for each in admin.get("/_meta/sessions").json["sessions"]}
    assert sorted(listed) == ["shop", "tour"]
    assert all(each["size_bytes"] > 0 for each in listed.values())
    finding = record_finding(admin.get("/_meta/doctor").json)
    assert "2 still files of an earlier release" in finding

    shop = service.client("shop")
    orders = shop.get("/orders").json["items"]
    assert [each["id"] for each in orders] == [1, 2, 3, 4, 6]
    assert orders[1] == {"id": 2, "name": "shop-1", "total": 1.5, "note": "changed"}
    assert shop.get("/orders/2/short").json == {"short": "shop-1"}
    again = service.client("shop", **{"Idempotency-Key": '"k1"'}).request(
        "POST", "/orders", raw=b'{"name": "once"}'
    )
    assert (again.status, again.json.get("id")) == (201, 6), again
    assert again.headers["idempotent-replayed"] == "true"
    assert shop.post("/orders", {"name": "next"}).json["id"] == 7
    shown = admin.get("/_meta/sessions/shop").json
    assert shown["collections"][0]["fields"]["total"] == ["number"]

    assert (root / f"{SHOP}.adopted" / "store.db").exists()
    assert not (root / SHOP).exists()
    assert (root / TOUR / "store.db").exists()
    assert "1 still files of an earlier release" in record_finding(admin.get("/_meta/doctor").json)
    assert "1 taken over" in record_finding(admin.get("/_meta/doctor").json)
    assert service.client("tour").get("/orders/1").json["name"] == "tour-0"
    assert [each["route"] for each in admin.get("/_meta/sessions/shop/log").json["versions"]][-1] == "adopted"


def record_finding(found: dict[str, object]) -> str:
    findings = found["findings"]
    assert isinstance(findings, list)
    return next(str(each["detail"]) for each in findings if each["name"] == "record")


def test_what_was_not_used_yet_is_exported_and_forked_like_the_rest(service: RunningService) -> None:
    admin = service.client(None, Authorization=f"Bearer {ADMIN}")
    assert admin.get("/_meta/sessions/tour/export").status == 200
    assert admin.post("/_meta/sessions/shop/fork", {"to": "copy"}).json["routes"] == 1
    assert len(service.client("copy").get("/orders").json["items"]) == 5


def test_a_kill_in_the_middle_loses_nothing(root: Path, tmp_path: Path) -> None:
    """Taken over, and not renamed yet: the next start knows that it has it."""
    first = RunningService(root, tmp_path, {})
    assert first.client("shop").post("/orders", {"name": "later"}).json["id"] == 7
    first.stop()
    first.close()
    (root / f"{SHOP}.adopted").rename(root / SHOP)

    second = RunningService(root, tmp_path, {})
    assert second.client("shop").get("/orders/7").json["name"] == "later"
    assert second.client("shop").get("/orders").json["page"]["total"] == 6
    second.stop()
    second.close()
    assert (root / f"{SHOP}.adopted").exists()


def test_a_file_that_is_damaged_is_refused_and_left_as_it_is(root: Path, tmp_path: Path) -> None:
    """Its session answers 500 and is not begun anew; the other is served."""
    (root / SHOP / "store.db").write_bytes(b"x" * 8_192)
    running = RunningService(root, tmp_path, {})
    answer = running.client("shop").get("/orders")
    assert (answer.status, answer.json["type"]) == (500, "/_meta/problems/session-damaged")
    assert running.client("shop").post("/orders", {"name": "x"}).status == 500
    assert running.client("tour").get("/orders/1").status == 200
    running.stop()
    running.close()
    assert (root / SHOP / "store.db").read_bytes() == b"x" * 8_192


def test_the_way_back(root: Path, tmp_path: Path) -> None:
    """`downgrade` leaves each session's file, names and routes where that release looks for them."""
    running = RunningService(root, tmp_path, {})
    assert running.client("shop").post("/orders", {"name": "since"}).status == 201
    assert running.client("new").post("/things", {"a": 1}).status == 201
    running.stop()
    running.close()
    done = subprocess.run(
        [sys.executable, "-m", "server", "downgrade", "--yes", "--json"],
        env=environment({"SANDBOX_DATA_ROOT": str(root)}),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["sessions"] == 2
    assert not (root / "record.db").exists()
    assert (root / "record.db.left").exists()
    session = Session.open(str(root / SHOP), page_limit_bytes=2**30)
    session.check_file()
    assert session.table("orders").count() == 6
    session.close()
    assert (root / TOUR / "store.db").exists()

    again = RunningService(root, tmp_path, {})
    found = again.client("shop").get("/orders/7")
    assert found.status == 200, found
    assert found.json["name"] == "since"
    assert again.client("new").get("/things/1").json == {"id": 1, "a": 1}
    again.stop()
    again.close()

"""The record below /_meta: sessions' versions, going back to one, copies, and whether all is whole."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.planning.learned import library_file
from server.record import backup
from tests.operations.test_sessions import archive, upload

if TYPE_CHECKING:
    from tests.operations.conftest import Operator


async def test_a_sessions_versions_are_told(operator: Operator) -> None:
    """Time, request, route, plan and what changed; the last one first, some at a time."""
    made = await operator.api.post("/members", {"name": "Bob"})
    assert (await operator.api.ask("PATCH", "/members/1", {"name": "Eve"})).status == 200
    found = (await operator.get("/sessions/s1/log"))["versions"]
    assert [each["version"] for each in found] == [3, 2, 1]
    assert [each["changes"] for each in found[:2]] == [
        {"members": {"new": 0, "changed": 1, "removed": 0}},
        {"members": {"new": 1, "changed": 0, "removed": 0}},
    ]
    assert found[1]["route"] == "POST /members"
    assert found[1]["plan"] == made.headers["X-Plan-ID"]
    assert found[1]["request"] == made.headers["X-Request-ID"]
    assert [each["version"] for each in (await operator.get("/sessions/s1/log?limit=1"))["versions"]] == [3]
    assert [each["version"] for each in (await operator.get("/sessions/s1/log?before=3"))["versions"]] == [
        2,
        1,
    ]
    assert "Bob" not in str(found)


async def test_a_record_s_versions_are_told(operator: Operator) -> None:
    """Each with what became of its fields; some at a time; a record that there never was is none."""
    made = await operator.api.get("/members/1")
    await operator.api.ask("PATCH", "/members/1", {"name": "Eve", "age": 1})
    await operator.api.ask("PATCH", "/members/1", {"name": "Max"})
    await operator.api.post("/members", {"name": "Bob"})
    assert (await operator.api.ask("DELETE", "/members/1")).status < 300
    found = await operator.get("/sessions/s1/log?record=members/1")
    assert (found["session"], found["record"], found["next"]) == ("s1", "members/1", None)
    versions = {each["version"]: each for each in found["versions"]}
    assert [each["what"] for each in found["versions"]] == ["removed", "changed", "changed", "new"]
    assert versions[1]["record"] == made.json
    assert versions[1]["request"]
    assert versions[1]["route"] == "POST /members"
    assert versions[2]["fields"] == [
        {"field": "name", "before": "Ada", "after": "Eve"},
        {"field": "age", "after": 1},
    ]
    assert versions[3]["fields"] == [{"field": "name", "before": "Eve", "after": "Max"}]
    assert versions[5]["record"] is None
    assert {"field": "name", "before": "Max"} in versions[5]["fields"]

    some = await operator.get("/sessions/s1/log?record=members/1&limit=2")
    assert ([each["version"] for each in some["versions"]], some["next"]) == ([5, 3], 3)
    rest = await operator.get("/sessions/s1/log?record=members/1&limit=2&before=3")
    assert ([each["version"] for each in rest["versions"]], rest["next"]) == ([2, 1], None)
    assert rest["versions"][0]["fields"] == versions[2]["fields"]
    await operator.refused(404, "GET", "/sessions/s1/log?record=members/77")
    await operator.refused(404, "GET", "/sessions/s1/log?record=nothing/1")
    for wrong in ("members", "members/", "/1", ""):
        await operator.refused(400, "GET", f"/sessions/s1/log?record={wrong}")


async def test_a_session_is_rewound_and_served_at_once(operator: Operator) -> None:
    """The live guest that had the later records is gone; the rewind is a version, and can be rewound."""
    await operator.api.post("/members", {"name": "Bob"})
    await operator.api.ask("PATCH", "/members/1", {"name": "Eve"})
    dry = await operator.do("POST", "/sessions/s1/rewind", {"to": 1, "dry": True})
    assert [(each["row"], each["before"] is None, each["after"] is None) for each in dry["differences"]] == [
        (1, False, False),
        (2, True, False),
    ]
    assert (await operator.api.get("/members/1")).json["name"] == "Eve"
    done = await operator.do("POST", "/sessions/s1/rewind", {"to": 1})
    assert (done["to"], done["version"], done["changed"]) == (1, 4, 2)
    assert (await operator.api.get("/members/1")).json["name"] == "Ada"
    assert (await operator.api.get("/members/2")).status == 404
    assert (await operator.api.post("/members", {"name": "new"})).json["id"] == 3
    await operator.do("POST", "/sessions/s1/rewind", {"to": 3})
    assert (await operator.api.get("/members/2")).json["name"] == "Bob"


async def test_a_session_is_forked_as_it_was(operator: Operator) -> None:
    await operator.api.post("/members", {"name": "Bob"})
    at = (await operator.get("/sessions/s1/log"))["versions"][1]["at"]
    await operator.do("POST", "/sessions/s1/fork", {"to": "then", "at": 1})
    await operator.do("POST", "/sessions/s1/fork", {"to": "by-time", "at": at})
    for session in ("then", "by-time"):
        (members,) = (await operator.get(f"/sessions/{session}"))["collections"]
        assert members["records"] == 1
    assert (await operator.api.get("/members/2", session="s1")).json["name"] == "Bob"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"to": "yesterday"}, 400),
        ({"to": None}, 400),
        ({}, 400),
        ({"to": 99}, 404),
        ({"to": 0}, 404),
        ({"to": "2001-01-01T00:00:00Z"}, 404),
        ({"to": 1, "more": 1}, 400),
    ],
)
async def test_moments_that_are_none(operator: Operator, body: dict[str, object], status: int) -> None:
    """Each has a clear refusal, and the session stays as it is."""
    await operator.refused(status, "POST", "/sessions/s1/rewind", body)
    assert (await operator.api.get("/members/1")).json["name"] == "Ada"
    await operator.refused(404, "POST", "/sessions/nobody/rewind", {"to": 1})
    await operator.refused(404, "GET", "/sessions/nobody/log")


@pytest.mark.parametrize(
    ("at", "status"), [(0, 404), ("0", 404), (99, 404), ("", 400), (False, 400), ([], 400)]
)
async def test_forks_of_moments_that_are_none(operator: Operator, at: object, status: int) -> None:
    """None of them is the present."""
    await operator.refused(status, "POST", "/sessions/s1/fork", {"to": "copy", "at": at})
    assert [each["session"] for each in (await operator.get("/sessions"))["sessions"]] == ["s1"]


async def test_an_import_is_asked_again_when_it_is_written(operator: Operator, tmp_path: Path) -> None:
    """A client writes while the archive is read: what it was told is stored is not replaced."""
    data = archive(tmp_path / "in.tar", {"members.json": '[{"id": 1, "name": "imported"}]'}).read_bytes()
    operations = operator.api.service._handler._door._beside.beside._api._sessions  # type: ignore[union-attr]
    checked = operations._require_free
    written = asyncio.Event()

    async def then_somebody_writes(session: object) -> None:
        await checked(session)
        assert (await operator.api.post("/members", {"name": "client"}, session="new")).status == 201
        written.set()

    operations._require_free = then_somebody_writes
    status, problem = await upload(operator, "new", data)

    assert written.is_set()
    assert (status, problem["type"]) == (409, "/_meta/problems/conflict")
    assert (await operator.api.get("/members/1", session="new")).json["name"] == "client"
    status, problem = await fork(operator, "s1", "newer")
    assert (status, problem["type"]) == (409, "/_meta/problems/conflict")


async def fork(operator: Operator, name: str, to: str) -> tuple[int, dict[str, object]]:
    """A client writes to the target after it was seen to be free."""
    operations = operator.api.service._handler._door._beside.beside._api._sessions  # type: ignore[union-attr]

    async def then_somebody_writes(session: object) -> None:
        assert (await operator.api.post("/members", {"name": "client"}, session=to)).status == 201

    operations._require_free = then_somebody_writes
    operations._routes = no_routes
    answer = await operator.ask("POST", f"/sessions/{name}/fork", {"to": to})
    return answer.status, answer.json


async def no_routes() -> dict[str, tuple[str, int]]:
    return {}


async def test_a_backup_under_writers_is_a_moment_that_there_was(operator: Operator, tmp_path: Path) -> None:
    """Eight clients write pairs all the while; restored, each session has whole pairs, and all that was told
    before the backup began."""
    done, told = False, [0] * 8

    async def write(number: int) -> None:
        while not done:
            answer = await operator.api.post("/members", {"name": str(told[number])}, session=f"w{number}")
            assert answer.status == 201
            told[number] += 1

    writers = [asyncio.create_task(write(number)) for number in range(8)]
    while min(told) < 3:
        await asyncio.sleep(0.01)
    before = list(told)
    made = await operator.do("POST", "/record/backup")
    after = list(told)
    done = True
    await asyncio.gather(*writers)
    file = tmp_path / "backup"
    with file.open("wb") as out:
        while piece := (
            await operator.ask("GET", f"/record/backup?name={made['name']}&offset={out.tell()}")
        ).body:
            out.write(piece)
    beyond = await operator.ask("GET", f"/record/backup?name={made['name']}&offset={2**53}")
    assert (beyond.status, beyond.body) == (200, b"")
    await operator.do("DELETE", f"/record/backup?name={made['name']}")
    await operator.refused(404, "GET", f"/record/backup?name={made['name']}")

    assert file.stat().st_size == made["size_bytes"]
    root = tmp_path / "restored"
    root.mkdir()
    found = backup.restore(file, root, library_file.faults)
    assert found["damaged"] == []
    with closing(sqlite3.connect(root / "record.db")) as record:
        counts = dict(
            record.execute(
                "SELECT label, count(*) FROM names JOIN sessions ON directory = sessions.name "
                "JOIN records ON records.session = sessions.id GROUP BY label"
            )
        )
        versions = dict(
            record.execute("SELECT label, version FROM names JOIN sessions ON directory = sessions.name")
        )
    for number in range(8):
        assert before[number] <= counts[f"w{number}"] <= after[number] + 1
        assert counts[f"w{number}"] == versions[f"w{number}"]
    assert (root / "plans.db").exists()


async def test_copies_of_data_are_the_owner_s_alone(operator: Operator, tmp_path: Path) -> None:
    """In a data root that others may look into: a backup that waits to be fetched, and what is made of it."""
    root = Path(operator.api.service.data_path)
    os.chmod(root, 0o755)  # noqa: PTH101  as an operator's `mkdir` leaves it
    made = await operator.do("POST", "/record/backup")
    data = archive(tmp_path / "in.tar", {"a.json": '[{"id": 1}]'}).read_bytes()
    assert (await upload(operator, "s2", data))[0] == 200
    restored = tmp_path / "restored"
    restored.mkdir()
    backup.restore(root / made["name"], restored, library_file.faults)
    files = [path for folder in (root, restored) for path in folder.iterdir() if path.is_file()]
    assert {(path.name, path.stat().st_mode & 0o077) for path in files} == {(path.name, 0) for path in files}
    assert made["name"] in {path.name for path in files}


@pytest.mark.parametrize("name", ["", "record.db", "../record.db", "scratch-", "scratch-" + "0" * 17, "lock"])
async def test_only_backups_are_sent(operator: Operator, name: str) -> None:
    await operator.refused(400, "GET", f"/record/backup?name={name}")
    await operator.refused(400, "DELETE", f"/record/backup?name={name}")
    assert (Path(operator.api.service.data_path) / "record.db").exists()


async def test_the_record_is_verified_and_counted(operator: Operator) -> None:
    found = await operator.get("/record/verify")
    assert (found["ok"], found["damaged"], found["records"]) == (True, [], 1)
    stats = await operator.get("/record")
    assert stats["sessions"] == 1
    assert stats["commits"] >= 1
    findings = {each["name"]: each for each in (await operator.get("/doctor"))["findings"]}
    assert findings["record"]["verdict"] == "ok"

"""Sessions are looked after with the service running: seen, copied, taken out and in, removed."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from server.planning.learned import library_file
from server.record import backup
from tests.operations.conftest import AUTH, Operator
from tests.unit.server.sessions.test_transfer import archive
from tools.simulators import by_route, plan

PAIRS = plan("/pairs", 'store.insert({"n": 1})\nstore.insert({"n": 2})\nREPLY = make_response(204)')


async def download(operator: Operator, session: str) -> dict[str, str]:
    answer = await operator.ask("GET", f"/sessions/{session}/export")
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(answer.body)) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar}  # type: ignore[union-attr]


async def upload(operator: Operator, session: str, data: bytes, query: str = "") -> tuple[int, Any]:
    api = operator.api
    url = f"{api.service.url}/_meta/sessions/{session}/import{query}"
    async with api._client.put(url, data=data, headers=AUTH) as response:
        return response.status, await response.json(content_type=None)


async def test_sessions_are_listed_by_their_ids(operator: Operator) -> None:
    """Those with data and those that have learned, whoever named them."""
    await operator.api.post("/members", {"name": "Bob"}, session="s2")
    listed = (await operator.get("/sessions"))["sessions"]
    directory = next(each["directory"] for each in listed if each["session"] == "s1")
    shown = await operator.get("/sessions/s1")

    assert [each["session"] for each in listed] == ["s2", "s1"]
    assert [each["routes"] for each in listed] == [1, 2]
    assert [(each["name"], each["records"]) for each in shown["collections"]] == [("members", 1)]
    assert shown["collections"][0]["fields"] == {"id": ["integer"], "name": ["string"]}
    assert [route["route"] for route in shown["learned"]] == ["/members", "/members/{id:int}"]
    assert "Ada" not in str(shown)
    assert shown == await operator.get(f"/sessions/@{directory}")


async def test_what_is_not_there(operator: Operator) -> None:
    """A session that nobody has used is 404; looking for it does not make it."""
    for method, path in [
        ("GET", "/sessions/nobody"),
        ("GET", "/sessions/nobody/export"),
        ("DELETE", "/sessions/nobody"),
        ("POST", "/sessions/nobody/reset"),
        ("GET", "/sessions/token:ci"),
    ]:
        await operator.refused(404, method, path)
    await operator.refused(404, "POST", "/sessions/nobody/fork", {"to": "s3"})
    problem = await operator.refused(404, "POST", "/sessions/nobody/salvage")
    assert problem["detail"] == "There is no session nobody."
    await operator.refused(409, "POST", "/sessions/s1/salvage")
    await operator.refused(400, "GET", "/sessions/not an id".replace(" ", "%20"))
    assert len((await operator.get("/sessions"))["sessions"]) == 1


async def test_a_new_session_needs_a_name_of_its_own(operator: Operator, tmp_path: Path) -> None:
    """Nobody could ask for one that is only known by its directory's; one that is there can be replaced."""
    data = archive(tmp_path / "in.tar", {"users.json": "[]"}).read_bytes()
    nobody = f"@{'0' * 32}"
    status, problem = await upload(operator, nobody, data)
    assert (status, problem["detail"]) == (
        404,
        f"There is no session {nobody}; a new one needs a name of its own.",
    )
    await operator.refused(404, "POST", "/sessions/s1/fork", {"to": nobody})
    directory = (await operator.get("/sessions"))["sessions"][0]["directory"]

    assert (await upload(operator, f"@{directory}", data, "?replace=true"))[0] == 200
    assert len((await operator.get("/sessions"))["sessions"]) == 1


async def test_what_is_imported_keeps_to_the_limits(operator: Operator, tmp_path: Path) -> None:
    """An object has as many members as one that a client sends may have."""
    for members, expected in ((1_000, 200), (1_001, 422)):
        text = json.dumps([{f"f{n}": n for n in range(members)}])
        data = archive(tmp_path / f"{members}.tar", {"users.json": text}).read_bytes()
        status, said = await upload(operator, "s9", data)
        assert status == expected, said
        await operator.ask("DELETE", "/sessions/s9")
    assert "more than 1000" in said["detail"]


async def set_aside(operator: Operator, session: str) -> str:
    """A copy of s1, as an earlier release has left it: set aside as damaged, and not in the record."""
    keeper, root = operator.api.service._keeper, Path(operator.api.service.data_path)
    await operator.do("POST", "/sessions/s1/fork", {"to": session})
    listed = (await operator.get("/sessions"))["sessions"]
    directory: str = next(each["directory"] for each in listed if each["session"] == session)
    (root / f"{directory}.damaged").mkdir()
    await keeper.call("load", session=directory, path=str(root / f"{directory}.damaged" / "store.db"))
    await keeper.call("remove", session=directory)
    return directory


async def test_a_damaged_session_is_salvaged(operator: Operator) -> None:
    """It is answered 500 until then, and with its records from then on."""
    await set_aside(operator, "old")
    root = Path(operator.api.service.data_path)
    assert (await operator.api.get("/members/1", session="old")).status == 500
    listed = {each["session"]: each for each in (await operator.get("/sessions"))["sessions"]}
    assert listed["old"]["damaged"] is True
    assert listed["old"]["remedy"] == "save what can be read: metaservice sessions salvage old"
    assert (listed["old"]["size_bytes"] > 0, listed["old"]["routes"]) == (True, 2)
    assert (listed["s1"]["damaged"], "remedy" in listed["s1"]) == (False, False)
    for page in ("/sessions/old", "/sessions/old/export"):
        problem = await operator.refused(500, "GET", page)
        assert problem["type"] == "/_meta/problems/session-damaged"
        assert problem["remedy"] == listed["old"]["remedy"]

    report = await operator.do("POST", "/sessions/old/salvage")

    assert report["collections"][0]["name"] == "members"
    assert (root / report["kept"]).is_dir()
    assert (await operator.api.get("/members/1", session="old")).json["name"] == "Ada"
    await operator.refused(409, "POST", "/sessions/old/salvage")
    assert not any(each["damaged"] for each in (await operator.get("/sessions"))["sessions"])


async def test_a_session_that_was_set_aside_is_no_empty_one(operator: Operator) -> None:
    """It can neither be copied nor emptied; deleting it leaves nothing, nor of what was salvaged before."""
    directory = await set_aside(operator, "old")
    root = Path(operator.api.service.data_path)
    for page in ("/sessions/old/reset", "/sessions/old/fork"):
        problem = await operator.refused(500, "POST", page, {"to": "copy"})
        assert problem["remedy"] == "save what can be read: metaservice sessions salvage old"
    await operator.do("POST", "/sessions/old/salvage")
    assert (await operator.api.get("/members/1", session="old")).status == 200
    assert [name for name in os.listdir(root) if name.startswith(directory)]

    await operator.do("DELETE", "/sessions/old")

    assert not [name for name in os.listdir(root) if name.startswith(directory)]
    assert "old" not in {each["session"] for each in (await operator.get("/sessions"))["sessions"]}
    await operator.refused(404, "DELETE", "/sessions/old")


async def test_a_damaged_session_whose_place_is_taken(operator: Operator) -> None:
    """Both are listed, and what is said to help does: the one in use goes on under another name."""
    await set_aside(operator, "old")
    data = (await operator.ask("GET", "/sessions/s1/export")).body
    assert (await upload(operator, "old", data))[0] == 200
    used, damaged = sorted(
        (each for each in (await operator.get("/sessions"))["sessions"] if each["session"] == "old"),
        key=lambda each: each["damaged"],
    )

    assert (used["damaged"], damaged["damaged"]) == (False, True)
    assert damaged["remedy"] == (
        "another is in its place: metaservice sessions fork old NEW, metaservice sessions reset old, "
        "then metaservice sessions salvage old"
    )
    await operator.refused(409, "POST", "/sessions/old/salvage")
    await operator.do("POST", "/sessions/old/fork", {"to": "new"})
    await operator.do("POST", "/sessions/old/reset")
    await operator.do("POST", "/sessions/old/salvage")
    assert (await operator.api.get("/members/1", session="old")).json["name"] == "Ada"
    assert (await operator.api.get("/members/1", session="new")).json["name"] == "Ada"


async def test_a_session_comes_out_and_in_again(operator: Operator, tmp_path: Path) -> None:
    """In the documented layout; data is replaced only where that is asked for."""
    files = await download(operator, "s1")
    data = archive(tmp_path / "in.tar", files).read_bytes()

    assert '"name": "Ada"' in files["members.json"]
    assert await upload(operator, "new", data) == (200, {"session": "new", "collections": ["members"]})
    assert (await operator.api.get("/members/1", session="new")).json["name"] == "Ada"
    status, problem = await upload(operator, "new", data)
    assert (status, problem["type"]) == (409, "/_meta/problems/conflict")
    await operator.api.post("/members", {"name": "Bob"}, session="new")
    assert (await upload(operator, "new", data, "?replace=true"))[0] == 200
    assert (await operator.api.get("/members/2", session="new")).status == 404
    assert (await operator.api.post("/members", {"name": "Eve"}, session="new")).json["id"] == 2


async def test_a_bad_archive_changes_nothing(operator: Operator) -> None:
    """It is 422 with the reason; the session's data is as it was."""
    status, problem = await upload(operator, "s1", b"no tar file", "?replace=true")

    assert (status, "not a readable tar file" in problem["detail"]) == (422, True)
    assert (await operator.api.get("/members/1")).json["name"] == "Ada"


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({f"{'m' * 255}.json": "[]"}, "over 100 letters"),
        ({"members.json": '[{"name": "Ada", "name": "Bob"}]'}, "key 'name' twice"),
        ({"members.json": "[{]"}, "members.json: not JSON"),
        ({"members.json": "{}"}, "members.json: not an array"),
        ({"mem/bers.json": "[]"}, "documented layout"),
    ],
)
async def test_a_refused_archive_says_why(
    operator: Operator, tmp_path: Path, files: dict[str, str], named: str
) -> None:
    """A clear 422 that names the file as the archive has it, and no path of the host."""
    data = archive(tmp_path / "in.tar", files).read_bytes()
    status, problem = await upload(operator, "s1", data, "?replace=true")

    assert (status, problem["type"]) == (422, "/_meta/problems/unprocessable")
    assert named in problem["detail"]
    assert not re.search(r"(^|[\s:'\"(])/\w", problem["detail"]), problem["detail"]
    assert (await operator.api.get("/members/1")).json["name"] == "Ada"


async def test_a_fork_is_one_moment_of_a_busy_session(operator: Operator) -> None:
    """Pairs are written all the while; every fork has whole pairs, and is its own from then on."""
    operator.api.model.script = by_route({"POST /pairs": PAIRS})
    done = False

    async def write() -> int:
        written = 0
        while not done:
            answer = await operator.api.post("/pairs")
            assert answer.status == 204, answer
            written += 1
        return written

    writing = asyncio.create_task(write())
    forks = [await operator.do("POST", "/sessions/s1/fork", {"to": f"fork{n}"}) for n in range(4)]
    done = True
    written = await writing

    assert written > 0
    assert {fork["routes"] for fork in forks} <= {2, 3}
    for number in range(4):
        (members,) = (await operator.get(f"/sessions/fork{number}"))["collections"]
        assert members["records"] % 2 == 1
    answer = await operator.api.post("/members", {"name": "mine"}, session="fork0")
    assert (answer.status, answer.source) == (201, "learned")
    (original,) = (await operator.get("/sessions/s1"))["collections"]
    assert original["records"] == 1 + 2 * written


async def test_a_fork_takes_no_others_place(operator: Operator) -> None:
    """Neither a session with data nor one that has learned anything, nor itself."""
    await operator.api.post("/members", {"name": "Bob"}, session="s2")
    await operator.refused(409, "POST", "/sessions/s1/fork", {"to": "s2"})
    await operator.do("POST", "/sessions/s2/reset")
    await operator.refused(409, "POST", "/sessions/s1/fork", {"to": "s2"})
    await operator.refused(409, "POST", "/sessions/s1/fork", {"to": "s1"})
    await operator.do("DELETE", "/sessions/s2")
    await operator.do("POST", "/sessions/s1/fork", {"to": "s2"})

    assert (await operator.api.get("/members/1", session="s2")).json["name"] == "Ada"


async def test_reset_keeps_what_was_learned(operator: Operator) -> None:
    """The records are gone, ids begin anew, and the routes are there."""
    await operator.do("POST", "/sessions/s1/reset")
    shown = await operator.get("/sessions/s1")
    answer = await operator.api.post("/members", {"name": "Bob"})

    assert (shown["collections"], len(shown["learned"])) == ([], 2)
    assert (answer.json["id"], answer.source) == (1, "learned")


async def test_delete_leaves_nothing(operator: Operator) -> None:
    """Neither records nor routes nor the name."""
    gone = await operator.do("DELETE", "/sessions/s1")

    assert gone == {"session": "s1", "routes": 2}
    assert (await operator.get("/sessions"))["sessions"] == []
    assert (await operator.api.get("/members/1")).status == 404


async def test_damaged_data_is_said_to_be(operator: Operator) -> None:
    """A row of the record that is not what was written is neither exported nor served; other sessions are."""
    await operator.do("POST", "/sessions/s1/fork", {"to": "other"})
    await operator.do("POST", "/sessions/s1/fork", {"to": "flipped"})
    with sqlite3.connect(Path(operator.api.service.data_path) / "record.db") as record:
        record.execute(
            "UPDATE records SET doc = replace(doc, 'Ada', 'Adb') "
            "WHERE session = (SELECT max(id) FROM sessions)"
        )
    record.close()
    problem = await operator.refused(500, "GET", "/sessions/flipped/export")
    found = await operator.get("/record/verify")

    assert problem["type"] == "/_meta/problems/session-damaged"
    assert (await operator.api.get("/members/1", session="flipped")).status == 500
    assert (await operator.api.get("/members/1", session="other")).json["name"] == "Ada"
    assert (found["ok"], len(found["damaged"])) == (False, 1)


async def test_what_is_set_for_a_session_stays_with_it(operator: Operator, tmp_path: Path) -> None:
    """It is shown, obeyed at once, forked and backed up; null takes it out, and deletion too."""
    set_ = "/sessions/s1/settings"
    done = await operator.do("PATCH", set_, {"dialect": "json-server"})
    assert done == {"session": "s1", "settings": {"dialect": "json-server"}}
    assert (await operator.api.get("/members")).headers["X-Dialect"] == "json-server"
    await operator.do("POST", "/sessions/s1/fork", {"to": "s2"})
    assert (await operator.api.get("/members", session="s2")).headers["X-Dialect"] == "json-server"
    assert (await operator.get("/sessions/s2"))["settings"] == {"dialect": "json-server"}
    assert await backed_up(operator, tmp_path) == ['{"dialect": "json-server"}'] * 2

    assert (await operator.do("PATCH", set_, {"dialect": None}))["settings"] == {}
    assert "X-Dialect" not in (await operator.api.get("/members")).headers
    await operator.do("DELETE", "/sessions/s2")
    assert "X-Dialect" not in (await operator.api.get("/members", session="s2")).headers


async def backed_up(operator: Operator, tmp_path: Path) -> list[str]:
    """Sessions' settings in a backup, restored."""
    made = await operator.do("POST", "/record/backup")
    file, root = tmp_path / "backup", tmp_path / "restored"
    file.write_bytes((await operator.ask("GET", f"/record/backup?name={made['name']}")).body)
    root.mkdir()
    backup.restore(file, root, library_file.faults)
    with closing(sqlite3.connect(root / "record.db")) as record:
        return [row[0] for row in record.execute("SELECT settings FROM sessions")]


async def test_a_session_can_be_set_before_it_is_there(operator: Operator) -> None:
    await operator.refused(404, "GET", "/sessions/new")
    await operator.do("PATCH", "/sessions/new/settings", {"dialect": "json-server"})
    assert (await operator.get("/sessions/new"))["settings"] == {"dialect": "json-server"}
    explained = await operator.do("POST", "/explain", {"session": "new", "method": "GET", "path": "/posts"})
    assert "It is read in the dialect json-server." in explained["why"]


@pytest.mark.parametrize(
    "changes", [{"dialect": "nope"}, {"dialect": 1}, {"nope": 1}, {}, [], {"dialect": "native", "more": 1}]
)
async def test_settings_that_are_none(operator: Operator, changes: Any) -> None:
    """Nothing is changed by them."""
    await operator.refused(400, "PATCH", "/sessions/s1/settings", changes)
    assert (await operator.get("/sessions/s1"))["settings"] == {}

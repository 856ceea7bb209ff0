"""The command as its users run it: on a data root alone, and against the service that uses it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from server.__main__ import main
from server.planning.drafting.usage import Prices, UsageBook
from tests.e2e.service import RunningService
from tests.plan_files import CODE, document, item
from tools.processes import SETTINGS, environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADMIN = "admin-token-of-tests"


@frozen
class Done:
    returncode: int
    stdout: str
    stderr: str


@frozen
class Command:
    """`metaservice`, with a data root and files of its own; in this process, to save its start."""

    directory: Path
    settings: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        return environment({"SANDBOX_DATA_ROOT": str(self.directory / "data"), **self.settings})

    def run(self, *arguments: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.directory)
            for name in [name for name in os.environ if name.startswith(SETTINGS)]:
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            try:
                status = main(arguments)
            except SystemExit as ended:
                status = int(ended.code or 0)
        return Done(status, out.getvalue(), err.getvalue())

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def in_terminal(self, *arguments: str, answers: str = "", **more: str) -> tuple[int, str]:
        """Exit status and what a terminal would show, when a person types these answers."""
        process, terminal = pty.fork()
        if process == 0:  # pragma: no cover - another process
            os.chdir(self.directory)
            variables = {**self.environment, "TERM": "dumb", "COLUMNS": "100", **more}
            os.execve(sys.executable, [sys.executable, "-m", "server", *arguments], variables)
        os.write(terminal, answers.encode())
        shown = b""
        with suppress(OSError):
            while data := os.read(terminal, 65_536):
                shown += data
        os.close(terminal)
        _, status = os.waitpid(process, 0)
        return os.waitstatus_to_exitcode(status), shown.decode().replace("\r\n", "\n")


@pytest.fixture
def command(tmp_path: Path) -> Command:
    (tmp_path / "plans.json").write_text(json.dumps(document([item()])))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "members.json").write_text('[{"id": 1, "name": "Ada"}]')
    return Command(tmp_path, {"LARS_ADMIN_TOKEN": ADMIN})


@pytest.fixture(params=["offline", "service"])
def either(request: pytest.FixtureRequest, command: Command) -> Iterator[Command]:
    """The command on a data root, or against the service that uses it."""
    if request.param == "offline":
        yield command
        return
    with RunningService(command.directory / "data", command.directory, command.settings) as service:
        yield Command(command.directory, {**command.settings, "METASERVICE_URL": service.url})


def test_each_command_does_the_same_with_and_without_a_service(either: Command) -> None:
    """All of them, one after the other, by their JSON."""
    assert either.json("sessions", "import", "s1", "in") == {"session": "s1", "collections": ["members"]}
    (plan,) = either.json("plans", "import", "plans.json", "--session", "s1")["plans"]
    assert [each["id"] for each in either.json("plans", "list", "--session", "s1")["plans"]] == [plan]
    assert either.json("plans", "show", plan[:5])["code"] == CODE
    explained = either.json("explain", "GET", "/members/1", "--session", "s1")
    assert (explained["source"], explained["plan"]["id"]) == ("learned", plan)
    replayed = either.json("plans", "replay", plan, "GET", "/members/1", "--session", "s1")
    assert replayed["reply"]["body"] == {"id": 1, "name": "Ada"}
    (either.directory / "other.py").write_text("REPLY = make_response(204)")
    compared = either.run(
        "plans", "replay", plan, "GET", "/members/1", "--session", "s1", "--code", "other.py"
    )
    assert (compared.returncode, "-status 200" in compared.stdout) == (1, True)
    edited = either.json("plans", "edit", plan, "--file", "other.py", "--pin")
    assert (edited["changed"], edited["pinned"]) == (True, True)
    assert either.json("plans", "pin", edited["id"], "--undo")["pinned"] is False
    assert len(either.json("plans", "export", "--plan", edited["id"])["plans"]) == 1
    assert either.run("plans", "export", "out.json").stdout == "out.json has 1 plan.\n"
    assert either.json("plans", "forget", edited["id"], "--yes")["routes"] == 1
    assert either.json("sessions", "fork", "s1", "s2")["session"] == "s2"
    assert either.run("sessions", "export", "s2", "out").returncode == 0
    assert json.loads((either.directory / "out" / "members.json").read_text()) == [{"id": 1, "name": "Ada"}]
    assert either.json("sessions", "export", "s2", "out.tar")["collections"] == ["members"]
    assert either.json("sessions", "import", "s2", "out.tar", "--replace")["session"] == "s2"
    assert either.json("sessions", "show", "s2")["collections"][0]["records"] == 1
    assert either.json("sessions", "reset", "s1", "--yes") == {"session": "s1"}
    assert either.json("sessions", "delete", "s2", "--yes")["session"] == "s2"
    (emptied,) = either.json("sessions", "list")["sessions"]
    assert (emptied["session"], emptied["size_bytes"]) == ("s1", 0)
    assert [each["route"] for each in either.json("sessions", "log", "s1")["versions"]] == ["reset", "import"]
    logged = either.json("sessions", "log", "s1", "--record", "members/1")["versions"]
    assert [(each["what"], each["record"]) for each in logged] == [
        ("removed", None),
        ("new", {"id": 1, "name": "Ada"}),
    ]
    told = either.run("sessions", "log", "s1", "--record", "members/1", "--limit", "1").stdout
    assert 'name: "Ada" -> gone' in told
    assert "Earlier ones: --before 2" in told
    assert either.run("sessions", "log", "s1", "--record", "members").returncode == 1
    assert either.json("sessions", "rewind", "s1", "--to", "1", "--yes")["version"] == 3
    assert either.json("sessions", "fork", "s1", "s3", "--at", "1")["session"] == "s3"
    assert either.json("backup", "saved.db")["sessions"] == 2
    assert either.run("backup", "saved.db").returncode == 1
    assert either.json("verify")["ok"] is True
    assert either.json("doctor")["ok"] is True
    assert either.json("usage") == {"by": ["day", "model", "session"], "usage": [], "total": None}
    assert either.json("learning") == {"learn": False, "by": None, "setting": True}
    assert either.run("learning", "on").returncode == 1


def test_usage_is_a_table(command: Command) -> None:
    """By what is asked for, with a total; a model that was asked without a price has no cost."""
    (command.directory / "data").mkdir(exist_ok=True)
    prices = Prices(250, 2_000)
    for model, known in (("openai/a", prices), ("openai/b", Prices())):
        asyncio.run(spend(command.directory / "data" / "usage.db", model, known))
    by_model = command.run("usage", "--by", "model").stdout.splitlines()
    in_all = command.json("usage", "--session", "s1")

    assert [line.split("\t") for line in by_model] == [
        ["MODEL", "CALLS", "INPUT TOKENS", "OUTPUT TOKENS", "COST"],
        ["openai/a", "1", "1000", "100", "0.000450"],
        ["openai/b", "1", "1000", "100", "no price"],
        ["total", "2", "2000", "200", "0.000450 and 1 calls without a price"],
    ]
    assert in_all["total"]["calls"] == 2
    assert command.json("usage", "--since", "2999-01-01")["usage"] == []
    assert "2026-01-31" in command.run("usage", "--since", "soon").stderr


async def spend(path: Path, model: str, prices: Prices) -> None:
    book = UsageBook(path, prices)
    book.note("s1", model, calls=1, input_tokens=1_000, output_tokens=100)
    await book.close()


def test_learning_is_turned_in_a_service_alone(command: Command) -> None:
    """On a data root that nobody serves there is nothing to turn: it says what to set."""
    refused = command.run("learning", "off")

    assert refused.returncode == 1
    assert "LARS_LEARN" in refused.stderr


def test_json_servers_file_is_imported(either: Command) -> None:
    """An array is a collection, an object one of a single record; ids stay; what is left out is told of."""
    db = {
        "$schema": "./node_modules/json-server/schema.json",
        "posts": [{"id": "1", "title": "a"}, {"id": "x9k2", "title": "b", "views": 10}],
        "comments": [{"id": 7, "postId": "1"}],
        "profile": {"name": "typicode"},
        "empty": [],
    }
    (either.directory / "db.json").write_text(json.dumps(db))
    told = either.run("sessions", "import", "blog", "db.json").stdout.splitlines()

    assert told[0] == "Session blog has 4 collections: comments, empty, posts, profile"
    assert [line.split("'")[1] for line in told[1:]] == ["$schema"]
    shown = either.json("sessions", "show", "blog")["collections"]
    assert [(each["name"], each["records"]) for each in shown] == [
        *(("comments", 1), ("empty", 0), ("posts", 2), ("profile", 1)),
    ]
    assert either.run("sessions", "import", "blog", "db.json").returncode == 1
    assert either.json("sessions", "import", "blog", "db.json", "--replace")["session"] == "blog"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "not an object of arrays"),
        ("{", "not JSON"),
        ('{"a": [], "a": []}', "the key 'a' twice"),
        ('{"a": [{"n": 1, "n": 2}]}', "the key 'n' twice"),
        ('{"a": 5}', "'a' is neither an array of records nor an object"),
        ('{"my posts": []}', "'my posts' cannot be a collection"),
        ('{"../up": []}', "'../up' cannot be a collection"),
        ('{"' + "a" * 65 + '": []}', "cannot be a collection"),
        ('{"a": [5]}', "a.json: record 1"),
        ('{"a": [{"id": 1}, {"id": 1}]}', "a.json: record 2"),
    ],
)
def test_a_file_that_is_none_of_json_servers(command: Command, text: str, reason: str) -> None:
    """It is refused with what is wrong in it, and nothing is imported."""
    (command.directory / "db.json").write_text(text)
    refused = command.run("sessions", "import", "blog", "db.json")

    assert (refused.returncode, refused.stdout) == (1, "")
    assert reason in refused.stderr
    assert command.json("sessions", "list") == {"sessions": []}


def test_damaged_sessions_are_listed(command: Command) -> None:
    """With the command that helps, which then does."""
    command.json("sessions", "import", "s1", "in")
    (listed,) = command.json("sessions", "list")["sessions"]
    data = command.directory / "data"
    assert (
        command.run("downgrade", "--yes").returncode == 0
    )  # as an earlier release has it, and has set it aside
    (data / listed["directory"]).rename(data / f"{listed['directory']}.damaged")
    shown = command.run("sessions", "list").stdout.splitlines()
    (damaged,) = command.json("sessions", "list")["sessions"]

    assert (listed["damaged"], damaged["damaged"]) == (False, True)
    assert shown[0].split("\t") == ["SESSION", "DATA", "ROUTES", "CHANGED", "STATE"]
    assert shown[1].split("\t")[::4] == ["s1", f"damaged, {damaged['remedy']}"]
    assert "metaservice sessions salvage s1" in command.run("sessions", "show", "s1").stderr
    assert command.run(*damaged["remedy"].partition(": metaservice ")[2].split()).returncode == 0
    assert command.json("sessions", "show", "s1")["collections"][0]["records"] == 1


def test_refusals_are_lines_and_json(command: Command) -> None:
    """Status 1, one line on standard error; with --json the problem document on standard output."""
    plain, as_json = command.run("plans", "show", "abcd"), command.run("sessions", "show", "no", "--json")

    assert (plain.returncode, plain.stdout) == (1, "")
    assert plain.stderr == "metaservice: The service has learned nothing yet, and has no plan library.\n"
    assert (as_json.returncode, json.loads(as_json.stdout)["error"]["status"]) == (1, 404)
    assert command.run("plans", "import", "in").returncode == 1
    missing = command.run("plans", "import", "none.json")
    assert missing.stderr == "metaservice: none.json: No such file or directory.\n"
    assert command.run("plans", "export", "no/such/file").returncode == 1
    wrong = command.run("plans", "list", "--config", "none.toml")
    assert (wrong.returncode, "none.toml" in wrong.stderr) == (2, True)
    assert command.run("plans", "nothing").returncode == 2
    nobody = command.run("sessions", "reset", "s1")
    assert (nobody.returncode, "give --yes" in nobody.stderr) == (1, True)


def test_what_is_said_of_plans_and_sessions(command: Command) -> None:
    """Who uses plans, how many there are, what an archive lacks, which sessions there are, and units."""
    command.json("sessions", "import", "s1", "in")
    unused = command.run("plans", "import", "plans.json")
    for content in ("json", "none"):
        (command.directory / "two.json").write_text(json.dumps(document([item(content=content)])))
        used = command.run("plans", "import", "two.json", "--session", "s1")
    listed = command.json("plans", "list")["plans"]
    exported = command.run("plans", "export", "out.json")
    shown = command.run("sessions", "show", "s1").stdout
    archive = command.run("sessions", "export", "s1", "out").stdout
    beside_a_file = command.run("sessions", "export", "s1", "out.json")
    nobodys = command.run("export", "--app", "app")
    limits = command.run("doctor").stdout

    assert unused.stdout == (
        "Taken in: 1 plan.\nNo session uses them yet: import them with --session, for one to know them.\n"
    )
    assert used.stdout == "Taken in: 1 plan; session s1 knows them.\n"
    assert [each["sessions"] for each in listed] == [1]
    assert exported.stdout == "out.json has 1 plan.\n"
    assert len(json.loads((command.directory / "out.json").read_text())["plans"]) == 2
    assert [line.split("\t")[:2] for line in shown.splitlines() if "GET /members" in line] == [
        ["GET /members/{id:int}", "json"],
        ["GET /members/{id:int}", "none"],
    ]
    assert (beside_a_file.returncode, beside_a_file.stderr) == (1, "metaservice: out.json is not empty.\n")
    assert archive.endswith("\nLearned routes are not in it; `plans export --session` writes these.\n")
    assert nobodys.stderr == "metaservice: Say with --session whose API it is; there are: s1.\n"
    assert "memory\t268435456\tbytes\n" in limits
    assert "fuel\t20000000000\tabout one a wasm instruction\n" in limits


def test_a_used_data_root_is_left_to_its_service(command: Command) -> None:
    """The command asks the service where that itself says that it is; else it says what to do."""
    with RunningService(command.directory / "data", command.directory, command.settings) as service:
        found = command.json("sessions", "list")
        lost = Command(command.directory, {}).run("sessions", "list")
        another = Command(command.directory, {"LARS_ADMIN_TOKEN": "another"}).run("sessions", "list")
        other = {"LARS_ADMIN_TOKEN": "another", "METASERVICE_URL": service.url}
        refused = Command(command.directory, other).run("plans", "list")
        left = (command.directory / "data" / "address").read_bytes()
        service.stop()
    gone = not (command.directory / "data" / "address").exists()
    unreachable = command.run("plans", "list", "--url", service.url)
    # What a service that was killed has left says nothing while nobody has the data root.
    (command.directory / "data" / "address").write_bytes(left)
    alone = command.json("sessions", "list")

    assert found == alone == {"sessions": []}
    assert gone
    assert (lost.returncode, "start it with LARS_ADMIN_TOKEN" in lost.stderr) == (1, True)
    assert (another.returncode, "with --url or METASERVICE_URL" in another.stderr) == (1, True)
    assert (refused.returncode, "set LARS_ADMIN_TOKEN" in refused.stderr) == (1, True)
    assert (unreachable.returncode, "No answer from" in unreachable.stderr) == (1, True)


def test_a_person_edits_until_the_policy_is_content(command: Command) -> None:
    """The editor gets the code; what is refused is shown in its place, and the editor opens again."""
    (plan,) = command.json("plans", "import", "plans.json", "--session", "s1")["plans"]
    (command.directory / "bad.py").write_text("import os\n")
    (command.directory / "good.py").write_text("REPLY = make_response(204)\n")
    editor = command.directory / "editor"
    editor.write_text(
        '#!/bin/sh\ncp "$1" seen.py\nif [ -e bad.py ]; then mv bad.py "$1"; else cp good.py "$1"; fi\n'
    )
    editor.chmod(0o755)
    status, shown = command.in_terminal("plans", "edit", plan[:6], answers="y\n", EDITOR=str(editor))

    assert status == 0, shown
    assert "    1 | import os\n      | ^" in shown
    assert "now serves GET /members/{id:int}" in shown
    assert (command.directory / "seen.py").read_text() == "import os\n"
    no_editor = command.run("plans", "edit", plan[:6])
    assert no_editor.returncode == 1


def test_a_person_is_asked_before_anything_is_lost(command: Command) -> None:
    """No is no, and so is nothing; yes is yes."""
    command.json("sessions", "import", "s1", "in")
    no, question = command.in_terminal("sessions", "delete", "s1", answers="\n")
    kept = command.json("sessions", "list")["sessions"]
    yes, _ = command.in_terminal("sessions", "delete", "s1", answers="y\n")

    assert (no, yes) == (1, 0)
    assert "Remove session s1, its records and what it has learned? [y/N]" in question
    assert len(kept) == 1
    assert command.json("sessions", "list")["sessions"] == []


def test_a_reader_that_leaves_is_no_error(command: Command) -> None:
    """`| head` ends the output, without a traceback; also where Python keeps it until it ends."""
    command.json("sessions", "import", "s1", "in")
    variables = {name: text for name, text in command.environment.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m server sessions list --json | true"],
        cwd=command.directory,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""


def test_what_is_set_for_a_session(command: Command) -> None:
    """It is kept, shown, and taken out; a name that is none is refused."""
    done = command.json("sessions", "set", "shop", "--dialect", "postgrest")
    assert done == {"session": "shop", "settings": {"dialect": "postgrest"}}
    assert "postgrest" in command.run("sessions", "show", "shop").stdout
    assert "no dialect of its own" in command.run("sessions", "set", "shop", "--dialect", "none").stdout
    refused = command.run("sessions", "set", "shop", "--dialect", "nope")
    assert (refused.returncode, "`dialect` must be one of" in refused.stderr) == (1, True)

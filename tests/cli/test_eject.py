"""`metaservice export`, on a data root that no service uses, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
import pytest

from server.__main__ import _parser
from server.cli import eject
from server.cli.channel import Refusal
from server.cli.output import Output
from tests.docs.markdown import ROOT
from tests.plan_files import document, item
from tools.processes import environment

if TYPE_CHECKING:
    from pathlib import Path

    from server.cli.channel import Ask

GREETING = item(
    route="/greetings/{name:slug}",
    resource="greetings",
    action="greet",
    code=["REPLY = make_response(200, {'hello': params['name']})"],
)


def metaservice(directory: Path, *arguments: str) -> tuple[int, str, str]:
    settings = {
        "SANDBOX_DATA_ROOT": str(directory / "root"),
        "PYTHONPATH": str(ROOT),
        "OPENAI_API_KEY": "sk-nobody-is-asked",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=directory,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_a_session_without_a_service(tmp_path: Path) -> None:
    """It works on the data root alone."""
    (tmp_path / "plans.json").write_bytes(orjson.dumps(document([GREETING])))
    imported = metaservice(tmp_path, "plans", "import", "plans.json", "--session", "hello")
    written = metaservice(tmp_path, "export", "--app", "app", "--session", "hello", "--json")

    assert imported[0] == 0, imported
    assert orjson.loads(written[1])["resources"] == ["greetings"]
    assert '"""Greet greetings."""' in (tmp_path / "app/app/resources/greetings.py").read_text("utf-8")


class FakeChannel:
    """Answers with an archive of one module, and of what its handlers failed on."""

    exchanges: ClassVar[list[dict[str, Any]]] = [
        {"method": "GET", "path": "/things", "status": 200, "reply": []},
        {"method": "GET", "path": "/things/1", "route": "/things/{id}", "status": 500, "failed": "Broken."},
    ]

    def __init__(self) -> None:
        self.asked: list[Ask] = []

    async def call(self, ask: Ask) -> dict[str, Any]:
        self.asked.append(ask)
        assert ask.save is not None
        text = orjson.dumps(self.exchanges)
        exchanges = tarfile.TarInfo("tests/exchanges.json")
        exchanges.size = len(text)
        with tarfile.open(ask.save, "w") as tar:
            tar.addfile(tarfile.TarInfo("app/resources/things.py"), BytesIO())
            tar.addfile(exchanges, BytesIO(text))
        return {}

    async def close(self) -> None:
        """Nothing is held."""


async def exported(*flags: str) -> tuple[FakeChannel, str]:
    channel, stream = FakeChannel(), StringIO()
    options = _parser().parse_args(["export", *flags])
    assert await eject.export(options, channel, Output(as_json=options.json, stream=stream)) == 0
    return channel, stream.getvalue()


async def test_what_the_flags_ask_for(tmp_path: Path) -> None:
    plain, printed = await exported("--app", str(tmp_path / "a"))
    flagged, _ = await exported(
        "--app", str(tmp_path / "b"), "--session", "s1", "--with-data", "--learned-only"
    )

    assert printed == (
        f"{tmp_path / 'a'} has an application of 1 resource: things\n"
        "GET /things/{id} fails on its example, with 500: Broken.\n"
    )
    assert [(ask.segments, ask.query) for ask in plain.asked + flagged.asked] == [
        (("sessions", "~anonymous", "app"), {"data": "false", "conventions": "true"}),
        (("sessions", "s1", "app"), {"data": "true", "conventions": "false"}),
    ]


async def test_a_directory_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    """Without --force; with it, what is there besides stays."""
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")

    with pytest.raises(Refusal, match="is not empty"):
        await exported("--app", str(tmp_path))
    assert os.listdir(tmp_path) == ["mine.txt"]
    await exported("--app", str(tmp_path), "--force")
    assert mine.read_text() == "mine"
    assert (tmp_path / "app/resources/things.py").exists()

"""A session with a contract is ejected with it: routes, checks, errors, and tests of its own that pass."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from server.contracts.reading import read_file
from tests.e2e.contracts import DOCUMENTS
from tests.eject.conftest import ejected, run
from tests.learning.conftest import start
from tests.operations.conftest import ADMIN, AUTH
from tools.simulators import by_route

if TYPE_CHECKING:
    from pathlib import Path

    from tests.learning.conftest import StartApi

__all__ = ["start"]


@pytest.mark.parametrize("name", ["orders.json", "calls.yaml"])
async def test_its_own_tests_pass(start: StartApi, tmp_path: Path, name: str) -> None:
    """In a project that has nothing of ours in its path; the document is in it as it was."""
    api = await start(by_route({}), auth={"admin_token": ADMIN})
    document = dict(read_file(DOCUMENTS / name).raw)
    body = {"name": name, "document": document}
    told = await api.ask("PUT", "/_meta/sessions/s1/contract", body, **AUTH)
    assert told.status == 200, told
    project = await ejected(api, tmp_path / "app")
    ran = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    exchanges = json.loads((project / "tests" / "exchanges.json").read_text("utf-8"))

    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr
    assert json.loads((project / "openapi.json").read_text("utf-8")) == document
    assert sum(each["status"] < 300 for each in exchanges) > len(exchanges) / 2, exchanges

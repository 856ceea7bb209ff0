"""What README.md and docs/ show is what happens."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from server.http.problem_types import all_types
from server.planning import codec
from tests.docs import tour
from tests.docs.console import Shell, Step, console, settled, steps
from tests.docs.markdown import PAGES, README, ROOT, Block, blocks, section

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.service import RunningService

TEXT = README.read_text("utf-8")
TOUR = ROOT / "docs" / "tour.md"
TOUR_TEXT = TOUR.read_text("utf-8")
STATUSES = (ROOT / "docs" / "statuses.md").read_text("utf-8")
DEVELOPMENT = (ROOT / "docs" / "development.md").read_text("utf-8")
SERVE = "pip install uv && uv run just serve"
TEST = "pip install uv && uv run just test"
#: What a page says that its service was started with.
STARTED_WITH = {
    "contract.md": {"LARS_ADMIN_TOKEN": "open-sesame"},
    "command.md": {"LARS_ADMIN_TOKEN": "open-sesame"},
    "operate.md": {"LARS_METRICS_TOKEN": "collect"},
}


def differences(done: list[tuple[Step, str]]) -> list[tuple[str, str, str]]:
    """Command, what the page shows, and what was printed, where these differ."""
    compared = [(step.command, settled(step.shown), settled(output)) for step, output in done]
    return [each for each in compared if each[1] != each[2]]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    directory = tmp_path / "shell"
    directory.mkdir()
    return Shell(directory)


def test_the_tour(shell: Shell, start_service: Callable[..., RunningService]) -> None:
    """Every command of the tour, run in its order as its reader would, prints what the page shows."""
    done = tour.take(TOUR_TEXT, shell, start_service)

    assert len(done) >= 15
    assert differences(done) == []


def test_all_of_the_readme_can_be_pasted() -> None:
    """No prompt stands before a command, and a block's outputs are comments to a shell."""
    text = TEXT + TOUR_TEXT
    assert not [block for block in blocks(text) if block.language == "console"]
    for block in blocks(text):
        assert not re.search(r"^[$>] ", block.text, re.MULTILINE), block


def test_a_block_to_paste() -> None:
    """Commands go up to their output; several lines may be one, and a command may print nothing."""
    block = Block("bash", "A='x y'\necho 1\n# 1\n#\n#  2\ncat <<'END'\na\nEND\n")

    assert steps(block) == [Step("A='x y'\necho 1", "1\n\n 2"), Step("cat <<'END'\na\nEND", "")]


#: With what is run of each; pages without anything need no service.
EXAMPLES = {page: console(blocks(page.read_text("utf-8"))) for page in PAGES if page != TOUR}


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page, run in EXAMPLES.items() if run], ids=lambda page: page.name)
def test_the_examples_of_a_page(
    page: Path, shell: Shell, start_service: Callable[..., RunningService]
) -> None:
    """Console blocks of all other pages are run as well, against a service without a model."""
    examples = EXAMPLES[page]
    with start_service(**STARTED_WITH.get(page.name, {})) as service:
        outputs = shell.run([step.command for step in examples], service.url.removeprefix("http://"))
        done = list(zip(examples, outputs, strict=True))

    assert differences(done) == []


def test_a_difference_is_found(shell: Shell) -> None:
    """The comparison can fail: another output than the page shows is a difference; dates are none."""
    block = Block(
        "console", "$ echo one\n1\n$ printf 'Date: Mon, 02 Nov 2026 10:00:00 GMT\\r\\n'\nDate: ...\n"
    )
    found = steps(block)
    outputs = shell.run([step.command for step in found], "")

    assert differences(list(zip(found, outputs, strict=True))) == [("echo one", "1", "one")]


@pytest.mark.parametrize("command", [SERVE, TEST])
def test_the_two_commands(command: str) -> None:
    """Both commands stand in the README as written, each a block that can be copied."""
    assert Block("sh", f"{command}\n") in blocks(TEXT)


def test_a_plan_is_what_a_model_is_asked_for() -> None:
    """The plan of the tour has the members that the prompt asks for, no others, and would be taken."""
    (written,) = [
        step for step in console(blocks(section(TOUR_TEXT, tour.WITH))) if step.command.startswith("cat")
    ]
    (entry,) = json.loads(written.command.partition("\n")[2].removesuffix("END"))
    asked = codec.ANSWER_SCHEMA

    assert sorted(entry["plan"]) == sorted(asked["required"])
    assert sorted(entry["plan"]["code"]) == asked["properties"]["code"]["required"]
    assert codec.decode(json.dumps(entry["plan"]), ("orders", "1", "cancel")).action == "cancel"


def test_to_serve_installs_no_tools() -> None:
    """A clone has by default what serves, and `just`; every other recipe asks for the tools it needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = project["dependency-groups"]
    lines = [line.strip() for line in (ROOT / "justfile").read_text("utf-8").splitlines()]

    assert [text for name in project["tool"]["uv"]["default-groups"] for text in groups[name]] == [
        text for text in groups["tasks"] if text.startswith("rust-just")
    ]
    assert [line for line in lines if line.startswith("uv run")] == ['uv run metaservice serve "$@"']


def test_ci_runs_the_test_command() -> None:
    """What CI runs is the README's own command, a line of its own."""
    assert TEST in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_every_status_and_problem_type() -> None:
    """The table has every problem type, in the row of its status, and no other."""
    rows = re.findall(r"^\| (\d{3}) \| (.+?) \|", STATUSES, re.MULTILINE)
    shown = {(int(status), slug) for status, slugs in rows for slug in re.findall(r"`([a-z-]+)`", slugs)}

    assert shown == {(error.status, slug) for slug, error in all_types().items()}


def test_every_recipe() -> None:
    """Each public recipe of the justfile is told of, and none that is not there."""
    recipes = re.findall(r"^([a-z][\w-]*)(?: \*args)?:", (ROOT / "justfile").read_text("utf-8"), re.MULTILINE)
    shown = re.findall(r"`uv run just ([\w-]+)`", DEVELOPMENT)

    assert sorted(shown) == sorted(recipes)


def test_every_folder() -> None:
    """The table of folders has every folder with Python in it, and docs, and what it names is there."""
    named = re.findall(
        r"^\| `([\w/]+)/` \|",
        section(DEVELOPMENT, "## Layout"),
        re.MULTILINE,
    )
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}

    assert set(named) == rooms | {"docs"}
    assert all((ROOT / name).is_dir() for name in named)


def test_it_is_short() -> None:
    """Whoever comes by reads it to the end."""
    assert len(TEXT.splitlines()) <= 180

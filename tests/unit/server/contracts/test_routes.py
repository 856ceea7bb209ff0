"""Which operation a path leads to."""

from __future__ import annotations

import pytest

from server.contracts.document import Operation
from server.contracts.paths import Slot, Word, path_of
from server.contracts.routes import NOTHING, Routes

TEMPLATES = (
    "/pets/{id}",
    "/pets/mine",
    "/{kind}/{id}/reactions",
    "/Accounts/{AccountSid}/Messages/{Sid}.json",
    "/Accounts/{AccountSid}/Messages.json",
    "/People('{UserName}')",
    "/Trips({TripId})",
    "/conversations.create",
    "/jobs/{name}:cancel",
    "/pairs/{a}-{b}",
    "/",
    "/files/{name}/",
)


def routes(*templates: str, bases: tuple[str, ...] = ("/v2",)) -> Routes:
    return Routes.of([Operation(each, "GET", each, "#") for each in templates or TEMPLATES], bases)


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/pets/mine", "/pets/mine", {}),
        ("/pets/7", "/pets/{id}", {"id": "7"}),
        ("/v2/pets/7", "/pets/{id}", {"id": "7"}),
        ("/pets/7/reactions", "/{kind}/{id}/reactions", {"kind": "pets", "id": "7"}),
        (
            "/Accounts/A/Messages/M.json",
            "/Accounts/{AccountSid}/Messages/{Sid}.json",
            {"AccountSid": "A", "Sid": "M"},
        ),
        ("/Accounts/A/Messages.json", "/Accounts/{AccountSid}/Messages.json", {"AccountSid": "A"}),
        ("/People('ann')", "/People('{UserName}')", {"UserName": "ann"}),
        ("/Trips(3)", "/Trips({TripId})", {"TripId": "3"}),
        ("/Trips('O''Neil')", "/Trips({TripId})", {"TripId": "O'Neil"}),
        ("/Trips(')", "/Trips({TripId})", {"TripId": "'"}),
        ("/conversations.create", "/conversations.create", {}),
        ("/jobs/x:cancel", "/jobs/{name}:cancel", {"name": "x"}),
        ("/pairs/1-2-3", "/pairs/{a}-{b}", {"a": "1", "b": "2-3"}),
        ("/v2", "/", {}),
        ("/files/a", "/files/{name}/", {"name": "a"}),
    ],
)
def test_a_path_leads_to_the_most_concrete(path: str, template: str, params: dict[str, str]) -> None:
    segments = tuple(path.strip("/").split("/")) if path != "/" else ()
    found = routes().find(segments).match("GET")

    assert found is not None
    assert (found.operation.template, found.params) == (template, params)


@pytest.mark.parametrize(
    "path", ["pets", "pets/7/x", "People('')", "jobs/:cancel", "pairs/1-", "v2/v2/pets/7", "pets/"]
)
def test_other_paths_lead_nowhere(path: str) -> None:
    assert routes().find(tuple(path.split("/"))) is NOTHING


def test_slots_of_other_names_are_one_path() -> None:
    found = Routes.of([Operation("a", "GET", "/x/{a}", "#"), Operation("b", "PUT", "/x/{b}", "#")], ()).find(
        ("x", "1")
    )

    matches = {method: found.match(method) for method in found.here}
    assert {method: match and match.params for method, match in matches.items()} == {
        "GET": {"a": "1"},
        "PUT": {"b": "1"},
    }
    assert found.match("DELETE") is None


def test_looking_up_takes_no_longer_than_the_tree_is_large() -> None:
    """A word and a slot at each step, and a path that fits none: each node is looked at once."""
    templates = [
        f"/{'/'.join(['a' if number >> bit & 1 else f'{{s{bit}}}' for bit in range(10)])}"
        for number in range(1024)
    ]
    tree = routes(*templates)

    assert tree.find(("a",) * 10 + ("b",)) is NOTHING
    found = tree.find(("a",) * 10).match("GET")
    assert found is not None
    assert found.operation.template == "/" + "/".join("a" * 10)


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/a/{b}.json", (Word("a"), Slot("b"))),
        ("/People('{UserName}')", (Word("People"), Slot("UserName"))),
        ("/jobs/{name}:cancel", (Word("jobs"), Slot("name"), Word("cancel"))),
        ("/{id}", (Word("applications"), Slot("id"))),
        ("/a?x={y}", (Word("a"),)),
    ],
)
def test_templates_as_words_and_slots(template: str, path: tuple[Word | Slot, ...]) -> None:
    assert path_of(template, "/v2/applications") == path

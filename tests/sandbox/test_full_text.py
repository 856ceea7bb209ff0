"""Why `q=` is a scan, and that it is one a collection can afford, in the guest itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from wasm_runtime.outcome import Completed

if TYPE_CHECKING:
    from tests.sandbox.conftest import Sandbox


@pytest.mark.parametrize("module", ["fts5", "fts4", "fts3"])
def test_the_guests_sqlite_has_no_full_text_search(sandbox: Sandbox, module: str) -> None:
    """Should this fail one day, `store/text_search.py` has a choice."""
    outcome = sandbox.run(f"""\
try:
    store._workspace.database.run("CREATE VIRTUAL TABLE temp.t USING {module}(a)")
    REPLY = make_response(200, "there")
except Exception as error:
    REPLY = make_response(200, repr(error))
""")

    assert isinstance(outcome, Completed), outcome
    assert f"no such module: {module}" in orjson.loads(outcome.body or b"")


def test_a_large_collection_is_searched(sandbox: Sandbox) -> None:
    """10,000 records, within the default limits of a run."""
    made = sandbox.run("""\
rows = [{"name": f"Member {n}", "city": "Rome" if n % 100 == 7 else "Oslo"} for n in range(10000)]
REPLY = make_response(200, len(store.insert_many(rows)))
""")
    found = sandbox.run(
        'REPLY = make_response(200, [store.count({"$text": words}) for words in ("ROME member", "nobody")])',
        read_only=True,
    )

    assert isinstance(made, Completed), made
    assert isinstance(found, Completed), found
    assert orjson.loads(found.body or b"") == [100, 0]

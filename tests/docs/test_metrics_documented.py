"""Every metric is documented, with its labels, and nothing is documented that is none."""

from __future__ import annotations

import re

from prometheus_client.parser import text_string_to_metric_families

from server.metrics.disk import Disk
from server.metrics.exposition import Reading, render
from server.metrics.model_calls import ModelCalls
from server.metrics.remembered import Remembered
from server.metrics.tally import Tally
from server.telemetry.request_line import STAGES, RequestLine
from tests.docs.markdown import ROOT, section
from tests.fakes import FakeExecutor
from tests.unit.server.metrics.test_exposition import CLUSTER, RECORD

PAGE = (ROOT / "docs" / "operate.md").read_text("utf-8")
_ROW = re.compile(r"^\| `(metaservice\w*)` \|", re.MULTILINE)


def everything() -> str:
    """A reading in which every metric has a value."""
    tally = Tally(routes=1)
    line = RequestLine("r1", method="GET", plan_source="learned", status=404, problem="not-found")
    line.emit()
    tally.note(line)
    calls = ModelCalls(1, 1, "openai", "small")
    calls.results["answered"] = 1
    disk = Disk(record=RECORD)
    reading = Reading("1.0", tally, calls, FakeExecutor().health(), disk, Remembered(), cluster=CLUSTER)
    return render(reading, "")[0].decode()


def test_each_metric() -> None:
    """The table has the name of every family that is exposed, and of no other."""
    exposed = {family.name for family in text_string_to_metric_families(everything())}
    ours = {name.removesuffix("_info") for name in exposed if name.startswith("metaservice")}

    assert set(_ROW.findall(section(PAGE, "## Metrics"))) == ours


def test_each_stage() -> None:
    """The table of stages has those that a request's line may have, in order."""
    named = re.findall(r"^\| `(\w+)` \|", section(PAGE, "## The log"), re.MULTILINE)

    assert named == [*STAGES, "total"]

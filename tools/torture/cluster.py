"""The cluster: kills under writers that keep count, then histories; both with all that may be done."""

from __future__ import annotations

import time

from tools.torture import cluster_histories, cluster_kills
from tools.torture.report import Report


async def torture(seed: int, kills: int, histories: int, operations: int) -> Report:
    """Either number may be 0."""
    report = Report("cluster", seed, f"--kills {kills} --histories {histories} --operations {operations}")
    started = time.perf_counter()
    if kills:
        await cluster_kills.run(report, seed, kills)
    if histories:
        await cluster_histories.run(report, seed, histories, operations)
    report.figures["seconds"] = round(time.perf_counter() - started, 1)
    return report

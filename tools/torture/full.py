"""A disk that is full: a small tmpfs in a mount namespace, filled by clients until nothing goes in.

    python -m tools.torture full

1. What was acknowledged is there, during and afterwards; who was refused got 507 with the limit it was.
2. Sessions that are loaded are read all the while; one that is not is read, too: others' files make room.
3. `/healthz` says `full` within a second, and `ok` within two when there is room again. The log has one line
   for each. Then everything is written again, by the same processes.

In a namespace of the user's own, so it needs no privilege where the kernel gives those to anybody.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tools.processes import toml
from tools.torture.report import Report
from tools.torture.service import NotStarted, ServiceProcess
from tools.torture.wire import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_SIZE = "24m"
_MORE = "256m"
_TEXT = "x" * 30_000
_SESSIONS = 24
_MOST = 4_000
#: Refusals after which it is full enough.
_ENOUGH = 40
_SOON_SECONDS = 1.0
_OVER_SECONDS = 2.0
_INSIDE = "--inside"


async def torture(seed: int) -> Report:
    """Run it in a namespace; what it found."""
    report = Report("full", seed, "")
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    inside = [sys.executable, "-m", "tools.torture.full", _INSIDE, str(seed)]
    if shutil.which("unshare") is None:
        report.violation("there is no unshare here (util-linux)")
        return report
    process = await asyncio.create_subprocess_exec(
        *command, *inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, errors = await process.communicate()
    if process.returncode:
        report.violation(f"it did not run: {errors.decode('utf-8', 'replace')[-1_000:]}")
        return report
    found = json.loads(out)
    report.figures = found["figures"]
    report.violations = found["violations"]
    return report


@define
class _Full:
    report: Report
    service: ServiceProcess
    mount: Path
    #: (session, id) of what was acknowledged.
    told: list[tuple[str, int]] = field(factory=list)
    answers: Counter[str] = field(factory=Counter)

    async def run(self) -> None:
        await self.service.start()
        workers, keepers = self.service.workers(), self.service.keepers()
        await self._post("cold")
        await self._fill()
        await self._within("full", _SOON_SECONDS)
        await self._read_all("while it is full")
        await self._read("cold")
        self.mount_disk(f"remount,size={_MORE}")
        await self._within("ok", _OVER_SECONDS)
        for number in range(_SESSIONS):
            answer = await self._post(f"s{number}")
            if answer.status != 201:
                self.report.violation(f"a write afterwards: {answer.said}")
        await self._read_all("afterwards")
        if (self.service.workers(), self.service.keepers()) != (workers, keepers):
            self.report.violation("a process has ended")
        log = self.service.log.read_text("utf-8", "replace")
        lines = {name: log.count(name) for name in ("record full", "record has room again")}
        if set(lines.values()) != {1}:
            self.report.violation(f"lines in the log: {lines}")
        self.report.figures = {**self.answers, "acknowledged": len(self.told)}

    async def _fill(self) -> None:
        refused = 0
        for number in range(_MOST):
            answers = await asyncio.gather(
                *(self._post(f"s{(number * 8 + n) % _SESSIONS}") for n in range(8))
            )
            refused += sum(answer.status != 201 for answer in answers)
            if refused >= _ENOUGH:
                return
        self.report.violation("the disk did not get full")

    async def _post(self, session: str) -> Answer:
        answer = await ask(self.service.address, "POST", "/things", session, {"text": _TEXT})
        self.answers[f"{answer.status} {answer.problem}".strip()] += 1
        if answer.status == 201:
            self.told.append((session, answer.json["id"]))
        elif (answer.status, answer.problem) != (507, "storage-full"):
            self.report.violation(f"a write: {answer.said}")
        elif answer.json["limit"] != "disk":
            self.report.violation(f"the limit that is told: {answer.json['limit']}")
        return answer

    async def _read_all(self, when: str) -> None:
        """Every session, and all that it was told is there."""
        for session in sorted({session for session, _ in self.told}):
            answer = await ask(self.service.address, "GET", "/things?limit=1000&fields=id", session)
            if answer.status != 200:
                self.report.violation(f"a read {when}: {answer.said}")
                continue
            found = {each["id"] for each in answer.json["items"]}
            lost = {number for name, number in self.told if name == session} - found
            if lost:
                self.report.violation(f"{when}, {len(lost)} records of {session} are not there")

    async def _read(self, session: str) -> None:
        answer = await ask(self.service.address, "GET", "/things/1", session)
        if answer.status != 200:
            self.report.violation(f"a session that was not loaded: {answer.said}")

    async def _within(self, what: str, seconds: float) -> None:
        async def said() -> bool:
            health: Any = (await ask(self.service.address, "GET", "/healthz", "")).json
            return bool(health["record"] == what)

        if not await _until(said, seconds):
            self.report.violation(f"/healthz does not say {what} within {seconds} s")

    def mount_disk(self, options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.mount)], check=True)


async def _until(holds: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (done := await holds()) and time.monotonic() < deadline:  # noqa: ASYNC110  another process's
        await asyncio.sleep(0.05)
    return done


async def _inside(seed: int) -> Report:
    report = Report("full", seed, "")
    with tempfile.TemporaryDirectory(prefix="metaservice-full-") as scratch:
        place = Path(scratch)
        service = ServiceProcess(place, {"LARS_CONFIG": str(place / "full.toml"), "LARS_LOG_LEVEL": "INFO"})
        # Few live guests, so that files are closed, and can make room.
        (place / "full.toml").write_text(toml({"sandbox": {"workers": 1, "live_guests": 4}}))
        service.data_root.mkdir()
        full = _Full(report, service, service.data_root)
        full.mount_disk(f"size={_SIZE}")
        try:
            await full.run()
        except NotStarted as error:
            report.violation(f"the service did not start: {error}")
        finally:
            await service.close()
            await asyncio.to_thread(subprocess.run, ["umount", str(service.data_root)], check=False)
    return report


def main() -> None:
    found = asyncio.run(_inside(int(sys.argv[2])))
    print(json.dumps({"figures": found.figures, "violations": found.violations}))


if __name__ == "__main__":
    main()

"""A disk that is full: a small tmpfs in a mount namespace, filled by clients until nothing goes in.

    python -m tools.torture full

1. What was acknowledged is there, during and afterwards; who was refused got 507 with the limit it was.
2. Sessions that are loaded are read all the while; one that is not is read, too: others' files make room.
3. `/healthz` says `full` within a second, and `ok` within two when there is room again. The log has one line
   for each. Then everything is written again, by the same processes.
4. Where live guests have all the files there are, they make room for the one that is to be read. What is
   larger than all of them is refused, and read when there is room.

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
_LARGE_TEXT = "x" * 900_000
#: Room on a disk that has none for a session's file.
_HARDLY_BYTES = 64 * 1024
#: Sessions with live guests, their records, and those of a session that is larger than them together.
_LIVE = 6
_LIVE_RECORDS = 20
_LARGE_RECORDS = 8
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
class _Disk:
    report: Report
    service: ServiceProcess
    mount: Path
    #: (session, id) of what was acknowledged.
    told: list[tuple[str, int]] = field(factory=list)
    answers: Counter[str] = field(factory=Counter)

    async def fill(self) -> None:
        """By clients, until nothing goes in; then there is room again."""
        self.mount_disk(f"size={_SIZE}")
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
        # A lane may have begun meanwhile.
        if not {*workers, *keepers} <= {*self.service.workers(), *self.service.keepers()}:
            self.report.violation("a process has ended")
        log = self.service.log.read_text("utf-8", "replace")
        lines = {name: log.count(name) for name in ("record full", "record has room again")}
        if set(lines.values()) != {1}:
            self.report.violation(f"lines in the log: {lines}")

    async def crowd(self) -> None:
        """Live guests have all files; then another session is read, and one that is larger than all."""
        self.mount_disk(f"size={_MORE}")
        await self.service.start()
        live = [f"s{number}" for number in range(_LIVE)]
        for session in [*live, "cold"]:
            for _ in range(_LIVE_RECORDS):
                await self._post(session)
        for _ in range(_LARGE_RECORDS):
            await self._post("large", _LARGE_TEXT)
        await self.service.stop()  # which closes all files
        await self.service.start()
        for session in live:
            await self._read(session)
        self._leave_hardly_any()
        await self._within("full", _SOON_SECONDS)
        if not await _until(lambda: self._has_files(_LIVE), _SOON_SECONDS):
            self.report.violation("files that nobody has open make no room")
        self._leave_hardly_any()
        for session in ("cold", *live):
            await self._read(session)
        await self._read("large", (507, "storage-full"))
        await self._read("cold")
        self.mount_disk(f"remount,size={_MORE}")
        await self._within("ok", _OVER_SECONDS)
        await self._read("large")
        await self._read_all("afterwards")

    async def _has_files(self, most: int) -> bool:
        return len(list(self.mount.glob("caches/*/store.db"))) <= most

    def _leave_hardly_any(self) -> None:
        disk = os.statvfs(self.mount)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        self.mount_disk(f"remount,size={used + _HARDLY_BYTES}")

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

    async def _post(self, session: str, text: str = _TEXT) -> Answer:
        answer = await ask(self.service.address, "POST", "/things", session, {"text": text})
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

    async def _read(self, session: str, expected: tuple[int, str] = (200, "")) -> None:
        answer = await ask(self.service.address, "GET", "/things/1", session)
        if (answer.status, answer.problem) != expected:
            self.report.violation(f"a read of {session}: {answer.said}")

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
    # Few live guests, so that files are closed, and can make room; then enough for all sessions.
    figures: Counter[str] = Counter()
    for live_guests, scene in ((4, _Disk.fill), (64, _Disk.crowd)):
        with tempfile.TemporaryDirectory(prefix="metaservice-full-") as scratch:
            figures += await _played(report, Path(scratch), live_guests, scene)
    report.figures = dict(figures)
    return report


async def _played(
    report: Report, place: Path, live_guests: int, scene: Callable[[_Disk], Awaitable[None]]
) -> Counter[str]:
    service = ServiceProcess(place, {"LARS_CONFIG": str(place / "full.toml"), "LARS_LOG_LEVEL": "INFO"})
    (place / "full.toml").write_text(toml({"sandbox": {"workers": 1, "live_guests": live_guests}}))
    service.data_root.mkdir()
    disk = _Disk(report, service, service.data_root)
    try:
        await scene(disk)
    except NotStarted as error:
        report.violation(f"the service did not start: {error}")
    finally:
        await service.close()
        # Lazily: a process of the service that is ending may still have a file open there.
        await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(service.data_root)], check=False)
    return disk.answers + Counter(acknowledged=len(disk.told))


def main() -> None:
    found = asyncio.run(_inside(int(sys.argv[2])))
    print(json.dumps({"figures": found.figures, "violations": found.violations}))


if __name__ == "__main__":
    main()

"""Disks that fail under the real guest, at one place each."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from attrs import define

from server.planning.learned.library_file import FILE_NAME as LIBRARY
from tools.torture import faults
from tools.torture.file_faults import Fault, Injector, Kind, Operation
from tools.torture.service import kill
from tools.torture.wire import Answer, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tools.torture.service import ServiceProcess
    from wasm_runtime.artifact import Artifact


#: The service's process is tied to the loop that has started it.
on_one_loop = pytest.mark.asyncio(loop_scope="module")


@define
class Disk:
    """A service over a disk that can be told to fail under one session."""

    service: ServiceProcess
    injector: Injector
    session: str

    @property
    def other(self) -> str:
        return f"{self.session}-other"

    @property
    def new(self) -> str:
        return f"{self.session}-new"

    def fails(self, kind: Kind, only: Callable[[Operation], bool], *, lasting: bool = False) -> None:
        self.injector.arm(Fault(kind, 1, lasting, str(self.service.data_root), only=only))

    async def recovered(self) -> None:
        """Until both sessions can be written again."""
        for session in (self.session, self.other):
            async with asyncio.timeout(15):
                while (await self.post("recovered", session)).status != 201:
                    await asyncio.sleep(0.05)

    async def spoil(self) -> None:
        """Have the session's file be made anew when it is next opened.

        Two others take its guest's place, and another keeper believes no file.
        """
        for session in (self.other, f"{self.session}-third"):
            assert (await self.post("in its place", session)).status == 201
        for keeper in self.service.keepers():
            kill(keeper)
        async with asyncio.timeout(15):
            while (await self.post("after the kill", self.other)).status != 201:
                await asyncio.sleep(0.05)

    def heals(self) -> None:
        assert self.injector.failed, "the fault found nothing to hit"
        self.injector.lift()

    async def post(self, name: str, session: str = "", *, key: str = "") -> Answer:
        body = {"key": name}
        return await ask(self.service.address, "POST", "/transfers", session or self.session, body, key=key)

    async def get(self, session: str = "") -> Answer:
        return await ask(self.service.address, "GET", "/debits?limit=1000", session or self.session)

    async def get_when_hit(self) -> Answer:
        """Reads until the guest is a new one, which opens the file, and the fault has found it."""
        for _ in range(20):
            answer = await self.get()
            if self.injector.failed:
                return answer
        raise AssertionError("the file was never opened")

    async def keys(self, session: str = "") -> list[str]:
        answer = await self.get(session)
        assert answer.status == 200, answer.said
        return [record["key"] for record in answer.json["items"]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def faulty(guest_artifact: Artifact) -> AsyncIterator[tuple[ServiceProcess, Injector]]:
    """One service for all these tests: none of them may need a restart."""
    async with AsyncExitStack() as running:
        service, injector = await faults.faulty_service(running)
        await service.start()
        yield service, injector


@pytest_asyncio.fixture(loop_scope="module")
async def disk(faulty: tuple[ServiceProcess, Injector]) -> AsyncIterator[Disk]:
    """Two sessions with a record each; the plans are learned."""
    disk = Disk(*faulty, session=secrets.token_hex(4))
    for session in (disk.session, disk.other):
        assert (await disk.post("first", session)).status == 201
    await disk.keys()
    yield disk
    disk.injector.lift()


def name_of(operation: Operation) -> str:
    return Path(operation.path).name


def record_write(operation: Operation) -> bool:
    return operation.writes and name_of(operation).startswith("record.db")


def log_sync(operation: Operation) -> bool:
    return operation.syncs and name_of(operation) == "record.db-wal"


def record_read(operation: Operation) -> bool:
    return operation.name == "pread64" and name_of(operation).startswith("record.db")


def scratch_write(operation: Operation) -> bool:
    return (operation.writes or operation.creates) and name_of(operation).startswith("scratch-")


@on_one_loop
@pytest.mark.parametrize(
    ("kind", "only", "said"),
    [
        (Kind.ENOSPC, record_write, (507, "storage-full")),
        (Kind.SHORT, record_write, (507, "storage-full")),
        (Kind.EIO, record_write, (503, "storage-failed")),
        (Kind.EIO, log_sync, (503, "not-confirmed")),
    ],
)
async def test_a_disk_that_fails_under_the_record_loses_nothing(
    disk: Disk, kind: Kind, only: Callable[[Operation], bool], said: tuple[int, str]
) -> None:
    """Writes get 507 or 503 while it lasts, reads of loaded sessions go on; then all is as it was."""
    before = (disk.service.workers(), disk.service.keepers())
    await disk.keys()
    await disk.keys(disk.other)
    disk.fails(kind, only, lasting=True)
    answers = [await disk.post(f"refused-{n}") for n in range(2)]
    other = await disk.post("refused", disk.other)
    read = await disk.get(disk.other)
    disk.heals()

    assert (answers[0].status, answers[0].problem) == said
    assert {answers[1].status, other.status} <= {503, 507}
    assert read.status in {200, 503}
    await disk.recovered()
    for session in (disk.session, disk.other):
        assert await disk.keys(session) == ["first", "recovered"]
    assert (disk.service.workers(), disk.service.keepers()) == before


@on_one_loop
async def test_a_full_disk_is_told_within_a_second_and_once(disk: Disk) -> None:
    """Reads go on; when there is room, writes do too, with no restart."""
    await disk.keys(disk.other)
    disk.fails(Kind.ENOSPC, record_write, lasting=True)
    answers = [await disk.post(f"refused-{n}") for n in range(4)]
    health = await ask(disk.service.address, "GET", "/healthz", "")
    reads = [await disk.get(disk.other) for _ in range(4)]
    disk.heals()

    assert [answer.problem for answer in answers] == ["storage-full"] * 4
    assert answers[0].json["limit"] == "disk"
    assert (health.json["status"], health.json["record"]) == ("impaired", "full")
    assert [answer.status for answer in reads] == [200] * 4
    await disk.recovered()
    health = await ask(disk.service.address, "GET", "/healthz", "")
    assert (health.json["status"], health.json["record"]) == ("ok", "ok")


@on_one_loop
async def test_a_short_write_is_finished(disk: Disk) -> None:
    """Half a write is no error: the rest is written next."""
    disk.fails(Kind.SHORT, record_write)
    answer = await disk.post("second")
    disk.heals()

    assert answer.status == 201
    assert await disk.keys() == ["first", "second"]


@on_one_loop
async def test_a_sync_that_fails_once_is_tried_again_and_nothing_is_done_twice(disk: Disk) -> None:
    """What it may have left in the log is written over by the next try."""
    disk.fails(Kind.EIO, log_sync)
    answers = await asyncio.gather(*(disk.post(f"k{n}") for n in range(6)))
    disk.heals()

    assert [answer.status for answer in answers] == [201] * 6
    assert sorted(await disk.keys()) == ["first", *(f"k{n}" for n in range(6))]


@on_one_loop
async def test_a_key_ends_the_doubt(disk: Disk) -> None:
    """Asked again with the same Idempotency-Key, a request whose commit was in doubt has one effect."""
    disk.fails(Kind.EIO, log_sync, lasting=True)
    doubted = await disk.post("second", key="k1")
    disk.heals()
    again = [await disk.post("second", key="k1") for _ in range(2)]

    assert doubted.problem == "not-confirmed"
    assert [answer.status for answer in again] == [201, 201]
    assert again[1].replayed
    assert await disk.keys() == ["first", "second"]


@on_one_loop
async def test_a_file_that_cannot_be_made_costs_its_session_alone(disk: Disk) -> None:
    """The record is well: who is loaded is served, and the file is made when it can be."""
    await disk.spoil()
    disk.fails(Kind.ENOSPC, scratch_write, lasting=True)
    answer = await disk.get_when_hit()
    other = await disk.post("second", disk.other)
    disk.heals()

    assert answer.status in {503, 507}
    assert other.status == 201
    assert await disk.keys() == ["first"]
    assert (await disk.post("second")).status == 201


@on_one_loop
async def test_a_disk_that_cannot_be_read_is_no_damage(disk: Disk) -> None:
    """SQLite calls it corruption; the session is 503, not 500, and the record is left as it is."""
    await disk.spoil()
    disk.fails(Kind.EIO, record_read, lasting=True)
    answer = await disk.get_when_hit()
    disk.heals()

    assert (answer.status, answer.problem) == (503, "storage-failed")
    assert await disk.keys() == ["first"]


@on_one_loop
async def test_a_keeper_that_cannot_open_the_record_is_started_until_it_can(disk: Disk) -> None:
    """Workers stay; what was acknowledged is there."""
    workers = disk.service.workers()
    disk.fails(Kind.EIO, record_read, lasting=True)
    for keeper in disk.service.keepers():
        kill(keeper)
    refused = await disk.post("refused")
    disk.heals()

    assert refused.status == 503
    await disk.recovered()
    assert await disk.keys() == ["first", "recovered"]
    assert disk.service.workers() == workers


@on_one_loop
async def test_the_plan_is_not_blamed(disk: Disk) -> None:
    """A disk that fails costs no call of the provider, and the route stays learned."""
    disk.fails(Kind.EIO, record_write, lasting=True)
    for n in range(4):
        await disk.post(f"refused-{n}")
    disk.heals()

    assert (await disk.post("second")).header("X-Plan-Source") == "learned"


@on_one_loop
async def test_a_library_that_fails_costs_what_is_learned_alone(disk: Disk) -> None:
    """The disk fails under the plan library: requests are planned, answered and written all the same."""
    root = str(disk.service.data_root)
    library = f"{root}/{LIBRARY}"
    disk.injector.arm(
        Fault(Kind.EIO, 1, lasting=True, directory=root, only=lambda each: each.path.startswith(library))
    )
    answers = [await disk.post(f"{session}-{n}", session) for session in ("a", "b") for n in range(2)]
    disk.heals()

    assert [answer.status for answer in answers] == [201] * 4
    for n in range(3):
        again = await disk.post(f"again-{n}", disk.new)
    assert again.header("X-Plan-Source") == "learned", "the library works again"
    assert not list(disk.service.data_root.glob(f"{LIBRARY}.damaged*"))

"""Disks that fail under the real guest, at one place each."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from attrs import define

from server.planning.learned.library_file import FILE_NAME as LIBRARY
from tools.torture import faults
from tools.torture.at_rest import directory_of
from tools.torture.file_faults import Fault, Injector, Kind, Operation
from tools.torture.wire import Answer, ask
from wasm_runtime.session_files import has_hot_journal

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

    def fails(
        self, kind: Kind, only: Callable[[Operation], bool], *, session: str = "", lasting: bool = False
    ) -> None:
        directory = str(directory_of(self.service.data_root, session or self.session))
        self.injector.arm(Fault(kind, 1, lasting, directory, also=str(self.service.data_root), only=only))

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


def journal_sync(operation: Operation) -> bool:
    return operation.syncs and operation.path.endswith("-journal")


def after_truncation() -> Callable[[Operation], bool]:
    """The journal's sync after it was truncated, which is the commit."""
    truncated = False

    def only(operation: Operation) -> bool:
        nonlocal truncated
        truncated = truncated or operation.name == "ftruncate"
        return truncated and journal_sync(operation)

    return only


def write(operation: Operation) -> bool:
    return operation.writes


def write_of_database(operation: Operation) -> bool:
    return operation.writes and operation.path.endswith("store.db")


def opening(operation: Operation) -> bool:
    return operation.opens


@on_one_loop
@pytest.mark.parametrize(
    ("kind", "only", "said"),
    [
        (Kind.ENOSPC, write, (503, "storage-failed")),
        (Kind.ENOSPC, write_of_database, (503, "not-confirmed")),
        (Kind.SHORT, write, (503, "storage-failed")),
        (Kind.EIO, write, (503, "storage-failed")),
        (Kind.EIO, write_of_database, (503, "not-confirmed")),
        (Kind.EIO, journal_sync, (503, "not-confirmed")),
    ],
)
async def test_a_disk_that_fails_costs_its_requests_alone(
    disk: Disk, kind: Kind, only: Callable[[Operation], bool], said: tuple[int, str]
) -> None:
    """507 or 503 while it lasts, others are served, and then all is as it was: no restart, nothing torn."""
    workers = disk.service.workers()
    disk.fails(kind, only, lasting=True)
    answers = [await disk.post(f"refused-{n}") for n in range(2)]
    other = await disk.post("second", disk.other)
    disk.heals()

    assert (answers[0].status, answers[0].problem) == said
    assert answers[1].status in {503, 507}
    assert other.status == 201
    assert await disk.keys() == ["first"]
    assert (await disk.post("second")).status == 201
    assert await disk.keys() == ["first", "second"]
    assert disk.service.workers() == workers


@on_one_loop
async def test_without_descriptors_nothing_opens_and_nothing_is_lost(disk: Disk) -> None:
    """EMFILE for a session that is new: 503, and when there are some again, it is made."""
    disk.fails(Kind.EMFILE, opening, session=disk.new, lasting=True)
    refused = await disk.post("refused", disk.new)
    other = await disk.post("second", disk.other)
    disk.heals()

    assert (refused.status, refused.problem) == (503, "storage-failed")
    assert other.status == 201
    assert (await disk.post("first", disk.new)).status == 201
    assert await disk.keys(disk.new) == ["first"]


@on_one_loop
async def test_a_short_write_is_finished(disk: Disk) -> None:
    """Half a write is no error: the rest is written next."""
    disk.fails(Kind.SHORT, write_of_database)
    answer = await disk.post("second")
    disk.heals()

    assert answer.status == 201
    assert await disk.keys() == ["first", "second"]


@on_one_loop
async def test_a_group_whose_commit_is_in_doubt_is_not_run_again(disk: Disk) -> None:
    """Its journal is gone, so it is committed; who ran it again would do everything twice."""
    disk.fails(Kind.EIO, after_truncation())
    answers = await asyncio.gather(*(disk.post(f"k{n}") for n in range(6)))
    disk.heals()
    keys = await disk.keys()

    doubted = [f"k{n}" for n, answer in enumerate(answers) if answer.problem == "not-confirmed"]
    assert doubted
    assert {answer.said for answer in answers if answer.status != 201} == {"503 'not-confirmed'"}
    assert sorted(keys) == sorted({"first", *keys}), "nothing is there twice"
    assert {f"k{n}" for n, answer in enumerate(answers) if answer.status == 201} <= set(keys)


@on_one_loop
async def test_a_key_ends_the_doubt(disk: Disk) -> None:
    """Asked again with the same Idempotency-Key, a request whose commit was in doubt has one effect."""
    disk.fails(Kind.EIO, after_truncation())
    doubted = await disk.post("second", key="k1")
    disk.heals()
    again = [await disk.post("second", key="k1") for _ in range(2)]

    assert doubted.problem == "not-confirmed"
    assert [answer.status for answer in again] == [201, 201]
    assert again[1].replayed
    assert await disk.keys() == ["first", "second"]


@on_one_loop
async def test_a_file_that_could_not_be_opened_for_writing_is_opened_again(disk: Disk) -> None:
    """SQLite then opens it for reading; the session must not stay so for the life of its guest."""
    disk.fails(Kind.EMFILE, lambda operation: operation.opens and operation.path.endswith("store.db"))
    await disk.get_when_hit()
    disk.heals()
    answers = [await disk.post(f"next-{n}") for n in range(2)]

    assert [answer.status for answer in answers] == [201, 201]


@on_one_loop
async def test_one_failed_read_is_not_damage(disk: Disk) -> None:
    """SQLite calls it corruption; a second look finds the file as good as it is."""
    disk.fails(
        Kind.EIO, lambda operation: operation.name == "pread64" and operation.path.endswith("store.db")
    )
    answer = await disk.get_when_hit()
    disk.heals()

    assert answer.status == 200
    assert await disk.keys() == ["first"]


@on_one_loop
async def test_a_disk_that_cannot_be_read_is_not_damage_either(disk: Disk) -> None:
    """However often it is tried: 503, and the file is left as it is."""
    disk.fails(Kind.EIO, lambda operation: operation.name in {"pread64", "read"}, lasting=True)
    answer = await disk.get_when_hit()
    disk.heals()

    assert (answer.status, answer.problem) == (503, "storage-failed")
    assert await disk.keys() == ["first"]


@on_one_loop
async def test_a_hot_journal_that_cannot_be_seen_is_not_passed_over(disk: Disk) -> None:
    """To SQLite a journal that cannot be stat'ed is none, and half a transaction would be served."""
    disk.fails(
        Kind.EIO, lambda operation: operation.syncs and operation.path.endswith("store.db"), lasting=True
    )
    await disk.post("in doubt")
    disk.heals()
    assert has_hot_journal(directory_of(disk.service.data_root, disk.session)), "its guest could not undo it"
    disk.fails(
        Kind.EIO,
        lambda operation: operation.name == "statx" and operation.path.endswith("-journal"),
        lasting=True,
    )
    answer = await disk.get()
    disk.heals()

    assert (answer.status, answer.problem) == (503, "storage-failed")
    assert await disk.keys() == ["first"]


@on_one_loop
@pytest.mark.parametrize("where", ["root", "session"])
async def test_a_name_that_is_not_on_disk_is_not_acknowledged(disk: Disk, where: str) -> None:
    """Of the session's directory, and of the files in it; the next try makes up for it."""
    root = disk.service.data_root
    path = str(root if where == "root" else directory_of(root, disk.new))
    disk.fails(
        Kind.EIO, lambda operation: operation.syncs and operation.path == path, session=disk.new, lasting=True
    )
    refused = [await disk.post(f"refused-{n}", disk.new) for n in range(2)]
    disk.heals()

    assert {answer.status for answer in refused} == {503}
    assert (await disk.post("first", disk.new)).status == 201
    assert disk.injector.unsynced == set()


@on_one_loop
async def test_the_plan_is_not_blamed(disk: Disk) -> None:
    """A disk that fails costs no call of the provider, and the route stays learned."""
    disk.fails(Kind.EIO, write, lasting=True)
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

"""Remembered replies at the edge: what holds for a run holds for a hit, by both doors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
import structlog

from server.http.framing import MOST_RAW
from server.http.remembered import KNOWN
from server.live.changes import Touched
from server.planning.kinds.route import template_text
from server.planning.planned import Fixed
from server.planning.policy import check
from server.settings.reading import from_mapping
from server.values.model import Plan, RunnablePlan, SourceCode
from tests.fakes import FakeExecutor, FakePlanner
from tests.http.client import Wire, ask
from wasm_runtime.outcome import Completed, Raised

if TYPE_CHECKING:
    from server.service import Service
    from server.values.model import RequestContext
    from tests.answer import Answer
    from tests.http.conftest import Start
    from wasm_runtime.slot import Job

PURE = 'REPLY = make_response(200, store.get(params["id"]))'


class Plans(FakePlanner):
    """The same code for every path; whether the plan would be found again."""

    def __init__(self, code: str = PURE, *, lasting: bool = True) -> None:
        super().__init__()
        self.code = check(SourceCode(code))
        self.lasting = lasting

    async def plan(self, ctx: RequestContext) -> Fixed:
        self.asked.append(ctx)
        plan = Plan("get", "members", template_text(ctx.segments), SourceCode(self.code.text))
        return Fixed(RunnablePlan(plan, self.code, "conventions"), lasting=self.lasting)


class Counting(FakeExecutor):
    """Each run's body is another one: who gets the same again was not run."""

    def __init__(self, **members: Any) -> None:
        super().__init__(self._answered)
        self.members = {"status": 200, "reads": '{"members":[1]}', "version": 3, **members}

    def _answered(self, _job: Job) -> Completed:
        body = orjson.dumps({"run": len(self.jobs)})
        return Completed(
            **{
                "headers": (),
                "body": body,
                "committed": False,
                "changed": 0,
                "fuel": 9,
                "micros": 1,
                **self.members,
            }
        )


def spell(target: str = "/members/1", *lines: str, session: str | None = "s1", start: str = "GET") -> bytes:
    """A request in the bytes of a plain client."""
    named = [] if session is None else [f"X-Session-ID: {session}"]
    return "\r\n".join([f"{start} {target} HTTP/1.1", "Host: localhost", *named, *lines, "", ""]).encode()


def memory_of(service: Service) -> Any:
    door = service._raw_door
    assert door is not None
    return door._memory


def by_bytes(answer: Answer) -> bool:
    """Whether nothing of the request was parsed."""
    return (
        answer.headers["server-timing"].startswith("remembered;")
        and "parse" not in answer.headers["server-timing"]
    )


def by_key(answer: Answer) -> bool:
    return "remembered;" in answer.headers["server-timing"] and "parse" in answer.headers["server-timing"]


def same(answer: Answer, other: Answer) -> bool:
    """Equal but for what is new each time."""
    new = {"x-request-id", "server-timing", "date", "x-fuel-used"}
    fixed = [
        {name: value for name, value in each.headers.items() if name not in new} for each in (answer, other)
    ]
    return (answer.status, answer.body, fixed[0]) == (other.status, other.body, fixed[1])


async def asked(service: Service, *requests: bytes) -> list[Answer]:
    """All of them on one connection, one after the other."""
    answers = []
    async with await Wire.to(service.address) as wire:
        for request in requests:
            await wire.send(request)
            answers.append(await wire.answer(head=request.startswith(b"HEAD")))
    return answers


async def test_the_same_request_again_runs_nothing(start: Start) -> None:
    """By its bytes on a connection that waits; by its key where it is spelt otherwise."""
    executor = Counting()
    service = await start(planner=Plans(), executor=executor)
    first, second = await asked(service, spell(), spell())
    third, fourth = await asked(service, spell("/members/1", "X-Other: 1"), spell())

    assert len(executor.jobs) == 1
    assert by_bytes(second)
    assert by_key(third)
    assert by_bytes(fourth)
    assert all(same(first, answer) for answer in (second, third, fourth))
    assert first.headers["x-fuel-used"] == "9"
    assert [answer.headers["x-fuel-used"] for answer in (second, third, fourth)] == ["0", "0", "0"]
    assert len({answer.headers["x-request-id"] for answer in (first, second, third, fourth)}) == 4
    counts = memory_of(service).counts
    assert (counts.hits, counts.misses) == ({"raw": 2, "key": 1}, 1)


@pytest.mark.parametrize(
    ("touched", "falls"),
    [
        (Touched("", cause="plan"), True),
        (Touched("own", cause="plan"), True),
        (Touched("own", whole=True, cause="reset"), True),
        (Touched("own", 4, frozenset({("members", "1")}), frozenset({"members"})), True),
        (Touched("own", 4, frozenset(), frozenset({"members"})), True),
        (Touched("own", 4, frozenset({("members", "2")}), frozenset({"members"})), False),
        (Touched("other", whole=True, cause="reset"), False),
    ],
    ids=str,
)
async def test_it_runs_again_when_something_has_changed(
    start: Start, touched: Touched, *, falls: bool
) -> None:
    """By both doors alike."""
    executor = Counting()
    service = await start(planner=Plans(), executor=executor)
    await asked(service, spell(), spell())
    directory = executor.jobs[0].session
    session = directory if touched.session == "own" else touched.session

    memory_of(service).heard(Touched(**{**_members(touched), "session": session}))
    answers = await asked(service, spell(), spell())

    assert len(executor.jobs) == 1 + falls
    assert [answer.json for answer in answers] == [{"run": 1 + falls}] * 2


def _members(touched: Touched) -> dict[str, Any]:
    names = ("session", "version", "records", "collections", "whole", "cause")
    return {name: getattr(touched, name) for name in names}


async def test_what_tells_requests_apart(start: Start) -> None:
    """Session, path and query do, and the Host that links are made of: each has its own reply."""
    executor = Counting()
    service = await start(planner=Plans(), executor=executor)
    spellings = [
        spell(),
        spell(session="s2"),
        spell("/members/2"),
        spell("/members/1?a=1"),
        spell("/members/1?a=2"),
        spell().replace(b"Host: localhost", b"Host: localhost:99"),
    ]

    for _ in range(2):
        await asked(service, *spellings)

    assert len(executor.jobs) == len(spellings)


READS_HEADER = """\
rec = store.get(params["id"])
REPLY = make_response(200, [rec, ctx["headers"]["accept-language"]])
"""


async def test_a_header_that_the_plan_reads(start: Start) -> None:
    """It tells requests apart, by both doors; one that no plan reads does not."""
    executor = Counting()
    service = await start(planner=Plans(READS_HEADER), executor=executor)
    german, english = spell("/members/1", "Accept-Language: de"), spell("/members/1", "Accept-Language: en")
    answers = await asked(service, german, english, german, english)
    await asked(service, german.replace(b"GET", b"GET").replace(b"Host", b"host"))
    await asked(service, spell("/members/1", "Accept-Language: de", "User-Agent: x"))

    assert len(executor.jobs) == 2
    assert [answer.json["run"] for answer in answers] == [1, 2, 1, 2]
    assert by_bytes(answers[2])


async def test_a_plan_that_reads_the_client_s_address(start: Start) -> None:
    """It is not in the bytes, so they do not tell; the key does."""
    executor = Counting()
    service = await start(
        {"server": {"trusted_proxies": ["127.0.0.1/32"]}},
        planner=Plans('REPLY = make_response(200, ctx["client"]["ip"])'),
        executor=executor,
    )
    plain = await asked(service, spell(), spell())
    one, two = ("X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 192.0.2.2")
    await asked(service, spell("/members/1", one), spell("/members/1", two), spell("/members/1", one))

    assert by_key(plain[1])
    assert len(executor.jobs) == 3


@pytest.mark.parametrize(
    "code",
    [
        "REPLY = make_response(200, now())",
        "REPLY = make_response(200, uuid4())",
        "f = [today][0]\nREPLY = make_response(200, f())",
        "print(1)\nREPLY = make_response(200)",
        "REPLY = make_response(200, dict(ctx))",
        "headers = ctx['headers']\nREPLY = make_response(200, headers.get('accept'))",
    ],
)
async def test_a_plan_that_is_not_pure(start: Start, code: str) -> None:
    """It runs each time."""
    executor = Counting()
    service = await start(planner=Plans(code), executor=executor)
    await asked(service, spell(), spell(), spell())

    assert len(executor.jobs) == 3
    assert memory_of(service).counts.kept == 0


@pytest.mark.parametrize(
    "members",
    [
        {"reads": ""},
        {"status": 201},
        {"status": 404, "body": b'{"error":"x"}'},
        {"stdout": "printed"},
        {"replayed": True},
    ],
    ids=str,
)
async def test_a_reply_that_is_not_remembered(start: Start, members: dict[str, Any]) -> None:
    """One that is no plain success, or of which nobody knows what it was made of."""
    executor = Counting(**members)
    service = await start(planner=Plans(), executor=executor)
    await asked(service, spell(), spell())

    assert len(executor.jobs) == 2


async def test_what_fails_is_not_remembered(start: Start) -> None:
    """Nor is anything left of it."""
    executor = FakeExecutor(lambda _job: Raised("request", "KeyError", 1, 422, "no"))
    service = await start(planner=Plans(), executor=executor)
    await asked(service, spell(), spell())

    assert len(executor.jobs) == 2
    assert memory_of(service)._sessions == {}


async def test_writes_run(start: Start) -> None:
    """Each, whatever it answers."""
    executor = Counting()
    service = await start(planner=Plans(), executor=executor)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for _ in range(2):
            await ask(service.address, method, "/members/1", {"Content-Type": "application/json"}, b"{}")

    assert len(executor.jobs) == 8


async def test_a_plan_that_does_not_last(start: Start) -> None:
    """Such as a fall-back: the request is planned anew each time, and its bytes say nothing."""
    planner, executor = Plans(lasting=False), Counting()
    service = await start(planner=planner, executor=executor)
    answers = await asked(service, spell(), spell(), spell())

    assert len(executor.jobs) == 1
    assert len(planner.asked) == 3
    assert all(map(by_key, answers[1:]))


@pytest.mark.parametrize(
    "toml", [{"sandbox": {"remember": False}}, {"server": {"remembered_bytes": 0}}], ids=str
)
async def test_it_can_be_switched_off(start: Start, toml: dict[str, Any]) -> None:
    """Then each read runs."""
    executor = Counting()
    settings = from_mapping(toml, {})
    service = await start(
        toml, planner=Plans(), executor=executor, remembered_bytes=settings.server.remembered_bytes
    )
    answers = await asked(service, spell(), spell())

    assert len(executor.jobs) == 2
    assert "remembered" not in answers[1].headers["server-timing"]


# -- What holds for a run holds for a hit


async def test_conditions(start: Start) -> None:
    """If-None-Match is answered from memory, with its tag, by its bytes; If-Match goes the long way."""
    executor = Counting()
    service = await start(planner=Plans(), executor=executor)
    (first,) = await asked(service, spell())
    tag = first.headers["etag"]
    known = spell("/members/1", f"If-None-Match: {tag}")
    other = spell("/members/1", 'If-None-Match: "other"')
    answers = await asked(service, known, known, other, other)
    refused = await asked(service, spell("/members/1", 'If-Match: "other"'))

    assert [answer.status for answer in answers] == [304, 304, 200, 200]
    assert [by_bytes(answer) for answer in answers] == [False, True, False, True]
    assert same(answers[0], answers[1])
    assert answers[1].body == b""
    assert "content-length" not in answers[1].headers
    assert refused[0].status == 412
    assert len(executor.jobs) == 1
    memory_of(service).heard(Touched(executor.jobs[0].session, whole=True, cause="reset"))
    assert [answer.status for answer in await asked(service, known)] == [200]


async def test_head(start: Start) -> None:
    """It has GET's reply, without the body, and never by its bytes."""
    executor = Counting()
    service = await start(planner=Plans(), executor=executor)
    get, *heads = await asked(service, spell(), spell(start="HEAD"), spell(start="HEAD"))

    assert len(executor.jobs) == 1
    assert all(map(by_key, heads))
    assert all(head.headers["content-length"] == str(len(get.body)) for head in heads)


async def test_representations(start: Start) -> None:
    """One reply of a run is given as JSON and as a table, each as it is without the memory."""
    executor = Counting(body=b'[{"a":1},{"a":2}]', reads='{"members":null}')
    service = await start(planner=Plans(), executor=executor)
    rows, table = spell("/members"), spell("/members", "Accept: text/csv")
    answers = await asked(service, rows, table, rows, table)

    assert len(executor.jobs) == 1
    assert same(answers[0], answers[2])
    assert same(answers[1], answers[3])
    assert answers[3].headers["content-type"].startswith("text/csv")
    assert by_bytes(answers[2])
    assert by_bytes(answers[3])


async def test_tokens(start: Start) -> None:
    """Nobody is answered without one; one that was withdrawn does not open what it has opened before."""
    executor = Counting()
    toml = {"auth": {"tokens": {"a": "alpha", "b": "beta"}}}
    service = await start(toml, planner=Plans(), executor=executor)
    alpha, beta = (spell("/members/1", f"Authorization: Bearer {token}") for token in ("alpha", "beta"))
    await asked(service, alpha, alpha, beta, beta)
    refused = await asked(service, spell(), spell("/members/1", "Authorization: Bearer gamma"))
    assert [answer.status for answer in refused] == [401, 401]

    service.renew_tokens(from_mapping({"auth": {"tokens": {"b": "beta"}}}, {}))
    answers = await asked(service, alpha, beta, beta, alpha)

    assert [answer.status for answer in answers] == [401, 200, 200, 401]


async def test_sessions_of_tokens_are_apart(start: Start) -> None:
    """Where each token has its own, the same bytes but for the token lead to another session's reply."""
    executor = Counting()
    toml = {"auth": {"tokens": {"a": "alpha", "b": "beta"}, "scope": "token"}}
    service = await start(toml, planner=Plans(), executor=executor)
    alpha, beta = (spell("/members/1", f"Authorization: Bearer {token}") for token in ("alpha", "beta"))
    answers = await asked(service, alpha, beta, alpha, beta)

    assert [answer.json["run"] for answer in answers] == [1, 2, 1, 2]
    assert len({job.session for job in executor.jobs}) == 2


async def test_hosts_and_origins(start: Start) -> None:
    """A Host that is none of ours is refused, and who may read the answer is the settings' word."""
    executor = Counting()
    service = await start({"cors": {"origins": ["https://a.example"]}}, planner=Plans(), executor=executor)
    good, bad = (spell("/members/1", f"Origin: https://{name}.example") for name in "ab")
    answers = await asked(service, good, bad, good, bad)
    foreign = spell().replace(b"Host: localhost", b"Host: evil.example")
    refused = await asked(service, foreign, foreign)

    allowed = [answer.headers.get("access-control-allow-origin") for answer in answers]
    assert allowed == ["https://a.example", None] * 2
    assert same(answers[0], answers[2])
    assert same(answers[1], answers[3])
    assert [answer.status for answer in refused] == [421, 421]
    assert len(executor.jobs) == 1


async def test_the_log_line_and_the_counts(start: Start) -> None:
    """A hit leaves its line, with all that is known of a run's but what a run takes; and it is counted."""
    toml = {"metrics": {"open": True}, "log": {"client_address": True}}
    service = await start(toml, planner=Plans(), executor=Counting())
    with structlog.testing.capture_logs() as lines:
        await asked(service, spell(), spell(), spell("/members/1", "X-Other: 1"))

    run, raw, key = [line for line in lines if line["event"] == "request"]
    about = ("session", "method", "route", "plan_id", "plan_source", "status", "client")
    assert all(run[name] == raw[name] == key[name] for name in about)
    assert raw["remembered"] is key["remembered"] is True
    assert "remembered" not in run
    assert len({line["request_id"] for line in (run, raw, key)}) == 3
    assert raw["ms"].keys() == {"remembered", "total"}
    metrics = (await ask(service.address, "GET", "/_meta/metrics")).body.decode()
    assert (
        'metaservice_requests_total{method="GET",route="/members/{member_id:int}",status="200"} 3.0'
        in metrics
        or ('status="200"} 3.0' in metrics)
    )
    assert 'metaservice_remembered_hits_total{door="raw"} 1.0' in metrics
    assert 'metaservice_remembered_hits_total{door="key"} 1.0' in metrics
    assert "metaservice_remembered_misses_total 1.0" in metrics
    assert "metaservice_remembered_replies 1.0" in metrics


async def test_a_dialect_that_is_settled_later(start: Start) -> None:
    """The same bytes are read otherwise from then on."""
    planner, executor = Plans(), Counting()
    service = await start({"conventions": {"dialect": "auto"}}, planner=planner, executor=executor)
    before = await asked(service, spell(), spell())
    assert by_bytes(before[1])
    marking = spell("/members?_page=1&_per_page=2")
    await asked(service, marking)
    (after,) = await asked(service, spell())

    assert after.headers["x-dialect"] == "json-server-1"
    assert not by_bytes(after)


# -- Only what is known is known by its bytes


@pytest.mark.parametrize(
    "line",
    [
        "X-Request-ID: mine",
        "X-Forwarded-For: 192.0.2.7",
        "Forwarded: for=192.0.2.7",
        "Prefer: return=minimal",
        "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "X-Unheard-Of: 1",
        "Cookie: a=b",
        "If-Match: *",
        "Range: bytes=0-1",
        "X-Dialect: native",
        "Idempotency-Key: k",
        "Content-Type: application/json",
        "Content-Length: 0",
        "Expect: 100-continue",
    ],
)
async def test_any_other_header_takes_the_long_way(start: Start, line: str) -> None:
    """Each time, however often it comes."""
    executor = Counting()
    service = await start(planner=Plans(), executor=executor)
    await asked(service, spell(), spell())
    answers = await asked(service, spell("/members/1", line), spell("/members/1", line))

    assert line.partition(":")[0].lower() not in KNOWN
    assert not any(map(by_bytes, answers))


async def test_ways_to_say_that_the_connection_ends(start: Start) -> None:
    """They are heard, whatever was known of the request."""
    service = await start(planner=Plans(), executor=Counting())
    for request in (
        spell("/members/1", "Connection: close"),
        spell().replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        for _ in range(2):
            async with await Wire.to(service.address) as wire:
                await wire.send(request)
                assert not by_bytes(await wire.answer())
                assert await wire.closed()


async def test_requests_that_come_together_or_in_pieces(start: Start) -> None:
    """Each gets its answer, in order; none is known by bytes that are not all of it."""
    service = await start(planner=Plans(), executor=Counting())
    one, two = spell("/members/1"), spell("/members/2")
    await asked(service, one, one, two, two)
    async with await Wire.to(service.address) as wire:
        await wire.send(one + two + one)
        together = [await wire.answer() for _ in range(3)]
        await wire.send(one)
        together.append(await wire.answer())
    async with await Wire.to(service.address) as wire:
        pieces = []
        for request in (one, two):
            await wire.send(request[:20])
            while not wire.reader._buffer and len(pieces) < 0:  # type: ignore[attr-defined]
                pass
            await wire.send(request[20:])
            pieces.append(await wire.answer())

    runs = [answer.json["run"] for answer in (*together, *pieces)]
    assert runs == [1, 2, 1, 1, 1, 2]


async def test_a_body_that_looks_like_a_request(start: Start) -> None:
    """Bytes of a body are a body, whatever they spell, and wherever they are cut."""
    executor = Counting()
    service = await start(planner=Plans(), executor=executor)
    known = spell()
    await asked(service, known, known)
    post = spell("/members", "Content-Type: text/plain", f"Content-Length: {2 * len(known)}", start="POST")
    async with await Wire.to(service.address) as wire:
        await wire.send(known)
        await wire.answer()
        await wire.send(post)
        await wire.send(known)
        await wire.send(known)
        refused = await wire.answer()
        await wire.send(known)
        after = await wire.answer()

    assert refused.status == 415
    assert after.status in (0, 200)


async def test_after_a_body_the_bytes_are_known_again(start: Start) -> None:
    """Clients that write and read over one connection, in one piece or in two, have their hits."""
    executor = Counting()
    service = await start(planner=Plans(), executor=executor)
    known = spell()
    await asked(service, known, known)
    post = spell("/members", "Content-Type: application/json", "Content-Length: 8", start="POST")
    async with await Wire.to(service.address) as wire:
        await wire.send(post + b'{"a": 1}')
        await wire.answer()
        await wire.send(known)
        assert by_bytes(await wire.answer())
        await wire.send(post)
        await wire.send(b'{"a": 1}')
        await wire.answer()
        await wire.send(known)
        assert by_bytes(await wire.answer())


async def test_a_long_request_is_not_worth_it(start: Start) -> None:
    """What its bytes can have has a bound, on both sides of which there is an answer."""
    service = await start(planner=Plans(), executor=Counting())
    room = MOST_RAW - len(spell("/members/1", "User-Agent: "))
    for length, known in ((room, True), (room + 1, False)):
        request = spell("/members/1", f"User-Agent: {'a' * length}")
        answers = await asked(service, request, request)
        assert by_bytes(answers[1]) is known
        assert by_key(answers[1]) is not known


async def test_a_client_that_does_not_read(start: Start) -> None:
    """Replies do not pile up without end: when the connection is full, the long way waits for it."""
    executor = Counting(body=orjson.dumps("x" * 500_000))
    service = await start(planner=Plans(), executor=executor)
    known = spell()
    await asked(service, known, known)
    async with await Wire.to(service.address) as wire:
        for _ in range(40):
            await wire.send(known)
        for _ in range(40):
            answer = await wire.answer()
            assert answer.status == 200
            assert len(answer.body) == 500_002


async def test_a_waiting_connection_stays_open_while_it_hits(start: Start) -> None:
    """A hit counts as use; a connection that nobody uses is closed."""
    service = await start(planner=Plans(), executor=Counting(), header_seconds=1)
    known = spell()
    async with await Wire.to(service.address) as wire:
        await wire.send(known)
        await wire.answer()
        server = next(iter(service._runner.server.connections))  # type: ignore[union-attr]
        before = server._next_keepalive_close_time
        await wire.send(known)
        assert by_bytes(await wire.answer())
        assert server._next_keepalive_close_time > before
        assert await wire.closed()

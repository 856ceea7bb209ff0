"""The log: one line an event, that nobody outside can forge, and that no secret gets into."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import structlog

from server.telemetry.logs import MAX_TEXT, configure
from server.telemetry.request_line import RequestLine
from server.values.model import Plan, RunnablePlan, SourceCode, ValidatedCode
from tests.clock import Clock
from wasm_runtime.outcome import Completed, OutOfFuel, OutOfTime, Overloaded, Raised, WorkerLost
from wasm_runtime.outcome import GuestFailed as GuestFailedOutcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.settings.schema import LogFormat, LogLevel

HOSTILE = 'a\r\n{"event": "forged"}\x1b[31mred\x1b[0m\u202egnp.exe\u2028\x85\x00\x7f\udc80\u00e9'

log = structlog.get_logger()


def completed(guest: int, *, queue: int = 0, settle: int = 0) -> Completed:
    """A run of so many microseconds."""
    return Completed(
        200,
        (),
        None,
        committed=True,
        changed=0,
        fuel=1,
        micros=guest,
        queue_micros=queue,
        settle_micros=settle,
    )


class Lines:
    """What was written, and how it reads."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def configure(self, level: LogLevel = "INFO", log_format: LogFormat = "json", **options: Any) -> Lines:
        configure(level, log_format, self.stream, **options)
        return self

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def only(self) -> dict[str, Any]:
        (event,) = self.events
        return event


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.fixture
def lines() -> Lines:
    return Lines()


def by_structlog(text: str) -> None:
    log.warning(text, member=text, nested={"a": [text]})


def by_standard_library(text: str) -> None:
    logging.getLogger("other").warning("%s", text)


def fail(error: BaseException) -> NoReturn:
    raise error


class TestForging:
    @pytest.mark.parametrize("write", [by_structlog, by_standard_library])
    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_one_printable_line(
        self, lines: Lines, log_format: LogFormat, write: Callable[[str], None]
    ) -> None:
        """Line ends, terminal escapes, bidi controls and broken text stay one line of printable ASCII."""
        lines.configure(log_format=log_format)
        write(HOSTILE)

        assert lines.text.endswith("\n")
        assert lines.text.count("\n") == 1
        assert lines.text[:-1].isascii()
        assert lines.text[:-1].isprintable()
        assert "forged" in lines.text

    def test_nothing_lost(self, lines: Lines) -> None:
        """JSON's escapes give the text back as it was."""
        lines.configure()
        log.info("event", member=HOSTILE)

        assert lines.only["member"] == HOSTILE

    def test_hostile_names(self, lines: Lines) -> None:
        """The name of a member is text like any other."""
        lines.configure(log_format="console")
        log.info("event", **{HOSTILE: 1})

        assert lines.text.count("\n") == 1
        assert lines.text[:-1].isprintable()

    def test_members_for_people(self, lines: Lines) -> None:
        """On the console lists and tables are plain words; deeper ones are JSON, and nothing is a dash."""
        lines.configure(log_format="console")
        log.info(
            "event", ms={"parse": 0.1, "total": 2}, enforced=["files", "tcp"], missing=[], deep=[{"a": 1}]
        )

        assert "enforced=files,tcp" in lines.text
        assert "ms=parse:0.1,total:2" in lines.text
        assert "missing=- " in lines.text + " "
        assert '[{"a": 1}]' in lines.text

    @pytest.mark.parametrize("write", [by_structlog, by_standard_library])
    def test_capped(self, lines: Lines, write: Callable[[str], None]) -> None:
        """A text is cut at 512 characters, and how much is missing is said."""
        lines.configure()
        write("x" * (MAX_TEXT + 7))

        assert lines.only["event"] == "x" * MAX_TEXT + "[+7]"
        assert len(lines.text) < 2_000

    def test_plain_values(self, lines: Lines) -> None:
        """Numbers, lists and tables are kept; anything else is its type's name, whatever its repr says."""
        lines.configure()
        log.info("event", a=1, b=1.5, c=None, d=True, e=(1, [2]), f=object(), g=float("nan"), h=b"bytes")
        found = lines.only

        assert [found[name] for name in "abcde"] == [1, 1.5, None, True, [1, [2]]]
        assert [found[name] for name in "fgh"] == ["<object>", "nan", "<bytes>"]

    def test_depth(self, lines: Lines) -> None:
        """Deep data ends at a fixed depth."""
        lines.configure()
        deep: list[Any] = []
        for _ in range(10_000):
            deep = [deep]
        log.info("event", deep=deep)

        assert lines.only["deep"] == [[["<list>"]]]


class TestSecrets:
    @pytest.mark.parametrize(
        "name",
        [
            "token",
            "Authorization",
            "Proxy-Authorization",
            "api_key",
            "X-API-Key",
            "cookie",
            "Set-Cookie",
            "X-Service-Token",
            "password",
            "client_secret",
        ],
    )
    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_dropped_by_name(self, lines: Lines, name: str, log_format: LogFormat) -> None:
        """A member with a secret's name is dropped, at the top and inside."""
        lines.configure(log_format=log_format)
        log.info("event", headers={name: "hunter2"}, kept=1, **{name: "hunter2"})

        assert "hunter2" not in lines.text
        assert "kept" in lines.text

    @pytest.mark.parametrize("name", ["input_tokens", "author", "idempotency_key"])
    def test_kept_by_name(self, lines: Lines, name: str) -> None:
        """Names that only resemble a secret's are kept."""
        lines.configure()
        log.info("event", **{name: 5})

        assert lines.only[name] == 5

    @pytest.mark.parametrize("write", [by_structlog, by_standard_library])
    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_struck_out(self, lines: Lines, log_format: LogFormat, write: Callable[[str], None]) -> None:
        """A secret of the settings stands in no line, even across the cut."""
        secret = "hunter2-hunter2"
        lines.configure(log_format=log_format, secrets=[secret, "a"])
        write("x" * (MAX_TEXT - 3) + secret)

        assert "hun" not in lines.text
        assert "xa" not in lines.text
        assert "xxx" in lines.text

    def test_exception_text(self, lines: Lines) -> None:
        """Of an exception its types and place are logged, not its text, and no path of the host."""
        lines.configure()
        try:
            try:
                fail(OSError(28, "hunter2"))
            except OSError as error:
                raise ValueError("hunter2") from error
        except ValueError:
            log.exception("failed")

        assert lines.only["error_type"] == "ValueError from OSError[ENOSPC]"
        assert re.fullmatch(rf"{__name__}:\d+ test_exception_text", lines.only["error_at"][0])
        assert lines.only["level"] == "error"
        assert "hunter2" not in lines.text
        assert __file__ not in lines.text

    @pytest.mark.parametrize("way", ["true", "error", "tuple"])
    def test_exc_info(self, lines: Lines, way: str) -> None:
        """Every way to name the exception means the same."""
        lines.configure()
        try:
            fail(ZeroDivisionError())
        except ZeroDivisionError as error:
            log.warning("failed", exc_info={"true": True, "error": error, "tuple": sys.exc_info()}[way])

        assert lines.only["error_type"] == "ZeroDivisionError"

    @pytest.mark.parametrize("exc_info", [True, False, None, (None, None, None)])
    def test_no_exception(self, lines: Lines, exc_info: Any) -> None:
        """Where there is no exception, nothing is said of one."""
        lines.configure()
        log.error("failed", exc_info=exc_info, stack_info=True)

        assert set(lines.only) == {"event", "level", "timestamp"}

    def test_cause_without_end(self, lines: Lines) -> None:
        """A chain of causes that ends in itself ends in the log all the same."""
        lines.configure()
        error, other = ValueError(), KeyError()
        error.__cause__, other.__cause__ = other, error
        log.error("failed", exc_info=error)

        assert lines.only["error_type"] == "ValueError from KeyError from ValueError from KeyError"

    def test_deep_traceback(self, lines: Lines) -> None:
        """Of a deep traceback the innermost frames are kept."""
        lines.configure()

        def deep(levels: int) -> None:
            if not levels:
                raise RecursionError
            deep(levels - 1)

        try:
            deep(50)
        except RecursionError:
            log.exception("failed")

        assert len(lines.only["error_at"]) == 8
        assert all(place.endswith(" deep") for place in lines.only["error_at"])


class TestSetUp:
    @pytest.mark.parametrize(("level", "written"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1)])
    def test_level(self, lines: Lines, level: LogLevel, written: int) -> None:
        """What is below the level is not written."""
        lines.configure(level)
        for write in (log.debug, log.info, log.warning, log.error):
            write("event")

        assert len(lines.events) == written

    @pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING"])
    def test_libraries(self, lines: Lines, level: LogLevel) -> None:
        """Libraries are heard from WARNING up at any level, because below it SDKs log whole prompts."""
        lines.configure(level)
        library = logging.getLogger("openai._base_client")
        library.setLevel(logging.DEBUG)
        library.debug("prompt")
        library.info("prompt")
        library.warning("retrying")
        library.setLevel(logging.NOTSET)

        assert [(event["event"], event["level"], event["logger"]) for event in lines.events] == [
            ("retrying", "warning", "openai._base_client")
        ]

    def test_libraries_below_the_level(self, lines: Lines) -> None:
        """A level above WARNING holds for libraries too."""
        lines.configure("ERROR")
        logging.getLogger("other").warning("event")

        assert lines.text == ""

    def test_auto(self, lines: Lines) -> None:
        """auto is console on a terminal and JSON elsewhere."""
        terminal = Terminal()
        configure("INFO", "auto", terminal)
        log.info("event")
        lines.configure(log_format="auto")
        log.info("event")

        assert "\x1b[" in terminal.getvalue()
        assert lines.only["event"] == "event"

    def test_configured_again(self, lines: Lines) -> None:
        """A later configuration replaces an earlier one, for loggers that exist too."""
        first = Lines().configure()
        lines.configure()
        log.info("ours")
        logging.getLogger("other").warning("theirs")

        assert first.text == ""
        assert [event["event"] for event in lines.events] == ["ours", "theirs"]

    def test_context(self, lines: Lines) -> None:
        """What is bound to the context stands in every line of it."""
        lines.configure()
        with structlog.contextvars.bound_contextvars(request_id="r1"):
            log.info("ours")
            logging.getLogger("other").warning("theirs")

        assert [event["request_id"] for event in lines.events] == ["r1", "r1"]

    def test_full_disk(self, lines: Lines) -> None:
        """A log that cannot be written costs nobody anything."""
        full = FullDisk()
        configure("INFO", "json", full)
        log.info("event")
        logging.getLogger("other").error("event")
        full.close()
        log.info("event")

        assert full.closed


class TestStandardLibrary:
    def test_our_own_errors(self, lines: Lines) -> None:
        """An error in a handler of ours keeps its level and its place."""
        lines.configure()
        try:
            fail(ZeroDivisionError())
        except ZeroDivisionError as error:
            logging.getLogger("aiohttp.server").exception("Unhandled exception", exc_info=error)

        assert lines.only["level"] == "error"
        assert lines.only["error_type"] == "ZeroDivisionError"


class TestRequestLine:
    def test_fields(self, lines: Lines) -> None:
        """The line has what was learned about the request, and the time of each stage in milliseconds."""
        lines.configure()
        clock = Clock(100.0)
        line = RequestLine("r1", "s1", "GET", clock=clock)
        plan = RunnablePlan(
            Plan("get", "members", "/members/{id:int}", SourceCode("x")), ValidatedCode("x"), "learned"
        )
        line.planned(plan)
        line.took("plan", 0.25)
        line.ran(Completed(200, (), b"{}", committed=True, changed=0, fuel=7, micros=100_000), 0.5)
        line.took("plan", 0.25)
        line.status = 200
        clock.now += 2
        line.emit()
        found = lines.only
        del found["timestamp"]

        assert found == {
            "event": "request",
            "level": "info",
            "request_id": "r1",
            "session": "s1",
            "method": "GET",
            "route": "/members/{id:int}",
            "plan_id": plan.id,
            "plan_source": "learned",
            "status": 200,
            "fuel": 7,
            "ms": {"plan": 500.0, "queue": 0.0, "guest": 100.0, "frame": 400.0, "total": 2000.0},
        }

    def test_once(self, lines: Lines) -> None:
        """However often it is emitted, a request leaves one line."""
        lines.configure()
        line = RequestLine("r1")
        line.emit()
        line.emit()

        assert len(lines.events) == 1

    def test_only_what_is_known(self, lines: Lines) -> None:
        """A request that was refused early has no plan, and its line no empty fields."""
        lines.configure()
        line = RequestLine("r1", method="GET")
        line.status, line.problem = 401, "unauthorized"
        line.emit()

        assert set(lines.only) == {
            *("event", "level", "timestamp", "request_id", "method", "status", "problem", "ms")
        }

    @pytest.mark.parametrize(
        ("outcome", "name", "reason"),
        [
            (OutOfFuel(5), "OutOfFuel", ""),
            (WorkerLost(), "WorkerLost", ""),
            (GuestFailedOutcome("trap"), "GuestFailed", "trap"),
            (Raised("plan", "KeyError", 3, 500, "hunter2", stdout="hunter2"), "Raised", "KeyError in line 3"),
        ],
    )
    def test_outcomes(self, lines: Lines, outcome: Any, name: str, reason: str) -> None:
        """A run that did not complete is named with its reason, without a plan's own words."""
        lines.configure()
        line = RequestLine("r1")
        line.ran(outcome)
        line.emit()

        assert lines.only["outcome"] == name
        assert lines.only.get("reason", "") == reason
        assert "hunter2" not in lines.text

    @pytest.mark.parametrize(
        ("outcome", "stages"),
        [
            (
                Raised("plan", "KeyError", 3, 500, "", micros=250_000, settle_micros=500_000),
                {"queue": 0, "guest": 250, "settle": 500, "frame": 250},
            ),
            (completed(250_000, queue=500_000), {"queue": 500, "guest": 250, "frame": 250}),
            (completed(250_000, settle=125_000), {"queue": 0, "guest": 250, "settle": 125, "frame": 625}),
            (completed(3_000_000, settle=1), {"queue": 0, "guest": 1_000, "settle": 0, "frame": 0}),
            (completed(1, queue=3_000_000), {"queue": 1_000, "guest": 0, "frame": 0}),
            (completed(500_000, settle=3_000_000), {"queue": 0, "guest": 500, "settle": 500, "frame": 0}),
            (OutOfTime(1_000), {"guest": 1_000}),
            (WorkerLost(), {"guest": 1_000}),
            (Overloaded("full"), {"queue": 1_000}),
        ],
    )
    def test_stages_of_a_run(self, outcome: Any, stages: dict[str, float]) -> None:
        """What the worker measured, and the way there and back; without a measure, all is the guest's.

        A request that was never begun has only waited. Together the stages are as long as the run.
        """
        line = RequestLine("r1")
        line.ran(outcome, 1.0)

        assert line.ms == stages
        assert sum(line.ms.values()) == 1_000

    def test_repaired(self, lines: Lines) -> None:
        """Of two runs the last says how it ended, and the fuel is that of both."""
        lines.configure()
        line = RequestLine("r1")
        line.ran(Raised("plan", "KeyError", 3, 500, "", fuel=5))
        line.ran(Completed(200, (), None, committed=True, changed=0, fuel=7, micros=1))
        line.emit()

        assert lines.only["fuel"] == 12
        assert "outcome" not in lines.only
        assert "reason" not in lines.only

    def test_below_the_level(self, lines: Lines) -> None:
        """Benchmarks run at WARNING, where requests leave no line."""
        lines.configure("WARNING")
        RequestLine("r1").emit()

        assert lines.text == ""

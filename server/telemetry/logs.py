"""The log of the process: structlog, one line an event, to one stream.

What keeps it honest:
1. Text that came from outside is escaped to printable ASCII and cut at 512 characters: no line can be
   forged, no terminal driven, no direction turned (CRLF, ANSI, U+202E).
2. Members with a secret's name are dropped, and the secrets of the settings are struck out of every text.
3. Of an exception its type and place are logged, not its text, which may quote a request.
4. The standard library's logging (aiohttp, the provider SDKs) goes the same way, from WARNING up: below it
   the SDKs log whole prompts.
5. A log that cannot be written (full disk, closed pipe) costs no request.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import sys
import traceback
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import structlog
from attrs import frozen

if TYPE_CHECKING:
    from types import TracebackType

    from structlog.typing import EventDict, Processor, WrappedLogger

    from server.settings.schema import LogFormat, LogLevel

MAX_TEXT: Final = 512
MAX_DEPTH: Final = 4
MAX_FRAMES: Final = 8

_SECRET_NAMES: Final = frozenset(
    {"authorization", "proxy_authorization", "token", "api_key", "apikey", "cookie", "set_cookie"}
    | {"password", "secret"}
)
_SECRET_ENDINGS: Final = ("_token", "_api_key", "_secret", "_password")
#: A shorter secret would strike harmless words out of every line.
_SHORTEST_STRUCK: Final = 8


class _Threshold:
    """The least level that is written, for whoever would be at pains to say less."""

    level: int = logging.NOTSET


threshold = _Threshold()


def configure(level: LogLevel, log_format: LogFormat, stream: TextIO, *, secrets: Iterable[str] = ()) -> None:
    """Set up structlog and the standard library's logging for this process; a later call replaces an earlier.

    `secrets` are texts that may stand in no line. `auto` is `console` where the stream is a terminal.
    """
    sink = cast("TextIO", _Unfailing(stream))
    least = threshold.level = logging.getLevelNamesMapping()[level]
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _locate_exception,
    ]
    finish: list[Processor] = [_Clean(secrets), *_renderers(log_format, stream)]
    structlog.configure(
        processors=[*before, *finish],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(sink),
        # Module-level loggers then follow a new configuration, as each test has its own.
        cache_logger_on_first_use=False,
    )
    _route_standard_library(sink, max(least, logging.WARNING), before, finish)


def _renderers(log_format: LogFormat, stream: TextIO) -> list[Processor]:
    if log_format == "console" or (log_format == "auto" and stream.isatty()):
        return [_escape, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    return [structlog.processors.JSONRenderer(serializer=_json_line)]


def _route_standard_library(
    sink: TextIO, least: int, before: list[Processor], finish: list[Processor]
) -> None:
    handler = logging.StreamHandler(sink)
    handler.setLevel(least)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *before],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(least)


@frozen
class _Unfailing:
    """A stream whose failures are nobody's concern but the log's."""

    _stream: TextIO

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def _locate_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` with the exception's type and place, outermost frame first."""
    event.pop("stack_info", None)
    error = _exception(event.pop("exc_info", None))
    if error is not None:
        event["error_type"] = _type_names(error)
        event["error_at"] = _places(error.__traceback__)
    return event


def _exception(exc_info: Any) -> BaseException | None:
    """The exception that any of logging's ways to say `exc_info` means."""
    match exc_info:
        case BaseException():
            return exc_info
        case (_, error, _):
            return cast("BaseException | None", error)
        case _:
            return sys.exc_info()[1] if exc_info else None


def _type_names(error: BaseException) -> str:
    """The types along the chain of causes, with the name of a system error's number."""
    names: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(names) < MAX_DEPTH:
        number = errno.errorcode.get(cause.errno or 0) if isinstance(cause, OSError) else None
        names.append(type(cause).__name__ + (f"[{number}]" if number else ""))
        cause = cause.__cause__ or cause.__context__
    return " from ".join(names)


def _places(trace: TracebackType | None) -> list[str]:
    """``module:line function`` of the innermost frames; modules, because files are paths of this host."""
    frames = [
        f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(trace)
    ]
    return frames[-MAX_FRAMES:]


@frozen(init=False)
class _Clean:
    """The last look at an event: secrets out, texts cut, and nothing left but JSON's types."""

    _secrets: tuple[str, ...]

    def __init__(self, secrets: Iterable[str]) -> None:
        self.__attrs_init__(tuple(text for text in secrets if len(text) >= _SHORTEST_STRUCK))

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return self._table(event, MAX_DEPTH)

    def _table(self, members: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        return {
            self._text(str(name)): self._value(value, depth - 1)
            for name, value in members.items()
            if not _is_secret(str(name))
        }

    def _value(self, value: Any, depth: int) -> Any:
        match value:
            case str():
                return self._text(value)
            case None | bool() | int():
                return value
            case float():
                return value if value - value == 0 else str(value)  # JSON has no infinities, no NaN
            case Mapping() if depth:
                return self._table(value, depth)
            case list() | tuple() if depth:
                return [self._value(item, depth - 1) for item in value]
            case _:
                return f"<{type(value).__name__}>"

    def _text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}[+{len(text) - MAX_TEXT}]"


def _is_secret(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_ENDINGS)


def _json_line(event: EventDict, **_: Any) -> str:
    # json leaves DEL alone; everything else outside printable ASCII it escapes.
    return json.dumps(event, ensure_ascii=True).replace("\x7f", "\\u007f")


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """For the console, which prints what it is given: every text in printable ASCII."""
    return {_printable(name): _escaped(value) for name, value in event.items()}


def _escaped(value: Any) -> Any:
    match value:
        case str():
            return _printable(value)
        case dict() | list():
            return _printable(_flat(value))
        case _:
            return value


def _flat(value: dict[str, Any] | list[Any]) -> str:
    """Members as ``name:value``, with commas between them; JSON where they have members of their own."""
    members = value.values() if isinstance(value, dict) else value
    if any(isinstance(member, dict | list) for member in members):
        return json.dumps(value)
    if isinstance(value, dict):
        members = [f"{name}:{member}" for name, member in value.items()]
    return ",".join(map(str, members)) or "-"


def _printable(text: str) -> str:
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]

"""Templates become pages. Whatever is put into one is escaped, unless it was made here as HTML."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.python import PythonLexer

from server.console.files import BASE, path_of
from server.values.model import Reply

if TYPE_CHECKING:
    from collections.abc import Collection

#: No script, no style but of files of ours; and in nobody's frame.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    ("Content-Security-Policy", POLICY),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
HTML: Final = "text/html; charset=utf-8"
_MOST_IN_A_CELL: Final = 80


def page(template: str, status: int = 200, headers: tuple[tuple[str, str], ...] = (), **values: Any) -> Reply:
    """The page that a template is with these values."""
    text = part(template, **values)
    return Reply(status, (*HEADERS, *headers), text.encode("utf-8", "replace"), HTML)


def part(template: str, **values: Any) -> str:
    """A piece of a page."""
    return _environment().get_template(template).render(**values)


def link(*segments: str, **query: object) -> str:
    """A path of the console. Segments are encoded whole, so that any name of a session or record is one."""
    path = "/".join((BASE, *(quote(each, safe="") for each in segments)))
    pairs = [
        f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value not in ("", None)
    ]
    return f"{path}?{'&'.join(pairs)}" if pairs else path


def code(text: str, marked: Collection[int] = ()) -> Markup:
    """Python with colours and line numbers; `marked` lines stand out."""
    formatter = HtmlFormatter(cssclass="python", linenos="inline", hl_lines=list(marked))
    shown = highlight(text, PythonLexer(), formatter)  # Pygments escapes the text
    return Markup(f'<div class="scroll" tabindex="0" role="region" aria-label="Code">{shown}</div>')  # noqa: S704


def cell(value: object) -> str:
    """A value as a table shows it, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_IN_A_CELL else f"{text[: _MOST_IN_A_CELL - 1]}…"


def pretty(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def figure(value: float | None) -> str:
    """A number as a table of charts shows it; a dash for none."""
    if value is None:
        return "\N{EN DASH}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.2f}"


def size(count: float) -> str:
    """Bytes for people, in powers of 1,024."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1_024:
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1_024
    return f"{count:,.1f} GiB"


def when(text: str | None) -> str:
    """An ISO time as people read it, to the second and in UTC; a dash for none."""
    if not text:
        return "\N{EN DASH}"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at.tzinfo else at.strftime("%Y-%m-%d %H:%M:%S")


def clock(seconds: float) -> str:
    """A time of today, in UTC; `seconds` since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("server.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"link": link, "file": path_of, "code": code}
    made.filters |= {
        "cell": cell,
        "clock": clock,
        "figure": figure,
        "pretty": pretty,
        "size": size,
        "when": when,
    }
    return made

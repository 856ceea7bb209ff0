"""What a plan may answer: `make_response`, `abort`, and the check of REPLY.

1. REPLY is a dict of status, body, headers and keep, and of nothing else.
2. The status is an int (no bool) from 200 to 599; bodies of 204 and 304 are dropped. None is no body, but
   for 200, where it is JSON's null.
3. The body is JSON: text keys (numbers become text, as `json.dumps` has it, but no two the same),
   finite numbers, no lone surrogates, no cycles, at most 64 deep.
4. Header values are text; None leaves a header out, a number becomes text.

The host checks the outcome again: this check is for good messages, that one for safety.
"""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import Any, ClassVar, NoReturn

from store import json_text
from store.change_set import RECORD_DEPTH
from store.lazy import LazyDict, joined_text, untouched_text, untouched_texts

MAX_DEPTH = 64
_MEMBERS = frozenset({"status", "body", "headers", "keep"})
_NO_BODY = frozenset({204, 304})
_SCALARS = frozenset({str, int, float, bool, type(None)})
#: So many members are sooner looked at one by one than in C.
_FEW = 8
_TEXT_KEYS = frozenset({str})
_TOO_DEEP = "the body is nested deeper than {} levels, or holds itself"


class Abort(BaseException):
    """Ends the plan with a reply. A BaseException, so that no `except Exception` in a plan stops it.

    A `finally` that raises, or an `except` whose type does, can still put another exception in its place. So
    the first one of a run is remembered, and is the run's end whatever the plan does afterwards.
    """

    #: The first one of this run, caught or not; None is set where a run begins.
    first: ClassVar[Abort | None] = None

    def __init__(self, reply: dict[str, Any]) -> None:
        super().__init__()
        self.reply = reply
        Abort.first = Abort.first or self


class RequestFault(Abort):
    """Ends the plan because the request is wrong; `detail` is for the client."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(make_response(status, detail))
        self.status = status
        self.detail = detail


class ReplyError(Exception):
    """REPLY breaks a rule. The message names the rule, never what REPLY holds."""


def make_response(
    status: int = 200,
    body: Any = None,
    headers: dict[str, str] | None = None,
    keep: bool = False,  # noqa: FBT001, FBT002  the documented signature
) -> dict[str, Any]:
    """The reply, as in `REPLY = make_response(201, rec, {"Location": f"/members/{rec['id']}"})`.

    A text as the body of an error becomes a problem document with that text as its `error`.
    A status of 400 or more undoes what the plan wrote, unless `keep=True`.
    """  # noqa: D402  an example, not the signature
    return {"status": status, "body": body, "headers": headers or {}, "keep": keep}


def abort(status: int, body: Any = None, headers: dict[str, str] | None = None) -> NoReturn:
    """End the plan here with this reply, as in `if rec is None: abort(404, "no such member")`."""  # noqa: D402
    raise Abort(make_response(status, body, headers))


def encode_reply(reply: Any, depth: int = MAX_DEPTH) -> tuple[dict[str, Any], str]:
    """The checked head (status; headers and keep if there are any) and the body as JSON text, "" for none.

    `depth`: how deep that may nest. Raises ReplyError.
    """
    if not isinstance(reply, dict):
        raise ReplyError("REPLY must be a dict made by make_response")
    if not _MEMBERS.issuperset(reply):
        raise ReplyError("REPLY may hold only status, body, headers and keep")
    status, body, headers = reply.get("status", 200), reply.get("body"), reply.get("headers")
    if type(status) is not int:
        raise ReplyError("the status must be an integer")
    if not 200 <= status <= 599:
        raise ReplyError("the status must be from 200 to 599")
    head: dict[str, Any] = {"status": status}
    if headers is not None and headers != {}:
        head["headers"] = _checked_headers(headers)
    if reply.get("keep"):
        head["keep"] = True
    if status in _NO_BODY or (body is None and status != 200):
        return head, ""
    return head, _encoded(body, depth)


def _checked_headers(headers: Any) -> dict[str, str]:
    if not isinstance(headers, dict):
        raise ReplyError("the headers must be a dict")
    if (
        _TEXT_KEYS.issuperset(map(type, (*headers, *headers.values())))
        and "".join((*headers, *headers.values())).isascii()
    ):
        return headers
    checked = {}
    for name, value in headers.items():
        if value is None:
            continue
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # noqa: PLW2901  Retry-After and X-Total-Count are numbers to a plan
        if not isinstance(name, str) or not isinstance(value, str):
            raise ReplyError("header names and values must be text")
        checked[_without_surrogates(name)] = _without_surrogates(value)
    return checked


def _without_surrogates(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _encoded(body: Any, depth: int) -> str:
    # A stored record's text is what `records.check` has let pass.
    text = untouched_text(body)
    if text is not None and _fits(text, depth):
        return text
    try:
        out: list[str] = []
        _render(body, depth, out)
        text = "".join(out)
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        raise ReplyError("the body holds a lone surrogate, which UTF-8 cannot encode") from None
    except _TooDeepError:
        raise ReplyError(_TOO_DEEP.format(depth)) from None
    except (TypeError, ValueError):
        raise ReplyError("the body is not JSON (NaN, an infinity, or an object JSON does not know)") from None
    return text


class _TooDeepError(Exception):
    """There is no room for another level."""


def _fits(text: str, room: int) -> bool:
    """Whether the text of a record can be seen to nest at most `room` deep; False: somebody has to look."""
    return room >= RECORD_DEPTH or text.count("{") + text.count("[") <= room


def _render(value: Any, room: int, out: list[str]) -> None:
    """Add the JSON text of a value that may nest `room` deep. Long texts are copied once, when all is joined.

    Records that nobody has looked into are passed on as the text they were stored as; what holds scalars
    alone is encoded in C.
    """
    kind = type(value)
    if kind is LazyDict and (text := untouched_text(value)) is not None and _fits(text, room):
        out.append(text)
    elif kind is dict or isinstance(value, dict):
        _render_object(value, room, out)
    elif isinstance(value, (list, tuple)):
        _render_array(value, room, out)
    else:
        out.append(json_text.encode(value))


def _render_object(value: dict[Any, Any], room: int, out: list[str]) -> None:
    if room == 0:
        raise _TooDeepError
    if _is_flat(value):
        out.append(json_text.encode(value))
        return
    for key in value:
        if type(key) is not str:
            _check_keys(value)
            break
    before, run = "{", {}
    for key, each in value.items():
        kind = type(each)
        if kind in _SCALARS or (kind is dict and room > 1 and _is_flat(each)):
            run[key] = each  # these are encoded in C, as many as there are side by side
            continue
        if run:
            before, run = f"{before}{json_text.encode(run)[1:-1]},", {}
        out.append(f"{before}{encode_basestring(str(key))}:")
        _render(each, room - 1, out)
        before = ","
    out.append(f"{before}{json_text.encode(run)[1:]}" if run else "}")


def _is_flat(value: dict[Any, Any]) -> bool:
    """Whether it holds scalars alone, under texts."""
    if len(value) > _FEW:
        return _TEXT_KEYS.issuperset(map(type, value)) and _SCALARS.issuperset(map(type, value.values()))
    for key, each in value.items():  # noqa: SIM110  all() takes twice as long here
        if type(each) not in _SCALARS or type(key) is not str:
            return False
    return True


def _render_array(value: list[Any] | tuple[Any, ...], room: int, out: list[str]) -> None:
    if room == 0:
        raise _TooDeepError
    joined = joined_text(value, room - 1)
    if joined is not None:
        out += ("[", joined, "]")
        return
    texts = untouched_texts(value)
    if texts is not None and (room > RECORD_DEPTH or all(_fits(text, room - 1) for text in texts)):
        out += ("[", ",".join(texts), "]")
        return
    if _SCALARS.issuperset(map(type, value)):
        out.append(json_text.encode(value))
        return
    before = "["
    for each in value:
        out.append(before)
        _render(each, room - 1, out)
        before = ","
    out.append("]")


def _check_keys(value: dict[Any, Any]) -> None:
    if not {str, int}.issuperset(map(type, value)):
        raise ReplyError("the keys of the body's objects must be text")
    if len({str(key) for key in value}) != len(value):
        raise ReplyError("two keys of one object are the same text")

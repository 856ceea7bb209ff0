"""Forms with files: multipart/form-data (RFC 7578) as a JSON object.

1. A part is a field, a text. A name given twice is a list, as in other forms.
2. A part with a file name is a file: ``{"name": "a.png", "type": "image/png", "size": 3, "data": "AQID"}``,
   `data` in base64 (RFC 4648 §4). A browser sends a file input that nobody has filled as one without a name
   and content, so such a part is no field.
3. Nothing is decompressed or decoded: RFC 7578 §4.7 has no transfer encodings any more.
4. The parts are read by aiohttp, from a body that is here already and no larger than any body may be.
"""

from __future__ import annotations

import asyncio
import base64
import re
import warnings
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import (
    BadContentDispositionHeader,
    BadContentDispositionParam,
    BodyPartReader,
    MultipartReader,
    StreamReader,
)
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import HttpProcessingError

from server.requests.content import Content
from server.requests.headers import single
from server.values.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from multidict import MultiMapping

MAX_PARTS: Final = 1_000
MAX_NAME: Final = 255
#: What a file's type is where the part names none, or none that is one.
UNKNOWN_TYPE: Final = "application/octet-stream"

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
#: aiohttp warns of a header that cannot be read and goes on without it; here that ends the request.
_WARNED = (BadContentDispositionHeader, BadContentDispositionParam)
for _category in _WARNED:
    warnings.filterwarnings("error", category=_category)
#: What aiohttp raises for a body that is no such form.
_BROKEN = (*_WARNED, ValueError, RuntimeError, AssertionError, LookupError, EOFError, HttpProcessingError)


def is_multipart(headers: MultiMapping[str]) -> bool:
    """Whether a request's body is a form with parts. Raises InvalidHeader."""
    value = single(headers, "Content-Type")
    return value is not None and value.strip().lower().startswith("multipart/form-data")


async def read_parts(headers: MultiMapping[str], data: bytes, *, file_bytes: int) -> dict[str, Any]:
    """The fields of a form. `file_bytes` is the size of the largest file, 0 where files are refused.

    Raises BadRequest for what is no such form, PayloadTooLarge, UnsupportedMediaType for files that are not
    taken, and parts in an encoding.
    """
    fields: dict[str, Any] = {}
    try:
        async for name, value in _Parts(headers, data, file_bytes):
            _add(fields, name, value)
    except _BROKEN:
        raise BadRequest(
            "The body is no multipart/form-data with the boundary that its type names."
        ) from None
    return fields


async def read_content(headers: MultiMapping[str], data: bytes, *, file_bytes: int) -> Content:
    """The form as a request's content; raises as `read_parts` does."""
    fields = await read_parts(headers, data, file_bytes=file_bytes)
    return Content("form", fields, orjson.dumps(fields).decode())


class _Parts:
    """The named values of a form, one after the other."""

    def __init__(self, headers: MultiMapping[str], data: bytes, file_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        stream = StreamReader(BaseProtocol(loop), max(len(data), 2**16), loop=loop)
        stream.feed_data(data)
        stream.feed_eof()
        self._reader = MultipartReader({"Content-Type": headers["Content-Type"]}, stream)
        self._file_bytes = file_bytes
        self._left = MAX_PARTS

    def __aiter__(self) -> _Parts:
        return self

    async def __anext__(self) -> tuple[str, Any]:
        while True:
            part = await self._reader.next()
            if part is None:
                raise StopAsyncIteration
            self._left -= 1
            if self._left < 0:
                raise BadRequest(f"More than {MAX_PARTS} parts.")
            if not isinstance(part, BodyPartReader):
                raise BadRequest("A part of the form is a form itself.")
            _check_encoding(part)
            name = part.name
            if not name or _CONTROL.search(name):
                raise BadRequest("A part of the form has no name, or one with a control character.")
            value = await self._value(name, part)
            if value is not None:
                return name, value

    async def _value(self, name: str, part: BodyPartReader) -> Any:
        data = bytes(await part.read(decode=False))
        if part.filename is None:
            return _text(name, data)
        return self._file(name, part, data)

    def _file(self, name: str, part: BodyPartReader, data: bytes) -> dict[str, Any] | None:
        file_name = re.split(r"[/\\]", part.filename or "")[-1]
        if not file_name and not data:
            return None
        if not self._file_bytes:
            raise UnsupportedMediaType(f"Part '{name[:64]}' is a file, and files are not taken here.")
        if len(data) > self._file_bytes:
            raise PayloadTooLarge(
                f"The file in '{name[:64]}' is larger than {self._file_bytes} bytes.", limit=self._file_bytes
            )
        if _CONTROL.search(file_name) or len(file_name) > MAX_NAME:
            raise BadRequest(
                f"The file in '{name[:64]}' has a name that is too long or has a control character."
            )
        kind = part.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return {
            "name": file_name,
            "type": kind if _TYPE.fullmatch(kind) else UNKNOWN_TYPE,
            "size": len(data),
            "data": base64.b64encode(data).decode(),
        }


def _check_encoding(part: BodyPartReader) -> None:
    encoding = part.headers.get("Content-Transfer-Encoding", "").strip().lower()
    if "Content-Encoding" in part.headers or encoding not in _PLAIN_ENCODINGS:
        raise UnsupportedMediaType("A part of the form is in an encoding; send its bytes as they are.")


def _text(name: str, data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise BadRequest(f"Part '{name[:64]}' is not UTF-8; a file has a filename.") from None
    if _CONTROL_IN_TEXT.search(text):
        raise BadRequest(f"Part '{name[:64]}' holds a control character; a file has a filename.")
    return text


def _add(fields: dict[str, Any], name: str, value: Any) -> None:
    before = fields.get(name)
    if before is None:
        fields[name] = value
    elif isinstance(before, list):
        before.append(value)
    else:
        fields[name] = [before, value]

"""Forms with files: multipart/form-data (RFC 7578) as a JSON object.

1. A part is a field, a text. A name given twice is a list, as in other forms.
2. A part with a file name is a file: ``{"name": "a.png", "type": "image/png", "size": 3, "data": "AQID"}``,
   `data` in base64 (RFC 4648 §4). A browser sends a file input that nobody has filled as one without a name
   and content, so such a part is no field.
3. Nothing is decompressed or decoded: RFC 7578 §4.7 has no transfer encodings any more.
4. The parts are cut apart here, in one pass: the body is here already and no larger than any body may be.
   aiohttp's own reader waits for bytes that come later, and took half a second for 1,000 short parts.
"""

from __future__ import annotations

import base64
import re
import warnings
from typing import TYPE_CHECKING, Any, Final

import orjson
from aiohttp import (
    BadContentDispositionHeader,
    BadContentDispositionParam,
    content_disposition_filename,
    parse_content_disposition,
)
from attrs import frozen
from multidict import CIMultiDict

from server.requests import media_type
from server.requests.content import Content
from server.requests.headers import single
from server.values.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from multidict import MultiMapping

#: A part of 50 bytes takes some 20 microseconds to read, so a form takes longer than JSON of its size.
INLINE_BYTES: Final = 2_048
MAX_PARTS: Final = 1_000
MAX_NAME: Final = 255
#: Headers of one part, and bytes of all of them. A part has two or three.
MAX_PART_HEADERS: Final = 32
MAX_HEAD_BYTES: Final = 8_192
#: RFC 2046 §5.1.1.
MAX_BOUNDARY: Final = 70
#: What a file's type is where the part names none, or none that is one.
UNKNOWN_TYPE: Final = "application/octet-stream"

_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]++):([^\x00-\x08\x0a-\x1f\x7f]*+)")
#: aiohttp warns of a header that cannot be read and goes on without it; here that ends the request.
_WARNED = (BadContentDispositionHeader, BadContentDispositionParam)
for _category in _WARNED:
    warnings.filterwarnings("error", category=_category)
_NO_BOUNDARY = (
    f"The type of the body, multipart/form-data, needs one boundary of 1 to {MAX_BOUNDARY} characters."
)
_NO_PARTS = "The boundary that the body's type names is not in the body."
_NO_END = "The form has no end: after the last part there is no line with the boundary between dashes."
_NO_DELIMITER = "A line of the form goes on after its boundary."
_NO_HEAD = "A part of the form has no empty line after its headers."
_NO_HEADER = "A line at the beginning of a part is no header, as Content-Disposition: form-data is one."
_NO_DISPOSITION = "The Content-Disposition header of a part cannot be read."
_TWO_DISPOSITIONS = "A part of the form has more than one Content-Disposition header."
#: A field of this name says how the texts are encoded (RFC 7578 §4.6).
_CHARSET_FIELD = "_charset_"


def is_multipart(headers: MultiMapping[str]) -> bool:
    """Whether a request's body is a form with parts. Raises InvalidHeader."""
    value = single(headers, "Content-Type")
    return value is not None and value.strip().lower().startswith("multipart/form-data")


def read_parts(headers: MultiMapping[str], data: bytes, *, file_bytes: int) -> dict[str, Any]:
    """The fields of a form. `file_bytes` is the size of the largest file, 0 where files are refused.

    Raises BadRequest for what is no such form, PayloadTooLarge, UnsupportedMediaType for files that are not
    taken, and parts in an encoding.
    """
    fields: dict[str, Any] = {}
    for part in _parts(_boundary(headers["Content-Type"]), data):
        value = _value(part, file_bytes)
        if part.name == _CHARSET_FIELD:
            _check_charset(value)
        elif value is not None:
            _add(fields, part.name, value)
    return fields


def read_content(headers: MultiMapping[str], data: bytes, *, file_bytes: int) -> Content:
    """The form as a request's content; raises as `read_parts` does."""
    fields = read_parts(headers, data, file_bytes=file_bytes)
    return Content("form", fields, orjson.dumps(fields).decode())


@frozen
class _Part:
    name: str
    #: None where it is a field.
    file_name: str | None
    headers: MultiMapping[str]
    data: bytes


def _boundary(content_type: str) -> bytes:
    found = media_type.read(content_type)
    named = [] if found is None else [value for name, value in found.parameters if name.lower() == "boundary"]
    if len(named) != 1 or not 0 < len(named[0]) <= MAX_BOUNDARY:
        raise BadRequest(_NO_BOUNDARY)
    return named[0].encode()


def _parts(boundary: bytes, data: bytes) -> Iterator[_Part]:
    """What is between the delimiters; RFC 2046 §5.1 has those begin with a line's end.

    What is before the first is nobody's, and so is what comes after the last one, which ends in two dashes.
    How many there are is known before any is read.
    """
    texts: list[bytes] = []
    wrong = _NO_PARTS
    for piece in (b"\r\n" + data).split(b"\r\n--" + boundary, MAX_PARTS + 2)[1:]:
        line, ends, rest = piece.partition(b"\r\n")
        padding = line.rstrip(b" \t")
        if padding == b"--" and len(texts) <= MAX_PARTS:
            return map(_part, texts)
        if padding or not ends:
            wrong = _NO_DELIMITER if padding else _NO_END
            break
        wrong = _NO_END
        texts.append(rest)
    raise BadRequest(f"More than {MAX_PARTS} parts." if len(texts) > MAX_PARTS else wrong)


def _part(text: bytes) -> _Part:
    head, ends, data = (b"\r\n" + text).partition(b"\r\n\r\n")
    if not ends:
        raise BadRequest(_NO_HEAD)
    headers = _headers(head)
    if headers.get("Content-Type", "").strip().lower().startswith("multipart/"):
        raise BadRequest("A part of the form is a form itself.")
    _check_encoding(headers)
    if len(headers.getall("Content-Disposition", ())) > 1:
        raise BadRequest(_TWO_DISPOSITIONS)
    try:
        _, parameters = parse_content_disposition(headers.get("Content-Disposition"))
    except _WARNED:
        raise BadRequest(_NO_DISPOSITION) from None
    name = content_disposition_filename(parameters, "name")
    if not name or _CONTROL.search(name) or not _is_text(name):
        raise BadRequest("A part of the form has no name, or one with a control character.")
    return _Part(name, content_disposition_filename(parameters), headers, data)


def _headers(head: bytes) -> CIMultiDict[str]:
    """Raises BadRequest for what are none, or too many."""
    lines = head.split(b"\r\n", MAX_PART_HEADERS + 1)[1:]
    if len(head) > MAX_HEAD_BYTES or len(lines) > MAX_PART_HEADERS:
        raise BadRequest("The headers of a part are too long.")
    headers: CIMultiDict[str] = CIMultiDict()
    try:
        for line in lines:
            found = _HEADER.fullmatch(line.decode())
            if found is None:
                raise BadRequest(_NO_HEADER)
            headers.add(found[1], found[2].strip())
    except UnicodeDecodeError:
        raise BadRequest("A header of a part is not UTF-8.") from None
    return headers


def _is_text(name: str) -> bool:
    """Whether it has no half of a surrogate pair, which a name in another encoding may come to have."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _value(part: _Part, file_bytes: int) -> Any:
    return _text(part.name, part.data) if part.file_name is None else _file(part, part.file_name, file_bytes)


def _file(part: _Part, sent_name: str, file_bytes: int) -> dict[str, Any] | None:
    file_name = re.split(r"[/\\]", sent_name)[-1]
    if not file_name and not part.data:
        return None
    if not file_bytes:
        raise UnsupportedMediaType(f"Part '{part.name[:64]}' is a file, and files are not taken here.")
    if len(part.data) > file_bytes:
        raise PayloadTooLarge(
            f"The file in '{part.name[:64]}' is larger than {file_bytes} bytes.", limit=file_bytes
        )
    if _CONTROL.search(file_name) or len(file_name) > MAX_NAME or not _is_text(file_name):
        raise BadRequest(
            f"The file in '{part.name[:64]}' has a name that is too long or has a control character."
        )
    kind = part.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return {
        "name": file_name,
        "type": kind if _TYPE.fullmatch(kind) else UNKNOWN_TYPE,
        "size": len(part.data),
        "data": base64.b64encode(part.data).decode(),
    }


def _check_charset(value: Any) -> None:
    if not isinstance(value, str) or value.strip().lower() not in {"utf-8", "utf8"}:
        raise BadRequest(
            f"The form says by {_CHARSET_FIELD} that it is not in UTF-8; it is taken in that alone."
        )


def _check_encoding(headers: MultiMapping[str]) -> None:
    encoding = headers.get("Content-Transfer-Encoding", "").strip().lower()
    if "Content-Encoding" in headers or encoding not in _PLAIN_ENCODINGS:
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

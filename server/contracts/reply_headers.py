"""Headers that an operation requires of its replies: as the request has them, else as the document does."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from server.contracts.document import pointer_of, steps_of
from server.contracts.examples import Examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.contracts.document import Document, Operation
    from server.values.model import Reply

#: The connection's and the service's own.
_NOT_OURS: Final = frozenset(
    {
        *(
            "connection",
            "content-length",
            "content-type",
            "date",
            "server",
            "set-cookie",
            "transfer-encoding",
        ),
        *("cache-control", "content-encoding", "x-request-id", "access-control-allow-origin"),
    }
)
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,254}[\x21-\x7e])?")


class ReplyHeaders:
    """Of one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._examples = Examples(document.raw, "reply")
        self._common: dict[int, tuple[tuple[str, str], ...]] = {}
        self._known: dict[tuple[str, int], tuple[tuple[str, str], ...]] = {}

    def missing(
        self, operation: Operation, reply: Reply, sent: Mapping[str, Any]
    ) -> tuple[tuple[str, str], ...]:
        """Those that the reply lacks. `sent`: the request's headers that the operation declares."""
        required = self._required(operation, reply.status)
        if not required:
            return ()
        there = {name.lower() for name, _ in reply.headers}
        asked = {name.lower(): str(value) for name, value in sent.items()}
        return tuple(
            (name, _fitting(asked.get(name.lower(), "")) or value)
            for name, value in required
            if name.lower() not in there
        )

    def common(self, reply: Reply) -> tuple[tuple[str, str], ...]:
        """Those that most operations require for the status, where a request is to none of them."""
        if reply.status not in self._common:
            counted = Counter(
                each
                for operation in self._document.operations
                for each in self._required(operation, reply.status)
            )
            half = len(self._document.operations) / 2
            self._common[reply.status] = tuple(each for each, count in counted.items() if count >= half)
        there = {name.lower() for name, _ in reply.headers}
        return tuple(each for each in self._common[reply.status] if each[0].lower() not in there)

    def _required(self, operation: Operation, status: int) -> tuple[tuple[str, str], ...]:
        kind = (operation.id, status)
        if kind not in self._known:
            self._known[kind] = tuple(self._made(operation, status))
        return self._known[kind]

    def _made(self, operation: Operation, status: int) -> Iterator[tuple[str, str]]:
        for key in (str(status), f"{status // 100}XX", "default"):
            if key in operation.replies:
                place = pointer_of((*steps_of(operation.pointer), "responses", key))
                break
        else:
            return
        reply = self._document.resolve(place)
        headers = reply.get("headers") if isinstance(reply, dict) else None
        for name, node in headers.items() if isinstance(headers, dict) else ():
            header = self._followed(node)
            if header.get("required") is True and _NAME.fullmatch(name) and name.lower() not in _NOT_OURS:
                value = _fitting(self._text(header))
                if value:
                    yield name, value

    def _followed(self, node: Any) -> Mapping[str, Any]:
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            node = self._document.resolve(node["$ref"])
        return node if isinstance(node, dict) else {}

    def _text(self, header: Mapping[str, Any]) -> str:
        value = header["example"] if "example" in header else self._examples.for_node(header.get("schema"))
        return str(value).lower() if isinstance(value, bool) else str(value)


def _fitting(text: str) -> str:
    """The text where a header may have it; else nothing."""
    return text if _VALUE.fullmatch(text) else ""

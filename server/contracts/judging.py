"""What a contract says of the replies to its operations, in the form in which workers judge by it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from attrs import field, frozen

from server.contracts import media_types
from server.contracts.schemas import SchemaLimits, prepare
from wasm_runtime.schemas import Checker
from wasm_runtime.slot import Judged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from server.contracts.document import Document, Operation
    from server.contracts.schemas import Relaxed
    from wasm_runtime.schemas import Violation


@frozen(eq=False)
class Judging:
    """Of one document. `text` is what workers compile, `id` its digest."""

    id: str
    text: str
    keys: Mapping[str, str]
    checker: Checker
    relaxed: tuple[Relaxed, ...] = ()
    _judged: dict[tuple[str, bool, bool], Judged] = field(factory=dict, repr=False)

    @classmethod
    def of(cls, document: Document, limits: SchemaLimits | None = None) -> Judging:
        """Raises SchemaError."""
        schemas = dict.fromkeys(
            schema
            for operation in document.operations
            for content in operation.replies.values()
            for schema in content.values()
            if schema
        )
        prepared = prepare(document.raw, schemas, "reply", limits or SchemaLimits())
        digest = hashlib.blake2b(prepared.text.encode(), digest_size=12).hexdigest()
        return cls(digest, prepared.text, prepared.keys, Checker(prepared.text), prepared.relaxed)

    def judged(self, operation: Operation, *, enforce: bool, bare: bool) -> Judged:
        """What a worker is told of a reply to it."""
        kind = (operation.id, enforce, bare)
        found = self._judged.get(kind)
        if found is None:
            keys = self.keys_for(operation)
            found = self._judged[kind] = Judged(self.id, self.text, keys, enforce=enforce, bare=bare)
        return found

    def keys_for(self, operation: Operation) -> dict[str, str]:
        """Which schema each status has; "" for any body, or none."""
        return {status: self._key(content) for status, content in operation.replies.items()}

    def _key(self, content: Mapping[str, str]) -> str:
        schema = next((schema for name, schema in content.items() if media_types.is_json(name)), "")
        return self.keys.get(schema, "")

    def violations(self, schema: str, value: Any) -> tuple[Violation, ...]:
        """Where a value breaks the schema at a pointer; one that no reply has is not broken."""
        key = self.keys.get(schema)
        return () if key is None else self.checker.violations(key, value)

    def fits(self, schema: str, value: Any) -> bool:
        return not self.violations(schema, value)

"""What a request asks to hold before its plan runs, checked in the transaction that its plan writes in.

1. The host has read the headers; here they are a line of JSON, marked, before the request's own, with `key`
   and `fingerprint` (Idempotency-Key), `match` (If-Match) and `none_match` (If-None-Match), each if it was
   sent. Tags come without quotes, and those that cannot match are left out; `["*"]` is any.
2. The key first: a retry gets its answer though its own first try has changed the record it is about.
3. Then If-Match, then If-None-Match (RFC 9110 §13.2.2), against the record that the plan is about: in its
   `resource`, the one with its `identifier`, or with what the route's last slot has as id or in the field of
   its name. Where there is no such slot, as for a whole collection, there is something at the path, of which
   no tag is known in here: only `If-Match: *` holds.
4. What does not hold ends the request as `unmet`, and nothing has run.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from store import json_text
from store.errors import AnswersFull
from store.lazy import untouched_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from guest.plans import LoadedPlan
    from store.resource_store import ResourceStore
    from store.session_store import Session

#: Begins the line of conditions; that of params, which comes first without them, begins with a brace.
MARK = "?"
#: Of what a run answered, what a retry is answered, too: not what it printed or counted.
_KEPT = ("status", "headers", "keep", "record")


class UnmetError(Exception):
    """A precondition does not hold; `reason` says which, in a word of the host's."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Conditions:
    """Runs requests that ask for something beforehand."""

    def __init__(self, session: Session, answers_bytes: int) -> None:
        self._session = session
        self._answers_bytes = answers_bytes

    def run(self, asked: dict[str, Any], plan: LoadedPlan, params: str, run: Callable[[], str]) -> str:
        """The answer of `run`, or the one that was given under the same key. Raises UnmetError."""
        key = asked.get("key")
        if key is not None:
            replayed = self._replayed(key, asked["fingerprint"])
            if replayed is not None:
                return replayed
        self._require(asked, plan, params)
        answer = run()
        if asked.get("minimal"):
            answer = _briefly(answer)
        if key is not None:
            self._keep(key, asked["fingerprint"], answer)
        return answer

    def _replayed(self, key: str, fingerprint: str) -> str | None:
        kept = self._session.answers.find(key)
        if kept is None:
            return None
        if kept.fingerprint != fingerprint:
            raise UnmetError("key-reused")
        head, _, body = kept.answer.partition("\n")
        return f"{json.dumps({**json.loads(head), 'replayed': True})}\n{body}"

    def _keep(self, key: str, fingerprint: str, answer: str) -> None:
        """Only what is going to be committed; the host's refusal undoes this row with all the rest."""
        head, _, body = answer.partition("\n")
        said = json.loads(head)
        if said["ok"] is not True or (said["status"] >= 400 and not said.get("keep")):
            return
        kept = json.dumps({"ok": True, **{name: said[name] for name in _KEPT if name in said}})
        try:
            self._session.answers.keep(key, fingerprint, f"{kept}\n{body}", limit_bytes=self._answers_bytes)
        except AnswersFull:
            raise UnmetError("answers-full") from None

    def _require(self, asked: dict[str, Any], plan: LoadedPlan, params: str) -> None:
        match, none_match = asked.get("match"), asked.get("none_match")
        if match is None and none_match is None:
            return
        exists, tag = self._current(plan, params)
        if match is not None and not (exists if match == ["*"] else tag in match):
            raise UnmetError("if-match")
        if none_match is not None and exists and (tag is None or none_match == ["*"] or tag in none_match):
            raise UnmetError("if-none-match")

    def _current(self, plan: LoadedPlan, params: str) -> tuple[bool, str | None]:
        """Whether there is something at the request's path, and its tag if it is known."""
        values = json.loads(params)
        identifier = values.get(plan.about) if plan.about else plan.identifier_of(values)
        store = self._session.plan_view.collection(plan.resource)
        if identifier is None or identifier == "":
            return _single(store, plan)
        record = store.get(identifier)
        if record is None:
            record = _by_field(store, plan.about, identifier)
        text = untouched_text(record)
        return text is not None, None if text is None else tag_of(text)


def _single(store: ResourceStore, plan: LoadedPlan) -> tuple[bool, str | None]:
    """The same of the one object at a path, as it is shown; of a collection no tag is known here.

    A path that holds nothing yet, where the plan puts an object, is one that nothing is at.
    """
    makes = json_text.decode(plan.document).get("action") == "replace"
    single = store.singleton(makes)
    if single is None:
        return True, None
    shown = single.get()
    return shown is not None, None if shown is None else tag_of(json_text.encode(shown))


def _briefly(answer: str) -> str:
    """A success without its body, which nobody wants, of whatever size it is; a record leaves its tag."""
    head, _, body = answer.partition("\n")
    said = json.loads(head)
    if said["ok"] is not True or said["status"] >= 300 or not body:
        return answer
    if "record" in said:
        others = {name: value for name, value in said.get("headers", {}).items() if name.lower() != "etag"}
        said["headers"] = {**others, "ETag": f'"{tag_of(body)}"'}
    return f"{json.dumps(said)}\n"


def _by_field(store: ResourceStore, name: str | None, value: Any) -> dict[str, Any] | None:
    """The one record that has the value in the field that the slot is called after: `/posts/{slug}`."""
    if name is None or name == "id" or "__" in name:
        return None
    found = store.search({name: value}, limit=2)
    return found[0] if len(found) == 1 else None


def tag_of(record: str) -> str:
    """The tag of a record's JSON text, as the host gives it in a reply (server/values/entity_tags.py)."""
    return hashlib.blake2b(record.encode(), digest_size=16).hexdigest()

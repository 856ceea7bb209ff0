"""Data: collections as tables, records as forms and as JSON. All of it is asked for as a client asks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from attrs import frozen

from server.console import trying
from server.console.fields import Field, fields_of, json_of, record_of
from server.console.operating import document
from server.console.rendering import link, pretty
from server.console.visit import Visit, go
from server.operations.call import Call
from server.values.errors import BadRequest, NotFound, ServiceError

if TYPE_CHECKING:
    from server.console.asking import Answered, Asking
    from server.console.trying import Asked
    from server.operations.api import Api
    from server.values.model import Reply

_PAGE = 50
#: Of a record, on its page.
_VERSIONS = 20
_MOST_DIGITS = 15
_NO_HISTORY: dict[str, Any] = {"versions": [], "next": None, "earlier": False, "failed": ""}
#: Columns of a table. The rest of a record is one step away.
_COLUMNS = 8
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@frozen
class DataViews:
    api: Api
    asking: Asking

    async def listed(self, visit: Visit) -> Reply:
        """A page of a collection; `q` is a query in the service's own language, as a client writes it."""
        session, collection = _place(visit)
        q, offset = visit.asked("q").lstrip("?& "), visit.number("offset")
        version = await self._version(session)  # before the records: no change is missed
        answered = await self.asking.ask(session, "GET", f"{_path(collection)}?{_query(q, offset)}")
        records = _records(answered.value) if answered.well else []
        if records is None:
            return await self._record(visit, _path(collection), "", answered)
        total = int(answered.headers.get("X-Total-Count", len(records)))
        values = {
            "name": session,
            "collection": collection,
            "q": q,
            "offset": offset,
            "step": _PAGE,
            "records": records,
            "total": total,
            "columns": _columns(records),
            "sort": _sort(q),
            "sorted_by": partial(_sorted_by, q),
            "version": version,
            "here": link("sessions", session, "data", collection, q=q, offset=offset or ""),
        }
        status = 200 if answered.well else answered.status
        return visit.page("records.html", "sessions", status=status, failed=answered.failure, **values)

    async def _version(self, session: str) -> int:
        try:
            found = await document(self.api, Call("GET", ("changes",), {"session": session}))
        except ServiceError:
            return 0
        return int(found["version"])

    async def show(self, visit: Visit) -> Reply:
        session, collection = _place(visit)
        path = f"{_path(collection)}/{quote(visit.segments[5], safe='')}"
        answered = await self.asking.ask(session, "GET", path)
        if answered.well:
            return await self._record(visit, path, visit.segments[5], answered)
        found = await self._history(visit)
        if not found["versions"]:
            raise NotFound(answered.failure)
        return await self._gone(visit, found)

    async def _gone(self, visit: Visit, found: dict[str, Any], *, status: int = 404, **values: Any) -> Reply:
        """A record that there was, with the way back to it."""
        session, collection = _place(visit)
        return visit.page(
            "gone.html",
            "sessions",
            name=session,
            collection=collection,
            number=visit.segments[5],
            history=found,
            tag="",
            status=status,
            **values,
        )

    async def _record(self, visit: Visit, path: str, number: str, answered: Answered) -> Reply:
        record = answered.value if isinstance(answered.value, dict) else {}
        return await self._form(
            visit,
            path,
            number,
            fields=fields_of(record),
            text=pretty(answered.value),
            tag=answered.headers.get("ETag", ""),
        )

    async def _form(self, visit: Visit, path: str, number: str, **values: Any) -> Reply:
        session, collection = _place(visit)
        shown: dict[str, Any] = {"tag": "", "failed": "", "new": False, "status": 200, **values}
        history = await self._history(visit) if number and not shown["new"] else _NO_HISTORY
        return visit.page(
            "record.html",
            "sessions",
            name=session,
            collection=collection,
            path=path,
            number=number,
            history=history,
            **shown,
        )

    async def _history(self, visit: Visit) -> dict[str, Any]:
        """The record's versions, as far as they are kept."""
        before = visit.asked("before")
        asked = {"record": "/".join((visit.segments[3], visit.segments[5])), "limit": str(_VERSIONS)}
        try:
            found = await self._log(visit, **asked, **({"before": before} if before else {}))
        except NotFound:
            return _NO_HISTORY
        except ServiceError as error:
            return {**_NO_HISTORY, "failed": error.detail}
        return {**found, "earlier": bool(before), "failed": ""}

    async def _log(self, visit: Visit, **asked: str) -> dict[str, Any]:
        return await document(self.api, Call("GET", ("sessions", visit.segments[1], "log"), asked))

    async def restore(self, visit: Visit) -> Reply:
        """Write the record as it was at a version: as a client would, and only upon what was shown."""
        session, collection = _place(visit)
        number, version = visit.segments[5], visit.form.get("version", "")
        if not (version.isascii() and version.isdecimal() and len(version) <= _MOST_DIGITS):
            raise BadRequest("Which version is to be restored?")
        record = f"{collection}/{number}"
        found = await self._log(visit, record=record, limit="1", before=str(int(version) + 1))
        [then] = found["versions"] or [None]
        if then is None or then["version"] != int(version) or then["record"] is None:
            raise NotFound("History has no such version of the record any more.")
        path, tag = f"{_path(collection)}/{quote(number, safe='')}", visit.form.get("tag", "")
        if tag:
            asked: tuple[str, str, dict[str, str]] = ("PUT", path, {"If-Match": tag})
        else:
            asked = ("POST", _path(collection), {})  # it is not there: whoever has made it meanwhile, a 409
        answered = await self.asking.ask(session, asked[0], asked[1], then["record"], asked[2])
        if answered.well:
            return go(link("sessions", *visit.segments[1:6], said="restored"))
        failed, status = answered.failure, answered.status
        if not tag:
            return await self._gone(visit, await self._history(visit), status=status, failed=failed)
        fields, text = fields_of(then["record"]), pretty(then["record"])
        return await self._form(
            visit, path, number, fields=fields, text=text, tag=tag, failed=failed, status=status
        )

    async def blank(self, visit: Visit) -> Reply:
        """A form with the fields that the collection has learned."""
        _, collection = _place(visit)
        known = await self._fields(visit)
        return await self._form(visit, _path(collection), "", fields=known, text="{}", new=True)

    async def _fields(self, visit: Visit) -> list[Field]:
        session, collection = _place(visit)
        try:
            found = await document(self.api, Call("GET", ("sessions", session)))
        except ServiceError:
            return []
        types: dict[str, list[str]] = next(
            (each["fields"] for each in found["collections"] if each["name"] == collection), {}
        )
        return [Field.blank(name, kinds) for name, kinds in types.items() if name != "id"]

    async def add(self, visit: Visit) -> Reply:
        _, collection = _place(visit)
        then = link("sessions", *visit.segments[1:4], said="added")
        return await self._sent(visit, "POST", _path(collection), then)

    async def save(self, visit: Visit) -> Reply:
        """Only if the record is still what the form was made of (If-Match)."""
        path = f"{_path(visit.segments[3])}/{quote(visit.segments[5], safe='')}"
        return await self._sent(visit, "PUT", path, link("sessions", *visit.segments[1:], said="saved"))

    async def _sent(self, visit: Visit, method: str, path: str, then: str) -> Reply:
        """The form's record to where a client would send it; on a refusal the form again, as it was typed."""
        form = visit.form
        number = visit.segments[5] if len(visit.segments) > 5 else ""
        try:
            body = json_of(form["json"], "The JSON") if "json" in form else record_of(form)
        except BadRequest as error:
            failed, status, body = error.detail, error.status, None
        else:
            headers = {"If-Match": form["tag"]} if form.get("tag") else {}
            answered = await self.asking.ask(visit.segments[1], method, path, body, headers)
            if answered.well:
                return go(then)
            failed, status = answered.failure, answered.status
        fields = fields_of(body) if isinstance(body, dict) else Field.typed(form)
        text = form.get("json") or pretty(body)
        return await self._form(
            visit,
            path,
            number,
            fields=fields,
            text=text,
            tag=form.get("tag", ""),
            failed=failed,
            status=status,
            new=method == "POST",
        )

    async def delete(self, visit: Visit) -> Reply:
        session, collection = _place(visit)
        path = f"{_path(collection)}/{quote(visit.segments[5], safe='')}"
        tag = visit.form.get("tag", "")
        answered = await self.asking.ask(session, "DELETE", path, headers={"If-Match": tag} if tag else {})
        if not answered.well:
            return await self._refused(visit, path, answered)
        return go(link("sessions", session, "data", collection, said="deleted"))

    async def _refused(self, visit: Visit, path: str, refusal: Answered) -> Reply:
        """The record as it is now, and why it is still there. Raises NotFound where it is not."""
        session, _ = _place(visit)
        now = await self.asking.ask(session, "GET", path)
        if not now.well:
            raise NotFound(refusal.failure)
        return await self._form(
            visit,
            path,
            visit.segments[5],
            fields=fields_of(now.value),
            text=pretty(now.value),
            tag=now.headers.get("ETag", ""),
            failed=refusal.failure,
            status=refusal.status,
        )

    async def trial(self, visit: Visit) -> Reply:
        """A form for any request; or, of a plan, with an input for each part of its route and of its body."""
        plan = visit.asked("plan")
        if plan:
            asked = trying.of_plan(await document(self.api, Call("GET", ("plans", plan))))
        else:
            asked = trying.Asked(visit.asked("method", "GET"), visit.asked("path", "/"))
        return self._trial(visit, asked, None)

    async def tried(self, visit: Visit) -> Reply:
        asked = trying.of_form(visit.form)
        if asked.method not in _METHODS:
            raise BadRequest(f"A method is one of {', '.join(_METHODS)}.")
        try:
            body = trying.body_of(asked, visit.form)
        except BadRequest as error:
            return self._trial(visit, asked, None, status=error.status, failed=error.detail)
        answered = await self.asking.ask(visit.segments[1], asked.method, asked.path, body)
        return self._trial(visit, asked, answered)

    def _trial(
        self, visit: Visit, asked: Asked, answered: Answered | None, *, status: int = 200, failed: str = ""
    ) -> Reply:
        return visit.page(
            "try.html",
            "sessions",
            status=status,
            failed=failed,
            name=visit.segments[1],
            asked=asked,
            answered=answered,
            methods=_METHODS,
        )


def _place(visit: Visit) -> tuple[str, str]:
    return visit.segments[1], visit.segments[3]


def _path(collection: str) -> str:
    return f"/{quote(collection, safe='')}"


def _query(q: str, offset: int) -> str:
    """What was typed may hold blanks and letters of any language; it is sent as a browser would."""
    typed = quote(q, safe="=&%,.*!:;@+$'()[]/?-_~")
    own = [f"limit={_PAGE}"] if "limit=" not in typed else []
    own += [f"offset={offset}"] if offset else []
    return "&".join(filter(None, (typed, *own)))


def _sort(q: str) -> str:
    return next((each.removeprefix("sort=") for each in q.split("&") if each.startswith("sort=")), "")


def _sorted_by(q: str, column: str) -> str:
    """The query with its records in the order of a column; in the opposite one where it has that already."""
    kept = [each for each in q.split("&") if each and not each.startswith(("sort=", "offset="))]
    return "&".join([*kept, f"sort={'-' if _sort(q) == column else ''}{quote(column, safe='')}"])


def _records(value: Any) -> list[dict[str, Any]] | None:
    """The records of a list's reply, whatever its envelope; None for a single object."""
    if isinstance(value, dict):
        lists = [each for each in value.values() if isinstance(each, list)]
        if len(lists) != 1:
            return None
        value = lists[0]
    if not isinstance(value, list):
        return []
    return [each if isinstance(each, dict) else {"": each} for each in value]


def _columns(records: list[dict[str, Any]]) -> list[str]:
    """Names of fields, in the order in which records have them, the id first."""
    names = dict.fromkeys(name for record in records for name in record)
    return sorted(names, key=lambda name: name != "id")[:_COLUMNS]

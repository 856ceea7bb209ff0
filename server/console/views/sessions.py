"""Sessions: what there is, and what operators do with a whole one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
from attrs import frozen

from server.console.operating import document
from server.console.previews import previewed
from server.console.rendering import link
from server.console.visit import Visit, go
from server.operations.call import Archive, Call
from server.planning.dialects.frame.registry import names as dialect_names
from server.values.errors import BadRequest, NotFound, ServiceError
from server.values.model import Reply

if TYPE_CHECKING:
    from server.operations.api import Api

_MOST_SHOWN = 200
_LOG_PAGE = 50
#: Operations of a contract, in one page.
_MOST_OPERATIONS = 500


@frozen
class SessionViews:
    api: Api

    async def listed(self, visit: Visit) -> Reply:
        found = (await self._get("sessions"))["sessions"]
        wanted = visit.asked("name")
        shown = [each for each in found if wanted.casefold() in each["session"].casefold()]
        return visit.page(
            "sessions.html",
            "sessions",
            sessions=shown[:_MOST_SHOWN],
            more=max(len(shown) - _MOST_SHOWN, 0),
            total=len(found),
            name=wanted,
        )

    async def make(self, visit: Visit) -> Reply:
        """A session is there with its first record, so all that is made here is the way to it.

        Raises SessionInvalid.
        """
        name = visit.form.get("session", "").strip()
        await self.api.named(name)
        return go(link("sessions", name))

    async def show(self, visit: Visit) -> Reply:
        return await self._page(visit)

    async def _page(self, visit: Visit, *, status: int = 200, failed: str = "") -> Reply:
        name = visit.segments[1]
        try:
            session = await self._get("sessions", name)
        except NotFound:
            session = {"session": name, "collections": [], "learned": [], "settings": {}}
        contract = (await self._get("sessions", name, "contract"))["contract"]
        return visit.page(
            "session.html",
            "sessions",
            status=status,
            failed=failed,
            session=session,
            name=name,
            dialects=dialect_names(),
            contract=contract,
        )

    async def fork(self, visit: Visit) -> Reply:
        to = visit.form.get("to", "").strip()
        body = {"to": to} | ({"at": visit.form["at"]} if visit.form.get("at") else {})
        return await self._done(visit, "fork", body, link("sessions", to, said="forked"))

    async def reset(self, visit: Visit) -> Reply:
        return await self._done(visit, "reset", None, link("sessions", visit.segments[1], said="reset"))

    async def set_dialect(self, visit: Visit) -> Reply:
        body = {"dialect": visit.form.get("dialect", "")}
        call = Call("PATCH", ("sessions", visit.segments[1], "settings"), body=body)
        return await self._called(visit, call, link("sessions", visit.segments[1], said="saved"))

    async def set_fixed(self, visit: Visit) -> Reply:
        """A clock that stands, and what ids are made from; an empty one is none."""
        body = {name: visit.form.get(name, "").strip() or None for name in ("clock", "seed")}
        call = Call("PATCH", ("sessions", visit.segments[1], "settings"), body=body)
        return await self._called(visit, call, link("sessions", visit.segments[1], said="saved"))

    async def contract(self, visit: Visit) -> Reply:
        return await self._contract_page(visit)

    async def _contract_page(self, visit: Visit, *, status: int = 200, **values: Any) -> Reply:
        found = await self._get("sessions", visit.segments[1], "contract")
        shown = {"checked": None, "typed": "", "title": "", "failed": "", **values}
        return visit.page(
            "contract.html",
            "sessions",
            status=status,
            name=visit.segments[1],
            contract=found["contract"],
            most=_MOST_OPERATIONS,
            **shown,
        )

    async def change_contract(self, visit: Visit) -> Reply:
        """Look at a description, serve it, or serve none."""
        name, form = visit.segments[1], visit.form
        place = ("sessions", name, "contract")
        text, title = form.get("document", ""), form.get("title", "").strip()
        body = {"name": title, "document": text or None}
        calls = {
            "check": Call("POST", (*place, "check"), body=body),
            "serve": Call("PUT", place, body=body if text else {}),
            "none": Call("PUT", place, body={"document": None}),
            "unset": Call("DELETE", place),
        }
        do = form.get("do", "")
        if do not in calls:
            raise BadRequest("What is to be done with the contract?")
        try:
            found = await document(self.api, calls[do])
        except ServiceError as error:
            values = {"failed": error.detail, "typed": text, "title": title}
            return await self._contract_page(visit, status=error.status, **values)
        if do == "check":
            return await self._contract_page(visit, checked=found["contract"], typed=text, title=title)
        return go(link("sessions", name, "contract", said="saved"))

    async def delete(self, visit: Visit) -> Reply:
        """Only with the name typed: it cannot be undone."""
        name = visit.segments[1]
        if visit.form.get("typed") != name:
            failed = "Type the session's name as it is to delete it."
            return await self._page(visit, status=422, failed=failed)
        return await self._called(visit, Call("DELETE", ("sessions", name)), link("sessions", said="deleted"))

    async def log(self, visit: Visit) -> Reply:
        name = visit.segments[1]
        query = {"limit": str(_LOG_PAGE)} | (
            {"before": visit.asked("before")} if visit.asked("before") else {}
        )
        found = await self._get("sessions", name, "log", query=query)
        return visit.page(
            "log.html",
            "sessions",
            name=name,
            versions=found["versions"],
            full=len(found["versions"]) == _LOG_PAGE,
        )

    async def preview(self, visit: Visit) -> Reply:
        """What a rewind would change, before anything is."""
        name, to = visit.segments[1], visit.asked("to")
        call = Call("POST", ("sessions", name, "rewind"), body={"to": to, "dry": True})
        found = await document(self.api, call)
        return visit.page("rewind.html", "sessions", name=name, to=to, **previewed(found["differences"]))

    async def rewind(self, visit: Visit) -> Reply:
        name = visit.segments[1]
        body = {"to": visit.form.get("to", "")}
        return await self._done(visit, "rewind", body, link("sessions", name, said="rewound"))

    async def export(self, visit: Visit) -> Reply:
        answer = await self.api.call(Call("GET", ("sessions", visit.segments[1], "export")))
        assert isinstance(answer, Archive)  # noqa: S101 - that page has no other
        with answer as path:
            data = await asyncio.to_thread(path.read_bytes)
        disposition = f'attachment; filename="{answer.name}"'
        return Reply(200, (("Content-Disposition", disposition),), data, "application/x-tar")

    async def import_(self, visit: Visit) -> Reply:
        """A tar file as export makes it. The answer is for a script: JSON."""
        name = visit.segments[1]
        query = {"replace": visit.asked("replace", "false")}
        try:
            await document(self.api, Call("PUT", ("sessions", name, "import"), query, upload=visit.upload))
        except ServiceError as error:
            return Reply(error.status, (), orjson.dumps({"failed": error.detail}))
        return Reply(200, (), orjson.dumps({"next": link("sessions", name, said="imported")}))

    async def _done(self, visit: Visit, what: str, body: Any, then: str) -> Reply:
        return await self._called(visit, Call("POST", ("sessions", visit.segments[1], what), body=body), then)

    async def _called(self, visit: Visit, call: Call, then: str) -> Reply:
        """A refusal is told on the session's page, where another try is one step away."""
        try:
            await self.api.call(call)
        except ServiceError as error:
            return await self._page(visit, status=error.status, failed=error.detail)
        return go(then)

    async def _get(self, *segments: str, query: dict[str, str] | None = None) -> dict[str, Any]:
        return await document(self.api, Call("GET", segments, query or {}))

"""Routes: what was learned, as a tree; the code behind each, and what is done with it."""

from __future__ import annotations

import difflib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from attrs import frozen

from server.console.operating import document
from server.console.rendering import link
from server.console.visit import Visit, go
from server.operations.call import Call
from server.values.errors import ServiceError

if TYPE_CHECKING:
    from server.console.recent import Recent
    from server.console.tail import Tail
    from server.operations.api import Api
    from server.values.model import Reply

#: Plans in one page of the tree.
_MOST = 500


@frozen
class RouteViews:
    api: Api
    tail: Tail
    recent: Recent

    async def listed(self, visit: Visit) -> Reply:
        session, after = visit.asked("session"), visit.number("after")
        query = {"limit": str(_MOST), "after": str(after)} | ({"session": session} if session else {})
        found = await document(self.api, Call("GET", ("plans",), query))
        learning = await document(self.api, Call("GET", ("learning",)))
        uses = self.tail.uses()
        tree = _tree(found["plans"])
        return visit.page(
            "routes.html",
            "routes",
            tree=tree,
            next=found["next"],
            session=session,
            uses=uses,
            learning=learning,
            served=_served(self.tail),
        )

    async def show(self, visit: Visit) -> Reply:
        return await self._page(visit)

    async def _page(self, visit: Visit, *, status: int = 200, **values: Any) -> Reply:
        plan = await document(self.api, Call("GET", ("plans", visit.segments[1])))
        sessions = [each["session"] for each in plan["learned"]]
        shown: dict[str, Any] = {
            "failed": "",
            "typed": plan["source"] or plan["code"],
            "violations": [],
            "replayed": None,
            "asked": {"session": sessions[0] if sessions else "", "path": plan["route"], "body": ""},
            "diff": [],
            **values,
        }
        shown |= {"changes": _diff, "recent": self.recent.of(plan["id"]), "kept": self.recent.most}
        use = self.tail.uses().get(plan["id"])
        return visit.page(
            "plan.html", "routes", status=status, plan=plan, use=use, sessions=sessions, **shown
        )

    async def edit(self, visit: Visit) -> Reply:
        """Check the code, or have it run; a refusal shows each violation at its line."""
        name, code = visit.segments[1], visit.form.get("code", "")
        check = visit.form.get("do") == "check"
        before = (await document(self.api, Call("GET", ("plans", name))))["code"]
        try:
            found = await document(
                self.api, Call("PUT", ("plans", name, "code"), body={"code": code, "check": check})
            )
        except ServiceError as error:
            violations = error.members.get("violations", [])
            values = {"failed": error.detail, "typed": code, "violations": violations}
            return await self._page(visit, status=error.status, **values)
        if check:
            said = "The policy takes this code." if found["changed"] else "This says the same as before."
            return await self._page(visit, said=said, typed=code, diff=_diff(before, found["code"]))
        return go(link("routes", found["id"], said="edited"))

    async def pin(self, visit: Visit) -> Reply:
        pinned = visit.form.get("pinned") == "true"
        await self.api.call(Call("PUT", ("plans", visit.segments[1], "pin"), body={"pinned": pinned}))
        return go(link("routes", visit.segments[1], said="pinned" if pinned else "unpinned"))

    async def forget(self, visit: Visit) -> Reply:
        query = {"force": "true"} if visit.form.get("force") == "true" else {}
        try:
            await self.api.call(Call("DELETE", ("plans", visit.segments[1]), query))
        except ServiceError as error:
            return await self._page(visit, status=error.status, failed=error.detail)
        return go(link("routes", said="forgotten"))

    async def replay(self, visit: Visit) -> Reply:
        """Run the plan, and other code if some is given, on copies of a session; nothing of it is kept."""
        form = visit.form
        asked = {name: form.get(name, "") for name in ("session", "path", "body")}
        plan = await document(self.api, Call("GET", ("plans", visit.segments[1])))
        body: dict[str, Any] = {"session": asked["session"], "method": plan["method"], "path": asked["path"]}
        if asked["body"]:
            body["body"] = asked["body"]
        if form.get("code", "").strip() and form["code"] != (plan["source"] or plan["code"]):
            body["code"] = form["code"]
        typed = form.get("code") or plan["code"]
        try:
            found = await document(self.api, Call("POST", ("plans", visit.segments[1], "replay"), body=body))
        except ServiceError as error:
            values = {"failed": error.detail, "asked": asked, "typed": typed}
            return await self._page(visit, status=error.status, **values)
        return await self._page(visit, replayed=found, asked=asked, typed=typed)


def _tree(plans: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Plans by the first segment of their routes, then by route and method."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for plan in plans:
        found[plan["route"].lstrip("/").partition("/")[0] or "/"].append(plan)
    return {
        name: sorted(found[name], key=lambda plan: (plan["route"], plan["method"])) for name in sorted(found)
    }


def _served(tail: Tail) -> list[tuple[str, str, str, int]]:
    """(method, route, plan, requests) of what conventions answered lately: routes nobody had to learn."""
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for each in tail.last(1_000, lambda seen: seen.line.plan_source == "conventions"):
        counts[each.line.method, each.line.route, each.line.plan_id] += 1
    return sorted((*key, count) for key, count in counts.items())[:100]


def _diff(before: str, after: str) -> list[str]:
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), "now", "then", lineterm=""))

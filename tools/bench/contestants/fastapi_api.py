"""The API for members, by hand in FastAPI: ``python -m tools.bench.contestants.fastapi_api PORT DATABASE``.

uvicorn with uvloop and httptools, one process; the endpoints are coroutines, which beats threads here.
"""
# Annotations are read by FastAPI when the module is imported: no `from __future__ import annotations`.

import sys
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel

from tools.bench.contestants.members import Members


class NewMember(BaseModel):
    name: str
    email: str
    age: int
    active: bool
    city: str


class Member(NewMember):
    id: int


class Changes(BaseModel):
    name: str | None = None
    email: str | None = None
    age: int | None = None
    active: bool | None = None
    city: str | None = None


class Page(BaseModel):
    limit: int | None
    offset: int
    total: int


class MemberPage(BaseModel):
    items: list[Member]
    page: Page


Session = Annotated[str, Header(alias="X-Session-ID")]


def make_app(members: Members) -> FastAPI:
    app = FastAPI()

    @app.get("/members")
    async def list_members(session: Session, limit: int | None = None, offset: int = 0) -> MemberPage:
        items, total = members.page(session, limit, offset)
        return MemberPage.model_validate(
            {"items": items, "page": {"limit": limit, "offset": offset, "total": total}}
        )

    @app.get("/members/search")
    async def search_members(session: Session, request: Request) -> list[Member]:
        ((field, value),) = request.query_params.items()
        return [Member(**member) for member in members.search(session, field, value)]

    @app.get("/members/{number}")
    async def get_member(session: Session, number: int) -> Member:
        return _found(members.get(session, number))

    @app.post("/members", status_code=201)
    async def create_members(
        session: Session, body: NewMember | list[NewMember], response: Response
    ) -> Member | list[Member]:
        if isinstance(body, list):
            stored = members.insert(session, [each.model_dump() for each in body])
            return [Member(**member) for member in stored]
        (member,) = members.insert(session, [body.model_dump()])
        response.headers["Location"] = f"/members/{member['id']}"
        return Member(**member)

    @app.patch("/members/{number}")
    async def update_member(session: Session, number: int, changes: Changes) -> Member:
        return _found(members.update(session, number, changes.model_dump(exclude_unset=True)))

    return app


def _found(member: dict[str, Any] | None) -> Member:
    if member is None:
        raise HTTPException(404, "no such member")
    return Member(**member)


def main() -> None:
    port, database = sys.argv[1:]
    app = make_app(Members(Path(database)))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()

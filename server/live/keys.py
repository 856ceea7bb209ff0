"""What has to be the same for two requests to have the same answer, as long as the records are the same.

That is what a guest is told of a request, less what its plan does not look at: the plan itself, the values
of the route's slots, the query, the dialect and what it has read, the service's address as the client sees
it, the contract with the operation and who asks, and those members of `ctx` that the policy has seen the plan
read. What of the request decides how the answer is represented (its Accept, say) is none of it: that is done
after it was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from server.planning.planned import Planned
    from server.values.model import Purity, RequestContext

#: Of what a guest is told, what does not come with the bytes of a request but with its connection.
_OF_THE_CONNECTION = ("client",)


def key_of(ctx: RequestContext, planned: Planned) -> bytes | None:
    """None where the answer is not to be remembered."""
    purity = planned.runnable.code.purity
    if purity is None or ctx.method != "GET" or ctx.body_text is not None:
        return None
    members = [_value(ctx, member) for member in purity.members]
    told: tuple[Any, ...] = (
        planned.runnable.id,
        planned.params,
        ctx.query,
        planned.asked,
        ctx.base_url,
        ctx.dialect,
        members,
    )
    if ctx.contract is not None:  # by whose schemas it was judged, and who asks
        told = (*told, ctx.contract.key)
    return orjson.dumps((*told, ctx.segments) if planned.params is None else told)


def is_told_by_bytes(purity: Purity | None) -> bool:
    """Whether all that the answer depends on is in the bytes of its request."""
    return purity is not None and _OF_THE_CONNECTION not in purity.members


def _value(ctx: RequestContext, member: tuple[str, ...]) -> Any:
    match member:
        case ("headers", name):
            return ctx.headers.get(name)
        case ("client",):
            return ctx.client_ip
        case ("session",):
            return ctx.session.id
        case ("identity",):
            return None if ctx.contract is None else ctx.contract.identity
        case ("asked" | "base_url" | "body_json" | "query",):
            return None  # it is there already, or is nothing
        case (name,):
            return getattr(ctx, name)
        case _:
            raise ValueError(member)

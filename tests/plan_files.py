"""Files of plans, as people write them and the service exports them."""

from __future__ import annotations

from typing import Any, Final

#: As the service writes it down.
CODE: Final = "REPLY = make_response(200, store.get(params['id']))"


def item(**more: Any) -> dict[str, Any]:
    """A plan with no more than it needs, and what is given in the place of that or besides."""
    return {"method": "GET", "route": "/members/{id:int}", "resource": "members", "code": CODE, **more}


def document(plans: Any, **more: Any) -> dict[str, Any]:
    """A file's JSON."""
    return {"format": "metaservice plans", "version": 1, "plans": plans, **more}

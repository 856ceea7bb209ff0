"""`/_meta/metrics`: a door beside the operators' own, with a key that opens nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.requests.auth import Authenticator
from server.values.errors import MethodNotAllowed
from server.values.model import Reply

if TYPE_CHECKING:
    from aiohttp import web

    from server.http.handler import Door
    from server.metrics.meter import Meter
    from server.settings.schema import Settings

PATH: Final = "/_meta/metrics"
_ALLOW: Final = ("GET", "HEAD")


class MetricsPage:
    """A `Door` that passes on what is not for it; `tokens` by name, none at all: it is open."""

    def __init__(self, meter: Meter, tokens: dict[str, str], beside: Door | None) -> None:
        self._meter = meter
        self._authenticator = Authenticator(tokens)
        self._beside = beside

    def owns(self, raw_path: str) -> bool:
        return raw_path.startswith("/_meta") and (
            _is_ours(raw_path) or (self._beside is not None and self._beside.owns(raw_path))
        )

    def renew(self, settings: Settings) -> None:
        """Take other tokens. Whether the page is open to all stays as it was."""
        tokens = wanted_tokens(settings)
        if tokens:
            self._authenticator.renew(tokens)

    async def answer(self, request: web.BaseRequest) -> Reply:
        """Raises ServiceError: Unauthorized before anything else is looked at."""
        if self._beside is not None and not _is_ours(request.raw_path):
            return await self._beside.answer(request)
        self._authenticator.authenticate(request.headers)
        if request.method not in _ALLOW:
            raise MethodNotAllowed(_ALLOW, "Metrics can only be read.")
        body, media_type = await self._meter.render(request.headers.get("Accept", ""))
        return Reply(200, (("Vary", "Accept"),), body, media_type)


def _is_ours(raw_path: str) -> bool:
    return raw_path.partition("?")[0] == PATH


def wanted_tokens(settings: Settings) -> dict[str, str] | None:
    """The tokens that open the page; none at all: it is open; None: there is no such page."""
    if settings.metrics.open:
        return {}
    auth = settings.auth
    named = {"admin": auth.admin_token, "metrics": auth.metrics_token}
    return {name: token for name, token in named.items() if token} or None

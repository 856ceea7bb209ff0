"""What `serve --dev` opens, for whoever tries the service on their own machine. Never for a network."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from attrs import evolve

from server.settings.exposure import is_local
from server.settings.reading import SettingsError

if TYPE_CHECKING:
    from server.settings.schema import Settings

#: Pages of any server on this machine, such as a front end's.
LOCAL_ORIGINS: Final = ("http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*")
#: What has been opened, in words for the terminal.
OPENED: Final = (
    "Open for development, to this machine alone: pages on localhost may call the service (CORS), requests "
    "without X-Session-ID share one session, and DELETE of a whole collection is allowed."
)


def opened(settings: Settings, admin_token: str = "") -> Settings:
    """The settings with all of that, and with an admin token if they have none: this one, or one made here.

    Raises SettingsError where the service listens to more than this machine.
    """
    host = settings.server.host
    if not is_local(host):
        raise SettingsError(
            f"--dev is for this machine alone, and server.host is {host}: leave one of them out"
        )
    return evolve(
        settings,
        auth=evolve(
            settings.auth, admin_token=settings.auth.admin_token or admin_token or secrets.token_hex(32)
        ),
        cors=evolve(settings.cors, origins=(*settings.cors.origins, *LOCAL_ORIGINS)),
        sessions=evolve(settings.sessions, anonymous="shared"),
        conventions=evolve(settings.conventions, delete_collections=True),
    )

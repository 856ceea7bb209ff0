"""Limits of requests, as a client meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.service import RunningService
from tools.processes import toml

if TYPE_CHECKING:
    from pathlib import Path


def test_a_session_is_told_what_it_has_left_and_when_to_come_again(tmp_path: Path) -> None:
    """And the others are served meanwhile; the log says whose it was."""
    config = tmp_path / "metaservice.toml"
    config.write_text(
        toml(
            {
                "auth": {"token": "secret-of-the-client"},
                "rates": {"requests_per_session": 2, "requests_per_token": 4, "window_seconds": 3600},
            }
        )
    )
    with RunningService(tmp_path / "data", tmp_path, {"LARS_CONFIG": str(config)}) as service:
        sent = {"Authorization": "Bearer secret-of-the-client"}
        first = service.client("a", **sent).get("/orders")
        assert first.headers["ratelimit-policy"] == '"token";q=4;w=3600, "session";q=2;w=3600'
        assert first.headers["ratelimit"].startswith('"token";r=3;t=')
        assert service.client("a", **sent).get("/orders").status == 200
        refused = service.client("a", **sent).get("/orders")
        assert refused.error[0] == 429
        assert refused.json["type"] == "/_meta/problems/rate-limited"
        assert int(refused.headers["retry-after"]) > 3_000
        assert service.client("a").get("/orders").status == 401
        assert [service.client(name, **sent).get("/orders").status for name in "bcd"] == [200, 200, 429]
        assert '"token_name": "default"' in service.log
        service.stop()


def test_a_token_has_so_many_sessions_and_no_more(tmp_path: Path) -> None:
    """Who has one goes on; one that an operator deletes makes room. A restart forgets none of it."""
    config = tmp_path / "metaservice.toml"
    config.write_text(
        toml(
            {
                "auth": {"admin_token": "operators"},
                "auth.tokens": {"red": "red-token", "blue": "blue-token"},
                "sessions": {"per_token": 2},
            }
        )
    )
    red, blue = ({"Authorization": f"Bearer {name}-token"} for name in ("red", "blue"))
    for life in ("first", "second"):
        with RunningService(tmp_path / "data", tmp_path, {"LARS_CONFIG": str(config)}) as service:
            if life == "first":
                assert service.client("a", **red).post("/orders", {"n": 1}).status == 201
                assert service.client("b", **red).get("/orders").status == 200
            refused = service.client("c", **red).post("/orders", {"n": 1})
            assert refused.error[0] == 403
            assert refused.json["type"] == "/_meta/problems/too-many-sessions"
            assert refused.json["limit"] == 2
            assert "sessions delete" in refused.json["detail"]
            assert service.client("c", **red).get("/_meta/problems/too-many-sessions").status == 200
            stream = {**red, "Accept": "text/event-stream"}
            assert service.client("c", **stream).get("/orders").status == 403
            assert service.client("a", **red).get("/orders/1").json["n"] == 1
            assert service.client("a", **blue).get("/orders/1").json["n"] == 1
            assert service.client("blues", **blue).get("/orders").status == 200
            if life == "second":
                operator = service.client(None, Authorization="Bearer operators")
                assert operator.request("DELETE", "/_meta/sessions/a").status == 200
                assert service.client("d", **red).post("/orders", {"n": 1}).status == 201
                assert service.client("a", **red).get("/orders").status == 403
            service.stop()

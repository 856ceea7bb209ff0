"""The section `live`: event streams."""

from __future__ import annotations

from attrs import frozen

from server.settings.key import setting
from wasm_runtime.limits import MIB


@frozen
class LiveSettings:
    streams: int = setting(
        2_048, "Event streams in all, beside `server.max_connections`", low=0, high=100_000, unit="streams"
    )
    streams_per_session: int = setting(
        128, "Event streams of one session", low=0, high=100_000, unit="streams"
    )
    streams_per_client: int = setting(
        1_024,
        "Event streams of one client: of a token, or where none is needed of an address (IPv6: a /64)",
        low=0,
        high=100_000,
        unit="streams",
    )
    routes_per_stream: int = setting(
        16, "Routes that one event stream carries (`?watch=`)", low=1, high=64, unit="routes"
    )
    min_interval_ms: int = setting(
        100,
        "Least time between two events of a route; what changes meanwhile is one event",
        low=0,
        high=60_000,
    )
    heartbeat_seconds: int = setting(
        15, "Time after which a stream without events sends a comment", low=1, high=3_600
    )
    buffered_bytes: int = setting(
        256 * 1_024,
        "What a stream may leave unread before it is sent more; an event is sent whole",
        low=1_024,
        high=64 * MIB,
    )
    delta_bytes: int = setting(
        64 * MIB,
        "Replies that are kept in all so that the next one can be sent as a patch",
        low=0,
        high=2**40,
    )
    ticket_seconds: int = setting(60, "Time for which a ticket opens event streams", low=1, high=3_600)

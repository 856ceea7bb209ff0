"""What is read of a request, and what is made of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Request:
    """What is read of a request. `params` are the slots' values, `base_url` is without a slash at its end."""

    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str | list[str]]
    body: Any
    content: str
    media_type: str
    base_url: str
    #: Tags of If-Match and If-None-Match; None: none was sent.
    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None


@frozen
class Asked:
    """`values` for the program, and the address of the record that the request is about; "" for none."""

    values: dict[str, Any]
    address: str = ""

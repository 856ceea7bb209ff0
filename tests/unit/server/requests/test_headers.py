from __future__ import annotations

from ipaddress import ip_network

import pytest
from multidict import CIMultiDict

from server.http import request_id
from server.requests.auth import Authenticator, Caller
from server.requests.headers import for_plan
from server.requests.origin import Origin
from server.values.errors import InvalidHeader, Unauthorized

Pairs = list[tuple[str, str]]
TOKENS = {"default": "the-token", "ci": "other-token"}


@pytest.mark.parametrize(
    ("sent", "caller"),
    [
        ([("Authorization", "Bearer the-token")], Caller("default", owns_authorization=False)),
        ([("Authorization", "bearer other-token")], Caller("ci", owns_authorization=False)),
        ([("Authorization", "BEARER  the-token")], Caller("default", owns_authorization=False)),
        ([("X-Service-Token", "the-token")], Caller("default", owns_authorization=True)),
        (
            [("X-Service-Token", "other-token"), ("Authorization", "Bearer of-the-api")],
            Caller("ci", owns_authorization=True),
        ),
    ],
)
def test_a_token_names_its_caller(sent: Pairs, caller: Caller) -> None:
    """The token says who asks; an Authorization header that did not carry it is the API's own."""
    assert Authenticator(TOKENS).authenticate(CIMultiDict(sent)) == caller


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Bearer")],
        [("Authorization", "the-token")],
        [("Authorization", "Basic the-token")],
        [("Authorization", "Bearer the-tokenx")],
        [("Authorization", "Bearer the-toke")],
        [("Authorization", "Bearer the-token other-token")],
        [("Authorization", "Bearer caf\u00e9")],
        [("Authorization", "Bearer caf\udce9")],
        [("Authorization", "Bearer " + "a" * 8_000)],
        [("Authorization", "Bearer the-token"), ("Authorization", "Bearer the-token")],
        [("X-Service-Token", "wrong"), ("Authorization", "Bearer the-token")],
        [("X-Service-Token", "the-token"), ("X-Service-Token", "the-token")],
        [("X-Service-Token", "")],
        [("X_Service_Token", "the-token")],
    ],
)
def test_anything_but_one_right_token_is_401(sent: Pairs) -> None:
    """Also bytes outside ASCII and repeated headers: never a crash, never a choice (T37)."""
    with pytest.raises(Unauthorized) as caught:
        Authenticator(TOKENS).authenticate(CIMultiDict(sent))

    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}


def test_without_tokens_all_are_let_in_and_keep_their_authorization() -> None:
    """An open service asks for nothing; Authorization then belongs to the API."""
    sent = CIMultiDict({"Authorization": "Bearer of-the-api"})

    assert Authenticator({}).authenticate(sent) == Caller(None, owns_authorization=True)


def test_a_plan_sees_listed_headers_only() -> None:
    """Names are lower case, lists are joined; cookies, tokens and the rest stay at the edge (T38)."""
    sent = CIMultiDict(
        [
            ("Accept", "text/html"),
            ("Accept", "application/json"),
            ("If-None-Match", '"a"'),
            ("Authorization", "Bearer x"),
            ("Cookie", "a=b"),
            ("X-Service-Token", "t"),
            ("User-Agent", "curl"),
            ("X-Forwarded-For", "1.2.3.4"),
        ]
    )
    listed = {"accept": "text/html, application/json", "if-none-match": '"a"'}

    assert for_plan(sent, authorization=False) == listed
    assert for_plan(sent, authorization=True) == listed | {"authorization": "Bearer x"}


@pytest.mark.parametrize(
    "sent",
    [
        [("Accept", "caf\u00e9")],
        [("Prefer", "\udce9")],
        [("Authorization", "a"), ("Authorization", "a")],
        [("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
    ],
)
def test_a_header_that_a_plan_cannot_be_given_is_400(sent: Pairs) -> None:
    """Bytes outside printable ASCII, and two values where there is one."""
    with pytest.raises(InvalidHeader):
        for_plan(CIMultiDict(sent), authorization=True)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6", "1.1.1.1:5000"], "1.1.1.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["1.1.1.1, junk, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["[2001:db8::1]:80"], "2001:db8::1"),
        ("", ["1.1.1.1"], ""),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: list[str], client: str) -> None:
    """The client is the last hop that is no proxy of ours; what it wrote before itself counts for nothing."""
    origin = Origin(trusted_proxies=[ip_network("10.0.0.0/8")])

    assert origin.client_ip(peer, CIMultiDict([("X-Forwarded-For", text) for text in forwarded])) == client
    assert Origin().client_ip(peer, CIMultiDict([("X-Forwarded-For", "1.1.1.1")])) == peer


@pytest.mark.parametrize("host", ["x", "example.org:8000", "[::1]:80", "127.0.0.1", "a-b.c"])
def test_base_url_is_the_validated_host(host: str) -> None:
    """Without a public URL the client's own word for us is used, if it is a host."""
    assert Origin().base_url(CIMultiDict({"Host": host})) == f"http://{host}"
    assert (
        Origin(public_url="https://api.example/").base_url(CIMultiDict({"Host": host}))
        == "https://api.example"
    )


@pytest.mark.parametrize(
    "host", ["", "a b", "evil/path", "user@host", "a\udce9", "x:999999", "-a", "a?b", "[zz]"]
)
def test_a_host_that_is_none_is_400(host: str) -> None:
    """What goes into links of a reply cannot be chosen freely."""
    with pytest.raises(InvalidHeader):
        Origin().base_url(CIMultiDict({"Host": host}))


def test_without_a_host_there_is_still_a_base_url() -> None:
    """HTTP/1.0 may leave it out."""
    assert Origin().base_url(CIMultiDict()) == "http://localhost"


@pytest.mark.parametrize("sent", [[], [""], ["a b"], ["x" * 65], ["caf\u00e9"], ["a", "b"], ["a\nb"]])
def test_a_request_id_that_does_not_fit_is_replaced(sent: list[str]) -> None:
    """A bad id costs nobody a request, and gets into no log."""
    made = request_id.of(CIMultiDict([("X-Request-ID", text) for text in sent]))

    assert made not in sent
    assert len(made) == 16


def test_a_request_id_that_fits_is_kept() -> None:
    """The client's id is the one that everybody uses."""
    assert request_id.of(CIMultiDict({"x-request-id": "Order-7.a_b"})) == "Order-7.a_b"

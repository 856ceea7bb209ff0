from __future__ import annotations

import base64
from itertools import combinations

import pytest

from server.live.tickets import Tickets
from server.values.errors import Unauthorized
from server.values.model import Session

SHOP = Session("shop", "0" * 32)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_it_stands_for_its_session() -> None:
    tickets = Tickets(60)
    admitted = tickets.admitted(tickets.mint(SHOP, "app"))

    assert (admitted.session, admitted.token_name) == (SHOP, "app")
    assert tickets.admitted(tickets.mint(SHOP, None)).token_name is None


def test_it_is_good_for_a_while() -> None:
    """To the second, and as often as it is asked."""
    clock = Clock()
    tickets = Tickets(60, clock)
    ticket = tickets.mint(SHOP, "app")
    clock.now += 59.9
    for _ in range(3):
        assert tickets.admitted(ticket).session == SHOP
    clock.now += 0.1
    with pytest.raises(Unauthorized, match="POST /_meta/tickets"):
        tickets.admitted(ticket)


def test_another_key_knows_nothing_of_it() -> None:
    """Another process has another key, and so has this one when its tokens were read again."""
    tickets = Tickets(60)
    ticket = tickets.mint(SHOP, "app")
    with pytest.raises(Unauthorized):
        Tickets(60).admitted(ticket)
    tickets.renew({})
    with pytest.raises(Unauthorized):
        tickets.admitted(ticket)


def test_the_nodes_of_a_cluster_know_each_other_s() -> None:
    """As long as they have the same tokens: with one that was taken back its tickets end, and all others."""
    both = {"ann": "token-of-ann", "bob": "token-of-bob"}
    here, there = (Tickets(60, shared="of the nodes", tokens=both) for _ in range(2))
    ticket = here.mint(SHOP, "ann")
    assert there.admitted(ticket).token_name == "ann"
    there.renew(both)
    assert there.admitted(ticket).session == SHOP

    for tokens in ({"bob": "token-of-bob"}, {**both, "ann": "another"}, {}):
        there.renew(tokens)
        with pytest.raises(Unauthorized):
            there.admitted(ticket)
    with pytest.raises(Unauthorized):
        Tickets(60, shared="of others", tokens=both).admitted(ticket)


def test_what_is_no_ticket() -> None:
    """No bit of it can be another, nothing can be added or left out, and no text crashes it."""
    tickets = Tickets(60)
    ticket = tickets.mint(SHOP, "app")
    raw = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
    wrong = [
        ticket[:-4],
        ticket + "AAAA",
        "",
        "A",
        "AAAAA",
        "\u00e9" * 8,
        "=" * 60,
        "A" * 1_025,
        ticket + "\n",
    ]
    for place in range(len(raw)):
        changed = bytes([*raw[:place], raw[place] ^ 1, *raw[place + 1 :]])
        wrong.append(base64.urlsafe_b64encode(changed).rstrip(b"=").decode())
    for one, other in combinations((tickets.mint(SHOP, "a"), tickets.mint(Session("b", "1" * 32), "a")), 2):
        wrong.append(one[:40] + other[40:])
    for each in wrong:
        with pytest.raises(Unauthorized):
            tickets.admitted(each)


def test_two_are_never_alike() -> None:
    """Those of one session are told apart by their time alone, and need not be."""
    tickets = Tickets(60)

    assert tickets.mint(SHOP, "app") != tickets.mint(SHOP, "other")
    assert tickets.mint(SHOP, "app") != tickets.mint(Session("shop", "1" * 32), "app")

"""Who hears of changes."""

from __future__ import annotations

from server.live.changes import Changes, Touched

A = Touched("a", 1, frozenset({("orders", "1")}), frozenset({"orders"}))


def test_all_hear_of_a_change_before_publish_comes_back() -> None:
    """So what they drop is gone before the write is acknowledged."""
    changes, heard = Changes(), list[tuple[str, Touched]]()
    changes.subscribe(lambda touched: heard.append(("first", touched)))
    changes.subscribe(lambda touched: heard.append(("second", touched)))

    changes.publish(A)

    assert heard == [("first", A), ("second", A)]


def test_who_has_left_hears_nothing_more() -> None:
    """Also one that leaves while it is told, and twice is once."""
    changes, heard = Changes(), list[Touched]()

    def once(touched: Touched) -> None:
        heard.append(touched)
        leave()

    leave = changes.subscribe(once)

    changes.publish(A)
    changes.publish(A)
    leave()

    assert heard == [A]


def test_one_that_fails_costs_the_others_nothing() -> None:
    """An answer that is not dropped would be a lie, whatever a watcher's trouble is."""
    changes, heard = Changes(), list[Touched]()

    def fails(_touched: Touched) -> None:
        raise RuntimeError("a listener's own trouble")

    changes.subscribe(fails)
    changes.subscribe(heard.append)

    changes.publish(A)

    assert heard == [A]

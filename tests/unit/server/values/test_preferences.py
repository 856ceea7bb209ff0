from __future__ import annotations

import pytest

from server.values.preferences import Preferences, preferences

MINIMAL, WHOLE, DRY = Preferences(minimal=True), Preferences(representation=True), Preferences(dry_run=True)


@pytest.mark.parametrize(
    ("header", "wished"),
    [
        ("", Preferences()),
        ("return=minimal", MINIMAL),
        ("return=representation", WHOLE),
        ("tx=rollback", DRY),
        ("RETURN=minimal", MINIMAL),
        ('return="minimal"', MINIMAL),
        (" return = minimal ;x=y ", MINIMAL),
        ("respond-async, wait=10, return=minimal", MINIMAL),
        ("tx=rollback,return=minimal", Preferences(minimal=True, dry_run=True)),
        ("return=minimal, return=representation", MINIMAL),
        ("return=representation, return=minimal", WHOLE),
        ("return=Minimal", Preferences()),
        ("return", Preferences()),
        ("tx=commit", Preferences()),
        ("tx=commit, tx=rollback", Preferences()),
        ("foo; tx=rollback", Preferences()),
        ("=, ;, , tx=rollback", DRY),
        ('"', Preferences()),
        ("code=429", Preferences(code=429)),
        ('code="404", delay=0.5', Preferences(code=404, delay=0.5)),
        ("code=199", Preferences()),
        ("code=600", Preferences()),
        ("code=2000", Preferences()),
        ("delay=2", Preferences(delay=2.0)),
        ("delay=-2", Preferences()),
        ("delay=nan", Preferences()),
        ("delay=1e3", Preferences()),
        ("delay=1234567", Preferences()),
    ],
)
def test_preferences(header: str, wished: Preferences) -> None:
    """RFC 7240 §2: names in any case, values as they are, the first of two, the rest passed over."""
    assert preferences(header) == wished

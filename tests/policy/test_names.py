from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from guest.namespace import BUILTIN_NAMES
from server.planning.policy import (
    ALLOWED_BUILTINS,
    ALLOWED_METHODS,
    GIVEN_NAMES,
    HELPER_NAMES,
    POLICY_VERSION,
    PROTECTED_NAMES,
)
from server.planning.policy import names as lists
from server.planning.policy.hints import ATTRIBUTE_HINTS, FORBIDDEN_HINTS, NAME_HINTS
from server.planning.policy.names import FORBIDDEN_NAMES, PLAIN_NODES

if TYPE_CHECKING:
    import pytest


def test_the_guest_gives_what_the_policy_allows() -> None:
    """
    A builtin that passes the policy is there when the plan runs; `print` is the guest's own.
    """
    assert {*BUILTIN_NAMES, "print"} == ALLOWED_BUILTINS


def test_allowed_builtins_exist() -> None:
    """
    No name is listed that Python does not have.
    """
    assert {name for name in ALLOWED_BUILTINS if not hasattr(builtins, name)} == set()


def test_no_list_contradicts_another() -> None:
    """
    Nothing is both allowed and forbidden, and no name that is given hides a builtin that is listed.
    """
    assert not FORBIDDEN_NAMES & (ALLOWED_BUILTINS | GIVEN_NAMES)
    assert not ALLOWED_BUILTINS & GIVEN_NAMES
    assert not PROTECTED_NAMES & HELPER_NAMES
    assert not any(name.startswith("_") for name in ALLOWED_METHODS | ALLOWED_BUILTINS | GIVEN_NAMES)


def test_allowed_exceptions_cannot_catch_abort() -> None:
    """
    Every exception class that a plan can name is an Exception, which abort() is not.
    """
    classes = [getattr(builtins, name) for name in ALLOWED_BUILTINS]
    raised = [c for c in classes if isinstance(c, type) and issubclass(c, BaseException)]

    assert raised
    assert all(issubclass(c, Exception) for c in raised)


def test_hints_are_for_what_is_refused() -> None:
    """
    A hint that could never be shown is a mistake in a list.
    """
    assert not NAME_HINTS.keys() & (ALLOWED_BUILTINS | GIVEN_NAMES | FORBIDDEN_NAMES)
    assert FORBIDDEN_HINTS.keys() <= FORBIDDEN_NAMES
    assert not ATTRIBUTE_HINTS.keys() & ALLOWED_METHODS


def test_the_version_follows_the_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The version is stable while the rules are, and another one once a revision says that they changed.
    """
    assert lists._version() == POLICY_VERSION

    monkeypatch.setattr(lists, "RULES_REVISION", lists.RULES_REVISION + 1)

    assert lists._version() != POLICY_VERSION


def test_statements_that_bind_or_leave_have_rules_of_their_own() -> None:
    """
    No node that binds a name by text, or jumps, is waved through as plain.
    """
    risky = {"Name", "Attribute", "ExceptHandler", "Import", "FunctionDef", "Lambda", "Global", "Break"}

    assert not PLAIN_NODES & risky

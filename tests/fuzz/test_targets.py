"""The fuzz targets hold of what is tried here and of all that once broke them, and find planted bugs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import strategies as st

from server.planning.codec import PlanInvalid
from server.planning.policy import rules
from store.query import Where, compile_criteria
from tools.fuzz import __main__, engine, target
from tools.fuzz.targets import codec, frames, policy, query, strict_json
from wasm_runtime.frames import Decoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Those that need no guest: 500 inputs each, in a second or two.
QUICK = [name for name in target.NAMES if name != "guest"]
KEPT = [(name, path) for name in target.NAMES for path in target.kept(name)]


@pytest.mark.parametrize("name", QUICK)
def test_it_holds(name: str) -> None:
    """A round of inputs, the same ones each time; long runs are the command line's."""
    runs, broken = engine.search(target.load(name), first_seed=0, seconds=0)

    assert broken is None
    assert runs >= 100


@pytest.mark.parametrize(("name", "path"), KEPT, ids=[f"{name}-{path.stem}" for name, path in KEPT])
def test_what_was_found_holds_now(name: str, path: Path) -> None:
    """Every input that broke something, or that told of a trap, is tried again."""
    target.load(name).hold(target.read(path))


def test_every_kept_input_has_a_target() -> None:
    """A directory of inputs that nobody runs would look like a test."""
    assert {path.name for path in target.FOUND.iterdir()} <= set(target.NAMES)


@pytest.mark.parametrize("name", target.NAMES)
def test_the_first_line_is_the_invariant(name: str) -> None:
    """What `just fuzz` prints of a target is a sentence."""
    invariant = target.load(name).invariant

    assert invariant.endswith(".")
    assert len(invariant) > 40


# --- each target finds the bug that is planted -------------------------------------------------------


def _found(module: Any) -> engine.Broken:
    planted = target.Target("planted", "", module.INPUTS, module.hold)
    _, broken = engine.search(planted, first_seed=0, seconds=20)
    assert broken is not None, "the planted bug was not found"
    return broken


def test_a_name_that_slips_through_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame's attribute on the list of methods is seen by the oracle, which does not ask the policy."""
    monkeypatch.setattr(rules, "ALLOWED_METHODS", rules.ALLOWED_METHODS | {"__class__", "gi_frame"})
    code = "x = (y for y in ctx).gi_frame\nREPLY = make_response(200)"

    with pytest.raises(AssertionError, match="attribute gi_frame"):
        policy.hold(code)
    assert "oracle" in str(_found(policy).error)


def test_a_check_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that takes its time whenever it is asked is over the limit; one that is slow once is not."""
    burns: Iterator[int] = iter([0, 0, 10**7, 0, *[10**7] * 10])
    check = policy.check

    def burning(source: Any) -> Any:
        sum(range(next(burns)))
        return check(source)

    monkeypatch.setattr(policy, "check", burning)
    monkeypatch.setattr(policy, "MOST_SECONDS", 0.030)

    assert policy.accepted("REPLY = 1") == "REPLY = 1"
    assert policy._timed("REPLY = 1") == "REPLY = 1"
    with pytest.raises(AssertionError, match="ms of processor time"):
        policy._timed("REPLY = 1")


def test_a_decoder_that_loses_the_rest_of_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that arrive whole are found, and frames in two pieces are not."""

    class Forgetful(Decoder):
        def feed(self, data: bytes) -> Any:
            self._buffer.clear()
            return super().feed(data)

    monkeypatch.setattr(frames, "Decoder", Forgetful)

    assert _found(frames).value["frames"] or _found(frames).value["noise"]


def test_a_reader_that_takes_the_last_of_two_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library's reader breaks most of the rules."""
    monkeypatch.setattr(strict_json, "read", json.loads)

    _found(strict_json)


def test_a_codec_that_repeats_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model wrote comes back in a reason."""
    decode = codec.decode

    def repeating(text: str, segments: Any) -> Any:
        try:
            return decode(text, segments)
        except PlanInvalid as refused:
            raise PlanInvalid((*refused.reasons, text)) from None

    monkeypatch.setattr(codec, "decode", repeating)

    assert codec.CANARY in _found(codec).value["answer"]


def test_a_codec_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member that is lost on the way."""
    decode = codec.decode
    monkeypatch.setattr(
        codec, "decode", lambda text, segments: evolve(decode(text, segments), route="/{a:text}")
    )

    _found(codec)


def test_a_clients_text_in_the_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    """One key between quotes of its own."""

    def careless(criteria: dict[str, Any], **options: Any) -> Where:
        where = compile_criteria(criteria, **options)
        return Where("".join([where.sql, *(f" OR '{key}' = ''" for key in criteria)]), where.params)

    monkeypatch.setattr(query, "compile_criteria", careless)

    assert _found(query).value["query"]


def test_a_search_that_finds_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """The matcher and the SQL disagree where one of them is wrong."""
    monkeypatch.setattr(query, "matches", lambda record, criteria: "f" not in criteria)

    _found(query)


# --- the machine ----------------------------------------------------------------------------------------


def _odd(value: int) -> None:
    assert value < 1000


def test_a_find_is_small_and_its_seed_finds_it_again() -> None:
    """What is reported is the smallest input; the seed that is named finds it in one round."""
    made = target.Target("odd", "", st.integers(0, 10**6), _odd)
    _, broken = engine.search(made, first_seed=7, seconds=10)
    assert broken is not None
    _, again = engine.search(made, first_seed=broken.seed, seconds=0)

    assert broken.value == 1000
    assert again is not None
    assert (again.seed, again.value) == (broken.seed, 1000)


def test_inputs_are_kept_as_they_are(tmp_path: Path) -> None:
    """Surrogates and bytes too; an input that is kept twice is one file."""
    value = {"answer": "\ud800\x00\xff", "cuts": [1, 2]}
    path = target.keep("odd", value, tmp_path)

    assert target.keep("odd", value, tmp_path) == path
    assert target.read(path) == value
    assert target.kept("odd", tmp_path) == [path]


def test_the_command_line_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A find is kept, and printed with the commands that replay it; the exit status says so."""
    monkeypatch.setattr(target, "FOUND", tmp_path)
    monkeypatch.setattr(target.keep, "__defaults__", (tmp_path,))
    monkeypatch.setattr(strict_json, "read", json.loads)

    assert __main__.main(["strict_json", "--seconds", "20", "--seed", "5"]) == 1
    said = capsys.readouterr().out
    (path,) = tmp_path.glob("strict_json/*.json")
    assert "BROKEN" in said
    assert f"just fuzz strict_json --replay {path}" in said
    with pytest.raises((AssertionError, ValueError, RecursionError)):
        __main__.main(["strict_json", "--replay", str(path)])

    monkeypatch.undo()
    assert __main__.main(["strict_json", "--replay", str(path)]) == 0
    assert __main__.main(["strict_json", "--seconds", "0", "--seed", "5"]) == 0


def test_without_atheris_the_command_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The option that is not installed names what to install."""
    monkeypatch.setitem(__import__("sys").modules, "atheris", None)

    assert __main__.main(["frames", "--guided", "--seconds", "1"]) == 2
    assert "--group fuzz" in capsys.readouterr().err

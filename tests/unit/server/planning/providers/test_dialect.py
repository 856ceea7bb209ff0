"""What servers say when they do not know a parameter, in their own words, and what is done about it."""

from __future__ import annotations

import attrs
import httpx2
import pytest

from server.planning.providers import AnswerUnusable, ProviderDeadline, ProviderDown
from server.planning.providers.connection import AnswerRefused
from server.planning.providers.dialect import Dialect, Format
from server.planning.providers.failures import Failure, of_connection, of_status


def answered(status: int, document: object, **headers: str) -> Failure:
    response = httpx2.Response(
        status, json=document, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    return of_status(response)


def openai_error(message: str) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


STRICT, LOOSE, TEXT = Format.STRICT, Format.LOOSE, Format.TEXT

FORMAT_REFUSALS = [
    (
        "OpenAI",
        400,
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        LOOSE,
    ),
    ("OpenAI's schema check", 400, "Invalid schema for response_format 'plan': In context=(), ...", LOOSE),
    (
        "older llama.cpp",
        500,
        'response_format type must be one of "text" or "json_object", but got: json_schema',
        LOOSE,
    ),
    ("DeepSeek", 400, "This response_format type is unavailable now", LOOSE),
    ("DeepSeek", 422, "response_format.type `json_schema` is unavailable now", LOOSE),
    ("Groq", 400, "This model does not support response format `json_schema`", LOOSE),
    (
        "Aliyun",
        400,
        "'response_format.type' : value is not one of the allowed values ['text','json_object']",
        LOOSE,
    ),
    ("Ollama", 400, 'invalid format: expected "json" or a JSON schema', LOOSE),
    ("Ollama", 500, "error parsing grammar: Undefined rule identifier 'space'", LOOSE),
    ("older OpenAI", 400, "Unrecognized request argument supplied: response_format", TEXT),
]


@pytest.mark.parametrize(("server", "status", "message", "left"), FORMAT_REFUSALS)
def test_strict_schema_refused(server: str, status: int, message: str, left: Format) -> None:
    """Every known way to say that a strict schema is not known leads to the next format."""
    assert Dialect().after(answered(status, openai_error(message))).format is left


@pytest.mark.parametrize(
    "message",
    [
        "'response_format.type' must be 'json_schema' or 'text'",
        "JSON mode is not supported",
        "tool_choice: forced tool use is not supported by this model",
        "Thinking may not be enabled when tool_choice forces tool use.",
    ],
)
def test_loose_format_refused(message: str) -> None:
    """JSON mode or a forced tool refused leads to plain text."""
    assert Dialect(LOOSE).after(answered(400, openai_error(message))).format is TEXT


@pytest.mark.parametrize(
    "document",
    [
        {"error": "temperature is not supported"},  # the ways servers nest it
        {"error": {"message": "`temperature` is deprecated for this model."}},
        {
            "type": "error",
            "error": {"type": "invalid_request_error", "message": "temperature: not permitted"},
        },
        {"object": "error", "message": "Unsupported value: 'temperature' does not support 0 with this model"},
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "temperature"], "msg": "Extra inputs"}]},
    ],
)
def test_temperature_refused(document: object) -> None:
    """A refused temperature is left out, and nothing else changes."""
    assert Dialect().after(answered(400, document)) == Dialect(temperature=False)


@pytest.mark.parametrize(
    "message",
    [
        "Unsupported parameter: 'max_tokens' is not supported with this model.",
        "[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'E', 'input': 64}]",
    ],
)
def test_cap_refused(message: str) -> None:
    """A refused name of the output cap gives way to the other."""
    assert Dialect().after(answered(400, openai_error(message))) == Dialect(other_cap=True)


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (400, openai_error("max_tokens is too large: 4096. This model has at most 2048 completion tokens.")),
        (400, openai_error("This model's maximum context length is 8192 tokens.")),
        (400, {"error": {"type": "invalid_request_error", "message": "invalid params"}}),
        (404, openai_error("The model `a-model` does not exist")),
        (
            422,
            {"detail": [{"loc": ["body"], "msg": "bad", "input": {"temperature": 0, "response_format": 1}}]},
        ),
        (400, openai_error("bad, {'input': {'response_format': 1, 'temperature': 0}}")),
        (400, ["not", "what", "we", "know"]),
        (401, openai_error("response_format temperature")),
        (429, openai_error("response_format temperature")),
        (503, openai_error("response_format temperature")),
    ],
)
def test_other_failures_change_nothing(status: int, document: object) -> None:
    """What does not speak of a parameter, or only quotes our request, is no refusal of one."""
    assert Dialect().after(answered(status, document)) == Dialect()


def test_text_is_the_last_format() -> None:
    """There is nothing below plain text."""
    failure = answered(400, openai_error("response_format json_schema tool"))

    assert Dialect(TEXT).after(failure) == Dialect(TEXT)


def test_calls_at_the_same_time() -> None:
    """Two calls that learned different things are both heeded, and neither steps down twice."""
    first, second = Dialect(LOOSE), Dialect(temperature=False)

    assert first.less(second) == Dialect(LOOSE, temperature=False)
    assert first.less(Dialect(LOOSE)) == first
    assert Dialect().less(Dialect(other_cap=True)).other_cap


class TestFailures:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("2", 2.0),
            ("0.5", 0.5),
            ("999999", 3_600.0),
            ("1e400", None),
            ("soon", None),
            ("2 s", None),
            ("", None),
            ("-5", None),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
            ("Wed, 21 Oct 9999 07:28:00 GMT", 3_600.0),
            ("99999999999999999999999999", 3_600.0),
            ("1" * 400, None),
            ("1_0", 10.0),
        ],
    )
    def test_retry_after(self, text: str, seconds: float | None) -> None:
        """Seconds or a date, at most an hour; nonsense counts as nothing."""
        assert answered(429, {}, retry_after=text).retry_after == seconds

    def test_known_codes_are_told(self) -> None:
        """The operator learns the provider's own code where it is one that we know, and no other word."""
        document = {
            "error": {"message": "Incorrect key sk-1", "type": "canary", "code": "insufficient_quota"}
        }

        assert answered(429, document).reason == (
            "the provider wants to be paid (status 429, insufficient_quota)"
        )

    @pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b'"text"', b"[" * 100_000, b"null"])
    def test_error_bodies_that_are_no_json_object(self, body: bytes) -> None:
        """An error's body may be anything."""
        assert of_status(httpx2.Response(500, content=body)).kind is ProviderDown

    @pytest.mark.parametrize(
        ("cause", "kind", "retry"),
        [
            (httpx2.ConnectTimeout("canary"), ProviderDown, True),
            (httpx2.ReadTimeout("canary"), ProviderDeadline, False),
            (httpx2.ConnectError("canary"), ProviderDown, True),
            (AnswerRefused("too long", 200), ProviderDown, False),
            (AnswerRefused("too long", 502), ProviderDown, False),
            (None, ProviderDown, True),
        ],
    )
    def test_connection(self, cause: Exception | None, kind: type[Exception], retry: bool) -> None:
        """What ended a connection decides what it is, in our own words."""
        failure = of_connection(cause)

        assert (failure.kind, failure.retry) == (kind, retry)
        assert "canary" not in failure.reason

    def test_errors_keep_what_was_asked_and_spent(self) -> None:
        """The error has the wait and the cost."""
        error = Failure(ProviderDown, "why", retry_after=3.0).error(calls=2, tokens=7)

        assert (str(error), error.retry_after, error.calls, error.tokens) == ("why", 3.0, 2, 7)
        assert attrs.asdict(Failure(AnswerUnusable, "why"))["retry"] is False

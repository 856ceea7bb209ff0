# `just` lists the recipes; each works from a fresh clone.
set positional-arguments

_default:
    @just --list --unsorted

# Start the service (first run: builds the sandboxed Python, once).
serve *args:
    uv run metaservice serve "$@"

# Run the tests; arguments go to pytest.
test *args:
    uv run pytest "$@"

# Style and import borders.
lint:
    uv run ruff check .
    uv run ruff format --check .
    uv run lint-imports

# Static types.
types:
    uv run mypy

# Rewrite the code in the project's format.
fmt:
    uv run ruff check --fix-only --exit-zero .
    uv run ruff format .

# Policy, query, shape and wire format: every line and branch has a test.
coverage:
    uv run pytest -q tests/policy tests/unit/store tests/unit/planning/test_shape.py \
        tests/unit/planning/test_route.py tests/unit/wasm_runtime/test_frames.py \
        --cov=server.planning.policy --cov=server.planning.shape --cov=server.planning.route \
        --cov=store.query --cov=wasm_runtime.frames --cov-branch --cov-report=term-missing --cov-fail-under=100

# All that CI runs.
check: lint types coverage browser test

# Write down the versions of all packages as they are installed now.
pin:
    uv lock --upgrade
    uv run python -m tools.pin

# Hurt the service on purpose: kills, hostile plans and requests, histories (`just torture all --short`).
torture *args:
    uv run python -m tools.torture "$@"

# Look for inputs that break a promise (`just fuzz frames --seconds 600`); a find prints how to replay it.
fuzz *args:
    uv run python -m tools.fuzz "$@"

# Try whatever /openapi.json promises for 300 seconds, or as many as given, in each of two tests.
schemathesis *args:
    SCHEMATHESIS_SECONDS="${1:-300}" uv run pytest -q tests/e2e/test_openapi.py -k schemathesis

# /docs and /redoc in a real browser; needs Chromium (`apt-get install chromium`).
browser *args:
    uv run pytest -m browser "$@" tests/browser

# Measure the service against hand-written ones; needs wrk (`apt-get install wrk`). `--quick` takes two minutes.
bench *args:
    uv run python -m tools.bench "$@"

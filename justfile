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

# All that CI runs.
check: lint types test

# Write down the versions of all packages as they are installed now.
pin:
    uv lock --upgrade
    uv run python -m tools.pin

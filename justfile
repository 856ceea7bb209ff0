# `just` lists the recipes; each works from a fresh clone.
set positional-arguments

# Where this is set, each of the hundreds of processes that the tests start compiles all of its modules anew.
export PYTHONDONTWRITEBYTECODE := ''

# With the tools of development, which serving does without.
with_tools := 'uv run --group dev --group api --group bench'
# Whoever is done first takes over from the other, so that both end at the same time.
at_once := '-n 4 --dist worksteal'

_default:
    @just --list --unsorted

# Start the service (first run: builds the sandboxed Python, once).
[no-exit-message]
serve *args:
    uv run metaservice serve "$@"

# Run the tests, four at a time (on two cores: much of their time is waiting); with arguments, which go to pytest, one by one.
test *args:
    {{with_tools}} pytest {{ if args == "" { at_once } else { "" } }} "$@"

# Style and import borders.
lint:
    {{with_tools}} ruff check .
    {{with_tools}} ruff format --check .
    {{with_tools}} lint-imports

# Static types.
types:
    {{with_tools}} mypy

# Rewrite the code in the project's format.
fmt:
    {{with_tools}} ruff check --fix-only --exit-zero .
    {{with_tools}} ruff format .

# Policy, query, shape and wire format: every line and branch has a test.
coverage:
    {{with_tools}} pytest -q {{at_once}} tests/policy tests/unit/store tests/unit/server/planning/kinds/test_shape.py \
        tests/unit/server/planning/kinds/test_route.py tests/unit/wasm_runtime/test_frames.py \
        --cov=server.planning.policy --cov=server.planning.kinds.shape --cov=server.planning.kinds.route \
        --cov=store.query --cov=store.operators --cov=wasm_runtime.frames --cov-branch --cov-report=term-missing --cov-fail-under=100

# All that CI runs.
check: lint types coverage browser test

# Write down the versions of all packages as they are installed now.
pin:
    uv lock --upgrade
    {{with_tools}} python -m tools.pin

# Hurt the service on purpose: kills, hostile plans and requests, histories (`just torture all --short`).
torture *args:
    {{with_tools}} python -m tools.torture "$@"

# Look for inputs that break a promise (`just fuzz frames --seconds 600`); a find prints how to replay it.
fuzz *args:
    {{with_tools}} python -m tools.fuzz "$@"

# Try whatever /openapi.json promises for 300 seconds, or as many as given, in each of two tests; with `--contract FILE` what that document does.
schemathesis *args:
    case "${1:-}" in --*) {{with_tools}} python -m tools.described "$@" ;; \
        *) SCHEMATHESIS_SECONDS="${1:-300}" {{with_tools}} pytest -q tests/e2e/test_openapi.py -k schemathesis ;; esac

# /docs and /redoc in a real browser; needs Chromium (`apt-get install chromium`).
browser *args:
    {{with_tools}} pytest -m browser "$@" tests/browser

# Clients: generated ones, a Postman collection, other tools' and their originals (not with `--short`); needs Node 20.
clients *args:
    {{with_tools}} pytest -q -m clients tests/clients
    {{with_tools}} python -m tools.clients "$@"

# What takes longer than the suite should: three nodes that are hurt, nodes compared, all dialects ejected.
more *args:
    {{with_tools}} pytest -m more "$@"

# The proxies of docs/proxy.md and deploy/, and PgBouncer, for real (`apt-get install nginx-light caddy pgbouncer`).
proxies *args:
    {{with_tools}} pytest -m proxies "$@" tests/proxies

# Measure the service against hand-written ones; needs wrk (`apt-get install wrk`). `--quick` takes two minutes.
bench *args:
    {{with_tools}} python -m tools.bench "$@"

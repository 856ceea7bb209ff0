"""The service under kills, concurrent clients, hostile plans and hostile requests, and what must hold then.

    python -m tools.torture [kill|history|hostile|http|all] [--seed N] [--short] ...

Each part is a bounded run on loopback with a seed, and ends in a `Report`: figures, and violations. The
seed fixes what is done and in which order; when exactly a process is hit is up to the machine, so a
replay makes the same moves, not the same microseconds.
"""

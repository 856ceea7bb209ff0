"""The policy: which plan code may run. Deny by default; the wall behind it is WebAssembly.

1. Text is parsed once; the tree is checked, never the text (NFKC can spell `eval` in many ways).
2. A node with no rule is refused, so whatever a later Python adds is refused too.
3. A name is read only if the code assigns it or the service gives it; `ctx` and its kin are never rebound.
4. An attribute is read only if it is a listed method, and is never assigned or deleted.
5. Nothing in plan code can catch `abort`: a bare `except:` becomes `except Exception:`, and no
   `break` or `continue` leaves a `try` that has a `finally`.
6. REPLY is assigned by a plain assignment statement.
7. Text, nodes, depth and literals are bounded before anything recurses over them.
8. What runs is `ast.unparse` of the checked tree, proved by parsing it again.
9. Whether a plan's replies can be remembered is decided here, too (`purity`), and goes with the checked code.
10. Where the route is known, code reads no slots but the route's, and names that it sets or tests for.

Every violation is reported with its line, in words that say what to write instead: the reader
is a model with one try left.
"""

from server.planning.policy.checker import check
from server.planning.policy.names import (
    ALLOWED_BUILTINS,
    ALLOWED_METHODS,
    GIVEN_NAMES,
    HELPER_NAMES,
    POLICY_VERSION,
    PROTECTED_NAMES,
)
from server.planning.policy.violation import CodeRefused, Violation

__all__ = [
    "ALLOWED_BUILTINS",
    "ALLOWED_METHODS",
    "GIVEN_NAMES",
    "HELPER_NAMES",
    "POLICY_VERSION",
    "PROTECTED_NAMES",
    "CodeRefused",
    "Violation",
    "check",
]

"""The lists of the policy: what plan code may name, call and contain, and the sizes it may have."""

from __future__ import annotations

import hashlib

#: Raised by hand when a rule changes its meaning, so that code learned under the old one is checked again.
RULES_REVISION = 3

#: Bytes of UTF-8. The longest honest snippet of the corpus has 633 characters, 175 nodes, depth 15.
MAX_SOURCE_BYTES = 16 * 1024
MAX_NODES = 4_000
MAX_DEPTH = 40
MAX_INT = 2**63
#: CPython 3.14 compiles the argument of any() and all() twice, so nesting costs powers of two.
MAX_COMPREHENSIONS = 6


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Given by the guest afresh for every request, and never rebound by a plan.
PROTECTED_NAMES = _words("ctx plan params store session_store make_response abort")

#: Given too, but a plan may use these names for its own values.
HELPER_NAMES = _words("""
    as_int as_float as_bool parse_json bearer now today add_time seconds_between uuid4 slugify url_quote
    by re_match hash_secret verify_secret new_token money json_patch merge_patch page_of pick shaped
    envelope fail
""")

GIVEN_NAMES = PROTECTED_NAMES | HELPER_NAMES

#: The guest provides exactly these. None reaches an attribute by a text, a frame, a file or a class.
ALLOWED_BUILTINS = _words("""
    bool int float str list dict tuple set frozenset
    abs all any bin chr divmod enumerate filter format hash hex isinstance iter len map max min next
    oct ord pow print range repr reversed round slice sorted sum zip
    ArithmeticError AssertionError AttributeError Exception IndexError KeyError LookupError MemoryError
    NameError OverflowError RecursionError RuntimeError StopIteration TypeError UnicodeError ValueError
    ZeroDivisionError
""")

#: Not even as the name of a plan's own value: a reader could no longer tell which one is meant.
FORBIDDEN_NAMES = _words("""
    eval exec compile open getattr setattr delattr hasattr globals locals vars dir help exit quit
    breakpoint memoryview object super classmethod staticmethod
    BaseException BaseExceptionGroup ExceptionGroup GeneratorExit SystemExit KeyboardInterrupt
""")

#: Methods of text, lists, dicts, sets and numbers, and the plan's side of the store. What is missing is
#: missing on purpose: `format` and `format_map` read attributes by text, `encode` leads to codecs.
ALLOWED_METHODS = _words("""
    capitalize casefold center count endswith expandtabs find index isalnum isalpha isascii isdecimal
    isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip
    maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split
    splitlines startswith strip swapcase title translate upper zfill

    append clear copy extend insert pop remove reverse sort

    fromkeys get items keys popitem setdefault update values

    add difference difference_update discard intersection intersection_update isdisjoint issubset issuperset
    symmetric_difference symmetric_difference_update union

    as_integer_ratio bit_count bit_length is_integer

    collection collections criteria delete delete_all embed exists expand fields group insert_many links list
    relations schema search singleton upsert vet
""")

#: What of these a store has; for advice alone.
STORE_METHODS = _words("""
    count criteria delete delete_all embed exists expand fields get group insert insert_many links list
    relations replace schema search singleton update upsert vet
""")

#: Nodes with nothing of their own to check; their children are checked.
PLAIN_NODES = _words("""
    Module Expr Assign AugAssign Raise Assert Pass Delete
    BoolOp BinOp UnaryOp Compare Subscript Slice Starred List Tuple Set Dict JoinedStr
    Load Store Del And Or Not Invert UAdd USub
    Add Sub Mult Div FloorDiv Mod Pow LShift RShift BitAnd BitOr BitXor
    Eq NotEq Lt LtE Gt GtE Is IsNot In NotIn
""")

_LISTS = (PROTECTED_NAMES, HELPER_NAMES, ALLOWED_BUILTINS, FORBIDDEN_NAMES, ALLOWED_METHODS, PLAIN_NODES)
_LIMITS = (MAX_SOURCE_BYTES, MAX_NODES, MAX_DEPTH, MAX_INT, MAX_COMPREHENSIONS)


def _version() -> str:
    rules = repr((RULES_REVISION, _LIMITS, [sorted(names) for names in _LISTS]))
    return hashlib.blake2b(rules.encode(), digest_size=6).hexdigest()


#: Changes whenever code might be judged differently; part of the key of a learned plan.
POLICY_VERSION = _version()

#!/usr/bin/env bash
# jsonschema-rs 0.60.3 (PyPI): the format "regex" calls texts regular expressions that its own `pattern` refuses.
#
# Both mean ECMA-262 (JSON Schema 2020-12, validation, sections 6.3.3 and 7.3.8), where both of these are valid: `[^]` is
# any character, and `(?<y>..)\k<y>` a group and a reference to it by name. Who checks a document's patterns by the
# format before compiling the document finds nothing, and then cannot compile it: the error says that the text is not a
# "regex".
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet jsonschema-rs==0.60.3
venv/bin/python - <<'PY'
import jsonschema_rs

FORMAT = jsonschema_rs.validator_for({"format": "regex"}, validate_formats=True)


def compiles(pattern):
    try:
        jsonschema_rs.validator_for({"pattern": pattern})
    except jsonschema_rs.ValidationError as error:
        assert 'is not a "regex"' in str(error), error
        return False
    return True


TEXTS = ("^[^]$", r"^(?<y>\d)\k<y>$", "^a$", "(")
seen = {each: (FORMAT.is_valid(each), compiles(each)) for each in TEXTS}
for pattern, (by_format, by_pattern) in seen.items():
    print(f"{pattern:20} format: {by_format}, pattern: {by_pattern}")
assert list(seen.values()) == [(True, False), (True, False), (True, True), (False, False)], seen
PY

#!/usr/bin/env bash
# jsonschema-rs 0.60.3 (PyPI): in a `pattern`, the dot matches U+2028, U+2029 and a carriage return.
#
# JSON Schema 2020-12, section 6.4, says that patterns are ECMA-262's. There a dot is any character but a line
# terminator, and these three are line terminators as well as the line feed (ECMA-262, "CharacterClassEscape" and
# "LineTerminator"). Here only the line feed is left out, so a one-line field lets through what a browser's own check of
# the same schema refuses.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet jsonschema-rs==0.60.3
venv/bin/python - <<'PY'
import jsonschema_rs

one = jsonschema_rs.validator_for({"type": "string", "pattern": "^.$"})
seen = {f"U+{ord(each):04X}": one.is_valid(each) for each in ("\n", "\r", "\u2028", "\u2029", "a")}
print(seen)
assert seen == {"U+000A": False, "U+000D": True, "U+2028": True, "U+2029": True, "U+0061": True}
PY

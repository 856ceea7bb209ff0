"""The question about a resource schema of a contract: the fixed part, the head of the request, the answer.

What is told of a schema, and what an answer is good for, is `server.contracts.record_rules`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from server.contracts.record_rules.question import ANSWER_SCHEMA
from server.planning.prompt.fixed import digest, unwrapped

RECORDS_SCHEMA: Final = ANSWER_SCHEMA
RECORDS: Final = unwrapped((Path(__file__).parent / "records.md").read_text("utf-8"))
RECORDS_ASKED: Final = "Answer for the records of this schema:"
#: Changes with all that a model is told in our words.
RECORDS_VERSION: Final = digest(RECORDS, RECORDS_ASKED, json.dumps(RECORDS_SCHEMA))

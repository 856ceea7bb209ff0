"""What a model is shown, and nothing else: the whole of it is in the golden files of the tests.

1. The fixed part is the same for every request, so that providers can cache it: `contract.md` with the
   policy's own lists and `reference.md` in it, which a test holds against the real guest; `examples.md`; and
   the house rules. It has a budget in tokens: many servers have little room.
2. The request part is one sentence and one block of JSON, in ASCII: names and types, never a value. Names are
   hostile text; escaped and capped, they cannot leave their quotes.
3. Values are shown only to a caller who passes them, which the setting `planner.values` decides.
4. A complaint about an earlier answer quotes the policy, the codec or the answer's own code, never the text
   of an exception and nothing that a guest could choose.
5. A prompt is never longer than `planner.max_prompt_bytes`: what matters least is left out first.
"""

from server.planning.prompt.complaints import Problem, complaint_for
from server.planning.prompt.fixed import PromptError, read_house_rules, rules_digest
from server.planning.prompt.maker import PromptMaker
from server.planning.prompt.request import values_text

__all__ = [
    "Problem",
    "PromptError",
    "PromptMaker",
    "complaint_for",
    "read_house_rules",
    "rules_digest",
    "values_text",
]

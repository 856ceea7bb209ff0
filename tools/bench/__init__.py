"""How fast is a learned route beside the same endpoint written by hand? Run by `python -m tools.bench`.

Every contestant is started here, all on the same two cores, and measured in alternating rounds, so that
whatever else the machine does meets all alike. A round gives one figure for each; what counts is the median
of the rounds' ratios to hand-written aiohttp, and how far they spread.
"""

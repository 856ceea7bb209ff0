"""Pieces of the programs of plans that keep the rules of records; `server.contracts.programs` has the rest.

Both see the record as it is to be stored: `item`, with what is kept beside it in `own`.
"""

from __future__ import annotations

from typing import Final

#: No two records have these values together. A record that lacks one of them is like no other.
UNIQUE: Final = """\
for paths, taken, folded in hints["unique"]:
    tests = {}
    for path in paths:
        spot = {**item, "@": own}
        for step in path:
            spot = spot.get(step) if isinstance(spot, dict) else None
        if isinstance(spot, (str, int, float)) and spot != "":
            test = ".".join(path)
            if folded and isinstance(spot, str) and "*" not in spot:
                test += "__ilike"
            tests[test] = spot
    if len(tests) == len(paths):
        for other in store.search(tests, limit=2):
            if str(other["id"]) != str(address):
                abort(409, taken)
"""

#: What follows from other properties, as far as these are there; numbers stay within what is exact.
DERIVED: Final = """\
for path, way, sources, extra, whole in hints["derived"]:
    values = []
    for source in sources:
        spot = item
        for step in source:
            spot = spot.get(step) if isinstance(spot, dict) else None
        values.append(spot)
    value, numbers = None, values
    if way == "copy":
        value = values[0]
    elif way == "slug" and isinstance(values[0], str):
        value = slugify(values[0]) or None
    elif way == "lower" and isinstance(values[0], str):
        value = values[0].lower()
    elif way == "join":
        value = extra.join([each for each in values if isinstance(each, str) and each]) or None
    elif way == "count" and isinstance(values[0], list):
        value = len(values[0])
    elif way == "total" and isinstance(values[0], list):
        numbers = []
        for row in values[0]:
            part = 1
            for name in extra:
                number = row.get(name) if isinstance(row, dict) else None
                usable = isinstance(number, (int, float)) and abs(number) < 9e15 and abs(part) < 9e15
                part = part * number if usable else 9e15
            numbers.append(part)
    if way in ("sum", "product", "difference", "total"):
        fine = True
        for each in numbers:
            fine = fine and isinstance(each, (int, float)) and abs(each) < 9e15
        if fine and way == "product":
            value = 1
            for each in numbers:
                value = value * each if abs(value) < 9e15 else value
        elif fine and way == "difference":
            value = numbers[0] - numbers[1]
        elif fine:
            value = sum(numbers)
        if value is not None:
            value = round(value, 6) if abs(value) < 9e15 else None
        if whole and value is not None:
            value = int(value) if value == int(value) else None
    if value is None:
        continue
    spot = item
    for step in path[:-1]:
        spot[step] = dict(spot[step]) if isinstance(spot.get(step), dict) else {}
        spot = spot[step]
    spot[path[-1]] = value
"""

"""What `metaservice contract check` prints, and what operators are told of a contract: as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.contracts.record_rules.question import WRITES

if TYPE_CHECKING:
    from server.contracts.contract import Contract
    from server.contracts.model import Model, Role


def listed(contract: Contract) -> dict[str, Any]:
    """Each operation with its role, each resource with its key, and all that could not be used."""
    document, model = contract.document, contract.model
    operations = [_operation(model.roles[each.id]) for each in document.operations]
    return {
        "name": contract.name,
        "title": document.title,
        "version": document.version,
        "digest": document.digest,
        "base_path": document.base_path,
        "profile": {"name": model.profile.name, "why": model.chosen.why},
        "operations": operations,
        "plain": sum(each["plain"] for each in operations),
        "resources": [
            {
                "collection": each.name,
                "key": list(each.key.path) or None,
                "type": each.key.kind,
                "chosen_by": each.key.given,
                "within": list(each.scoped),
                "made_by": [role.operation.id for role in each.roles if role.name.startswith("create")],
                "rules": contract.compiler.record_rules(each).sentences,
                "paths": ["/".join(model.describe(each)[1:])] if not each.paths else _paths(model, each),
            }
            for each in model.resources
        ],
        "problems": [
            {"file": each.file, "line": each.line, "pointer": each.pointer, "what": each.what}
            for each in document.problems
        ],
        "relaxed": _relaxed(contract),
    }


def _relaxed(contract: Contract) -> list[dict[str, Any]]:
    """What of the schemas is not checked, or not as it stands there, in requests and replies."""
    found: dict[tuple[str, str], list[str]] = {}
    for direction, relaxed in (("request", contract.edge.relaxed), ("reply", contract.judging.relaxed)):
        for each in relaxed:
            found.setdefault((each.pointer, each.what), []).append(direction)
    told = []
    for (pointer, what), directions in found.items():
        file, line = contract.document.place_of(pointer)
        told.append({"file": file, "line": line, "pointer": pointer, "what": what, "in": directions})
    return told


def _paths(model: Model, resource: Any) -> list[str]:
    return [line.strip() for line in model.describe(resource) if line.startswith("  /")]


def _operation(role: Role) -> dict[str, Any]:
    operation = role.operation
    return {
        "id": operation.id,
        "method": operation.method,
        "path": operation.template,
        "role": role.title,
        "plain": role.plain,
        "why": role.why,
        "collection": None if role.resource is None else role.resource.name,
        "status": role.status,
        "pointer": operation.pointer,
    }


def told(contract: Contract, role: Role) -> list[str]:
    """In sentences, for `explain`: what the operation is, and how its records are told apart."""
    operation = role.operation
    said = [
        f"The contract {contract.name} has it: {operation.method} {operation.template} ({operation.pointer})."
    ]
    if not role.plain:
        return [*said, f"It is not plain: {role.why}."]
    said.append(f"By rule it is: {role.title}.")
    if contract.model.profile.tool:
        chosen = contract.model.chosen
        said.append(
            f"The document is in the style of {chosen.profile.tool} ({chosen.profile.name}): {chosen.why}."
        )
    if role.resource is not None:
        key = role.resource.key
        place = ".".join(key.path) or "none of its properties"
        within = f", within {', '.join(role.resource.scoped)}" if role.resource.scoped else ""
        who = "the client or the service" if key.given == "either" else f"the {key.given}"
        said.append(
            f"Its records are in {role.resource.name}; "
            f"the key is {place} ({key.kind}, chosen by {who}){within}."
        )
    if role.resource is not None and role.name in WRITES:
        said += [
            f"Of its records: {each}." for each in contract.compiler.record_rules(role.resource).sentences
        ]
    for scope in role.scopes:
        where = ".".join(scope.path) if scope.path else "beside the record"
        said.append(f"The path's {{{scope.slot}}} is kept in {where}.")
    for parent, slot in role.parents:
        said.append(f"The path's {{{slot}}} has to be one of {parent.name}.")
    query = contract.compiler.compiled(role).query
    if query.asks:
        asks = ", ".join(f"{word} ({ask})" for ask, word in sorted(query.asks.items()))
        said.append(f"In that style it reads {asks}.")
    if query.filters:
        said.append(f"It filters by {', '.join(sorted(query.filters))}.")
    if query.ignored:
        said.append(f"Of its query it passes over {', '.join(query.ignored)}.")
    return said

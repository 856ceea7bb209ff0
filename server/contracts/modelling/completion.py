"""What only all of a resource's roles say: its properties, and whether a list of it is by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from server.contracts.shapes import plain

if TYPE_CHECKING:
    from server.contracts.model import Resource, Role
    from server.contracts.views import Views

_ITEM_REPLIES: Final = frozenset(
    {"get", "list", "create", "get-one", "merge", "replace", "replace-one", "merge-one"}
)


def complete(views: Views, resource: Resource) -> None:
    """All properties that a record may have, and those that only replies have."""
    written: set[str] = set()
    for role in resource.roles:
        bodies = (
            [role.body.item]
            if not role.relation and role.body.kind not in ("none", "scalar") and role.name != "json-patch"
            else []
        )
        replies = (
            [role.reply.item]
            if role.reply.kind not in ("none", "scalar") and role.name in _ITEM_REPLIES
            else []
        )
        for view in (*replies, *bodies):
            for name, node in view.properties.items():
                resource.fields.setdefault(name, node)
        for view in bodies:
            resource.open = resource.open or view.open or view.free
            written |= {
                plain(name) for name, node in view.properties.items()
                if views.of(node).said.get("readOnly") is not True
            }  # fmt: skip
    for name, node in resource.item.properties.items():
        resource.fields.setdefault(name, node)
    resource.open = resource.open or resource.item.open or not resource.fields
    resource.sent = {name: node for name, node in resource.fields.items() if plain(name) not in written}


def without_relations(role: Role) -> Role:
    """A list whose records nothing ever puts below its path is no list by rule."""
    if role.name != "list" or not role.plain or role.resource is None or not role.resource.creatable:
        return role
    makers = [each for each in role.resource.roles if each.name.startswith("create")]
    kept = {scope.name for maker in makers for scope in maker.scopes}
    lost = [scope.slot for scope in role.scopes if not scope.path and scope.name not in kept]
    if not lost:
        return role
    why = f"relation: nothing says which records belong to {{{lost[0]}}}"
    return evolve(role, name="example", plain=False, why=why, said="relation")


def may_make(role: Role) -> bool:
    return role.name in ("replace", "merge") and role.operation.method == "PUT" and (
        role.operation.declares(201) or (role.resource is not None and role.resource.key.given == "client"
        and not any(each.name == "create" for each in role.resource.roles))
    )  # fmt: skip

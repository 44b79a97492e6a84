"""What of a request a policy set can tell from another: the rest need not be asked about again.

A verdict is remembered for all requests that a set cannot tell apart. An integer that no policy
can read is replaced by 0 (POL-15). Policies see an entity's id in two ways only: they name it, in
a string, or compare two entities; so an id that the text does not name is replaced by the number
in which it appears in the request, the same for the same entity (POL-19).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import TypeVar

import msgspec
from msgspec.structs import fields, replace

from synnergy.policy.entities import (
    Entity,
    LedgerEntity,
    LicenceEntity,
    ModelEntity,
    WalletEntity,
    entity_uid,
)
from synnergy.policy.nesting import MAX_INTEGER

E = TypeVar("E", bound=WalletEntity | ModelEntity | LicenceEntity)
ContextValue = bool | int | str | tuple[str, ...]

#: Ids that one request can hold: of a principal, a licence, its model, two publishers, a licensee.
_IDS = 6
_ID_FIELDS = {WalletEntity: "address", ModelEntity: "digest", LicenceEntity: "licence_id"}
_INTEGERS = {
    kind: tuple(field.name for field in fields(kind) if field.type is int) for kind in _ID_FIELDS
}


class Request(msgspec.Struct, frozen=True):
    """May `principal` do `action` to `resource`? The schema says what `context` holds."""

    principal: WalletEntity
    action: str
    resource: Entity
    context: Mapping[str, ContextValue]


class Reader:
    """What a policy set may read: `names`, or None where it may read everything."""

    def __init__(self, names: frozenset[str] | None) -> None:
        self.names = names
        unnamed = (str(number) for number in count() if str(number) not in (names or ()))
        self._labels = tuple(next(unnamed) for _ in range(_IDS))

    def reduce(self, request: Request) -> Request:
        """The request without what cannot be read.

        Raises ValueError for an integer beyond 2^53 and for one id with two contents (POL-11).
        """
        names = self.names
        context: dict[str, ContextValue] = {}
        for name, value in sorted(request.context.items()):
            if type(value) is int:
                if not -MAX_INTEGER <= value <= MAX_INTEGER:
                    raise _beyond(name)
                if names is not None and name not in names:
                    value = 0
            elif isinstance(value, tuple):
                value = tuple(sorted(value))
            context[name] = value
        seen: dict[tuple[type, str], tuple[Entity, str]] = {}
        principal = self._reduce(request.principal, seen)
        resource = request.resource
        if not isinstance(resource, LedgerEntity):
            resource = self._reduce(resource, seen)
        return Request(principal, request.action, resource, context)

    def _reduce(self, entity: E, seen: dict[tuple[type, str], tuple[Entity, str]]) -> E:
        kind = type(entity)
        id_field = _ID_FIELDS[kind]
        own = getattr(entity, id_field)
        if not own.isascii():
            own.encode()  # raises UnicodeEncodeError, a ValueError, for what is no text
        known = seen.get((kind, own))
        if known is None:
            named = self.names is None or own in self.names
            known = seen[kind, own] = (entity, own if named else self._labels[len(seen)])
        elif known[0] != entity:
            uid = entity_uid(entity)
            raise ValueError(f"two different contents of {uid['type']} {uid['id']}")
        changed: dict[str, object] = {id_field: known[1]}
        for name in _INTEGERS[kind]:
            value = getattr(entity, name)
            if type(value) is int:
                if not -MAX_INTEGER <= value <= MAX_INTEGER:
                    raise _beyond(name)
                if self.names is not None and name not in self.names:
                    changed[name] = 0
        if not isinstance(entity, WalletEntity):
            for name in entity.__struct_fields__:
                referred = getattr(entity, name)
                if isinstance(referred, WalletEntity | ModelEntity):
                    changed[name] = self._reduce(referred, seen)
        return replace(entity, **changed)


def _beyond(name: str) -> ValueError:
    return ValueError(f"{name} is outside the integers below 2^53")

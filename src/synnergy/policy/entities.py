"""What a request speaks of: wallets, models, licences, the ledger, as the schema types them.

`schema.cedarschema` says what each attribute means. Values are checked by Cedar against it, when a
request is decided; nothing here coerces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

CedarUid = dict[str, str]
CedarRecord = Mapping[str, object]


class WalletEntity(msgspec.Struct, frozen=True, gc=False):
    """An account as policies see it. An unknown address is one that is not registered."""

    address: str
    registered: bool = False
    frozen: bool = False
    jurisdiction: str = ""
    roles: tuple[str, ...] = ()
    regulator: bool = False
    operator: bool = False
    denials: int = 0
    flags: tuple[str, ...] = ()


class ModelEntity(msgspec.Struct, frozen=True):
    """A published model; `jurisdictions` empty means anywhere."""

    digest: str
    publisher: WalletEntity
    risk: str
    jurisdictions: tuple[str, ...] = ()
    approvals: int = 0
    withdrawn: bool = False
    revoked: bool = False


class LicenceEntity(msgspec.Struct, frozen=True):
    """A licence that was bought."""

    licence_id: str
    model: ModelEntity
    licensee: WalletEntity
    publisher: WalletEntity


class LedgerEntity(msgspec.Struct, frozen=True):
    """The ledger itself, the resource of what concerns no one thing on it."""


Entity = WalletEntity | ModelEntity | LicenceEntity | LedgerEntity


def entity_uid(entity: Entity) -> CedarUid:
    """The entity's name in Cedar: its type and its id."""
    match entity:
        case WalletEntity():
            return {"type": "Wallet", "id": entity.address}
        case ModelEntity():
            return {"type": "Model", "id": entity.digest}
        case LicenceEntity():
            return {"type": "Licence", "id": entity.licence_id}
        case LedgerEntity():
            return {"type": "Ledger", "id": "ledger"}


def entity_attributes(entity: Entity) -> CedarRecord:
    """The entity's attributes in Cedar's JSON, lists sorted, in the order of the schema."""
    match entity:
        case WalletEntity():
            return {
                "registered": entity.registered,
                "frozen": entity.frozen,
                "jurisdiction": entity.jurisdiction,
                "roles": sorted(entity.roles),
                "regulator": entity.regulator,
                "operator": entity.operator,
                "denials": entity.denials,
                "flags": sorted(entity.flags),
            }
        case ModelEntity():
            return {
                "publisher": {"__entity": entity_uid(entity.publisher)},
                "risk": entity.risk,
                "jurisdictions": sorted(entity.jurisdictions),
                "anywhere": not entity.jurisdictions,
                "approvals": entity.approvals,
                "withdrawn": entity.withdrawn,
                "revoked": entity.revoked,
            }
        case LicenceEntity():
            return {
                "model": {"__entity": entity_uid(entity.model)},
                "licensee": {"__entity": entity_uid(entity.licensee)},
                "publisher": {"__entity": entity_uid(entity.publisher)},
            }
        case LedgerEntity():
            return {}


class CedarEntity(NamedTuple):
    """An entity in Cedar's words: its name, and its attributes."""

    uid: CedarUid
    attributes: CedarRecord


def cedar_entities(*entities: Entity) -> list[CedarEntity]:
    """These entities and those they refer to, each once.

    Raises ValueError where one id is given with two different contents.
    """
    known: dict[tuple[str, str], Entity] = {}
    pending = list(reversed(entities))
    while pending:
        entity = pending.pop()
        uid = entity_uid(entity)
        name = (uid["type"], uid["id"])
        if known.setdefault(name, entity) != entity:
            raise ValueError(f"two different contents of {name[0]} {name[1]}")
        pending.extend(_referred(entity))
    return [
        CedarEntity(entity_uid(entity), entity_attributes(entity)) for entity in known.values()
    ]


def _referred(entity: Entity) -> tuple[Entity, ...]:
    match entity:
        case ModelEntity():
            return (entity.publisher,)
        case LicenceEntity():
            return (entity.model, entity.licensee, entity.publisher)
        case _:
            return ()

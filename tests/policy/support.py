"""Wallets, models and contexts that the policy tests share."""

from __future__ import annotations

from synnergy.policy.engine import CompiledSet, ContextValue, Request, Verdict, compile_set, decide
from synnergy.policy.entities import Entity, LedgerEntity, ModelEntity, WalletEntity
from synnergy.policy.texts import DEFAULT_SET

LEDGER = LedgerEntity()
BLOCK = {"height": 7, "time": 1_700_000_000_000, "regulators": 2}
EXTRA: dict[str, dict[str, ContextValue]] = {
    "transfer": {"amount": 25},
    "call": {"amount": 25},
    "buy": {"calls": 10, "periods": 0, "total": 250},
    "register": {"jurisdiction": "DE", "roles": ("consumer",)},
}


def wallet(address: str = "holder", **changes: object) -> WalletEntity:
    """A registered wallet in DE without a role."""
    return WalletEntity(
        **{"address": address, "registered": True, "jurisdiction": "DE", **changes}
    )


PUBLISHER = wallet("publisher", roles=("publisher",))
CONSUMER = wallet("consumer", roles=("consumer",))
REGULATOR = wallet("regulator", regulator=True)
STRANGER = WalletEntity("stranger")


def model(**changes: object) -> ModelEntity:
    """PUBLISHER's approved high-risk model for DE and FR."""
    known = {
        "digest": "c0ffee",
        "publisher": PUBLISHER,
        "risk": "high",
        "jurisdictions": ("DE", "FR"),
        "approvals": 2,
    }
    return ModelEntity(**{**known, **changes})


def request(
    principal: WalletEntity, action: str, resource: Entity, **changes: ContextValue
) -> Request:
    """A request in the context that the schema wants for the action."""
    return Request(principal, action, resource, {**BLOCK, **EXTRA.get(action, {}), **changes})


def compiled(text: str) -> CompiledSet:
    """The set of a text that must be good."""
    result = compile_set(text)
    assert isinstance(result, CompiledSet), result
    return result


def ask(text: str, question: Request) -> Verdict:
    return decide(compiled(text), question)


def policy(condition: str, *, name: str = "a", effect: str = "permit") -> str:
    """One policy over everything, with one condition."""
    return f'@id("{name}") {effect} (principal, action, resource) when {{ {condition} }};'


DEFAULT = compiled(DEFAULT_SET)

"""The policy's view of state: wallets, models and the ledger as Cedar entities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from synnergy.opcodes.context import Context
from synnergy.policy.entities import LedgerEntity, ModelEntity, WalletEntity
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.journal import Journal

Fact = int | str | tuple[str, ...]


class Resource(msgspec.Struct, frozen=True):
    """What an action acts on, and the facts of this very action that policies may use."""

    entity: WalletEntity | ModelEntity | LedgerEntity
    facts: Mapping[str, Fact] = {}


def wallet_entity(journal: Journal, governance: records.Governance, address: str) -> WalletEntity:
    """A wallet as policies see it; an address nobody registered is a wallet too."""
    wallet = records.wallets.load(journal, address)
    denied = records.denials.load(journal, address)
    denials = denied.count if denied is not None else 0
    regulator = address in governance.regulators
    if wallet is None:
        return WalletEntity(address, regulator=regulator, denials=denials)
    registered, frozen = not wallet.deregistered, wallet.frozen
    jurisdiction, roles = wallet.jurisdiction, wallet.roles if registered else ()
    if wallet.deployer is not None:
        # A contract is where its deployer is, and has what roles it has, but never governs; what
        # stops the deployer stops it (CONTRACT-5).
        deployer = records.wallets.load(journal, wallet.deployer)
        jurisdiction, roles = "", ()
        if deployer is not None:
            frozen = frozen or deployer.frozen
            jurisdiction = deployer.jurisdiction
            if deployer.deregistered:
                registered = False
            else:
                roles = tuple(role for role in deployer.roles if role != "regulator")
    return WalletEntity(
        address=address,
        registered=registered,
        frozen=frozen,
        jurisdiction=jurisdiction,
        roles=roles,
        regulator=regulator,
        operator="operator" in roles,
        denials=denials,
        flags=wallet.flags,
    )


def valid_approvals(
    journal: Journal, governance: records.Governance, model: records.Model, time: int
) -> tuple[records.Approval, ...]:
    """Approvals in force at `time`: by present regulators other than the publisher (REG-7)."""
    given = records.approvals.load(journal, model.id)
    if given is None:
        return ()
    gains = who_gains(journal, model)
    return tuple(
        approval
        for approval in given.approvals
        if approval.regulator in governance.regulators
        and approval.regulator not in gains
        and (approval.until == 0 or approval.until > time)
    )


def who_gains(journal: Journal, model: records.Model) -> tuple[str, ...]:
    """The publisher; of a contract also the wallet that answers for it. They approve nothing."""
    publisher = records.wallets.load(journal, model.publisher)
    if publisher is None or publisher.deployer is None:
        return (model.publisher,)
    return (model.publisher, publisher.deployer)


def model_entity(
    journal: Journal, governance: records.Governance, model: records.Model, time: int
) -> ModelEntity:
    """A model as policies see it, with the number of approvals in force."""
    return ModelEntity(
        digest=model.digest.hex(),
        publisher=wallet_entity(journal, governance, model.publisher),
        risk=model.risk,
        jurisdictions=model.jurisdictions,
        approvals=len(valid_approvals(journal, governance, model, time)),
        withdrawn=model.withdrawn,
        revoked=model.revocation is not None,
    )


def load_model(context: Context, model_id: bytes) -> records.Model | Rejected:
    """The model record, or a refusal that names the id."""
    model = records.models.load(context.journal, model_id)
    if model is None:
        return Rejected("MKT-1", "unknown_model", f"no model has the id {model_id.hex()}")
    return model


class NamesWallet(Protocol):
    """An argument block that says which wallet it is about."""

    @property
    def address(self) -> str: ...


def named_wallet(context: Context, arguments: NamesWallet) -> Resource:
    return Resource(wallet_entity(context.journal, context.governance(), arguments.address))


def model_resource(context: Context, model_id: bytes, **facts: Fact) -> Resource | Rejected:
    model = load_model(context, model_id)
    if isinstance(model, Rejected):
        return model
    return Resource(
        model_entity(context.journal, context.governance(), model, context.block.time), facts
    )


class NamesModel(Protocol):
    """An argument block that says which model it is about."""

    @property
    def model(self) -> bytes: ...


def named_model(context: Context, arguments: NamesModel) -> Resource | Rejected:
    return model_resource(context, arguments.model)


def ledger_resource(_context: Context, _arguments: object) -> Resource:
    return Resource(LedgerEntity())

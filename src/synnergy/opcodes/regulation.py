"""REGULATION, by one regulator: registering and freezing wallets (REG-1 … REG-4)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.identity.address import address_of
from synnergy.identity.keys import verify_signature
from synnergy.opcodes.cohorts import join_cohort
from synnergy.opcodes.context import Context
from synnergy.opcodes.entities import Resource, named_wallet, wallet_entity
from synnergy.opcodes.models import Done, model_id
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import (
    Address,
    Digest,
    Jurisdiction,
    PublicKey,
    ShortText,
    Signature,
)

#: A publisher with more models than this cannot be frozen in one transaction's gas.
MAX_PUBLICATIONS = 10_000

GrantedRole = Annotated[records.Role, Meta(description="regulators are named by genesis only")]


class RegistrationStatement(Struct, frozen=True):
    """A wallet's own word that it wants to be registered; `chain_id` "" where not yet known."""

    public_key: PublicKey
    chain_id: ShortText


class Register(Struct, frozen=True):
    """Register the wallet that signed `statement`; a second time changes its registration."""

    statement: RegistrationStatement
    signature: Signature
    jurisdiction: Jurisdiction
    roles: Annotated[tuple[GrantedRole, ...], Meta(max_length=8)]
    attestation: Digest | None


class Registered(Struct, frozen=True):
    address: Address


class Freeze(Struct, frozen=True):
    address: Address
    reason: ShortText


class Unfreeze(Struct, frozen=True):
    address: Address


def statement_bytes(statement: RegistrationStatement) -> bytes:
    """What a wallet signs to be registered (REG-2)."""
    return b"synnergy/sign/registration/1\x00" + encode(statement)


def register_resource(context: Context, arguments: Register) -> Resource:
    address = address_of(arguments.statement.public_key)
    entity = wallet_entity(context.journal, context.governance(), address)
    facts = {"jurisdiction": arguments.jurisdiction, "roles": tuple(arguments.roles)}
    return Resource(entity, facts)


@domain_opcode(
    0x060001,
    "REGULATION_REGISTER",
    action="register",
    args=Register,
    result=Registered,
    resource=register_resource,
    template_only=True,
)
def register(context: Context, arguments: Register) -> Registered | Rejected:
    """Register a wallet with jurisdiction and roles, on its own signed statement."""
    statement = arguments.statement
    if statement.chain_id not in ("", context.block.chain_id):
        return Rejected(
            "REG-2", "wrong_chain", f"the statement is for the chain {statement.chain_id}"
        )
    message = statement_bytes(statement)
    if not verify_signature(statement.public_key, message, arguments.signature):
        return Rejected(
            "REG-2", "bad_statement", "the statement is not signed by the wallet's key"
        )
    if list(arguments.roles) != sorted(set(arguments.roles)):
        return Rejected("REG-3", "bad_roles", "roles must be sorted and unique")
    address = address_of(statement.public_key)
    existing = records.wallets.load(context.journal, address)
    is_regulator = address in context.governance().regulators
    if ("regulator" in arguments.roles) != is_regulator:
        return Rejected(
            "REG-3", "bad_roles", "the role regulator belongs to those whom the chain names, alone"
        )
    if is_regulator and context.sender != address:
        return Rejected(
            "REG-4", "is_regulator", "a regulator's registration is changed by itself alone"
        )
    records.wallets.save(
        context.journal,
        address,
        records.Wallet(
            public_key=statement.public_key,
            jurisdiction=arguments.jurisdiction,
            roles=arguments.roles,
            attestation=arguments.attestation,
            registered_by=context.sender,
            registered_height=context.block.height,
            frozen=existing.frozen if existing else False,
            freeze_reason=existing.freeze_reason if existing else "",
            deregistered=False,
            cohort=existing.cohort if existing else context.block.height,
            deployer=None,
            flags=existing.flags if existing else (),
        ),
    )
    if existing is None:
        join_cohort(context, context.sender, address)
    if records.accounts.load(context.journal, address) is None:
        records.accounts.save(context.journal, address, records.Account(0, 0))
    context.emit(
        "regulation.registered",
        wallet=address,
        jurisdiction=arguments.jurisdiction,
        roles=",".join(arguments.roles),
        by=context.sender,
    )
    return Registered(address)


def freeze_price(context: Context, arguments: Freeze) -> int:
    """One deadline's worth of gas for each model whose licences will be refunded."""
    published = records.publications.scan(
        context.journal, key_prefix=(arguments.address,), limit=MAX_PUBLICATIONS
    )
    return context.schedule.intrinsic["attachment"].gas * len(published)


@domain_opcode(
    0x060002,
    "REGULATION_FREEZE",
    action="freeze",
    args=Freeze,
    result=Done,
    price=freeze_price,
    resource=named_wallet,
    template_only=True,
)
def freeze(context: Context, arguments: Freeze) -> Done | Rejected:
    """Freeze a wallet: it can do nothing but receive; licences of its models are refunded."""
    wallet = records.wallets.load(context.journal, arguments.address)
    if wallet is None:
        return Rejected("REG-4", "unregistered", f"{arguments.address} is not registered")
    if arguments.address in context.governance().regulators:
        return Rejected(
            "REG-4", "is_regulator", "a regulator is replaced by m of n, never frozen by one"
        )
    records.wallets.save(
        context.journal,
        arguments.address,
        msgspec.structs.replace(wallet, frozen=True, freeze_reason=arguments.reason),
    )
    published = records.publications.scan(
        context.journal, key_prefix=(arguments.address,), limit=MAX_PUBLICATIONS
    )
    for (publisher, name, version), _ in published:
        records.closing.save(context.journal, model_id(publisher, name, version), records.Marker())
    context.emit(
        "regulation.frozen",
        wallet=arguments.address,
        by=context.sender,
        reason=arguments.reason,
    )
    return Done()


@domain_opcode(
    0x060003,
    "REGULATION_UNFREEZE",
    action="unfreeze",
    args=Unfreeze,
    result=Done,
    resource=named_wallet,
    template_only=True,
)
def unfreeze(context: Context, arguments: Unfreeze) -> Done | Rejected:
    """Lift a freeze."""
    wallet = records.wallets.load(context.journal, arguments.address)
    if wallet is None or not wallet.frozen:
        return Rejected("REG-4", "not_frozen", f"{arguments.address} is not frozen")
    records.wallets.save(
        context.journal,
        arguments.address,
        msgspec.structs.replace(wallet, frozen=False, freeze_reason=""),
    )
    context.emit("regulation.unfrozen", wallet=arguments.address, by=context.sender)
    return Done()

"""REGULATION, by one regulator: wallets are registered, frozen, given keys (REG-1 … REG-4)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.identity.keys import verify_signature
from synnergy.opcodes.cohorts import join_cohort
from synnergy.opcodes.consensus import load_nodes, node_of
from synnergy.opcodes.context import Context
from synnergy.opcodes.entities import Resource, named_wallet, wallet_entity
from synnergy.opcodes.models import Done, model_id
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.state.keys import is_key_of, is_known, wallet_of
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


class RotationStatement(Struct, frozen=True):
    """A new key's own word that it wants to be the key of the wallet `address`."""

    address: Address
    public_key: PublicKey
    chain_id: ShortText


class RotateKey(Struct, frozen=True):
    """Give a wallet the key that signed `statement`; its old key signs no more."""

    statement: RotationStatement
    signature: Signature


class Deregister(Struct, frozen=True):
    address: Address
    reason: ShortText


def rotation_bytes(statement: RotationStatement) -> bytes:
    """What a key signs to be rotated in (ID-4)."""
    return b"synnergy/sign/rotation/1\x00" + encode(statement)


def statement_bytes(statement: RegistrationStatement) -> bytes:
    """What a wallet signs to be registered (REG-2)."""
    return b"synnergy/sign/registration/1\x00" + encode(statement)


def register_resource(context: Context, arguments: Register) -> Resource:
    address = wallet_of(context.journal, arguments.statement.public_key)
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
    address = wallet_of(context.journal, statement.public_key)
    existing = records.wallets.load(context.journal, address)
    if not is_key_of(statement.public_key, address, existing):
        return Rejected(
            "REG-2", "old_key", f"this key was rotated away; the key of {address} is another now"
        )
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


def closing_price(context: Context, arguments: Freeze | Deregister) -> int:
    """One deadline's worth of gas for each model whose licences will be refunded."""
    published = publications_of(context, arguments.address)
    return context.schedule.intrinsic["attachment"].gas * len(published)


def publications_of(context: Context, address: str) -> list[bytes]:
    """The ids of what an address published."""
    published = records.publications.scan(
        context.journal, key_prefix=(address,), limit=MAX_PUBLICATIONS
    )
    return [model_id(publisher, name, version) for (publisher, name, version), _ in published]


@domain_opcode(
    0x060002,
    "REGULATION_FREEZE",
    action="freeze",
    args=Freeze,
    result=Done,
    price=closing_price,
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
    for model in publications_of(context, arguments.address):
        records.closing.save(context.journal, model, records.Marker())
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


def rotated_wallet(context: Context, arguments: RotateKey) -> Resource:
    address = arguments.statement.address
    return Resource(wallet_entity(context.journal, context.governance(), address))


@domain_opcode(
    0x060008,
    "REGULATION_ROTATE_KEY",
    action="rotate_key",
    args=RotateKey,
    result=Done,
    resource=rotated_wallet,
    template_only=True,
)
def rotate_key(context: Context, arguments: RotateKey) -> Done | Rejected:
    """Give a wallet a new key, on the key's own signed statement; the address stays (ID-3)."""
    statement = arguments.statement
    if statement.chain_id != context.block.chain_id:
        return Rejected(
            "ID-4", "wrong_chain", f"the statement is for the chain {statement.chain_id!r}"
        )
    if not verify_signature(statement.public_key, rotation_bytes(statement), arguments.signature):
        return Rejected("ID-4", "bad_statement", "the statement is not signed by the new key")
    address = statement.address
    wallet = records.wallets.load(context.journal, address)
    if wallet is None or wallet.deregistered:
        return Rejected("REG-9", "unregistered", f"{address} is not registered")
    if wallet.deployer is not None:
        return Rejected("REG-9", "is_contract", f"{address} is a contract, which has no key")
    regulators = context.governance().regulators
    if context.sender != address and (address in regulators or context.sender not in regulators):
        by = "itself alone, a regulator" if address in regulators else "itself or a regulator"
        return Rejected("REG-9", "not_its_own", f"the key of {address} is rotated by {by}")
    if is_known(context.journal, statement.public_key):
        return Rejected(
            "ID-5", "key_in_use", "this key is or was a wallet's; make a new one for the rotation"
        )
    records.keys.save(context.journal, statement.public_key, records.RotatedKey(address))
    records.wallets.save(
        context.journal,
        address,
        msgspec.structs.replace(wallet, public_key=statement.public_key),
    )
    context.emit(
        "regulation.key_rotated",
        wallet=address,
        public_key=statement.public_key,
        by=context.sender,
    )
    return Done()


@domain_opcode(
    0x060009,
    "REGULATION_DEREGISTER",
    action="deregister",
    args=Deregister,
    result=Done,
    price=closing_price,
    resource=named_wallet,
    template_only=True,
)
def deregister(context: Context, arguments: Deregister) -> Done | Rejected:
    """End a registration: the wallet can only receive, its models are sold no more."""
    address = arguments.address
    wallet = records.wallets.load(context.journal, address)
    if wallet is None or wallet.deregistered:
        return Rejected("REG-10", "unregistered", f"{address} is not registered")
    if address in context.governance().regulators:
        return Rejected(
            "REG-10", "is_regulator", "a regulator is replaced by m of n before it is deregistered"
        )
    node = node_of(load_nodes(context.journal), address)
    if node is not None:
        return Rejected(
            "NET-14",
            "operates_validator",
            f"{address} operates the node with the key {node.hex()}, which m of n regulators"
            " remove before its operator is deregistered",
        )
    records.wallets.save(
        context.journal, address, msgspec.structs.replace(wallet, deregistered=True)
    )
    for model in publications_of(context, address):
        records.closing.save(context.journal, model, records.Marker())
        records.offers.remove(context.journal, model)
    context.emit(
        "regulation.deregistered", wallet=address, by=context.sender, reason=arguments.reason
    )
    return Done()

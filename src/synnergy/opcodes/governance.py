"""REGULATION, by m of n regulators: what they govern together, never asking Cedar (REG-5).

A governed verb checks its arguments, then gives `governed` what carries it out:

    def set_limit(context: Context, arguments: SetLimit) -> Agreement | Rejected:
        return governed(context, "REGULATION_SET_LIMIT", arguments, lambda: …)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from synnergy.opcodes.context import Context
from synnergy.opcodes.entities import wallet_entity
from synnergy.policy.check import check_new_set, check_still_changes
from synnergy.policy.digest import policy_digest
from synnergy.policy.entities import WalletEntity
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import Address, Amount, Count, Digest, Height, Text

#: A proposal that isn't agreed on by then is dropped.
PROPOSAL_LIFETIME = 30 * 24 * 3600 * 1000
#: Gas of a transaction of a regulator's that the fee account must be able to pay for.
SPONSORED_GAS = 1_000_000
#: An upgrade is agreed on at least so many blocks before it takes place.
UPGRADE_NOTICE = 100


class Agreement(Struct, frozen=True):
    """How many present regulators gave this verb; at the threshold it is carried out."""

    proposal: Digest
    agreed: Count
    threshold: Count
    carried_out: bool


class SetRegulators(Struct, frozen=True):
    """All who are regulators from now on, sorted, and how many of them must agree."""

    regulators: Annotated[tuple[Address, ...], Meta(min_length=1, max_length=64)]
    threshold: Annotated[int, Meta(ge=1, le=64)]


class SetFees(Struct, frozen=True):
    """The least gas price, and the account that fees go to and that sponsors regulators."""

    minimum_gas_price: Amount
    fee_account: Address


class SetProtocol(Struct, frozen=True):
    """The protocol version from the start of block `height` on, in place of one agreed before.

    The version in force, with height 0, takes back what was agreed before.
    """

    version: Count
    height: Height


class SetPolicy(Struct, frozen=True):
    """The complete text of the next policy set."""

    text: Text


@domain_opcode(
    0x060004,
    "REGULATION_SET_POLICY",
    action=None,
    governance=True,
    args=SetPolicy,
    result=Agreement,
    template_only=True,
)
def set_policy(context: Context, arguments: SetPolicy) -> Agreement | Rejected:
    """Replace the policy set, once m regulators gave the same text (m of n, never Cedar)."""
    governance = context.governance()
    refused = not_a_regulator(context)  # before the text is compiled, which takes long
    if refused is not None:
        return refused
    regulators = [
        wallet_entity(context.journal, governance, address) for address in governance.regulators
    ]
    checked = check_new_set(
        arguments.text,
        regulators,
        governance.threshold,
        height=context.block.height,
        time=context.block.time,
    )
    if isinstance(checked, Rejected):
        return checked

    def carry_out() -> None:
        version = governance.policy_version + 1
        digest = policy_digest(arguments.text)
        records.policies.save(
            context.journal,
            version,
            records.PolicyRecord(version, digest, arguments.text, context.block.height),
        )
        change_governance(context, policy_version=version)
        context.emit("regulation.policy_set", version=version, hash=digest, by=context.sender)

    return governed(context, "REGULATION_SET_POLICY", arguments, carry_out)


def regulators_price(context: Context, arguments: SetRegulators) -> int:
    """A decision of the policy set for each of them, as a verb about one wallet costs."""
    return context.schedule.opcode_gas("REGULATION_UNFREEZE") * len(arguments.regulators)


@domain_opcode(
    0x060005,
    "REGULATION_SET_REGULATORS",
    action=None,
    governance=True,
    args=SetRegulators,
    result=Agreement,
    price=regulators_price,
    template_only=True,
)
def set_regulators(context: Context, arguments: SetRegulators) -> Agreement | Rejected:
    """Say who the regulators are and how many must agree; their roles follow (m of n)."""
    refused = not_a_regulator(context) or _unfit_regulators(context, arguments)
    if refused is not None:
        return refused

    def carry_out() -> None:
        before, after = set(context.governance().regulators), set(arguments.regulators)
        for address in sorted(before ^ after):
            wallet = records.wallets.load(context.journal, address)
            assert wallet is not None
            roles = _roles(wallet, regulator=address in after)
            records.wallets.save(
                context.journal, address, msgspec.structs.replace(wallet, roles=roles)
            )
        change_governance(context, regulators=arguments.regulators, threshold=arguments.threshold)
        context.emit(
            "regulation.regulators_set",
            joined=",".join(sorted(after - before)),
            left=",".join(sorted(before - after)),
            regulators=len(after),
            threshold=arguments.threshold,
            by=context.sender,
        )

    return governed(context, "REGULATION_SET_REGULATORS", arguments, carry_out)


def _unfit_regulators(context: Context, arguments: SetRegulators) -> Rejected | None:
    """Why these cannot be the regulators, naming each of them that cannot (REG-11)."""
    present = context.governance().regulators
    proposed = arguments.regulators
    if list(proposed) != sorted(set(proposed)):
        return Rejected("REG-11", "bad_regulators", "regulators must be sorted and unique")
    if arguments.threshold > len(proposed):
        return Rejected(
            "REG-11",
            "bad_threshold",
            f"{arguments.threshold} regulators would have to agree, but there would be"
            f" {len(proposed)}",
        )
    governance = msgspec.structs.replace(context.governance(), regulators=proposed)
    unfit: list[str] = []
    entities: list[WalletEntity] = []
    for address in proposed:
        wallet = records.wallets.load(context.journal, address)
        if wallet is None or wallet.deregistered:
            unfit.append(f"{address} is not registered")
        elif wallet.frozen:
            unfit.append(f"{address} is frozen")
        elif address not in present and not wallet.public_key:
            unfit.append(f"{address} has no key on the ledger")
        else:
            entity = wallet_entity(context.journal, governance, address)
            roles = _roles(wallet, regulator=True)
            entities.append(msgspec.structs.replace(entity, roles=roles))
    if unfit:
        return Rejected("REG-11", "unfit_regulator", "; ".join(unfit))
    return check_still_changes(
        context.policy,
        entities,
        arguments.threshold,
        height=context.block.height,
        time=context.block.time,
    )


def _roles(wallet: records.Wallet, *, regulator: bool) -> tuple[records.Role, ...]:
    others: list[records.Role] = [role for role in wallet.roles if role != "regulator"]
    return tuple(sorted([*others, "regulator"] if regulator else others))


@domain_opcode(
    0x060006,
    "REGULATION_SET_FEES",
    action=None,
    governance=True,
    args=SetFees,
    result=Agreement,
    template_only=True,
)
def set_fees(context: Context, arguments: SetFees) -> Agreement | Rejected:
    """Set the least gas price and the account that fees go to (m of n)."""
    refused = not_a_regulator(context)
    if refused is not None:
        return refused
    wallet = records.wallets.load(context.journal, arguments.fee_account)
    if wallet is None or wallet.deregistered:
        return Rejected("REG-12", "unregistered", f"{arguments.fee_account} is not registered")
    account = records.accounts.load(context.journal, arguments.fee_account)
    needed = arguments.minimum_gas_price * SPONSORED_GAS
    if account is None or account.balance < needed:
        return Rejected(
            "REG-12",
            "cannot_sponsor",
            f"at this price {arguments.fee_account} needs {needed} to pay for a regulator without"
            f" funds, and has {account.balance if account else 0}; send it what is missing first",
        )

    def carry_out() -> None:
        change_governance(
            context,
            minimum_gas_price=arguments.minimum_gas_price,
            fee_account=arguments.fee_account,
        )
        context.emit(
            "regulation.fees_set",
            minimum_gas_price=arguments.minimum_gas_price,
            fee_account=arguments.fee_account,
            by=context.sender,
        )

    return governed(context, "REGULATION_SET_FEES", arguments, carry_out)


@domain_opcode(
    0x060007,
    "REGULATION_SET_PROTOCOL",
    action=None,
    governance=True,
    args=SetProtocol,
    result=Agreement,
    template_only=True,
)
def set_protocol(context: Context, arguments: SetProtocol) -> Agreement | Rejected:
    """Set the protocol version from a coming block on, or take such an upgrade back (m of n)."""
    refused = not_a_regulator(context) or _unfit_upgrade(context, arguments)
    if refused is not None:
        return refused

    def carry_out() -> None:
        if arguments.height:
            upgrade = records.Upgrade(arguments.version, arguments.height)
            records.upgrade.save(context.journal, records.SINGLE, upgrade)
        else:
            records.upgrade.remove(context.journal, records.SINGLE)
        context.emit(
            "regulation.protocol_set",
            version=arguments.version,
            height=arguments.height,
            by=context.sender,
        )

    return governed(context, "REGULATION_SET_PROTOCOL", arguments, carry_out)


def _unfit_upgrade(context: Context, arguments: SetProtocol) -> Rejected | None:
    """Why this cannot be agreed on; never because of what this node knows (REG-13)."""
    in_force = context.governance().protocol_version
    if arguments.version == in_force and arguments.height == 0:
        if records.upgrade.load(context.journal, records.SINGLE) is None:
            return Rejected("REG-13", "no_upgrade", "no upgrade was agreed on")
        return None
    if arguments.version <= in_force:
        return Rejected(
            "REG-13",
            "old_version",
            f"version {in_force} is in force; an upgrade leads to a later one, and the version in"
            " force with height 0 takes back one that was agreed on",
        )
    earliest = context.block.height + UPGRADE_NOTICE
    if arguments.height < earliest:
        return Rejected(
            "REG-13",
            "too_soon",
            f"nodes need {UPGRADE_NOTICE} blocks of notice: height {earliest} or later, not"
            f" {arguments.height}",
        )
    return None


def governed(
    context: Context, opcode: str, arguments: Struct, carry_out: Callable[[], None]
) -> Agreement | Rejected:
    """Count the sender's yes to this very verb, and carry it out at the threshold (REG-5).

    Only yeses of present regulators count. Whether the arguments can be carried out must have
    been checked before, each time: `carry_out` cannot refuse.
    """
    agreement = agree(context, opcode, encode(arguments))
    if isinstance(agreement, Agreement) and agreement.carried_out:
        carry_out()
    return agreement


def agree(context: Context, opcode: str, arguments: bytes) -> Agreement | Rejected:
    """The sender's yes; where that makes enough, the proposal is removed, to be carried out."""
    governance = context.governance()
    refused = not_a_regulator(context)
    if refused is not None:
        return refused
    identifier = proposal_id(opcode, arguments)
    proposal = records.proposals.load(context.journal, identifier)
    if proposal is None:
        expires = context.block.time + PROPOSAL_LIFETIME
        proposal = records.Proposal(opcode, arguments, (), context.block.height, expires)
    present = set(proposal.regulators) & set(governance.regulators)
    # Who asks again adds nothing, but finds out where the threshold has come down meanwhile.
    if context.sender in present and len(present) < governance.threshold:
        return Rejected(
            "REG-5", "already_agreed", f"{context.sender} gave this verb before; others must"
        )
    agreed = tuple(sorted(present | {context.sender}))
    deadline = (proposal.expires, "proposal", identifier)
    carried_out = len(agreed) >= governance.threshold
    if carried_out:
        records.proposals.remove(context.journal, identifier)
        records.deadlines.remove(context.journal, deadline)
    else:
        records.proposals.save(
            context.journal, identifier, msgspec.structs.replace(proposal, regulators=agreed)
        )
        records.deadlines.save(context.journal, deadline, records.Marker())
    context.emit(
        "regulation.agreed",
        opcode=opcode,
        proposal=identifier,
        by=context.sender,
        agreed=len(agreed),
        threshold=governance.threshold,
    )
    return Agreement(identifier, len(agreed), governance.threshold, carried_out)


def proposal_id(opcode: str, arguments: bytes) -> bytes:
    """Under which the same verb with the same arguments is one proposal, whoever gave it."""
    return hashlib.sha256(f"synnergy/proposal/1\x00{opcode}\x00".encode() + arguments).digest()


def change_governance(context: Context, **changes: object) -> None:
    """Save the governance record with these fields replaced."""
    changed = msgspec.structs.replace(context.governance(), **changes)
    records.governance.save(context.journal, records.SINGLE, changed)


def not_a_regulator(context: Context) -> Rejected | None:
    """A refusal unless the sender is one of the chain's regulators."""
    if context.sender in context.governance().regulators:
        return None
    return Rejected(
        "REG-5", "not_a_regulator", f"{context.sender} is not one of the chain's regulators"
    )

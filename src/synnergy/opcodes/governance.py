"""REGULATION, by m of n regulators: what they govern together, never asking Cedar (REG-5).

A governed verb checks its arguments, then gives `governed` what carries it out:

    def set_limit(context: Context, arguments: SetLimit) -> Agreement | Rejected:
        return governed(context, "REGULATION_SET_LIMIT", arguments, lambda: …)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from synnergy.opcodes.context import Context
from synnergy.opcodes.entities import wallet_entity
from synnergy.policy.check import check_new_set
from synnergy.policy.digest import policy_digest
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm.catalogue import domain_opcode
from synnergy.wire.codec import Struct, encode
from synnergy.wire.types import Count, Digest, Text

#: A proposal that isn't agreed on by then is dropped.
PROPOSAL_LIFETIME = 30 * 24 * 3600 * 1000


class Agreement(Struct, frozen=True):
    """How many present regulators gave this verb; at the threshold it is carried out."""

    proposal: Digest
    agreed: Count
    threshold: Count
    carried_out: bool


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

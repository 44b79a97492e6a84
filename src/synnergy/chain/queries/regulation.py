"""The policy set in force, what it would say to an action, and what waits for m of n."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from synnergy.chain.application import Application
from synnergy.chain.queries.moment import Moment
from synnergy.identity.address import is_address
from synnergy.opcodes.entities import Fact, Resource, model_entity, wallet_entity
from synnergy.policy.engine import Request, decide
from synnergy.policy.entities import LedgerEntity
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.vm import catalogue
from synnergy.vm.domain import DomainOpcode
from synnergy.wire.codec import Struct, decode
from synnergy.wire.transaction import MAX_DATA_BYTES
from synnergy.wire.types import Address, Count, Digest, Height, ShortText, Time

#: How a resource that isn't an address is written.
LEDGER = "ledger"
_MODEL = re.compile(r"[0-9a-f]{40}")


class PolicyView(Struct, frozen=True):
    """The policy set in force since `height`."""

    version: Count
    hash: Digest
    text: str
    height: Height


class PolicyCheckView(Struct, frozen=True):
    """What the policy set would say in the next block, and the policies it follows from."""

    allowed: bool
    determining: tuple[ShortText, ...]
    message: str
    policy_version: Count


class ProposalView(Struct, frozen=True):
    """A governed verb that waits for `threshold` regulators to give the same one.

    `data` is its argument block; `agreed` counts those of `regulators` who still are regulators.
    """

    id: Digest
    opcode: ShortText
    arguments: Any
    data: bytes
    regulators: tuple[Address, ...]
    agreed: Count
    threshold: Count
    height: Height
    expires: Time


class ProposalsView(Struct, frozen=True):
    proposals: tuple[ProposalView, ...]


def policy_view(moment: Moment) -> PolicyView:
    record = records.policies.load(moment.state, moment.governance.policy_version)
    if record is None:
        raise LookupError("the policy set in force is missing")
    return PolicyView(record.version, record.hash, record.text, record.height)


def check_policy(
    moment: Moment, application: Application, who: str, action: str, resource: str
) -> PolicyCheckView | Rejected:
    """What the set says to `who` doing `action` to a wallet, a model's id, or the ledger.

    An action that carries facts of its own is asked with the least of them: an amount of 0, one
    call at the price on offer, the registration that a wallet has.
    """
    known = sorted({opcode.action for opcode in catalogue.domain() if opcode.action is not None})
    if action not in known:
        return Rejected(
            "API-2",
            "unknown_action",
            f"no action is called {action}; there are {', '.join(known)}",
        )
    if not is_address(who):
        return Rejected("ID-2", "bad_address", f"{who} is not a valid address")
    target = _resource(moment, resource)
    if isinstance(target, Rejected):
        return target
    verdict = decide(
        application.policy_in(moment.state),
        Request(
            principal=wallet_entity(moment.state, moment.governance, who),
            action=action,
            resource=target.entity,
            context={
                "height": moment.header.height + 1,
                "time": moment.header.time,
                "regulators": len(moment.governance.regulators),
                **_facts(moment, action, resource),
            },
        ),
    )
    return PolicyCheckView(
        verdict.allowed, verdict.determining, verdict.message, moment.governance.policy_version
    )


def _resource(moment: Moment, resource: str) -> Resource | Rejected:
    if resource == LEDGER:
        return Resource(LedgerEntity())
    if _MODEL.fullmatch(resource):
        model = records.models.load(moment.state, bytes.fromhex(resource))
        if model is None:
            return Rejected("MKT-1", "unknown_model", f"no model has the id {resource}")
        return Resource(model_entity(moment.state, moment.governance, model, moment.header.time))
    if is_address(resource):
        return Resource(wallet_entity(moment.state, moment.governance, resource))
    return Rejected(
        "API-2",
        "bad_resource",
        f"{resource} is none of an address, a model's id (40 hex digits) and `{LEDGER}`",
    )


def _facts(moment: Moment, action: str, resource: str) -> Mapping[str, Fact]:
    match action:
        case "transfer":
            return {"amount": 0}
        case "buy" if _MODEL.fullmatch(resource):
            offer = records.offers.load(moment.state, bytes.fromhex(resource))
            if offer is not None and offer.period > 0:
                return {"calls": 0, "periods": 1, "total": offer.price_per_period}
            return {"calls": 1, "periods": 0, "total": offer.price_per_call if offer else 0}
        case "register":
            wallet = records.wallets.load(moment.state, resource) if is_address(resource) else None
            return {
                "jurisdiction": wallet.jurisdiction if wallet else "",
                "roles": wallet.roles if wallet else (),
            }
        case _:
            return {}


def proposals_view(moment: Moment) -> ProposalsView:
    """What waits, at most one for each regulator and verb text; they expire after 30 days."""
    found = records.proposals.scan(moment.state)
    return ProposalsView(
        tuple(_proposal(moment, identifier, proposal) for identifier, proposal in found)
    )


def proposal_view(moment: Moment, identifier: bytes) -> ProposalView | None:
    """What waits under this id, None where nothing does."""
    proposal = records.proposals.load(moment.state, identifier)
    return _proposal(moment, identifier, proposal) if proposal is not None else None


def _proposal(moment: Moment, identifier: bytes, proposal: records.Proposal) -> ProposalView:
    opcode = catalogue.by_name(proposal.opcode)
    arguments = (
        decode(proposal.arguments, opcode.args, MAX_DATA_BYTES)
        if isinstance(opcode, DomainOpcode)
        else None
    )
    return ProposalView(
        id=identifier,
        opcode=proposal.opcode,
        arguments=None if isinstance(arguments, Rejected) else arguments,
        data=proposal.arguments,
        regulators=proposal.regulators,
        agreed=len(set(proposal.regulators) & set(moment.governance.regulators)),
        threshold=moment.governance.threshold,
        height=proposal.height,
        expires=proposal.expires,
    )

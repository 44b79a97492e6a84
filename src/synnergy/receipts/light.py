"""Light verification: from the validators of a genesis to a header that they stand behind.

Nothing but the genesis is believed. A commit counts by the power of those who signed it (RCPT-9);
where the set changes, the old one has signed a header that names the new one (RCPT-10).
"""

from __future__ import annotations

from dataclasses import dataclass

from synnergy.identity.keys import verify_signature
from synnergy.receipts.comet import (
    Committed,
    LightHeader,
    ValidatorPower,
    block_of,
    in_order,
    validators_hash,
    vote_bytes,
)
from synnergy.rejected import Rejected
from synnergy.wire.codec import Struct


class LightProof(Struct, frozen=True, tag="network"):
    """A committed header, `last`, and in `steps` those before it that changed the validators."""

    steps: tuple[Committed, ...]
    last: Committed


@dataclass(frozen=True, slots=True)
class Signers:
    """How many of a set's validators signed a header, and with how much of its power."""

    signed: int
    validators: int
    signed_power: int
    power: int


def trusted_validators(genesis: tuple[ValidatorPower, ...]) -> bytes:
    """The hash of the set that votes from the first height on, where light verification begins."""
    return validators_hash(in_order(genesis))


def check_light(proof: LightProof, chain_id: str, trusted: bytes) -> LightHeader | Rejected:
    """The header that `proof` leads to from the `trusted_validators` of its chain, or why not."""
    height = 0
    for step in proof.steps:
        header = step.signed.header
        refused = check_commit(step, chain_id, trusted) or _check_order(header, height)
        if refused is not None:
            return refused
        if header.next_validators == header.validators:
            return Rejected(
                "RCPT-10", "bad_steps", f"header {header.height} changes no validators: no step"
            )
        trusted, height = header.next_validators, header.height
    header = proof.last.signed.header
    return check_commit(proof.last, chain_id, trusted) or _check_order(header, height) or header


def check_commit(committed: Committed, chain_id: str, trusted: bytes) -> Rejected | None:
    """Whether the set with the hash `trusted` committed this header of this chain (RCPT-9).

    Every signature that is carried must hold, needed or not.
    """
    header, validators = committed.signed.header, committed.validators
    if header.chain_id != chain_id:
        return Rejected(
            "RCPT-9",
            "untrusted_root",
            f"header {header.height} is of chain {header.chain_id}, the trusted one is {chain_id}",
        )
    if not header.validators == validators_hash(validators) == trusted:
        return Rejected(
            "RCPT-9",
            "wrong_validators",
            f"the validators of header {header.height} are not those that the genesis, or the"
            " change before it, names",
        )
    refused = _check_signatures(committed)
    if refused is not None:
        return refused
    signers = signers_of(committed)
    if 3 * signers.signed_power <= 2 * signers.power:
        return Rejected(
            "RCPT-9",
            "too_little_power",
            f"validators with {signers.signed_power} of {signers.power} votes signed header"
            f" {header.height}; more than two thirds must",
        )
    return None


def signers_of(committed: Committed) -> Signers:
    """Who signed; nothing is verified but that there are such validators."""
    powers = [one.power for one in committed.validators]
    votes = {vote.validator for vote in committed.signed.signatures}
    signed = [power for number, power in enumerate(powers) if number in votes]
    return Signers(len(signed), len(powers), sum(signed), sum(powers))


def _check_signatures(committed: Committed) -> Rejected | None:
    """Whether each vote is its validator's own, for this very block, and none is there twice."""
    signed, validators = committed.signed, committed.validators
    block, height, previous = block_of(signed), signed.header.height, -1
    for vote in signed.signatures:
        if not previous < vote.validator < len(validators):
            return Rejected(
                "RCPT-9",
                "bad_commit",
                f"header {height} has a signature of validator {vote.validator} behind that of"
                f" {previous}; the {len(validators)} validators sign in order",
            )
        voter = validators[vote.validator].public_key
        if not verify_signature(voter, vote_bytes(signed, block, vote.time), vote.signature):
            return Rejected(
                "RCPT-9",
                "bad_commit",
                f"the signature of validator {vote.validator} is not over header {height}",
            )
        previous = vote.validator
    return None


def _check_order(header: LightHeader, before: int) -> Rejected | None:
    """Whether a header comes behind the change at height `before`."""
    if header.height > before:
        return None
    return Rejected(
        "RCPT-10",
        "bad_steps",
        f"header {header.height} does not come behind the change of validators at {before}",
    )

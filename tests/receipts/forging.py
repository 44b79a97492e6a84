"""Validators whose keys the tests have, and the commits they sign, honest or not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from synnergy.identity.keys import KeyPair
from synnergy.receipts.comet import (
    BlockId,
    CommitSignature,
    Committed,
    LightHeader,
    SignedHeader,
    Timestamp,
    ValidatorPower,
    block_of,
    consensus_address,
    in_order,
    validators_hash,
    vote_bytes,
)
from tests.ledger import harness

CHAIN = "light-" + "0" * 32
Powers = dict[str, int]


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def key(name: str) -> KeyPair:
    return harness.key(f"validator {name}")


def validators(powers: Powers) -> tuple[ValidatorPower, ...]:
    """A set in order, from the powers of its validators by name."""
    return in_order(
        tuple(ValidatorPower(key(name).public_key, power) for name, power in powers.items())
    )


def header(height: int, powers: Powers, following: Powers | None = None, **changes: object):
    """A header at `height` of the set `powers`, followed by the set `following` (the same)."""
    made = LightHeader(
        block_version=11,
        app_version=1,
        chain_id=CHAIN,
        height=height,
        time=Timestamp(1_700_000_000 + height, 5),
        last_block=BlockId(digest(f"block {height - 1}"), 1, digest("parts")),
        last_commit=digest("last commit"),
        data=digest("data"),
        validators=validators_hash(validators(powers)),
        next_validators=validators_hash(validators(powers if following is None else following)),
        consensus=digest("consensus"),
        app_hash=digest(f"state {height - 1}"),
        last_results=digest("results"),
        evidence=digest("evidence"),
        proposer=consensus_address(validators(powers)[0].public_key),
    )
    return msgspec.structs.replace(made, **changes)


def commit(
    head: LightHeader, powers: Powers, signing: Sequence[str] | None = None, round: int = 0
) -> Committed:
    """`head`, signed by those named (all) of the set `powers`, in the set's order."""
    order = validators(powers)
    unsigned = SignedHeader(head, round, 1, digest("parts"), ())
    votes: list[CommitSignature] = []
    for name in powers if signing is None else signing:
        number = [one.public_key for one in order].index(key(name).public_key)
        time = Timestamp(head.time.seconds + 1, number)
        message = vote_bytes(unsigned, block_of(unsigned), time)
        votes.append(CommitSignature(number, time, key(name).sign(message)))
    votes.sort(key=lambda vote: vote.validator)
    return Committed(msgspec.structs.replace(unsigned, signatures=tuple(votes)), order)

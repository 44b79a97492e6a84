"""Validators whose keys the tests have, and the commits they sign, honest or not."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from synnergy.chain.genesis import Genesis, GenesisValidator
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


def network(powers: Powers, endpoints: Sequence[str] = ()) -> Genesis:
    """The test ledger's genesis with these validators, whose operators are its wallets."""
    operators = (harness.OPERATOR, harness.PUBLISHER, harness.CONSUMER, harness.REGULATOR)
    nodes = tuple(
        GenesisValidator(
            key(name).public_key.hex(),
            power,
            operators[number].address,
            digest(name).hex()[:40],
            endpoints[number] if number < len(endpoints) else "",
        )
        for number, (name, power) in enumerate(powers.items())
    )
    return harness.genesis(signer="", validators=nodes)


def rfc3339(time: Timestamp) -> str:
    second = datetime.fromtimestamp(time.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{second}.{time.nanos:09}".rstrip("0").rstrip(".") + "Z"


def commit_json(made: Committed) -> dict[str, Any]:
    """What CometBFT's /commit says of it; the votes of those who didn't sign are absent."""
    signed, head = made.signed, made.signed.header
    votes = {vote.validator: vote for vote in signed.signatures}

    def block_json(block: BlockId) -> dict[str, Any]:
        parts = {"total": block.parts, "hash": block.parts_hash.hex().upper()}
        return {"hash": block.hash.hex().upper(), "parts": parts}

    def vote_json(number: int) -> dict[str, Any]:
        if number not in votes:
            return {
                "block_id_flag": 1,
                "validator_address": "",
                "timestamp": "0001-01-01T00:00:00Z",
                "signature": None,
            }
        return {
            "block_id_flag": 2,
            "validator_address": consensus_address(made.validators[number].public_key).hex(),
            "timestamp": rfc3339(votes[number].time),
            "signature": base64.b64encode(votes[number].signature).decode(),
        }

    header_json = {
        "version": {"block": str(head.block_version), "app": str(head.app_version)},
        "chain_id": head.chain_id,
        "height": str(head.height),
        "time": rfc3339(head.time),
        "last_block_id": block_json(head.last_block),
        "proposer_address": head.proposer.hex().upper(),
        "app_hash": head.app_hash.hex().upper(),
    }
    for name in ("last_commit", "data", "validators", "next_validators", "consensus"):
        header_json[f"{name}_hash"] = getattr(head, name).hex().upper()
    for name in ("last_results", "evidence"):
        header_json[f"{name}_hash"] = getattr(head, name).hex().upper()
    commit_json = {
        "height": str(head.height),
        "round": signed.round,
        "block_id": block_json(block_of(signed)),
        "signatures": [vote_json(number) for number in range(len(made.validators))],
    }
    return {"signed_header": {"header": header_json, "commit": commit_json}, "canonical": True}


def validators_json(made: Committed) -> list[dict[str, Any]]:
    return [
        {
            "address": consensus_address(one.public_key).hex().upper(),
            "pub_key": {
                "type": "tendermint/PubKeyEd25519",
                "value": base64.b64encode(one.public_key).decode(),
            },
            "voting_power": str(one.power),
        }
        for one in made.validators
    ]

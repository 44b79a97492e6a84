"""Having payloads erased: what an id means, whose it is, and what became of it (ERASE-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from synnergy.client.api import Node
from synnergy.client.failures import ClientError, refused
from synnergy.client.payloads import fetch_payload
from synnergy.identity.keys import KeyPair
from synnergy.receipts.receipt import Receipt
from synnergy.receipts.verify import read_receipt
from synnergy.rejected import Rejected

Standing = Literal["here", "erased", "chunk", "unknown", "not_a_party"]
#: What the engine's block store keeps of a payload: nothing, or a copy with or without an end.
EngineCopy = Literal["none", "until", "kept"]
#: What the engine that keeps none is called.
SOLO = "solo"


@dataclass(frozen=True, slots=True)
class Target:
    """A payload, and what it is of the call or transaction that was named."""

    commitment: bytes
    what: str


@dataclass(frozen=True, slots=True)
class Found:
    """How a target stands with a node and a wallet; `said` are the node's words where not here."""

    target: Target
    standing: Standing
    size: int = 0
    said: str = ""


@dataclass(frozen=True, slots=True)
class EngineCopies:
    """What the engines of a chain keep of what was erased now; `until` in ms UTC (NET-36)."""

    kept: EngineCopy
    until: int | None


def engine_copies(node: Node) -> EngineCopies:
    """Until when CometBFT's files still have blocks that carried what was erased by now."""
    if node.health().engine == SOLO:
        return EngineCopies("none", None)
    chain = node.chain()
    if not chain.retention:
        return EngineCopies("kept", None)
    # Imported here, for it brings an engine along that no other command needs.
    from synnergy.engines.cometbft.pruning import run_seconds

    rest = int(run_seconds(chain.retention) * 1000)
    return EngineCopies("until", chain.time + chain.retention + rest)


def targets_of(node: Node, identifier: str) -> tuple[list[Target], list[str]]:
    """What an id stands for, with the receipts it names: a receipt's, a transaction's payloads,
    or the one payload whose commitment it is."""
    receipt = _receipt(node, identifier)
    if receipt is not None:
        return _of_receipt(receipt), [identifier]
    transaction = node.transaction(identifier)
    if transaction is None or transaction.body is None:
        return [Target(bytes.fromhex(identifier), "payload")], []
    receipts = list(transaction.result.receipts) if transaction.result else []
    called = [found for one in receipts if (found := _receipt(node, one)) is not None]
    targets = [target for receipt in called for target in _of_receipt(receipt)]
    for reference in transaction.body["attachments"]:
        targets.append(Target(bytes.fromhex(reference["commitment"]), "attachment"))
    unique: dict[bytes, Target] = {}
    for target in targets:
        unique.setdefault(target.commitment, target)
    return list(unique.values()), receipts


def _receipt(node: Node, identifier: str) -> Receipt | None:
    try:
        read = read_receipt(node.receipt(identifier))
    except ClientError as failed:
        if failed.code != "not_found":
            raise
        return None
    if isinstance(read, Rejected):
        raise refused(read)
    return read[1]


def _of_receipt(receipt: Receipt) -> list[Target]:
    named = (
        (receipt.input, "input"),
        (receipt.output, "output"),
        (receipt.reference, "reference"),
    )
    return [Target(commitment, what) for commitment, what in named if commitment is not None]


def look(node: Node, keys: KeyPair, chain_id: str, target: Target) -> Found:
    """How a target stands: whether the node has it, and the wallet may have it erased."""
    try:
        payload = fetch_payload(node, keys, chain_id, target.commitment)
    except ClientError as failed:
        standings: dict[str, Standing] = {
            "erased": "erased",
            "not_found": "unknown",
            "not_a_party": "not_a_party",
        }
        if failed.code not in standings:
            raise
        return Found(target, standings[failed.code], said=failed.message)
    return Found(target, "here" if payload.salt else "chunk", len(payload.content))


def erasable(found: Sequence[Found], wallet: str) -> list[Found]:
    """Those that can be erased. ClientError where there are none, or the wallet may not."""
    for one in found:
        if one.standing == "not_a_party":
            raise ClientError(
                "not_a_party",
                f"{wallet} is neither a party of the {one.target.what}"
                f" {one.target.commitment.hex()} nor a regulator; only they can have it erased",
                rule="ERASE-3",
            )
    here = [one for one in found if one.standing == "here"]
    if here:
        return here
    erased = [one for one in found if one.standing == "erased"]
    if erased:
        raise ClientError("already_erased", erased[0].said, rule="ERASE-4")
    if any(one.standing == "chunk" for one in found):
        raise ClientError(
            "exempt",
            f"{found[0].target.commitment.hex()} is a chunk of a model's file: models are exempt"
            " from erasure, for they are no one's personal data",
            rule="ERASE-7",
        )
    raise ClientError(
        "not_found",
        "the node has nothing to erase under that id: it is neither a receipt, nor a transaction"
        " with attachments, nor the commitment of a payload it has",
        rule="API-1",
    )

"""The archive of commits: what a node keeps to prove headers by the genesis alone (RCPT-11).

CometBFT forgets its blocks at the retention horizon; a receipt is good for ever. So the header
after each block with receipts, and after each that changed voting power, stays here with its
signatures, and its validators once for each set.
"""

from __future__ import annotations

from synnergy.chain.archive import Get, height_key
from synnergy.chain.genesis import Genesis, first_validators
from synnergy.receipts.comet import (
    Committed,
    SignedHeader,
    ValidatorPower,
    Validators,
)
from synnergy.receipts.light import LightProof
from synnergy.rejected import Rejected
from synnergy.state.store import Batch, View
from synnergy.wire.codec import Struct, decode_trusted, encode

#: In `meta`: up to which height all commits that must be kept are.
ARCHIVED = b"archived"


class ValidatorSet(Struct, frozen=True):
    """A set in order, kept under its hash."""

    validators: Validators


def needed_commits(view: View, after: int, upto: int, limit: int) -> list[int]:
    """The first heights, `after` < height ≤ `upto`, whose commits must be kept, at most `limit`.

    They are behind blocks with receipts, and behind those that changed voting power: these alone
    have a header that names another set to follow.
    """
    start, stop = height_key(max(after, 0)), height_key(max(upto, 0))
    found = {
        int.from_bytes(key, "big") + 1
        for database in ("proofs", "changes")
        for key, _ in view.scan(database, start, stop, limit)
    }
    return sorted(found)[:limit]


def save_commit(batch: Batch, committed: Committed) -> None:
    header = committed.signed.header
    batch.put("commits", height_key(header.height), encode(committed.signed))
    batch.put("validator_sets", header.validators, encode(ValidatorSet(committed.validators)))


def load_commit(get: Get, height: int) -> Committed | None:
    """The archived commit of a header; None where there is none."""
    stored = get("commits", height_key(height))
    if stored is None:
        return None
    signed = decode_trusted(stored, SignedHeader)
    validators = load_validators(get, signed.header.validators)
    if validators is None:
        raise LookupError(f"the validators of the archived header {height} are missing")
    return Committed(signed, validators)


def load_validators(get: Get, set_hash: bytes) -> tuple[ValidatorPower, ...] | None:
    """The archived set with this hash; None where there is none."""
    stored = get("validator_sets", set_hash)
    return decode_trusted(stored, ValidatorSet).validators if stored is not None else None


def save_steps(batch: Batch, steps: tuple[Committed, ...]) -> None:
    """Keep changes of the set that this node has no blocks of; `light_proof` finds them."""
    for step in steps:
        save_commit(batch, step)
        batch.put("changes", height_key(step.signed.header.height - 1), b"")


def light_proof(view: View, genesis: Genesis, last: Committed) -> LightProof | None:
    """The proof of a committed header from the genesis on; None where a change is missing here."""
    trusted, height = first_validators(genesis), last.signed.header.height
    steps: list[Committed] = []
    # The block before a change's header is two below the first header that it can prove.
    for key, _ in view.scan("changes", height_key(0), height_key(height - 1)):
        step = load_commit(view.get, int.from_bytes(key, "big") + 1)
        if step is None:
            return None
        header = step.signed.header
        if header.next_validators != header.validators:
            if header.validators != trusted:
                return None
            trusted = header.next_validators
            steps.append(step)
    if last.signed.header.validators != trusted:
        return None
    return LightProof(tuple(steps), last)


def archived_proof(view: View, genesis: Genesis, height: int) -> LightProof | Rejected:
    """The proof of the header at `height` as this node has it, or whether it will have it."""
    last = load_commit(view.get, height)
    proof = light_proof(view, genesis, last) if last is not None else None
    if proof is not None:
        return proof
    archived = view.get("meta", ARCHIVED)
    if last is None and height > (int.from_bytes(archived, "big") if archived else 0):
        return Rejected(
            "RCPT-11",
            "not_yet_signed",
            f"the header {height}, which signs the state before it, is not there yet; try again",
        )
    return Rejected(
        "RCPT-11",
        "elsewhere",
        f"this node joined later and has no proof of header {height}; an older one has",
    )

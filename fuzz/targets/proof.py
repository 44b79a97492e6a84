"""STATE-40 … STATE-42: a proof that holds tells the truth about the state it is of."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz import mutate
from fuzz.target import Target, plain
from fuzz.world import world
from synnergy.rejected import Rejected
from synnergy.state.proofs import StateProof, verify_state
from synnergy.wire.codec import decode, encode


def check(data: bytes) -> Iterator[str]:
    proof = decode(data, StateProof, TARGET.longest)
    if isinstance(proof, Rejected):
        yield plain(proof.message)
        return
    assert encode(proof) == data
    holds = verify_state(proof, world().app_hash)
    if holds:
        assert proof.value == world().state.get(proof.key), "a false proof holds"
    assert not verify_state(proof, b"\x01" * 32) and not verify_state(proof, b"")
    shape = "present" if proof.value is not None else "absent" if proof.other is None else "other"
    yield f"{shape} {len(proof.siblings).bit_length()} {holds}"


def seeds() -> dict[str, bytes]:
    proofs = world().proofs
    return {f"{index:02}": encode(proof) for index, proof in enumerate(proofs)}


TARGET = Target(check, seeds, longest=16_384, mutate=mutate.message)

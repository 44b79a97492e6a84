"""RCPT-4 … RCPT-10: of all files only those the ledger gave out verify, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec

from fuzz import mutate
from fuzz.target import Target, plain
from fuzz.world import INPUT, world
from synnergy.receipts.comet import Timestamp
from synnergy.receipts.file import decode_receipt_file, encode_receipt_file
from synnergy.receipts.header import SignedBlock
from synnergy.receipts.light import LightProof, trusted_validators
from synnergy.receipts.verify import TrustedRoot, Verified, read_receipt, verify_receipt
from synnergy.rejected import Rejected
from tests.ledger.harness import SIGNER
from tests.receipts.forging import commit, header, validators

FIRST = {"a": 10, "b": 20}
SECOND = {"b": 20, "c": 15}


@lru_cache(maxsize=1)
def known() -> tuple[set[bytes], TrustedRoot]:
    files = (world().receipt, world().refused, network())
    receipts: set[bytes] = set()
    for file in files:
        read = read_receipt(file)
        assert not isinstance(read, Rejected)
        receipts.add(read[0].receipt)
    validating = trusted_validators(validators(FIRST))
    return receipts, TrustedRoot(world().chain_id, SIGNER.public_key, validating)


@lru_cache(maxsize=1)
def network() -> bytes:
    """The same receipt as a network would give it, after a change of its validators."""
    file = decode_receipt_file(world().receipt)
    assert not isinstance(file, Rejected) and isinstance(file.root, SignedBlock)
    last, chain_id = file.root.header, world().chain_id
    step = commit(header(1, FIRST, SECOND, chain_id=chain_id), FIRST)
    head = header(
        last.height + 1,
        SECOND,
        chain_id=chain_id,
        app_hash=last.app_hash,
        time=Timestamp(last.time // 1000 + 1, 0),
    )
    root = LightProof((step,), commit(head, SECOND))
    return encode_receipt_file(msgspec.structs.replace(file, root=root))


def check(data: bytes) -> Iterator[str]:
    receipts, trusted = known()
    found = verify_receipt(data, world().model, INPUT, trusted)
    if isinstance(found, Rejected):
        assert found.rule and found.message
        yield f"{found.rule} {found.code} {plain(found.message)}"
        return
    read = read_receipt(data)
    assert isinstance(found, Verified) and not isinstance(read, Rejected)
    assert read[0].receipt in receipts, "a forged receipt verifies"
    assert (found.receipt.outcome.status == "refused") == (found.outputs is None)
    untrusted = verify_receipt(data, world().model, INPUT, None)
    assert isinstance(untrusted, Rejected) and untrusted.code == "untrusted_root"
    yield f"verified {found.receipt.outcome.status}"


def seeds() -> dict[str, bytes]:
    return {"called": world().receipt, "refused": world().refused, "network": network()}


TARGET = Target(check, seeds, longest=16_384, mutate=mutate.message)

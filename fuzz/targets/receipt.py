"""RCPT-4 … RCPT-6: of all files only those the ledger gave out verify, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from fuzz import mutate
from fuzz.target import Target, plain
from fuzz.world import INPUT, world
from synnergy.receipts.verify import TrustedRoot, Verified, read_receipt, verify_receipt
from synnergy.rejected import Rejected
from tests.ledger.harness import SIGNER


@lru_cache(maxsize=1)
def known() -> tuple[set[bytes], TrustedRoot]:
    files = (world().receipt, world().refused)
    receipts: set[bytes] = set()
    for file in files:
        read = read_receipt(file)
        assert not isinstance(read, Rejected)
        receipts.add(read[0].receipt)
    return receipts, TrustedRoot(world().chain_id, SIGNER.public_key)


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
    return {"called": world().receipt, "refused": world().refused}


TARGET = Target(check, seeds, longest=16_384, mutate=mutate.message)

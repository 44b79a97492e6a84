"""ERASE-2, CHAIN-13: what an inadmissible transaction carries leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

from synnergy.chain.archive import load_payload
from synnergy.chain.payloads import load_erased
from synnergy.chain.replay import replay
from synnergy.identity.keys import KeyPair
from synnergy.opcodes import erasure
from synnergy.opcodes import ledger as money
from synnergy.wire.transaction import Attachment
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, Ledger, genesis, salted

GIVE = money.Transfer(OPERATOR.address, 1)


def test_what_is_inadmissible_brings_nothing_back(tmp_path: Path) -> None:
    """Its bytes are at hand for whoever saw them, and whoever proposes it pays nothing."""
    ledger = Ledger(tmp_path / "data")
    shown, other, chunk = salted(b"of a person"), salted(b"of another"), Attachment(b"", b"chunk")

    def carrying(
        *attachments: Attachment, signer: KeyPair | None = None, **header: object
    ) -> bytes:
        return ledger.envelope(
            CONSUMER, "LEDGER_TRANSFER", GIVE, attachments, signer=signer, **header
        )

    carried = carrying(shown)
    assert [result.status for result in ledger.block(carried)] == ["ok"]
    ledger.ok(CONSUMER, "LEDGER_ERASE", erasure.Erase((shown.reference.commitment,), "asked to"))
    stranger, early = carrying(shown, signer=PUBLISHER), carrying(other, chunk, nonce=9)
    results = ledger.block(carried, stranger, early)
    assert [result.status for result in results] == ["inadmissible"] * 3
    for attachment in (shown, other, chunk):
        assert load_payload(ledger.store.get, attachment.reference.commitment) is None
    assert load_erased(ledger.store.get, shown.reference.commitment) is not None
    ledger.close()
    found = replay(tmp_path / "data", genesis())
    assert found.problem is None, found.problem

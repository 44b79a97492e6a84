"""Queries prove what they say against the app hash of the last block."""

from __future__ import annotations

from synnergy.chain.application import Application
from synnergy.opcodes.ledger import Transfer
from synnergy.state import records
from synnergy.state.proofs import verify_state
from synnergy.wire.codec import decode_trusted
from tests.ledger.harness import CONSUMER, OPERATOR, Ledger, key


def test_a_query_proves_presence_and_absence(ledger: Ledger) -> None:
    application = ledger.application
    assert isinstance(application, Application)
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", Transfer(CONSUMER.address, 7))
    found = application.query(records.accounts.raw_key(CONSUMER.address))
    assert (found.height, found.app_hash) == (1, application.app_hash)
    assert found.proof.value is not None and verify_state(found.proof, found.app_hash)
    account = decode_trusted(found.proof.value, records.Account)
    assert account.balance == ledger.balance(CONSUMER.address)
    absent = application.query(records.accounts.raw_key(key("nobody").address))
    assert absent.proof.value is None and verify_state(absent.proof, absent.app_hash)
    assert not verify_state(found.proof, bytes(32))

"""Buying between a revocation and the refunds that it brings (MKT-8)."""

from __future__ import annotations

from synnergy.opcodes import models
from synnergy.state import records
from tests.chain.market import PRICE, buy, buying, licensed
from tests.chain.small_models import linear
from tests.ledger.harness import CONSUMER, REGULATOR, Ledger


def test_nothing_is_sold_while_licences_are_refunded(ledger: Ledger) -> None:
    model, _ = licensed(ledger, linear())
    purchase = buying(ledger, model, 2)
    revoke = ledger.envelope(REGULATOR, "MODEL_REVOKE", models.Revoke(model, "a doubt"))
    account = records.accounts.load(ledger.state, REGULATOR.address)
    assert account is not None
    approve = ledger.envelope(
        REGULATOR, "MODEL_APPROVE", ledger.approval(model), nonce=account.nonce + 1
    )
    bought = ledger.envelope(CONSUMER, "LICENCE_BUY", purchase)
    results = ledger.block(revoke, approve, bought)
    assert [result.code for result in results] == ["", "", "closing"]
    before = ledger.balance(CONSUMER.address)
    ledger.block()  # refunds the first licence
    assert ledger.balance(CONSUMER.address) == before + 3 * PRICE
    assert buy(ledger, model, 2)

"""The part of the recorded history in which regulators govern and wallets change keys."""

from __future__ import annotations

from synnergy.opcodes import governance, regulation
from synnergy.opcodes import ledger as money
from tests.governance.support import members, rotate
from tests.ledger.harness import CONSUMER, OPERATOR, REGULATOR, SECOND, Ledger, key


def play_governance(ledger: Ledger) -> None:
    """A clerk joins and leaves, proposals wait and pass, keys rotate, an upgrade is taken back."""
    clerk = key("clerk")
    assert ledger.register(clerk, "consumer").status == "ok"
    ledger.ok(OPERATOR, "LEDGER_TRANSFER", money.Transfer(clerk.address, 10**9))
    fresh = rotate(ledger, clerk, "clerk")
    give = money.Transfer(CONSUMER.address, 5)
    assert ledger.send(clerk, "LEDGER_TRANSFER", give).code == "wrong_signatures"
    ledger.ok(fresh, "LEDGER_TRANSFER", give)
    found = rotate(ledger, clerk, "clerk again", by=SECOND)
    three = members(REGULATOR, SECOND, clerk, threshold=2)
    ledger.ok(REGULATOR, "REGULATION_SET_REGULATORS", three)
    fees = governance.SetFees(2, OPERATOR.address)
    ledger.ok(found, "REGULATION_SET_FEES", fees)
    two = members(REGULATOR, SECOND)
    ledger.ok(SECOND, "REGULATION_SET_REGULATORS", two)
    ledger.ok(REGULATOR, "REGULATION_SET_REGULATORS", two)
    # The clerk's yes counts no more, and the fees stay what they were.
    ledger.ok(REGULATOR, "REGULATION_SET_PROTOCOL", governance.SetProtocol(2, 10_000))
    ledger.ok(REGULATOR, "REGULATION_SET_PROTOCOL", governance.SetProtocol(1, 0))
    gone = regulation.Deregister(clerk.address, "left")
    ledger.ok(REGULATOR, "REGULATION_DEREGISTER", gone)
    assert ledger.send(found, "LEDGER_TRANSFER", give).code == "deregistered"

"""What one regulator cannot do to another, and strangers to the policy engine."""

from __future__ import annotations

import pytest

from synnergy.opcodes import governance
from synnergy.policy.texts import DEFAULT_SET
from synnergy.state import records
from tests.ledger.harness import CONSUMER, PUBLISHER, REGULATOR, SECOND, Ledger


def test_a_regulator_cannot_move_another_to_a_sanctioned_place(ledger: Ledger) -> None:  # REG-4
    """A statement that was signed once is public, and could be used again."""
    moved = ledger.register(SECOND, "regulator", jurisdiction="KP", by=REGULATOR)
    assert (moved.status, moved.code) == ("refused", "is_regulator")
    own = ledger.register(SECOND, "regulator", jurisdiction="DE", by=SECOND)
    assert own.status == "ok"
    wallet = records.wallets.load(ledger.state, SECOND.address)
    assert wallet is not None and wallet.jurisdiction == "DE"


def test_only_a_regulators_policy_set_is_compiled(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:  # REG-5
    def compiled(*_: object, **__: object) -> None:
        raise AssertionError("compiled for a stranger")

    monkeypatch.setattr(governance, "check_new_set", compiled)
    for stranger in (CONSUMER, PUBLISHER):
        arguments = governance.SetPolicy(DEFAULT_SET)
        result = ledger.send(stranger, "REGULATION_SET_POLICY", arguments)
        assert (result.status, result.code) == ("refused", "not_a_regulator")

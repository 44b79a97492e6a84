"""OVR-1, OVR-11: contracts pay, are watched and are limited as the wallets that they are."""

from __future__ import annotations

from synnergy.opcodes import oversight
from synnergy.opcodes.contracts import CallContract
from synnergy.opcodes.ledger import Transfer
from synnergy.state import records
from synnergy.wire.codec import encode
from tests.chain.market import program_of
from tests.contracts.puppet import TRANSFER, TRAP, puppet, step
from tests.contracts.support import answer, call, deploy
from tests.ledger.harness import CONSUMER, OPERATOR, REGULATOR, Ledger
from tests.oversight.support import HOUR


def send(amount: int) -> bytes:
    return step(TRANSFER, encode(Transfer(CONSUMER.address, amount)))


def limited(ledger: Ledger, address: str, amount: int) -> None:
    arguments = oversight.SetLimit(address, amount, HOUR)
    ledger.ok(REGULATOR, "REGULATION_SET_LIMIT", arguments)


def test_what_a_contract_is_sent_is_its_callers_payment(ledger: Ledger) -> None:
    contract = deploy(ledger)
    for _ in range(5):
        answer(call(ledger, contract, amount=10))
    answer(call(ledger, contract, amount=101))
    known = records.wallets.load(ledger.state, OPERATOR.address)
    assert known is not None and known.flags == ("amount",)


def test_a_contract_s_own_payments_are_flagged_and_limited(ledger: Ledger) -> None:
    contract = deploy(ledger)
    answer(call(ledger, contract, amount=5_000))
    for _ in range(5):
        answer(call(ledger, contract, send(10)))
    answer(call(ledger, contract, send(101)))
    known = records.wallets.load(ledger.state, contract)
    assert known is not None and known.flags == ("amount",)
    limited(ledger, contract, 1_000)
    refused = call(ledger, contract, send(1_001))
    assert (refused.rule, refused.code) == ("OVR-11", "spending_limit")
    answer(call(ledger, contract, send(1_000)))
    assert call(ledger, contract, send(1)).code == "spending_limit"


def test_amounts_sent_to_contracts_are_spending_unless_the_call_fails(ledger: Ledger) -> None:
    contract = deploy(ledger, puppet())
    limited(ledger, OPERATOR.address, 1_000)
    assert call(ledger, contract, amount=1_001).code == "spending_limit"
    failed = call(ledger, contract, step(TRAP), amount=1_000, gas_limit=200_000)
    assert failed.status == "refused"
    caught = CallContract(contract, step(TRAP), 1_000, None, True)
    good = CallContract(contract, b"", 1_000, None, False)
    code, data = program_of(("CONTRACT_CALL", caught), ("CONTRACT_CALL", good))
    done = ledger.send(OPERATOR, "", data, code=code, gas_limit=2_000_000)
    assert done.status == "ok", done.message
    assert ledger.balance(contract) == 1_000
    assert call(ledger, contract, amount=1).code == "spending_limit"
    answer(call(ledger, contract))

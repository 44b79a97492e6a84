"""Frames: what a contract may do, what of it is undone, what outlives that (CONTRACT-3 … 7)."""

from __future__ import annotations

import pytest

from synnergy.identity.authenticate import decode_transaction
from synnergy.opcodes import regulation
from synnergy.opcodes.contracts import CallContract
from synnergy.opcodes.ledger import Transfer
from synnergy.opcodes.models import Withdraw
from synnergy.rejected import Rejected
from synnergy.state import records
from synnergy.wire.codec import encode
from tests.chain.market import buying, calling, input_attachment, licensed
from tests.chain.small_models import linear
from tests.contracts.puppet import (
    BUY,
    CALL,
    EVENT,
    INVOKE,
    OUTPUT,
    REVERT,
    SPIN,
    TRANSFER,
    TRAP,
    WRITE,
    puppet,
    step,
)
from tests.contracts.support import answer, ask, call, deploy, stored
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, Ledger

KEEP = step(WRITE, b"kkept")


def pay(to: str, amount: int) -> bytes:
    return step(TRANSFER, encode(Transfer(to, amount)))


def test_storage_stays_and_belongs_to_one_contract(ledger: Ledger) -> None:
    one, other = deploy(ledger), deploy(ledger)
    answer(call(ledger, one, step(WRITE, b"kvalue")))
    answer(call(ledger, other, step(WRITE, b"kelse")))
    assert (stored(ledger, one, b"k"), stored(ledger, other, b"k")) == (b"value", b"else")
    answer(call(ledger, one, step(WRITE, b"k")))
    assert stored(ledger, one, b"k") is None
    assert stored(ledger, other, b"k") == b"else"


def test_what_a_contract_returns_comes_back(ledger: Ledger) -> None:
    contract = deploy(ledger)
    done = answer(call(ledger, contract, step(OUTPUT, b"said")))
    assert (done.ok, done.output, done.code) == (True, b"said", "")
    too_much = call(ledger, contract, step(OUTPUT, bytes(3_073)))
    assert too_much.code == "output_too_large"
    assert len(answer(call(ledger, contract, step(OUTPUT, bytes(3_072)))).output) == 3_072


def test_only_the_callee_is_undone_where_its_caller_goes_on(ledger: Ledger) -> None:
    outer, inner = deploy(ledger), deploy(ledger)
    for ending, code in (
        (step(REVERT, b"why"), "reverted"),
        (step(TRAP), "unreachable"),
        (step(SPIN), "out_of_gas"),
        (pay(CONSUMER.address, 10**15), "insufficient_funds"),
    ):
        done = call(
            ledger,
            outer,
            step(WRITE, b"abefore"),
            step(CALL, ask(inner, KEEP, step(EVENT, b"gone"), ending, gas=100_000, catch=True)),
            step(EVENT, b"after"),
            step(WRITE, b"z" + code.encode()),
        )
        answer(done)
        assert stored(ledger, inner, b"k") is None
        assert stored(ledger, outer, b"a") == b"before"
        assert stored(ledger, outer, b"z") == code.encode()
        names = [event.name for event in done.events]
        assert "program.after" in names and "program.gone" not in names


def test_a_failure_that_nobody_catches_is_the_transactions_own(ledger: Ledger) -> None:
    outer, inner = deploy(ledger), deploy(ledger)
    before = ledger.balance(OPERATOR.address)
    done = call(ledger, outer, KEEP, step(CALL, ask(inner, KEEP, step(TRAP))), gas_limit=400_000)
    assert (done.status, done.code, done.gas_used) == ("refused", "unreachable", 400_000)
    assert f"in contract {inner}, function 0 at" in done.message
    assert done.message.count("in contract") == 1
    assert stored(ledger, outer, b"k") is None
    assert ledger.balance(OPERATOR.address) == before  # the operator earns the fees it pays
    done = call(ledger, outer, step(CALL, ask(inner, step(REVERT, b"no"))), gas_limit=400_000)
    assert (done.status, done.code) == ("refused", "reverted")
    assert done.output == b"no"
    assert done.gas_used < 200_000  # a revert returns what is left


def test_a_runaway_burns_its_limit_and_the_ledger_goes_on(ledger: Ledger) -> None:
    contract = deploy(ledger)
    done = call(ledger, contract, step(SPIN), gas_limit=300_000)
    assert (done.status, done.rule, done.code) == ("refused", "VM-11", "out_of_gas")
    assert done.gas_used == done.fee == 300_000
    assert answer(call(ledger, contract, KEEP)).ok


def test_a_callee_has_63_of_64_parts_at_most_and_what_the_call_says(ledger: Ledger) -> None:
    outer, inner = deploy(ledger), deploy(ledger)
    spin = step(CALL, ask(inner, step(SPIN), catch=True))
    done = call(ledger, outer, spin, gas_limit=4_000_000)
    assert done.status == "ok"  # a 64th was left to go on with
    assert 4_000_000 * 62 // 64 < done.gas_used < 4_000_000
    limited = step(CALL, ask(inner, step(SPIN), gas=50_000, catch=True))
    plain = call(ledger, outer, step(CALL, ask(inner, gas=50_000, catch=True)))
    spun = call(ledger, outer, limited)
    assert 0 < spun.gas_used - plain.gas_used < 50_000


def test_amounts_move_with_the_call_and_come_back_with_its_failure(ledger: Ledger) -> None:
    contract = deploy(ledger)
    answer(call(ledger, contract, amount=700))
    assert ledger.balance(contract) == 700
    failed = call(ledger, contract, step(TRAP), amount=50, gas_limit=200_000)
    assert failed.status == "refused"
    assert ledger.balance(contract) == 700
    held = ledger.balance(CONSUMER.address)
    answer(call(ledger, contract, pay(CONSUMER.address, 700)))
    assert (ledger.balance(contract), ledger.balance(CONSUMER.address)) == (0, held + 700)
    empty = call(ledger, contract, pay(CONSUMER.address, 1))
    assert (empty.rule, empty.code) == ("LEDGER-2", "insufficient_funds")


def test_contracts_call_each_other_64_deep_and_themselves(ledger: Ledger) -> None:
    contract = deploy(ledger)

    def nested(depth: int) -> bytes:
        steps = step(WRITE, bytes([depth]) + b"here")
        for level in range(depth - 1, 0, -1):
            steps = step(WRITE, bytes([level]) + b"here") + step(CALL, ask(contract, steps))
        return steps

    answer(call(ledger, contract, nested(64), gas_limit=500_000_000))
    assert all(stored(ledger, contract, bytes([level])) for level in range(1, 65))
    done = call(ledger, contract, nested(65), gas_limit=500_000_000)
    assert (done.rule, done.code) == ("CONTRACT-6", "call_too_deep")


def test_there_is_no_contract_at_a_wallet(ledger: Ledger) -> None:
    done = call(ledger, CONSUMER.address)
    assert (done.rule, done.code) == ("CONTRACT-3", "unknown_contract")


def test_a_program_of_a_wallet_has_no_storage(ledger: Ledger) -> None:
    raw = ledger.envelope(OPERATOR, "CONTRACT_CALL", KEEP, code=puppet())
    done = ledger.block(raw)[0]
    assert (done.status, done.rule, done.code) == ("refused", "CONTRACT-4", "no_contract")


# ---- policy: origin, contract, deployer ---------------------------------------------------------


def test_origin_contract_and_deployer_must_each_be_allowed(ledger: Ledger) -> None:
    ledger.register(PUBLISHER, "operator", "publisher")
    contract = deploy(ledger, by=PUBLISHER)
    answer(call(ledger, contract, amount=1_000))
    answer(call(ledger, contract, pay(CONSUMER.address, 1)))
    # A consumer may transfer, but not call.
    denied = call(ledger, contract, by=CONSUMER)
    assert (denied.code, ledger.balance(contract)) == ("policy_denied", 999)
    # The deployer is frozen: nobody calls its contract, which does nothing for anyone.
    freeze = regulation.Freeze(PUBLISHER.address, "under investigation")
    ledger.ok(REGULATOR, "REGULATION_FREEZE", freeze)
    denied = call(ledger, contract, pay(CONSUMER.address, 1))
    assert (denied.code, ledger.balance(contract)) == ("frozen_contract", 999)
    ledger.ok(REGULATOR, "REGULATION_UNFREEZE", regulation.Unfreeze(PUBLISHER.address))
    # The contract itself is frozen: nobody calls it.
    ledger.ok(REGULATOR, "REGULATION_FREEZE", regulation.Freeze(contract, "drained"))
    denied = call(ledger, contract, pay(CONSUMER.address, 1))
    assert denied.code == "frozen_contract"


def test_roles_of_a_contract_are_its_deployers_as_they_are_now(ledger: Ledger) -> None:
    ledger.register(PUBLISHER, "operator", "publisher")
    outer, inner = deploy(ledger, by=PUBLISHER), deploy(ledger)
    nested = step(CALL, ask(inner, KEEP))
    answer(call(ledger, outer, nested))
    ledger.register(PUBLISHER, "publisher")  # no operator any more
    denied = call(ledger, outer, nested)
    assert denied.code == "policy_denied"
    assert f"for the contract {outer}" in denied.message


def test_regulators_verbs_are_not_for_contracts(ledger: Ledger) -> None:
    """A regulator that calls a contract doesn't sign blindly (REG-6)."""
    ledger.register(REGULATOR, "operator", "regulator")
    contract = deploy(ledger, puppet("REGULATION_FREEZE"), by=REGULATOR)
    freeze = step(TRANSFER, encode(regulation.Freeze(CONSUMER.address, "because")))
    done = call(ledger, contract, freeze, by=REGULATOR)
    assert (done.rule, done.code) == ("REG-6", "not_a_template")


# ---- what outlives a failure --------------------------------------------------------------------


@pytest.fixture
def market(ledger: Ledger) -> tuple[Ledger, bytes, str, bytes]:
    """A model, and a contract with a licence of its own: (ledger, model, contract, licence)."""
    ledger.register(OPERATOR, "consumer", "operator")
    model, _ = licensed(ledger, linear())
    contract = deploy(ledger)
    done = call(ledger, contract, step(BUY, encode(buying(ledger, model, 3))), amount=10_000)
    answer(done)
    bought = next(event for event in done.events if event.name == "licence.bought")
    assert bought.attributes["licensee"] == contract
    return ledger, model, contract, bytes.fromhex(bought.attributes["licence"])


def test_a_call_stays_settled_though_its_frame_is_undone(
    market: tuple[Ledger, bytes, str, bytes],
) -> None:
    ledger, model, contract, licence = market
    outer = deploy(ledger)
    invoke = step(INVOKE, encode(calling(model, licence)))
    paid = ledger.balance(PUBLISHER.address)
    for catch in (True, False):
        inner = step(CALL, ask(contract, KEEP, invoke, step(TRAP), gas=10_000_000, catch=catch))
        done = call(ledger, outer, inner, attachments=input_attachment())
        assert done.status == ("ok" if catch else "refused")
        assert len(done.receipts) == 1
        assert "inference.invoked" in [event.name for event in done.events]
        assert stored(ledger, contract, b"k") is None
    record = records.licences.load(ledger.state, licence)
    assert record is not None and (record.used, record.escrow) == (2, 1_000)
    assert ledger.balance(PUBLISHER.address) == paid + 2_000


def test_caught_refusals_have_receipts_and_count(
    market: tuple[Ledger, bytes, str, bytes],
) -> None:
    ledger, model, contract, licence = market
    outer = deploy(ledger)
    foreign = step(INVOKE, encode(calling(model, licence)))  # the licence is the contract's
    allowed = step(CALL, ask(contract, foreign, gas=10_000_000, catch=True))
    other = deploy(ledger)
    refused = step(CALL, ask(other, foreign, gas=10_000_000, catch=True))
    done = call(ledger, outer, refused, allowed, refused, attachments=input_attachment())
    assert answer(done).ok
    assert len(done.receipts) == 3
    stored_receipts = [ledger.store.get("receipts", receipt) for receipt in done.receipts]
    assert all(stored_receipts)
    denials = records.denials.load(ledger.state, OPERATOR.address)
    assert denials is not None and (denials.count, denials.last_rule) == (2, "MKT-7")
    assert [event.name for event in done.events].count("action.refused") == 2


def test_a_licence_of_a_contract_is_refunded_to_it(
    market: tuple[Ledger, bytes, str, bytes],
) -> None:
    ledger, model, contract, _ = market
    held = ledger.balance(contract)
    ledger.ok(PUBLISHER, "MODEL_WITHDRAW", Withdraw(model))
    ledger.block()
    assert ledger.balance(contract) == held + 3_000


def test_quotes_of_calls_are_exact(ledger: Ledger) -> None:
    contract = deploy(ledger)
    steps = (KEEP, pay(CONSUMER.address, 5))
    asked = CallContract(contract, b"".join(steps), 100, None, False)
    raw = ledger.envelope(OPERATOR, "CONTRACT_CALL", asked)
    transaction = decode_transaction(raw, ledger.application.chain_id)
    assert not isinstance(transaction, Rejected)
    quoted = ledger.application.quote(transaction)
    done = ledger.block(raw)[0]
    assert quoted.status == done.status == "ok"
    assert quoted.gas_used == done.gas_used


def test_a_call_is_no_licence_to_forge(ledger: Ledger) -> None:
    """Argument blocks of a contract's making are decoded as strictly as anyone's."""
    contract = deploy(ledger)
    for block in (b"", b"\xc0", encode(Transfer(CONSUMER.address, 1)) + b"\x00"):
        done = call(ledger, contract, step(TRANSFER, block))
        assert done.status == "refused" and done.rule.startswith("WIRE")

"""MKT-6, MKT-7: a call that returned is settled, whatever becomes of its transaction."""

from __future__ import annotations

import pytest

from synnergy.chain.archive import StoredReceipt
from synnergy.opcodes import ledger as money
from synnergy.opcodes.context import Payload
from synnergy.pipeline import TransactionResult
from synnergy.receipts.receipt import Receipt, output_salt
from synnergy.state import records
from synnergy.tensor.encoding import decode_tensors
from synnergy.vm.program import encode_program, function, instruction, program
from synnergy.wire.codec import decode_trusted, encode
from tests.chain.market import (
    PRICE,
    buy,
    buying,
    call,
    calling,
    input_attachment,
    licensed,
    program_of,
)
from tests.chain.small_models import chained, linear
from tests.ledger.harness import CONSUMER, OPERATOR, PUBLISHER, REGULATOR, Ledger

FOREVER = (
    instruction("CORE_LOOP", 0),
    instruction("CORE_BR", 0),
    instruction("CORE_END"),
)
GIVE = money.Transfer(OPERATOR.address, 5)
REVERT = (
    instruction("CORE_I64_CONST", 0),
    instruction("CORE_I64_CONST", 1),
    instruction("CORE_REVERT"),
)
ENDINGS = {
    "trap": ("unreachable", (instruction("CORE_UNREACHABLE"),)),
    "revert": ("reverted", REVERT),
    "out of gas": ("out_of_gas", FOREVER),
}


def receipt_of(ledger: Ledger, identifier: bytes) -> Receipt:
    stored = ledger.store.get("receipts", identifier)
    assert stored is not None
    return decode_trusted(decode_trusted(stored, StoredReceipt).leaf, Receipt)


def check_settled(ledger: Ledger, result: TransactionResult, identifier: bytes) -> None:
    """The receipt says ok, has the transaction's fee, and its output is kept."""
    receipt = receipt_of(ledger, identifier)
    assert receipt.outcome.status == "ok"
    assert (receipt.fee, receipt.gas, receipt.price) == (result.fee, result.gas_used, PRICE)
    assert receipt.policy is not None and receipt.policy.allowed
    kept = ledger.store.get("payloads", receipt.output or b"")
    assert kept is not None
    payload = decode_trusted(kept, Payload)
    assert payload.salt == output_salt(b"s" * 32, identifier)
    outputs = decode_tensors(payload.content, 10**6)
    assert [name for name, _, _ in outputs] == ["Y"]
    assert outputs[0][2].tolist() == [[10, 13, 16], [20, 27, 34]]


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_returned_call_outlives_its_transaction(ledger: Ledger, ending: str) -> None:
    model, licence = licensed(ledger, linear())
    publisher, consumer = ledger.balance(PUBLISHER.address), ledger.balance(CONSUMER.address)
    why, instructions = ENDINGS[ending]
    code, data = program_of(
        ("LEDGER_TRANSFER", GIVE),
        ("INFERENCE_INVOKE", calling(model, licence)),
        ending=instructions,
    )
    result = ledger.send(CONSUMER, "", data, input_attachment(), code=code, gas_limit=200_000)
    assert (result.status, result.code) == ("refused", why)
    assert result.where
    (identifier,) = result.receipts
    check_settled(ledger, result, identifier)
    assert ledger.balance(PUBLISHER.address) == publisher + PRICE
    assert ledger.balance(CONSUMER.address) == consumer - result.fee  # the transfer is undone
    kept = records.licences.load(ledger.state, licence)
    assert kept is not None and (kept.used, kept.escrow) == (1, 2 * PRICE)
    stats = records.stats.load(ledger.state, model)
    assert stats is not None and (stats.calls, stats.revenue, stats.failures) == (1, PRICE, 0)
    names = [event.name for event in result.events]
    assert names.count("inference.invoked") == 1 and "ledger.transferred" not in names
    if ending == "revert":
        assert result.gas_used < 200_000
    else:
        assert result.gas_used == 200_000  # VM-19: what remained is burnt


def test_a_call_whose_own_gas_is_missing_is_not_settled(ledger: Ledger) -> None:
    model, licence = licensed(ledger, linear())
    good = ledger.block(call(ledger, model, licence))[0]
    publisher = ledger.balance(PUBLISHER.address)
    statuses: set[str] = set()
    for missing in (1, 500, 5_000, 20_000):
        limit = good.gas_used - missing
        result = ledger.block(call(ledger, model, licence, gas_limit=limit))[0]
        statuses.add(result.code)
        settled = ledger.balance(PUBLISHER.address) - publisher
        kept = records.licences.load(ledger.state, licence)
        assert kept is not None and settled == PRICE * (kept.used - 1)
        outcomes = [receipt_of(ledger, found).outcome.status for found in result.receipts]
        assert outcomes.count("ok") * PRICE == settled
        publisher += settled
        if settled:
            break
    assert "out_of_gas" in statuses


def test_exactly_the_quoted_gas_is_enough(ledger: Ledger) -> None:
    """GAS-6"""
    model, licence = licensed(ledger, linear())
    good = ledger.block(call(ledger, model, licence))[0]
    result = ledger.block(call(ledger, model, licence, gas_limit=good.gas_used))[0]
    assert (result.status, result.gas_used) == ("ok", good.gas_used)


def test_two_calls_in_one_transaction(ledger: Ledger) -> None:
    model, licence = licensed(ledger, linear(), calls=2)
    publisher = ledger.balance(PUBLISHER.address)
    steps = (("INFERENCE_INVOKE", calling(model, licence)),) * 2
    code, data = program_of(*steps)
    result = ledger.send(CONSUMER, "", data, input_attachment(), code=code)
    assert (result.status, len(set(result.receipts))) == ("ok", 2)
    for index, identifier in enumerate(result.receipts):
        check_settled(ledger, result, identifier)
        assert receipt_of(ledger, identifier).index == index
    assert ledger.balance(PUBLISHER.address) == publisher + 2 * PRICE
    kept = records.licences.load(ledger.state, licence)
    assert kept is not None and (kept.status, kept.escrow) == ("spent", 0)


def test_a_third_call_of_two_is_refused_and_the_two_stay(ledger: Ledger) -> None:
    """The last receipt is the refused call's; the others, and their money, are as they were."""
    model, licence = licensed(ledger, linear(), calls=2)
    publisher = ledger.balance(PUBLISHER.address)
    steps = (("INFERENCE_INVOKE", calling(model, licence)),) * 3
    code, data = program_of(*steps)
    result = ledger.send(CONSUMER, "", data, input_attachment(), code=code)
    assert (result.status, result.code) == ("refused", "exhausted")
    outcomes = [receipt_of(ledger, identifier).outcome for identifier in result.receipts]
    assert [outcome.status for outcome in outcomes] == ["ok", "ok", "refused"]
    assert outcomes[-1].code == "exhausted"
    for identifier in result.receipts[:2]:
        check_settled(ledger, result, identifier)
    assert ledger.balance(PUBLISHER.address) == publisher + 2 * PRICE


def test_a_licence_of_the_same_transaction_is_refused(ledger: Ledger) -> None:
    """MKT-7: settlement has to find the licence after a rollback.

    A licence's id depends on its transaction, so the program copies it from the purchase's result.
    """
    model, licence = licensed(ledger, linear())
    before = {key for key, _ in records.licences.scan(ledger.state)}
    code, data = copying_program(buying(ledger, model, 1), calling(model, bytes(32)))
    result = ledger.send(CONSUMER, "", data, input_attachment(), code=code)
    assert (result.status, result.code) == ("refused", "licence_too_new"), result.message
    assert receipt_of(ledger, result.receipts[0]).licence not in (licence, bytes(32))
    assert {key for key, _ in records.licences.scan(ledger.state)} == before


def copying_program(purchase: object, invocation: object) -> tuple[bytes, bytes]:
    """Buy, copy the licence's id from the result into the arguments of the call, call."""
    bought, called = encode(purchase), encode(invocation)
    # {"licence": <bin 32>, …}: the map's byte, the key's 8 bytes, the two of the bin's head.
    result_id = 65_536 + 1 + 8 + 2
    at = len(bought) + called.index(b"\xa7licence\xc4\x20") + 10

    def constants(*values: int) -> list[bytes]:
        return [instruction("CORE_I64_CONST", value) for value in values]

    body = [
        *constants(0, 0),
        instruction("CORE_INPUT_SIZE"),
        instruction("CORE_INPUT_COPY"),
        *constants(0, len(bought), 65_536, 65_536),
        instruction("LICENCE_BUY"),
        instruction("CORE_DROP"),
        *constants(at, result_id, 32),
        instruction("CORE_MEMORY_COPY"),
        *constants(len(bought), len(called), 65_536, 65_536),
        instruction("INFERENCE_INVOKE"),
        instruction("CORE_DROP"),
    ]
    return encode_program(program(function(*body), memory_pages=2)), bought + called


def test_a_runaway_program_burns_its_limit_and_the_ledger_goes_on(ledger: Ledger) -> None:
    code, data = program_of(("LEDGER_TRANSFER", GIVE), ending=FOREVER)
    before = ledger.balance(CONSUMER.address)
    result = ledger.send(CONSUMER, "", data, code=code, gas_limit=300_000)
    assert (result.code, result.gas_used, result.fee) == ("out_of_gas", 300_000, 300_000)
    assert ledger.balance(CONSUMER.address) == before - 300_000
    ledger.ok(CONSUMER, "LEDGER_TRANSFER", GIVE)


def test_a_long_model_costs_more_than_a_short_one(ledger: Ledger) -> None:
    """GAS-7: what is charged follows the graph."""
    used: list[int] = []
    for length in (1, 200):
        content = chained(length)
        model, licence = licensed(ledger, content, name=f"of-{length}")
        result = ledger.block(call(ledger, model, licence))[0]
        assert result.status == "ok"
        used.append(result.gas_used)
    assert used[1] - used[0] >= 199 * 200


def test_settlement_pays_a_publisher_who_calls_their_own_model(ledger: Ledger) -> None:
    """The same wallet on both sides, and a transaction that spends what it just earned."""
    assert ledger.register(PUBLISHER, "consumer", "publisher").status == "ok"
    model = ledger.publish(linear("own"))
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    everything = ledger.balance(PUBLISHER.address) // 2
    assert ledger.offer(model, everything).status == "ok"
    licence = buy(ledger, model, 1, PUBLISHER)
    spend = money.Transfer(OPERATOR.address, everything)
    code, data = program_of(
        ("INFERENCE_INVOKE", calling(model, licence)),
        ("LEDGER_TRANSFER", spend),
        ending=ENDINGS["trap"][1],
    )
    before = ledger.balance(PUBLISHER.address)
    result = ledger.send(PUBLISHER, "", data, input_attachment(), code=code, gas_limit=200_000)
    assert result.code == "unreachable"
    assert ledger.balance(PUBLISHER.address) == before + everything - result.fee

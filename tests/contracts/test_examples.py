"""The contracts under `examples/`, as their texts promise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from synnergy.state import records
from synnergy.vm.assembly import assemble
from synnergy.vm.program import encode_program
from synnergy.wire.codec import encode
from tests.chain.market import buying, input_attachment
from tests.contracts.support import answer, call, deploy
from tests.ledger.harness import CONSUMER, DAY, OPERATOR, PUBLISHER, REGULATOR, Ledger

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
PRICE = 1_000


def example(name: str) -> bytes:
    assembled = assemble((EXAMPLES / f"{name}.snasm").read_text("utf-8"))
    assert not isinstance(assembled, tuple), assembled
    return encode_program(assembled.program)


def test_the_counter_counts_whatever_it_is_given(ledger: Ledger) -> None:
    contract = deploy(ledger, example("counter"))
    for count, given in enumerate((b"", b"\x00", b"anything at all", bytes(5_000)), 1):
        done = call(ledger, contract, given)
        assert answer(done).output == bytes([count])
        assert done.gas_used < 1_000_000
    other = deploy(ledger, example("counter"))
    assert answer(call(ledger, other)).output == b"\x01"


@pytest.mark.parametrize("before", (0xFF, 0x7FFF, 0xFFFF, 2**32 - 1, 2**63 - 1))
def test_the_counter_gives_as_few_bytes_as_hold_it(ledger: Ledger, before: int) -> None:
    contract = deploy(ledger, example("counter"))
    journal = ledger.application.journal
    kept = records.Stored(before.to_bytes(8, "little"))

    def with_count():
        made = journal()
        records.storage.save(made, (contract, b"count"), kept)
        return made

    ledger.application._working_journal = with_count  # type: ignore[method-assign]
    output = answer(call(ledger, contract)).output
    assert output == (before + 1).to_bytes((before + 1).bit_length() // 8 + 1, "big").lstrip(b"\0")


def test_the_runaway_burns_its_limit_and_is_refused(ledger: Ledger) -> None:
    contract = deploy(ledger, example("runaway"))
    for limit in (200_000, 1_000_000):
        done = call(ledger, contract, gas_limit=limit)
        assert (done.status, done.code, done.gas_used) == ("refused", "out_of_gas", limit)
        assert contract in done.message
    assert ledger.send(OPERATOR, "LEDGER_TRANSFER", b"").status == "refused"


# ---- the oracle -----------------------------------------------------------------------------


def sign_model(kind: int = TensorProto.INT64) -> bytes:
    """label = 1 where the first column of X is above 2, else 0."""
    nodes = [
        helper.make_node("Gather", ["X", "first"], ["column"], axis=1),
        helper.make_node("Greater", ["column", "two"], ["above"]),
        helper.make_node("Cast", ["above"], ["label"], to=kind),
    ]
    constants = {"first": np.int64(0), "two": np.float32(2)}
    graph = helper.make_graph(
        nodes,
        "sign",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_value_info("label", kind, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()


@pytest.fixture
def deal(ledger: Ledger) -> tuple[Ledger, bytes, str]:
    """A model on sale, and the oracle."""
    ledger.register(OPERATOR, "consumer", "operator")
    model = ledger.publish(sign_model())
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert ledger.offer(model, PRICE).status == "ok"
    return ledger, model, deploy(ledger, example("escrowed_oracle"))


def purchase(ledger: Ledger, model: bytes, calls: int = 1) -> bytes:
    return b"\x01" + CONSUMER.address.encode() + encode(buying(ledger, model, calls))


def rows(first: float) -> tuple:
    return input_attachment(np.array([[first, 0]], np.float32))


@pytest.mark.parametrize("stake", (0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32, 10**11))
def test_the_oracle_buys_asks_and_pays_by_the_answer(
    deal: tuple[Ledger, bytes, str], stake: int
) -> None:
    ledger, model, contract = deal
    bought = call(ledger, contract, purchase(ledger, model), amount=PRICE + stake)
    answer(bought)
    assert ledger.balance(contract) == stake
    held, paid = ledger.balance(CONSUMER.address), ledger.balance(PUBLISHER.address)
    asked = call(ledger, contract, b"\x02", attachments=rows(3))
    assert answer(asked).output == b"\x01"
    assert len(asked.receipts) == 1
    assert ledger.balance(CONSUMER.address) == held + stake
    assert ledger.balance(PUBLISHER.address) == paid + PRICE
    assert ledger.balance(contract) == 0
    names = [event.name for event in asked.events]
    assert names == ["inference.invoked", "program.answered", "ledger.transferred"]


def test_the_oracle_pays_back_where_the_answer_is_no(deal: tuple[Ledger, bytes, str]) -> None:
    ledger, model, contract = deal
    ledger.register(PUBLISHER, "consumer", "operator", "publisher")
    answer(call(ledger, contract, purchase(ledger, model), amount=PRICE + 500, by=PUBLISHER))
    held = ledger.balance(CONSUMER.address)
    done = call(ledger, contract, b"\x02", attachments=rows(1))
    assert answer(done).output == b"\x00"
    assert ledger.balance(CONSUMER.address) == held
    returned = done.events[-1].attributes
    assert (returned["recipient"], returned["amount"]) == (PUBLISHER.address, "500")


def test_the_oracle_refuses_what_its_text_does_not_name(deal: tuple[Ledger, bytes, str]) -> None:
    ledger, model, contract = deal
    for given in (b"", b"\x02", b"\x03", b"\x01", b"\x01" + bytes(60)):
        assert call(ledger, contract, given, attachments=rows(3)).code == "reverted"
    assert call(ledger, contract, b"\x01" + bytes(90)).status == "refused"
    answer(call(ledger, contract, purchase(ledger, model), amount=PRICE))
    again = call(ledger, contract, purchase(ledger, model), amount=PRICE)
    assert (again.code, again.output) == ("reverted", b"01 BENEFICIARY PURCHASE, once, or 02")
    assert ledger.balance(contract) == 0


def test_a_model_that_answers_otherwise_is_paid_and_moves_nothing(ledger: Ledger) -> None:
    """An answer of another width reverts; the call that was answered stays settled (MKT-6)."""
    ledger.register(OPERATOR, "consumer", "operator")
    model = ledger.publish(sign_model(TensorProto.FLOAT))
    ledger.ok(REGULATOR, "MODEL_APPROVE", ledger.approval(model))
    assert ledger.offer(model, PRICE).status == "ok"
    contract = deploy(ledger, example("escrowed_oracle"))
    answer(call(ledger, contract, purchase(ledger, model), amount=PRICE + 70))
    paid = ledger.balance(PUBLISHER.address)
    done = call(ledger, contract, b"\x02", attachments=rows(3))
    assert (done.status, done.code, len(done.receipts)) == ("refused", "reverted", 1)
    assert ledger.balance(contract) == 70
    assert ledger.balance(PUBLISHER.address) == paid + PRICE


def test_what_the_oracle_bought_comes_back_when_it_expires(
    deal: tuple[Ledger, bytes, str],
) -> None:
    ledger, model, contract = deal
    answer(call(ledger, contract, purchase(ledger, model), amount=PRICE))
    ledger.block(advance=366 * DAY)
    assert ledger.balance(contract) == PRICE
